//! Disks with partitions that hold filesystems: what of them is free.

use std::ops::Range;

use blockio::{ExtentKind, ReadAt, Tiling};
use disk_layout::{Disk as Parts, Error, Keep, KeptWhole, Options, Report};
use fixtures::ext::{self, Filesystem, Kind};

use crate::disk::{Disk, MIB, Shape};

/// Where the two filesystems are, in sectors: 512 each.
pub(crate) const PLACES: [u64; 2] = [64, 1024];
const SECTORS: u64 = 512;

/// The bytes that are free in the filesystem at sector `sector`.
fn free_at(sector: u64) -> Range<u64> {
    sector * 512 + ext::FREE.start..sector * 512 + ext::FREE.end
}

/// A disk of 2 MiB with ext2 at both places, and no table. No byte is zero that is free, or
/// lies between.
pub(crate) fn filled() -> Disk {
    let mut disk = Disk(vec![0xa5; 2 << 20]);
    disk.put(0, &[0; 64 * 512]);
    disk.put((2 << 20) - 64 * 512, &[0; 64 * 512]);
    let made = Filesystem::new(Kind::Ext2).bytes;
    for sector in PLACES {
        disk.put(sector as usize * 512, &made);
    }
    disk
}

pub(crate) fn mbr() -> Disk {
    let mut disk = filled();
    for (slot, sector) in PLACES.into_iter().enumerate() {
        disk.slot(0, slot + 1, 0x83, sector as u32, SECTORS as u32);
    }
    disk
}

pub(crate) fn gpt() -> Disk {
    let mut disk = filled();
    let [one, two] = PLACES;
    let parts = [(1, one, one + SECTORS - 1), (2, two, two + SECTORS - 1)];
    disk.gpt(&Shape::usual(2 << 20, 512), &parts);
    disk
}

/// The bytes of `disk` that are free, and what is said of it.
#[track_caller]
fn look<T>(disk: &Disk, take: impl FnOnce(&Report, Vec<Range<u64>>) -> T) -> T {
    let parts = Parts::open(&disk.0, &Options::default()).unwrap();
    let size = disk.0.size();
    let extents: Vec<_> = parts.extents(0..size).map(Result::unwrap).collect();
    assert!(blockio::tiles(extents.iter().copied(), size));
    let free = extents.iter().filter(|one| one.kind == ExtentKind::Free);
    take(parts.report(), free.map(blockio::Extent::range).collect())
}

#[track_caller]
fn free(disk: &Disk) -> Vec<Range<u64>> {
    look(disk, |_, free| free)
}

/// Why the disk is kept whole, and its partitions.
#[track_caller]
fn why(disk: &Disk) -> (Option<String>, Vec<Option<String>>) {
    let text = |report: &Report| report.kept_whole.as_ref().map(KeptWhole::to_string);
    look(disk, |report, _| {
        let layout = report.layout.as_ref();
        let parts = layout.map_or(&[][..], |layout| &layout.parts);
        let parts = parts.iter().map(|part| text(&part.report));
        (text(report), parts.collect())
    })
}

#[test]
fn what_is_free_in_a_partition_is_free_on_the_disk() {
    for disk in [mbr(), gpt()] {
        assert_eq!(free(&disk), PLACES.map(free_at));
        assert_eq!(why(&disk), (None, vec![None, None]));
        look(&disk, |report, _| {
            let layout = report.layout.as_ref().unwrap();
            let kinds = layout.parts.iter().map(|part| &part.report.filesystem);
            let kinds: Vec<_> = kinds.map(|found| found.as_ref().unwrap().kind).collect();
            assert_eq!(kinds, ["ext4", "ext4"]);
            assert_eq!(
                (report.filesystem.is_none(), report.damage.total),
                (true, 0)
            );
            assert!(report.notes.is_empty());
        });
    }
}

