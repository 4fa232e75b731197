//! Filesystems that the kernel fills, as root.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use btrfs_blocks::{Options, Trust};
use fixtures::crc::crc32c;
use fixtures::{Mount, SplitMix, Tool, require};
use tempfile::TempDir;

use crate::disk::{check, files, folder, open, restore, zeros};
use crate::second_reader;

const DISK_BYTES: u64 = 400 << 20;

/// What is deleted, and must not be in the restored image.
const MARK: &[u8; 32] = b"deleted bytes that nobody needs\n";

struct Bench {
    btrfs: Tool,
    folder: TempDir,
    image: PathBuf,
}

impl Bench {
    /// A filesystem, if this machine can make and mount one.
    fn new(make: &str) -> Option<Self> {
        let (mkfs, btrfs) = (require("mkfs.btrfs")?, require("btrfs")?);
        let known = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        if !known.split_whitespace().any(|name| name == "btrfs") {
            eprintln!("SKIPPED: no btrfs in this kernel");
            return None;
        }
        let folder = folder();
        let image = folder.path().join("image");
        zeros(&image, DISK_BYTES);
        let words = make.split_whitespace();
        mkfs.ok(|command| command.args(["-q", "-f"]).args(words).arg(&image))
            .unwrap();
        Some(Self {
            btrfs,
            folder,
            image,
        })
    }

    /// Only root may.
    fn mount(&self, image: &Path, options: &str) -> Option<Mount> {
        let place = self.folder.path().join("mounted");
        match Mount::new(image, &place, options) {
            Ok(mount) => Some(mount),
            Err(error) => {
                eprintln!("SKIPPED: nothing can be mounted: {error}");
                None
            }
        }
    }

    fn run(&self, arguments: &[&str], path: &Path) -> String {
        self.btrfs
            .ok(|command| command.args(arguments).arg(path))
            .unwrap()
    }

    /// Snapshots, shared and compressed contents, holes, preallocated and overwritten files;
    /// and some of it deleted.
    fn fill(&self, root: &Path) {
        let mut random = SplitMix::new(11);
        let subvolume = root.join("sub");
        self.run(&["subvolume", "create"], &subvolume);
        for number in 0..80usize {
            let place = if number % 2 == 0 { root } else { &subvolume };
            let length = [10, 3000, 4096, 70_000, 300_000][number % 5];
            fs::write(place.join(format!("file{number}")), random.bytes(length)).unwrap();
        }
        fs::write(root.join("text"), b"compressible ".repeat(80_000)).unwrap();
        fs::write(root.join("deleted"), MARK.repeat(20_000)).unwrap();
        self.run(&["filesystem", "sync"], root);
        for name in ["kept", "gone"] {
            let done = self.btrfs.ok(|command| {
                let command = command.args(["subvolume", "snapshot"]);
                command.arg(&subvolume).arg(root.join(name))
            });
            done.unwrap();
        }
        let file = File::options()
            .write(true)
            .open(root.join("file8"))
            .unwrap();
        file.write_all_at(&random.bytes(9000), 5000).unwrap();
        file.set_len(3 << 20).unwrap();
        for number in (0..80).step_by(6) {
            fs::remove_file(root.join(format!("file{number}"))).unwrap();
        }
        fs::remove_file(root.join("deleted")).unwrap();
        self.run(&["subvolume", "delete"], &root.join("gone"));
        self.run(&["filesystem", "sync"], root);
    }

    /// Restored with zeros elsewhere, the filesystem is as the tools and the kernel had it.
    #[track_caller]
    fn judge(&self, want: &BTreeMap<PathBuf, Vec<u8>>) {
        let restored = self.folder.path().join("restored");
        restore(&self.image, &restored, &Options::default());
        check(&self.btrfs, &restored);
        let mount = self.mount(&restored, "").unwrap();
        assert!(files(&mount.folder) == *want);
        let scrub = self.run(&["scrub", "start", "-B"], &mount.folder);
        assert!(scrub.contains("no errors found"), "{scrub}");
        mount.end().unwrap();
    }
}

fn holds(path: &Path, mark: &[u8]) -> bool {
    let bytes = fs::read(path).unwrap();
    bytes.chunks(4096).any(|block| block.starts_with(mark))
}

#[test]
fn what_the_kernel_wrote_is_there_after_the_free_bytes_are_gone() {
    for (make, options) in [
        ("-m dup -d single", "compress=zstd"),
        ("--mixed", ""),
        (
            "-n 4096 -R ^free-space-tree --csum blake2",
            "space_cache=v1",
        ),
    ] {
        let Some(bench) = Bench::new(make) else {
            return;
        };
        let Some(mount) = bench.mount(&bench.image, options) else {
            return;
        };
        bench.fill(&mount.folder);
        let want = files(&mount.folder);
        mount.end().unwrap();
        let filesystem = open(&bench.image, &Options::default());
        assert_eq!(filesystem.trust(), &Trust::References, "{make}");
        assert_eq!(filesystem.log(), None, "{make}");
        second_reader::compare(&bench.btrfs, &bench.image, &filesystem);
        assert!(
            holds(&bench.image, MARK) || options.contains("zstd"),
            "{make}"
        );
        bench.judge(&want);
        let restored = bench.folder.path().join("restored");
        assert!(!holds(&restored, MARK), "{make}");
    }
}

/// Takes the log from the first superblock.
fn forget_log(image: &Path) {
    let file = File::options().read(true).write(true).open(image).unwrap();
    let mut superblock = vec![0; 4096];
    file.read_exact_at(&mut superblock, 65536).unwrap();
    superblock[0x60..0x68].fill(0);
    let sum = !crc32c(!0, &superblock[32..]);
    superblock[..4].copy_from_slice(&sum.to_le_bytes());
    file.write_all_at(&superblock, 65536).unwrap();
}

/// A copy of the disk beneath the kernel, after fsync: what was synced is only in the log.
#[test]
fn what_was_synced_is_there_after_a_crash() {
    let Some(bench) = Bench::new("") else {
        return;
    };
    let Some(mount) = bench.mount(&bench.image, "commit=300") else {
        return;
    };
    bench.fill(&mount.folder);
    let mut random = SplitMix::new(5);
    for number in 0..20 {
        for place in ["", "sub"] {
            let path = mount.folder.join(place).join(format!("synced{number}"));
            let mut file = File::create(path).unwrap();
            file.write_all(&random.bytes(20_000)).unwrap();
            file.sync_all().unwrap();
        }
    }
    let want = files(&mount.folder);
    // What the kernel has not sent yet is not on the disk after a crash either.
    let live = fs::canonicalize(&bench.image).unwrap();
    let crashed = bench.folder.path().join("crashed");
    fs::copy(&live, &crashed).unwrap();
    mount.end().unwrap();
    fs::rename(&crashed, &bench.image).unwrap();
    let filesystem = open(&bench.image, &Options::default());
    assert_eq!(filesystem.trust(), &Trust::References);
    let log = filesystem.log().unwrap();
    assert!(log.blocks >= 3 && log.references >= 40, "{log:?}");
    // Without it, what was synced would be free.
    let forgotten = bench.folder.path().join("forgotten");
    fs::copy(&bench.image, &forgotten).unwrap();
    forget_log(&forgotten);
    let without = open(&forgotten, &Options::default());
    assert_eq!(without.trust(), &Trust::References);
    let synced = filesystem.info().used_bytes - without.info().used_bytes;
    assert!(synced >= 40 * 20_480, "{synced}");
    bench.judge(&want);
}
