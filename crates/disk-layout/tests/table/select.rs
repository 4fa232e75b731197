//! One partition of a disk, by what it is called, and what stands against it.

use disk_layout::{Error, KeptWhole, select};
use fixtures::ext::{Filesystem, Kind};

use crate::disk::Disk;
use crate::parts::{PLACES, filled, gpt, mbr};

#[test]
fn a_partition_is_found_by_what_it_is_called() {
    let mut disk = gpt();
    let found = |disk: &Disk, wanted: &str| select(&disk.0, None, wanted);
    assert_eq!(found(&disk, "2").unwrap().partition().unwrap().number, 2);
    let guid = "01010101-0101-0101-0101-010101010101";
    assert_eq!(found(&disk, guid).unwrap().partition().unwrap().number, 1);
    // Both have this name.
    let error = found(&disk, "p").unwrap_err();
    assert_eq!(error.to_string(), "2 of the partitions 1, 2 match \"p\"");
    let error = found(&disk, "3").unwrap_err();
    assert_eq!(error.to_string(), "0 of the partitions 1, 2 match \"3\"");
    let error = found(&filled(), "1").unwrap_err();
    assert!(
        matches!(error, Error::Partition { matches: 0, partitions, .. } if partitions.is_empty())
    );
    // The label of an ext filesystem is at byte 120 of its superblock.
    disk.put(1024 * 512 + 1024 + 120, b"data\0");
    assert_eq!(found(&disk, "data").unwrap().partition().unwrap().number, 2);
}

#[test]
fn the_rest_of_the_disk_can_leave_a_partition_in_doubt() {
    let doubt = |disk: &Disk| select(&disk.0, None, "1").unwrap().doubt;
    assert!(doubt(&mbr()).is_none() && doubt(&gpt()).is_none());
    let with = |change: &dyn Fn(&mut Disk)| {
        let mut disk = mbr();
        change(&mut disk);
        doubt(&disk).unwrap()
    };
    let overlapped = with(&|disk| {
        disk.slot(0, 3, 0x83, 100, 10);
    });
    assert!(matches!(overlapped, KeptWhole::DoubtfulPlace));
    let odd = with(&|disk| disk.0[446 + 16] = 0x7f);
    assert!(matches!(odd, KeptWhole::Table(_)));
    let member = with(&|disk| {
        disk.put(4096, b"\xfc\x4e\x2b\xa9");
    });
    assert!(matches!(member, KeptWhole::Claimed(_)));
    let [_, second] = PLACES;
    let hashed = with(&|disk| {
        disk.put(second as usize * 512, b"verity\0\0");
    });
    assert!(matches!(hashed, KeptWhole::Hashed(found) if found.at == second * 512));
    let made = Filesystem::new(Kind::Ext4).bytes;
    let whole = with(&|disk| {
        disk.put(1024, &made[1024..2048]);
    });
    assert_eq!(whole.to_string(), "the whole disk looks like ext4, too");
    // What is in doubt of another partition does not matter.
    let mut disk = mbr();
    disk.slot(0, 3, 0x83, second as u32 + 8, 8);
    assert!(doubt(&disk).is_none());
}