#[test]
fn hashes_in_another_partition_may_cover_what_is_free() {
    for magic in [&b"verity\0\0"[..], b"AVB0\0\0\0\x01"] {
        let mut disk = mbr();
        let [_, second] = PLACES;
        disk.put(second as usize * 512, &vec![0; 4096]);
        disk.put(second as usize * 512, magic);
        assert_eq!(free(&disk), [0..0; 0]);
        let (whole, parts) = why(&disk);
        let name = if magic[0] == b'v' {
            "dm-verity"
        } else {
            "Android verified boot (AVB)"
        };
        let first = format!("{name} (at byte 0x80000 of the disk) may cover its free blocks, too");
        assert_eq!((whole, parts), (None, vec![Some(first), None]));
        // A partition in doubt holds them as well.
        disk.slot(0, 3, 0x83, second as u32 + 8, 8);
        assert_eq!(free(&disk), [0..0; 0]);
    }
}

#[test]
fn usage_counts_a_part() {
    let disk = mbr();
    let parts = Parts::open(&disk.0, &Options::default()).unwrap();
    let count = ext::FREE.end - ext::FREE.start;
    let usage = parts.usage(64 * 512..576 * 512).unwrap();
    assert_eq!(
        (usage.used_bytes, usage.free_bytes),
        (SECTORS * 512 - count, count)
    );
    let usage = parts.usage(0..2 * MIB).unwrap();
    assert_eq!(usage.free_bytes, 2 * count);
}

/// Whatever a byte of the table says, no byte becomes free that is not free in one of the
/// filesystems, where they really are.
#[test]
fn no_field_of_a_table_makes_a_byte_free() {
    let proven = PLACES.map(free_at);
    let is_proven = |range: &Range<u64>| {
        let mut proven = proven.iter();
        proven.any(|free| free.start <= range.start && range.end <= free.end)
    };
    let values = [0x00, 0x01, 0x05, 0x0f, 0x40, 0x7f, 0x80, 0x83, 0xee, 0xff];
    for (sound, places, seal) in [
        (mbr(), vec![440..512], false),
        (gpt(), vec![440..512, 512..604, 1024..1024 + 256], true),
    ] {
        for at in places.into_iter().flatten() {
            for value in values {
                let mut disk = sound.clone();
                disk.0[at] = value;
                let wrong = free(&disk).into_iter().find(|range| !is_proven(range));
                assert_eq!(wrong, None, "byte {at} is {value:#x}");
                if seal && at >= 512 {
                    let array = disk.0[1024..1024 + 128 * 128].to_vec();
                    let crc = crate::disk::crc32(&array);
                    if at >= 1024 {
                        disk.put(512 + 88, &crc.to_le_bytes());
                    }
                    disk.seal(512);
                    let wrong = free(&disk).into_iter().find(|range| !is_proven(range));
                    assert_eq!(wrong, None, "byte {at} is {value:#x}, sealed");
                }
            }
        }
    }
}

#[test]
fn partitions_in_doubt_are_kept_whole() {
    // It overlaps the other one.
    let mut disk = mbr();
    disk.slot(0, 3, 0x83, 1100, 10);
    assert_eq!(free(&disk), [free_at(64)]);
    let doubt = Some("its place in the partition table is in doubt".to_owned());
    assert_eq!(why(&disk), (None, vec![None, doubt.clone(), doubt.clone()]));
    look(&disk, |report, _| {
        let overlap =
            |number| format!("partition table: partition {number} overlaps another partition");
        assert_eq!(report.damage.lines, [overlap(2), overlap(3)]);
    });
    // It passes the end of the disk.
    let mut disk = mbr();
    disk.slot(0, 2, 0x83, 1024, 1 << 20);
    assert_eq!(free(&disk), [free_at(64)]);
    assert_eq!(why(&disk), (None, vec![None, doubt]));
    // The filesystem passes the end of its partition.
    let mut disk = mbr();
    disk.slot(0, 2, 0x83, 1024, 300);
    assert_eq!(free(&disk), [free_at(64)]);
    let (whole, parts) = why(&disk);
    assert!(
        whole.is_none() && parts[0].is_none() && parts[1].is_some(),
        "{parts:?}"
    );
    look(&disk, |report, _| {
        let note = report.notes.first().unwrap();
        assert!(note.starts_with("partition 2 is kept whole: "), "{note}");
    });
}

