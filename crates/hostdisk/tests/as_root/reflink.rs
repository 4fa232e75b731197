//! Files that share blocks, on filesystems that can.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use blockio::{ReadAt, WriteAt, len_u64};
use hostdisk::{Target, TargetOptions};
use tempfile::TempDir;

use crate::tools::{Loop, Mount, can_run, file_of_zeros, run};

/// What both filesystems accept, and more than both need.
const FILESYSTEM_BYTES: u64 = 512 << 20;

const MIB: u64 = 1 << 20;

/// Length of the source: whole blocks, and a bit.
const SOURCE_BYTES: u64 = 8 * MIB + 100;

/// Runs `test` in the root of a new filesystem of every kind that shares.
fn on_each_filesystem(name: &str, test: impl Fn(&Path)) {
    for filesystem in ["btrfs", "xfs"] {
        let mkfs = &format!("mkfs.{filesystem}");
        if !can_run(&format!("{name}, {mkfs}"), &[mkfs, "filefrag"]) {
            continue;
        }
        if !kernel_knows(filesystem) {
            eprintln!("SKIPPED: {name}: no {filesystem} in this kernel");
            continue;
        }
        let (folder, path) = file_of_zeros(FILESYSTEM_BYTES);
        run(mkfs, ["-q".as_ref(), path.as_os_str()]);
        let device = Loop::over(&path, &[]);
        let mount = Mount::new(&device.0, folder.path().join("place"), "rw");
        test(&mount.0);
    }
}

/// Whether the kernel has the filesystem, or can load it.
pub(crate) fn kernel_knows(filesystem: &str) -> bool {
    let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let loaded = || Command::new("modprobe").arg(filesystem).status();
    known.split_whitespace().any(|name| name == filesystem)
        || loaded().is_ok_and(|status| status.success())
}

/// Bytes that no two blocks have in common.
fn content() -> Vec<u8> {
    (0..SOURCE_BYTES)
        .map(|at| (at ^ at >> 8 ^ at >> 16).to_le_bytes()[0])
        .collect()
}

fn source(folder: &Path) -> File {
    let path = folder.join("source");
    fs::write(&path, content()).unwrap();
    File::open(path).unwrap()
}

/// What `filefrag` says of the file: a line for each extent.
fn extents(path: &Path) -> Vec<String> {
    let told = run("filefrag", ["-v".as_ref(), path.as_os_str()]);
    let lines = told.lines().skip_while(|line| !line.contains("flags:"));
    lines
        .skip(1)
        .filter(|line| line.contains(".."))
        .map(str::to_owned)
        .collect()
}

#[test]
fn shared_blocks_are_in_both_files() {
    on_each_filesystem("shared blocks", |folder| {
        let source = source(folder);
        let path = folder.join("new");
        let target = Target::create(&path, &TargetOptions::default()).unwrap();
        target.write_at(0, &[1; 4096]).unwrap();
        target.share_at(2 * MIB, &source, MIB, 3 * MIB).unwrap();
        assert_eq!(target.size(), 5 * MIB);
        // The tail of a file is no whole block.
        target.share_at(8 * MIB, &source, 8 * MIB, 100).unwrap();
        assert_eq!(target.size(), 8 * MIB + 100);
        target.commit().unwrap();

        let (stored, content) = (fs::read(&path).unwrap(), content());
        let part =
            |start: u64, end: u64| usize::try_from(start).unwrap()..usize::try_from(end).unwrap();
        assert_eq!(len_u64(stored.len()), SOURCE_BYTES);
        assert!(stored[part(2 * MIB, 5 * MIB)] == content[part(MIB, 4 * MIB)]);
        assert!(stored[part(8 * MIB, SOURCE_BYTES)] == content[part(8 * MIB, SOURCE_BYTES)]);
        assert!(blockio::is_zero(&stored[part(5 * MIB, 8 * MIB)]));
        assert!(stored[..4096].iter().all(|byte| *byte == 1));

        let extents = extents(&path);
        assert!(extents.len() >= 3, "{extents:?}");
        for extent in &extents[1..] {
            assert!(extent.contains("shared"), "{extents:?}");
        }
        assert!(!extents[0].contains("shared"), "{extents:?}");
    });
}

#[test]
fn a_write_to_one_file_does_not_change_the_other() {
    on_each_filesystem("writes to shared blocks", |folder| {
        let file = source(folder);
        let path = folder.join("new");
        let target = Target::create(&path, &TargetOptions::default()).unwrap();
        target.share_at(0, &file, 0, SOURCE_BYTES).unwrap();
        target.write_at(10, b"target").unwrap();
        target.write_zeroes(MIB, MIB).unwrap();
        assert!(fs::read(folder.join("source")).unwrap() == content());
        let writable = File::options()
            .write(true)
            .open(folder.join("source"))
            .unwrap();
        writable.write_all_at(b"source", 5000).unwrap();
        target.commit().unwrap();

        let mut want = content();
        want[10..16].copy_from_slice(b"target");
        want[1 << 20..2 << 20].fill(0);
        assert!(fs::read(path).unwrap() == want);
    });
}

#[test]
fn only_whole_blocks_of_one_filesystem_are_shared() {
    on_each_filesystem("whole blocks", |folder| {
        let other = TempDir::new().unwrap();
        let (file, elsewhere) = (source(folder), source(other.path()));
        let target = Target::create(folder.join("new"), &TargetOptions::default()).unwrap();
        target.write_at(0, &[1; 4 << 20]).unwrap();
        for (offset, source, source_offset, length) in [
            (512, &file, 0, MIB),
            (0, &file, 512, MIB),
            (0, &file, 0, MIB + 1),
            // The tail of the source in the middle of the target.
            (0, &file, 8 * MIB, 100),
            // More than the source holds.
            (0, &file, 4 * MIB, 8 * MIB),
            (0, &elsewhere, 0, MIB),
        ] {
            let error = target
                .share_at(offset, source, source_offset, length)
                .unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported, "{error:?}");
        }
        assert_eq!(target.size(), 4 * MIB);
        let mut bytes = vec![0; 4 << 20];
        target.read_at(0, &mut bytes).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 1));
    });
}
