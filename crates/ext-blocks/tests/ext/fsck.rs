//! e2fsck says of the metadata alone what it says of the whole filesystem,
//! damaged or not.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use blockio::ExtentKind;
use ext_blocks::Options;
use ext_blocks::discardable::Discardable;
use fixtures::{E2fs, SplitMix};

use crate::image::{answer, open};

const BYTES: usize = 12 << 20;

/// Every sort of map, table and checksum.
const SORTS: [&[&str]; 5] = [
    &["-t", "ext2"],
    &["-t", "ext3"],
    &["-t", "ext4", "-E", "lazy_itable_init=1"],
    &[
        "-t",
        "ext4",
        "-O",
        "^metadata_csum,uninit_bg,ea_inode,quota",
    ],
    &["-t", "ext4", "-O", "orphan_file,meta_bg,^resize_inode,mmp"],
];

/// Damaged filesystems of each sort.
const DAMAGED: usize = 12;

fn write_tree(folder: &Path) {
    let names = folder.join("names");
    fs::create_dir(&names).unwrap();
    for n in 0..200 {
        fs::write(names.join(format!("a name, number {n}")), b"").unwrap();
    }
    fs::write(folder.join("file"), SplitMix::new(1).bytes(700 << 10)).unwrap();
    symlink("long/".repeat(50), folder.join("long link")).unwrap();
    symlink("short", folder.join("short link")).unwrap();
}

/// The metadata of the filesystem on `disk`, and zeros elsewhere; `None` where
/// its superblock is not believed. What can be dropped is.
fn metadata(disk: &[u8]) -> Option<Vec<u8>> {
    let disk = disk.to_vec();
    let filesystem = open(&disk, &Options::default());
    let mut metadata = answer(filesystem.metadata()).ok()?;
    if let Ok(dropped) = answer(filesystem.discardable(Discardable::ALL)) {
        metadata.leave_out(&dropped);
    }
    let mut copy = vec![0; disk.len()];
    for extent in metadata.used_extents() {
        if extent.kind == ExtentKind::Data {
            let start = usize::try_from(extent.start).unwrap();
            let end = usize::try_from(extent.end()).unwrap();
            copy[start..end].copy_from_slice(&disk[start..end]);
        }
    }
    Some(copy)
}

/// Asserts that e2fsck says the same of both, and returns whether there was
/// anything to compare.
#[track_caller]
fn compares(e2fs: &E2fs, file: &Path, disk: &[u8], what: &str) -> bool {
    let Some(copy) = metadata(disk) else {
        return false;
    };
    let mut said = [disk, &copy].map(|bytes| {
        fs::write(file, bytes).unwrap();
        e2fs.fsck(&["-fn"], file).unwrap()
    });
    let [whole, alone] = said.each_mut();
    assert_eq!(alone.stdout, whole.stdout, "{what}");
    assert_eq!(alone.code, whole.code, "{what}");
    true
}

#[test]
fn e2fsck_says_the_same_of_the_metadata_alone() {
    let Some(e2fs) = E2fs::require() else { return };
    let folder = tempfile::tempdir().unwrap();
    let tree = folder.path().join("tree");
    fs::create_dir(&tree).unwrap();
    write_tree(&tree);
    let mut random = SplitMix::new(0);
    let mut below = |end: usize| {
        let end = u64::try_from(end).unwrap();
        usize::try_from(random.below(end)).unwrap()
    };
    let file = folder.path().join("image");
    for sort in SORTS {
        fs::write(&file, b"").unwrap();
        let from = ["-b", "1024", "-d", tree.to_str().unwrap()];
        let bytes = u64::try_from(BYTES).unwrap();
        e2fs.make(&file, bytes, &[sort, &from].concat()).unwrap();
        let disk = fs::read(&file).unwrap();
        assert!(compares(&e2fs, &file, &disk, "undamaged"));
        let alone = metadata(&disk).unwrap();
        let words: Vec<_> = (2048..BYTES)
            .step_by(4)
            .filter(|at| alone[*at] != 0)
            .collect();
        let mut compared = 0;
        for _ in 0..DAMAGED {
            let mut damaged = disk.clone();
            let (at, value) = (words[below(words.len())], below(BYTES / 1024));
            let value = u32::try_from(value).unwrap();
            damaged[at..at + 4].copy_from_slice(&value.to_le_bytes());
            let what = format!("{sort:?}: {value} at byte {at:#x}");
            compared += usize::from(compares(&e2fs, &file, &damaged, &what));
        }
        assert!(compared > DAMAGED / 2, "{sort:?}: {compared}");
    }
}
