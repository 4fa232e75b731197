//! btrfs among everything else that may be on a disk.

#![expect(clippy::unwrap_used, reason = "helpers of tests may panic")]

use std::fs::{self, File};

use blockio::{Extent, ExtentKind, Tiling};
use disk_layout::{Disk, Error, Evidence, Keep, Kept, KeptWhole, Options, Report};
use fixtures::ext::{Filesystem, Kind};

const MIB: usize = 1 << 20;

/// A filesystem of 64 MiB in a disk of 70, if there is a mkfs.btrfs.
fn make() -> Option<Vec<u8>> {
    let mkfs = fixtures::require("mkfs.btrfs")?;
    let folder = tempfile::tempdir().unwrap();
    let (files, image) = (folder.path().join("files"), folder.path().join("image"));
    fs::create_dir(&files).unwrap();
    fs::write(files.join("file"), b"contents".repeat(20_000)).unwrap();
    File::create(&image).unwrap().set_len(64 << 20).unwrap();
    let arguments = ["-q", "--mixed", "-L", "a-label", "--rootdir"];
    mkfs.ok(|command| command.args(arguments).args([&files, &image]))
        .unwrap();
    let mut bytes = fs::read(image).unwrap();
    bytes.resize(70 * MIB, 0);
    Some(bytes)
}

fn look<T>(
    disk: &Vec<u8>,
    change: impl FnOnce(&mut Options<'_>),
    take: impl FnOnce(&Report, Vec<Extent>) -> T,
) -> Result<T, Error> {
    let mut options = Options::default();
    change(&mut options);
    let opened = Disk::open(disk, &options)?;
    let size = blockio::len_u64(disk.len());
    let extents: Vec<_> = opened.extents(0..size).map(Result::unwrap).collect();
    assert!(blockio::tiles(extents.iter().copied(), size));
    Ok(take(opened.report(), extents))
}

fn data(extents: &[Extent]) -> u64 {
    let data = extents.iter().filter(|run| run.kind == ExtentKind::Data);
    data.map(|run| run.length).sum()
}

/// Why all of `disk` is kept.
#[track_caller]
fn whole(disk: &Vec<u8>) -> String {
    let answer = look(
        disk,
        |_| {},
        |report, extents| {
            assert_eq!(data(&extents), blockio::len_u64(disk.len()));
            report.kept_whole.as_ref().map(KeptWhole::to_string)
        },
    );
    answer.unwrap().unwrap()
}

#[test]
fn what_it_calls_free_is_free() {
    let Some(disk) = make() else { return };
    let used = look(
        &disk,
        |_| {},
        |report, extents| {
            assert_eq!(report.kept, Kept::Used);
            assert!(report.kept_whole.is_none());
            assert_eq!(report.evidence, Some(Evidence::References));
            let found = report.filesystem.as_ref().unwrap();
            assert_eq!((found.kind, &found.label[..]), ("btrfs", &b"a-label"[..]));
            let blocks = found.blocks.unwrap();
            assert_eq!((blocks.bytes, blocks.count), (4096, 16384));
            data(&extents)
        },
    )
    .unwrap();
    let metadata = look(
        &disk,
        |options| options.keep = Keep::Metadata,
        |report, extents| {
            assert_eq!(
                (report.kept, report.unit_bytes),
                (Kept::Metadata, Some(4096))
            );
            data(&extents)
        },
    )
    .unwrap();
    // The file, of 160,000 bytes.
    assert_eq!(used - metadata, 163_840);
    let none = look(&disk, |options| options.keep = Keep::Ext, |_, _| ());
    assert!(matches!(none, Err(Error::NoFilesystem)));
}

#[test]
fn what_else_claims_the_disk_keeps_all_of_it() {
    let Some(made) = make() else { return };
    let mut disk = made.clone();
    disk[512..520].copy_from_slice(b"LABELONE");
    disk[536..544].copy_from_slice(b"LVM2 001");
    assert!(
        whole(&disk).contains("also claimed by LVM2"),
        "{}",
        whole(&disk)
    );
    // An ext filesystem that is as sound as the btrfs.
    let ext = Filesystem::new(Kind::Ext2).bytes;
    let mut disk = made.clone();
    let length = ext.len().min(60 << 10);
    disk[..length].copy_from_slice(&ext[..length]);
    assert!(whole(&disk).contains("btrfs"), "{}", whole(&disk));
    // Damaged, it proves nothing.
    let mut disk = made;
    disk[0x1_0100] ^= 1;
    assert!(whole(&disk).contains("superblock"), "{}", whole(&disk));
    let refused = look(&disk, |options| options.keep = Keep::Metadata, |_, _| ());
    assert!(matches!(refused, Err(Error::NoMetadata { .. })));
}

#[test]
fn in_a_partition_it_is_the_same() {
    let Some(made) = make() else { return };
    let mut disk = vec![0; 2 * MIB];
    disk.extend(&made[..64 * MIB]);
    // One entry of type 0x83, of 64 MiB from 2 MiB on.
    disk[446 + 4] = 0x83;
    disk[446 + 8..446 + 12].copy_from_slice(&4096u32.to_le_bytes());
    disk[446 + 12..446 + 16].copy_from_slice(&131_072u32.to_le_bytes());
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    let alone = look(&made, |_| {}, |_, extents| data(&extents)).unwrap();
    look(
        &disk,
        |_| {},
        |report, extents| {
            let layout = report.layout.as_ref().unwrap();
            let [part] = &layout.parts[..] else { panic!() };
            assert_eq!(part.report.kept, Kept::Used);
            assert_eq!(part.report.filesystem.as_ref().unwrap().kind, "btrfs");
            // The gap before it is kept, and there is none after it.
            assert_eq!(data(&extents), alone - (6 << 20) + (2 << 20));
        },
    )
    .unwrap();
}
