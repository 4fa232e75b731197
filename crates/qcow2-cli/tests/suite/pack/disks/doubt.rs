//! One partition of a disk that leaves in doubt what is in it.

use fixtures::ext::{self, Filesystem, Kind};

use super::made::MIB;
use crate::bench::Bench;

const SECTORS: u32 = 2 * 2048;

/// A disk of 2 MiB with an ext4 of 256 KiB in partition 1 at sector 64, and old bytes in all
/// others. `slots` are the first sectors and the numbers of sectors in its MBR.
fn disk(slots: &[(u32, u32)]) -> Vec<u8> {
    let mut disk = vec![0xa5; usize::try_from(2 * MIB).unwrap()];
    let end = disk.len();
    // Where signatures may be there are none.
    disk[..64 * 512].fill(0);
    disk[end - 128 * 512..].fill(0);
    let made = Filesystem::new(Kind::Ext4).bytes;
    disk[64 * 512..][..made.len()].copy_from_slice(&made);
    for (index, (start, count)) in slots.iter().enumerate() {
        let at = 446 + 16 * index;
        disk[at + 4] = 0x83;
        disk[at + 8..at + 12].copy_from_slice(&start.to_le_bytes());
        disk[at + 12..at + 16].copy_from_slice(&count.to_le_bytes());
    }
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

/// Asserts that partition 1 is refused for `why`, and packed whole if that is asked for.
#[track_caller]
fn in_doubt(bench: &Bench, disk: &[u8], why: &str) {
    bench.write("disk", disk);
    let message = format!("disk: {why}; --content all takes its bytes as they are");
    for command in ["pack --partition 1 disk out", "blocks --partition 1 disk"] {
        bench.fails(command, 1, &message);
    }
    assert!(!bench.path("out").exists());
    bench.ok("pack --force --content all --partition 1 disk all");
    bench.ok("unpack --force all restored");
    let restored = bench.read("restored");
    assert!(disk[64 * 512..][..restored.len()] == restored);
    // The whole disk keeps it whole, too.
    let outcome = bench.run("blocks --output json disk");
    assert_eq!(outcome.code, Some(3), "{outcome:?}");
    let list: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    assert_eq!(list["totals"]["unused"], 0);
    // And nothing is given back.
    for options in ["", " --partition 1"] {
        let outcome = bench.run(&format!("punch{options} disk"));
        assert_eq!(outcome.code, Some(3), "{outcome:?}");
        assert!(bench.read("disk") == disk, "{options}: {outcome:?}");
    }
}

#[test]
fn a_partition_of_which_nothing_is_certain_is_not_taken_out() {
    let bench = Bench::new();
    let sound = [(64, 512), (1024, 512)];
    bench.write("disk", disk(&sound));
    let report = bench.ok("pack --output json --partition 1 disk sound");
    let free = ext::FREE.end - ext::FREE.start;
    let used = fixtures::number(&report, "used_bytes").unwrap();
    assert!(used <= ext::DISK_BYTES - free, "{report}");

    let place = "the partition table leaves in doubt where partition 1 lies, so nothing in it is \
                 proven free";
    in_doubt(&bench, &disk(&[(64, 512), (500, 512)]), place);
    let mut odd = disk(&sound);
    odd[446 + 16] = 0x7f;
    in_doubt(&bench, &odd, place);

    // A member of a RAID: its array is longer, and so is the table. The last partition that
    // begins on it goes to its end, where the superblock of the RAID is.
    let raid = 2048 * 1024 - 64 * 1024;
    let mut member = disk(&[(64, 512), (1024, SECTORS - 1024), (SECTORS + 512, 512)]);
    member[raid..raid + 4].copy_from_slice(b"\xfc\x4e\x2b\xa9");
    let why = "the disk is also claimed by Linux RAID (signature at byte 0x1f0000), so nothing in \
               partition 1 is proven free";
    in_doubt(&bench, &member, why);
    let mut member = disk(&sound);
    member[4096..4100].copy_from_slice(b"\xfc\x4e\x2b\xa9");
    in_doubt(&bench, &member, &why.replace("0x1f0000", "0x1000"));

    // Hashes in the other partition may be of this one.
    let mut hashed = disk(&sound);
    hashed[1024 * 512..][..4096].fill(0);
    hashed[1024 * 512..][..8].copy_from_slice(b"verity\0\0");
    let why = "dm-verity (at byte 0x80000 of the disk) may cover its free blocks, too, so nothing \
               in partition 1 is proven free";
    in_doubt(&bench, &hashed, why);

    // A filesystem on the whole disk, which was there before the table or is there now.
    let mut whole = disk(&sound);
    whole[1024..2048].copy_from_slice(&Filesystem::new(Kind::Ext4).bytes[1024..2048]);
    let why = "the whole disk looks like ext4, too, so nothing in partition 1 is proven free";
    in_doubt(&bench, &whole, why);
}