#[test]
fn a_table_in_doubt_keeps_the_disk_whole() {
    let mut disk = gpt();
    disk.0[510] = 0;
    assert_eq!(free(&disk), []);
    let (whole, parts) = why(&disk);
    let want = "the partition table is in doubt: a sound GPT without a protective MBR";
    assert_eq!(whole.as_deref(), Some(want));
    assert_eq!(parts, [None, None]);
    let mut disk = mbr();
    disk.0[446 + 16] = 0x7f;
    assert_eq!(free(&disk), []);
    let (whole, _) = why(&disk);
    let want = "the partition table is in doubt: slot 2 of the MBR has the status 0x7f, allowed \
                are 0x00 and 0x80";
    assert_eq!(whole.as_deref(), Some(want));
}

#[test]
fn a_filesystem_on_the_whole_disk_beside_a_table_keeps_the_disk_whole() {
    let made = Filesystem::new(Kind::Ext2).bytes;
    // Also beside an entry with a type of 0, one without sectors, one with an odd status, and
    // one that passes the end.
    for (status, kind, start, count) in [
        (0, 0x83, 2048, 10),
        (0, 0, 2048, 10),
        (0x80, 0x83, 2048, 0),
        (0x42, 0x83, 2048, 10),
        (0, 0x83, 2048, u32::MAX),
    ] {
        let mut disk = mbr();
        disk.slot(0, 3, kind, start, count)
            .put(446 + 32, &[status])
            .put(1024, &made[1024..32 * 1024]);
        assert_eq!(free(&disk), []);
        let want = "the disk is also claimed by an MBR partition table (signature at byte 0x1fe)";
        assert_eq!(why(&disk), (Some(want.to_owned()), vec![]));
    }
}

#[test]
fn other_claims_to_a_disk_with_a_table_keep_it_whole() {
    // RAID between the table and the first partition; at the end of the disk.
    for (at, magic) in [
        (4096, b"\xfc\x4e\x2b\xa9"),
        ((2 << 20) - (64 << 10), b"\xfc\x4e\x2b\xa9"),
    ] {
        let mut disk = mbr();
        disk.put(at, magic);
        assert_eq!(free(&disk), []);
        let want = format!("the disk is also claimed by Linux RAID (signature at byte {at:#x})");
        assert_eq!(why(&disk), (Some(want), vec![None, None]));
    }
}

/// The superblock at the end of a member is that of the disk, though a partition has its
/// bytes, if the table is that of the longer array.
#[test]
fn a_table_that_passes_the_end_may_be_that_of_an_array() {
    let at = (2 << 20) - (64 << 10);
    let mut member = mbr();
    member
        .slot(0, 3, 0x83, 2048, 2048)
        .slot(0, 4, 0x83, 5000, 1000)
        .put(at, b"\xfc\x4e\x2b\xa9");
    assert_eq!(free(&member), []);
    let want = format!("the disk is also claimed by Linux RAID (signature at byte {at:#x})");
    assert_eq!(why(&member).0, Some(want));
}

#[test]
fn a_claim_at_the_end_of_a_partition_is_that_of_the_partition() {
    let mut disk = mbr();
    let at = (2 << 20) - (64 << 10);
    disk.slot(0, 3, 0xfd, 2048, 2048)
        .put(at, b"\xfc\x4e\x2b\xa9");
    assert_eq!(free(&disk), PLACES.map(free_at));
    let (whole, parts) = why(&disk);
    let want = format!("the disk is also claimed by Linux RAID (signature at byte {at:#x})");
    assert_eq!((whole, &parts[..]), (None, &[None, None, Some(want)][..]));
}

