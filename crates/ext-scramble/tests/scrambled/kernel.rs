//! The kernel finds every file by its scrambled name. It needs root.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::{FileTypeExt, MetadataExt, symlink};
use std::path::Path;

use fixtures::{E2fs, Tool, require};

use crate::made::{Made, SECRETS, holds, scramble};

/// A filesystem that is mounted until it is dropped.
struct Mounted<'t> {
    umount: &'t Tool,
    folder: tempfile::TempDir,
}

impl<'t> Mounted<'t> {
    fn new([mount, umount]: &'t [Tool; 2], image: &Path, options: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        mount
            .ok(|command| command.args(["-o", options]).arg(image).arg(folder.path()))
            .unwrap();
        Self { umount, folder }
    }
}

impl Drop for Mounted<'_> {
    fn drop(&mut self) {
        let outcome = self.umount.run(|command| command.arg(self.folder.path()));
        assert!(outcome.is_ok_and(|outcome| outcome.success()), "umount");
    }
}

/// `mount` and `umount`, where this is root.
fn tools(name: &str) -> Option<[Tool; 2]> {
    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        eprintln!("SKIPPED: {name}: not root");
        return None;
    }
    Some([require("mount")?, require("umount")?])
}

/// Makes a tree in `root`.
fn fill(root: &Path, files: u32) {
    let many = root.join("secret-many-files");
    fs::create_dir(&many).unwrap();
    for number in 0..files {
        let tail = "x".repeat(usize::try_from(number % 60).unwrap());
        File::create(many.join(format!("secret-{number}{tail}"))).unwrap();
    }
    for number in 0..files / 2 {
        let tail = "x".repeat(usize::try_from(number % 60).unwrap());
        fs::remove_file(many.join(format!("secret-{number}{tail}"))).unwrap();
    }
    let deep = root.join("secret-a/secret-b/secret-c");
    fs::create_dir_all(&deep).unwrap();
    fs::write(deep.join("secret-file"), [1; 5000]).unwrap();
    symlink(
        "secret-a/secret-b/../secret-b/secret-c",
        root.join("secret-link"),
    )
    .unwrap();
    symlink("/secret/".repeat(20), root.join("secret-nowhere")).unwrap();
    fs::hard_link(deep.join("secret-file"), many.join("secret-hard")).unwrap();
}

/// Every inode, with what does not depend on names.
fn tree(folder: &Path, found: &mut BTreeMap<u64, String>) {
    let mut inodes = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // A lookup by name, beside the listing that gave it.
        let metadata = fs::symlink_metadata(&path).unwrap();
        let kind = metadata.file_type();
        inodes.push((metadata.ino(), path.file_name().unwrap().len()));
        let target = fs::read_link(&path).ok().map(|target| {
            let bytes = target.as_os_str().len();
            (bytes, fs::metadata(&path).map(|target| target.ino()).ok())
        });
        let text = format!(
            "{:o} {} {} {target:?} {}",
            metadata.mode(),
            metadata.nlink(),
            metadata.size(),
            kind.is_fifo()
        );
        found.insert(metadata.ino(), text);
        if kind.is_dir() {
            tree(&path, found);
        }
    }
    inodes.sort_unstable();
    let list = format!("{inodes:?}");
    let own = fs::metadata(folder).unwrap().ino();
    found.entry(own).or_default().push_str(&list);
}

#[test]
fn lookups_find_every_file() {
    let Some(tools) = tools("lookups_find_every_file") else {
        return;
    };
    let Some(e2fs) = E2fs::require() else { return };
    for (options, files) in [
        (&["-t", "ext4", "-b", "4096"][..], 3000),
        (&["-t", "ext4", "-b", "1024", "-N", "9000"], 8000),
        (&["-t", "ext3"], 1500),
        (&["-t", "ext4", "-O", "inline_data"], 500),
    ] {
        let made = Made::new(&e2fs, 64 << 20, options);
        let mut before = BTreeMap::new();
        {
            let mounted = Mounted::new(&tools, &made.image, "loop");
            fill(mounted.folder.path(), files);
            tree(mounted.folder.path(), &mut before);
        }
        let shown = scramble(&made.bytes(), 1).unwrap();
        assert!(!holds(&shown.bytes, &SECRETS));
        let sorted = shown.report.sorted_directories + shown.report.unindexed_total;
        assert_eq!(sorted, 1, "{:?}", shown.report);

        let image = made.folder.path().join("shown");
        fs::write(&image, &shown.bytes).unwrap();
        let mut after = BTreeMap::new();
        let mounted = Mounted::new(&tools, &image, "loop,ro");
        tree(mounted.folder.path(), &mut after);
        assert_eq!(before, after);
    }
}
