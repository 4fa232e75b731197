//! XFS made by mkfs.xfs as the content of a disk: what else may claim it, and what is kept.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs::{self, File};

use blockio::{Extent, ExtentKind, ReadAt, Tiling};
use disk_layout::{Disk, Evidence, Keep, Kept, KeptWhole, Options, Report};
use fixtures::ext::{Filesystem, Kind};
use fixtures::require;

/// Filesystems smaller than 300 MB, which tests are allowed to make.
const SMALL: [(&str, &str); 3] = [("TEST_DIR", "t"), ("TEST_DEV", "t"), ("QA_CHECK_FS", "t")];

/// A disk of 40 MiB with XFS, made with `options`.
fn made(options: &str) -> Option<Vec<u8>> {
    let mkfs = require("mkfs.xfs")?;
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    File::create(&image).unwrap().set_len(40 << 20).unwrap();
    let words = options.split_whitespace();
    mkfs.ok(|command| {
        let command = command.envs(SMALL).args(["-q", "-L", "label"]);
        command.args(words).arg(&image)
    })
    .unwrap();
    Some(fs::read(&image).unwrap())
}

/// The report on `disk`, and how many of its bytes are free.
fn look(disk: &[u8], set: impl FnOnce(&mut Options<'_>), then: impl FnOnce(&Report)) -> u64 {
    let mut options = Options::default();
    set(&mut options);
    let disk = Disk::open(disk, &options).unwrap();
    let size = disk.size();
    let extents: Vec<Extent> = disk.extents(0..size).map(Result::unwrap).collect();
    assert!(blockio::tiles(extents.iter().copied(), size));
    then(disk.report());
    let free = extents.iter().filter(|one| one.kind == ExtentKind::Free);
    free.map(|one| one.length).sum()
}

#[test]
fn a_sound_filesystem_decides() {
    let Some(disk) = made("") else { return };
    let free = look(
        &disk,
        |_| (),
        |report| {
            assert_eq!(report.kept, Kept::Used);
            assert!(report.kept_whole.is_none());
            assert_eq!(report.evidence, Some(Evidence::References));
            assert_eq!((report.damage.total, report.notes.len()), (0, 0));
            let filesystem = report.filesystem.as_ref().unwrap();
            assert_eq!(
                (filesystem.kind, &filesystem.label[..]),
                ("XFS", &b"label"[..])
            );
            assert_eq!(filesystem.blocks.unwrap().bytes, 4096);
            assert_eq!(filesystem.blocks.unwrap().count, 10_240);
        },
    );
    assert!(free > 30 << 20, "{free}");
    let metadata = look(
        &disk,
        |options| options.keep = Keep::Metadata,
        |report| {
            assert_eq!(report.kept, Kept::Metadata);
            assert_eq!(report.unit_bytes, Some(4096));
        },
    );
    // That of a new filesystem is all there is, but the AGFLs.
    assert!((free..free + (1 << 20)).contains(&metadata));
    let in_use = look(
        &disk,
        |options| options.in_use = Some("somebody writes to it".into()),
        |report| {
            let why = report.kept_whole.as_ref().unwrap().to_string();
            assert_eq!(why, "somebody writes to it, so nothing is proven free");
        },
    );
    assert_eq!(in_use, 0);
}

#[track_caller]
fn kept_whole(disk: &[u8], why: &str) {
    let free = look(
        disk,
        |_| (),
        |report| {
            let found = report.kept_whole.as_ref().map(KeptWhole::to_string);
            assert_eq!(found.as_deref(), Some(why));
        },
    );
    assert_eq!(free, 0);
}

#[test]
fn whatever_else_claims_it_keeps_it_whole() {
    // In version 4 the rest of a long first sector has no checksum.
    let Some(disk) = made("-m crc=0 -s size=4096") else {
        return;
    };
    assert!(look(&disk, |_| (), |_| ()) > 30 << 20);
    let mut swap = disk.clone();
    swap[4086..4096].copy_from_slice(b"SWAPSPACE2");
    kept_whole(
        &swap,
        "it looks like more than one filesystem, so nothing is proven free",
    );
    let mut volume = disk.clone();
    volume[512..520].copy_from_slice(b"LABELONE");
    kept_whole(
        &volume,
        "the disk is also claimed by LVM2 (signature at byte 0x200)",
    );
    // A superblock of ext, which is asked first, and is claimed by that of XFS.
    let mut ext = disk;
    ext[1024..2048].copy_from_slice(&Filesystem::new(Kind::Ext2).bytes[1024..2048]);
    kept_whole(
        &ext,
        "the disk is also claimed by XFS (signature at byte 0x0)",
    );
}

#[test]
fn a_superblock_that_is_not_believed_keeps_it_whole() {
    let Some(mut disk) = made("") else { return };
    disk[300] ^= 1;
    let free = look(
        &disk,
        |_| (),
        |report| {
            let why = report.kept_whole.as_ref().unwrap().to_string();
            assert!(
                why.starts_with("the XFS superblock's checksum is 0x"),
                "{why}"
            );
        },
    );
    assert_eq!(free, 0);
    let mut options = Options::default();
    options.keep = Keep::Metadata;
    let error = Disk::open(&disk[..], &options).unwrap_err().to_string();
    let start = "no metadata can be told from data: the XFS superblock's checksum is 0x";
    assert!(error.starts_with(start), "{error}");
}
