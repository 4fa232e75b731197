//! NTFS as a part of disks: what else may claim it, and what is told of it.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs::{self, File};

use blockio::{Extent, ExtentKind, Tiling};
use disk_layout::{Disk, Error, Evidence, Keep, Kept, KeptWhole, Options, select};
use fixtures::ext::{Filesystem, Kind};
use fixtures::require;

/// Bytes of the volume, and where it begins in a disk with a partition.
const BYTES: u64 = 8 << 20;
const START: usize = 1 << 20;

/// A volume as mkntfs makes it.
fn volume() -> Option<Vec<u8>> {
    let mkntfs = require("mkntfs")?;
    let file = tempfile::NamedTempFile::new().unwrap();
    File::create(file.path()).unwrap().set_len(BYTES).unwrap();
    let options = ["-F", "-q", "-Q", "-L", "a name", "-p", "0", "-H", "0"];
    mkntfs
        .ok(|command| command.args(options).args(["-S", "0"]).arg(file.path()))
        .unwrap();
    Some(fs::read(file.path()).unwrap())
}

/// A disk with that volume in its only partition.
fn partitioned(volume: &[u8]) -> Vec<u8> {
    let mut disk = vec![0; START];
    disk.extend_from_slice(volume);
    let sectors = |bytes: usize| u32::try_from(bytes / 512).unwrap().to_le_bytes();
    disk[450] = 7;
    disk[454..458].copy_from_slice(&sectors(START));
    disk[458..462].copy_from_slice(&sectors(volume.len()));
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk
}

fn free_bytes(disk: &impl Tiling, size: u64) -> u64 {
    let extents = disk.extents(0..size).map(Result::unwrap);
    let free = extents.filter(|extent| extent.kind == ExtentKind::Free);
    free.map(|extent: Extent| extent.length).sum()
}

/// Why all of the disk `bytes` is kept.
#[track_caller]
fn kept(bytes: &Vec<u8>) -> String {
    let disk = Disk::open(bytes, &Options::default()).unwrap();
    assert_eq!(disk.report().kept, Kept::All);
    assert_eq!(free_bytes(&disk, BYTES), 0);
    disk.report().kept_whole.as_ref().unwrap().to_string()
}

#[test]
fn what_is_free_in_a_volume_is_free_on_its_disk() {
    let Some(volume) = volume() else { return };
    let disk = Disk::open(&volume, &Options::default()).unwrap();
    let report = disk.report();
    assert_eq!((report.kept, report.damage.total), (Kept::Used, 0));
    assert_eq!(report.evidence, Some(Evidence::References));
    assert_eq!(report.repaired_by, Some("chkdsk /f"));
    let found = report.filesystem.as_ref().unwrap();
    assert_eq!((found.kind, &found.label[..]), ("NTFS", &b"a name"[..]));
    let serial = u64::from_le_bytes(*volume[72..].first_chunk().unwrap());
    assert_eq!(found.id(), Some(format!("{serial:016X}")));
    let blocks = found.blocks.unwrap();
    assert_eq!((blocks.bytes, blocks.count), (4096, 2047));
    let free = free_bytes(&disk, BYTES);
    assert!(free > 4 << 20, "{free}");

    let whole = partitioned(&volume);
    let disk = Disk::open(&whole, &Options::default()).unwrap();
    assert_eq!(free_bytes(&disk, BYTES + (1 << 20)), free);
    for name in ["1", "a name", &format!("{serial:016x}")] {
        let found = select(&whole, None, name).unwrap();
        assert_eq!(found.partition().unwrap().number, 1, "{name}");
    }
}

#[test]
fn another_claim_keeps_the_volume() {
    let Some(volume) = volume() else { return };
    let with = |at: usize, bytes: &[u8]| {
        let mut other = volume.clone();
        other[at..at + bytes.len()].copy_from_slice(bytes);
        other
    };
    for (at, bytes, by) in [
        (64 << 10, &b"\x01\x16\x19\x70"[..], "GFS"),
        (volume.len() - 512, b"EFI PART", "GPT"),
        (0xff6, b"SWAPSPACE2", "swap"),
        (7, b"    ", ""),
    ] {
        let other = with(at, bytes);
        if by.is_empty() {
            // The control: the name of NTFS ends with spaces.
            assert_eq!(other, volume);
            continue;
        }
        let why = kept(&other);
        assert!(why.contains("also claimed by") && why.contains(by), "{why}");
    }
    // One that has a provider of its own.
    kept(&with((64 << 10) + 64, b"_BHRfS_M"));
    // An MBR of a disk that was partitioned later.
    let mut entry = vec![0; 66];
    entry[4] = 0x83;
    entry[8] = 8;
    entry[12] = 8;
    entry[64..].copy_from_slice(&[0x55, 0xaa]);
    let why = kept(&with(446, &entry));
    assert!(why.contains("MBR"), "{why}");
}

#[test]
fn ext_and_ntfs_stand_against_each_other() {
    let Some(volume) = volume() else { return };
    let ext = Filesystem::new(Kind::Ext2).bytes;
    let mut both = ext;
    both[..512].copy_from_slice(&volume[..512]);
    both.resize(volume.len(), 0);
    let why = kept(&both);
    assert!(why.contains("also claimed by NTFS"), "{why}");
}

#[test]
fn an_encrypted_volume_is_not_ntfs() {
    let Some(mut volume) = volume() else { return };
    volume[3..11].copy_from_slice(b"-FVE-FS-");
    let disk = Disk::open(&volume, &Options::default()).unwrap();
    assert_eq!(disk.report().kept, Kept::All);
    assert!(disk.report().filesystem.is_none());
    let whole = partitioned(&volume);
    let disk = Disk::open(&whole, &Options::default()).unwrap();
    let part = &disk.report().layout.as_ref().unwrap().parts[0];
    let looks_like = part.looks_like.unwrap().claim.to_string();
    assert_eq!(looks_like, "BitLocker");
}

#[test]
fn a_volume_that_is_not_believed_or_in_use_is_kept() {
    let Some(volume) = volume() else { return };
    let mut odd = volume.clone();
    odd[510] = 0;
    assert_eq!(kept(&odd), "boot sector field signature is 43520");
    let mut options = Options::default();
    options.in_use = Some("it is mounted".into());
    let disk = Disk::open(&volume, &options).unwrap();
    assert!(matches!(
        disk.report().kept_whole,
        Some(KeptWhole::InUse { .. })
    ));
    let mut options = Options::default();
    options.keep = Keep::Metadata;
    let refused = Disk::open(&volume, &options).map(|_| ()).unwrap_err();
    let Error::NoMetadata { why } = refused else {
        panic!("{refused}")
    };
    assert_eq!(why, "the filesystem is NTFS");
}