#[test]
fn other_claims_in_a_partition_keep_it_whole() {
    // A table in a partition is not looked into.
    let mut disk = mbr();
    disk.slot(1024 * 512, 1, 0x83, 100, 10);
    assert_eq!(free(&disk), [free_at(64)]);
    let want = "the disk is also claimed by an MBR partition table (signature at byte 0x1fe)";
    assert_eq!(why(&disk).1, [None, Some(want.to_owned())]);
}

#[test]
fn unknown_content_is_named_and_no_reason() {
    let mut disk = mbr();
    disk.slot(0, 3, 0x8e, 2048, 1024);
    disk.put(2048 * 512, b"LUKS\xba\xbe");
    assert_eq!(free(&disk), PLACES.map(free_at));
    assert_eq!(why(&disk), (None, vec![None; 3]));
    look(&disk, |report, _| {
        let part = &report.layout.as_ref().unwrap().parts[2];
        assert_eq!(part.looks_like.unwrap().claim.name(), "LUKS");
        assert!(report.notes.is_empty());
    });
}

#[test]
fn what_one_filesystem_has_needs_one_partition() {
    let disk = mbr();
    let with = |change: fn(&mut Options<'_>)| {
        let mut options = Options::default();
        change(&mut options);
        Parts::open(&disk.0, &options).unwrap_err()
    };
    for error in [
        with(|options| options.keep = Keep::Metadata),
        with(|options| options.keep = Keep::Ext),
        with(|options| options.preliminary = true),
    ] {
        let text = "this needs one partition, and there are 1, 2";
        assert!(matches!(error, Error::NeedsPartition { .. }), "{error:?}");
        assert_eq!(error.to_string(), text);
    }
    // Nothing is looked at.
    let mut options = Options::default();
    options.keep = Keep::All;
    let all = Parts::open(&disk.0, &options).unwrap();
    assert!(all.report().layout.is_none());
}

#[test]
fn a_disk_in_use_is_kept_whole() {
    let disk = mbr();
    let mut options = Options::default();
    options.in_use = Some("it is mounted".into());
    let parts = Parts::open(&disk.0, &options).unwrap();
    assert_eq!(parts.usage(0..2 * MIB).unwrap().free_bytes, 0);
    let why = parts.report().kept_whole.as_ref().unwrap().to_string();
    assert_eq!(why, "it is mounted, so nothing is proven free");
    assert!(parts.report().notes.is_empty());
}

/// A FAT12 of 64 clusters as `mkfs.fat --mbr=y` makes it: its boot sector has a table, in
/// which the filesystem itself is the only partition.
#[test]
fn a_fat_whose_boot_sector_holds_itself_is_no_table() {
    let fat = |start: u32| {
        let mut disk = Disk(vec![0; 80 * 512]);
        disk.put(0, b"\xeb\x3c\x90mkfs.fat")
            .put(11, &[0, 2, 1, 1, 0, 1, 16, 0, 80, 0, 0xf8, 1, 0]);
        disk.put(512, &[0xf8, 0xff, 0xff]);
        disk.slot(0, 1, 1, start, 80 - start);
        disk
    };
    let disk = fat(0);
    look(&disk, |report, free| {
        assert_eq!(report.filesystem.as_ref().unwrap().kind, "FAT12");
        // The boot sector, one FAT, one sector of root directory.
        assert_eq!(free, [3 * 512..80 * 512]);
        assert!(report.layout.is_none() && report.kept_whole.is_none());
    });
    let disk = fat(8);
    assert_eq!(free(&disk), []);
    let want = "the disk is also claimed by an MBR partition table (signature at byte 0x1fe)";
    assert_eq!(why(&disk), (Some(want.to_owned()), vec![]));
}
