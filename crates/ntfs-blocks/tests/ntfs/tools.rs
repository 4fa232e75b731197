//! Volumes made by mkntfs, filled through ntfs-3g, and restored with zeros in the place of
//! what is free.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use blockio::ExtentKind;
use fixtures::{SplitMix, Tool, require};
use ntfs_blocks::Trust;

use crate::fuse::{Mounted, tree};
use crate::image::{extents, open};

/// Options of mkntfs, and the length of the disk in KiB. Without `-Q`, it writes zeros
/// everywhere and looks for bad sectors. Only the first ones are made without
/// `QCOW2_TESTS=full`.
const MAKES: [(&str, u64); 8] = [
    ("-Q", 24_000),
    ("-Q -c 512", 12_001),
    ("-Q -c 1024 -L label", 16_000),
    ("-Q -s 4096 -c 4096", 24_000),
    ("-Q -s 1024 -c 8192", 24_003),
    ("-c 2048 -C", 16_000),
    ("-Q -c 65536", 30_000),
    ("-Q -c 2097152", 120_000),
];

struct Tools {
    mkntfs: Tool,
    ntfs_3g: Tool,
    clone: Tool,
    fix: Tool,
}

impl Tools {
    fn require() -> Option<Self> {
        Some(Self {
            mkntfs: require("mkntfs")?,
            ntfs_3g: require("ntfs-3g")?,
            clone: require("ntfsclone")?,
            fix: require("ntfsfix")?,
        })
    }

    /// A volume on a disk that held something else before.
    fn make(&self, image: &Path, options: &str, kibibytes: u64) {
        let mut old = SplitMix::new(5).bytes(kibibytes as usize * 1024);
        // The places of signatures of what was there.
        old[..1 << 20].fill(0);
        fs::write(image, old).unwrap();
        let words = options.split_whitespace();
        let fixed = ["-F", "-q", "-p", "0", "-H", "0", "-S", "0"];
        self.mkntfs
            .ok(|command| command.args(fixed).args(words).arg(image))
            .unwrap();
    }

    #[must_use]
    fn mount(&self, image: &Path, folder: &Path) -> Option<Mounted> {
        Mounted::new(
            &self.ntfs_3g,
            image,
            folder,
            ",compression,streams_interface=windows",
        )
    }

    /// The files of a volume.
    fn files(&self, image: &Path, folder: &Path) -> Option<BTreeMap<PathBuf, Vec<u8>>> {
        let mounted = Mounted::new(&self.ntfs_3g, image, folder, ",ro")?;
        // One that only reads is no obstacle.
        let disk = hostdisk::Disk::open(image).unwrap();
        assert_eq!(hostdisk::in_use::source_in_use(&disk).unwrap(), None);
        let files = tree(folder);
        mounted.end();
        Some(files)
    }

    /// What ntfsfix says of a volume, besides its name.
    fn check(&self, image: &Path) -> (Option<i32>, String) {
        let outcome = self
            .fix
            .run(|command| command.arg("-n").arg(image))
            .unwrap();
        let name = image.to_str().unwrap();
        (outcome.code, outcome.brief(2000).replace(name, "image"))
    }

    /// The volume as ntfsclone copies it: the clusters in use, and the backup boot sector.
    fn clone(&self, image: &Path, to: &Path) -> Vec<u8> {
        self.clone
            .ok(|command| command.arg("-q").arg("-O").args([to, image]))
            .unwrap();
        fs::read(to).unwrap()
    }
}

/// Marks the contents of files that are deleted.
const GONE: &[u8] = b"this file was deleted and should be gone";

/// Fills a volume: files of all lengths, in several pieces, sparse, with streams, some of
/// them compressed, and deletes some.
fn fill(root: &Path, files: u64) {
    let mut random = SplitMix::new(9);
    fs::create_dir(root.join("tree")).unwrap();
    for number in 0..files {
        let length = [0, 1, 700, 5000, 30_000, 64_000][number as usize % 6];
        let bytes = random.bytes(length);
        let place = if number % 2 == 0 { "." } else { "tree" };
        let name = format!("{place}/a rather long name {number}");
        if number % 7 == 3 {
            fs::write(root.join(name), GONE.repeat(500)).unwrap();
        } else {
            fs::write(root.join(name), bytes).unwrap();
        }
    }
    let mut pieces =
        [0, 1].map(|number| File::create(root.join(format!("pieces {number}"))).unwrap());
    for _ in 0..300 {
        for file in &mut pieces {
            file.write_all(&random.bytes(700)).unwrap();
            file.sync_data().unwrap();
        }
    }
    let mut sparse = File::create(root.join("sparse")).unwrap();
    for number in 1..files / 3 {
        sparse.seek(SeekFrom::Start(number * 70_000)).unwrap();
        sparse.write_all(b"island").unwrap();
    }
    fs::write(root.join("streams"), b"with streams").unwrap();
    for number in 0..40 {
        let name = format!("streams:{}{number}", "name".repeat(20));
        fs::write(root.join(name), random.bytes(number * 40)).unwrap();
    }
    fs::write(root.join("text"), b"one line of many\n".repeat(4000)).unwrap();
    for number in (0..files).filter(|number| number % 7 == 3) {
        let place = if number % 2 == 0 { "." } else { "tree" };
        fs::remove_file(root.join(format!("{place}/a rather long name {number}"))).unwrap();
    }
}

/// The disk with zeros in the place of what is free.
fn restored(bytes: &Vec<u8>) -> Vec<u8> {
    let mut restored = bytes.clone();
    for run in extents(&open(bytes), bytes.len()) {
        if run.kind == ExtentKind::Free {
            restored[run.start as usize..run.end() as usize].fill(0);
        }
    }
    restored
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

#[test]
fn what_ntfs_3g_wrote_is_there_after_the_free_bytes_are_gone() {
    let Some(tools) = Tools::require() else {
        return;
    };
    let all = std::env::var_os("QCOW2_TESTS").is_some_and(|level| level == "full");
    let count = if all { MAKES.len() } else { 2 };
    for (options, kibibytes) in MAKES.into_iter().take(count) {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let image = path("image");
        tools.make(&image, options, kibibytes);
        let Some(mounted) = tools.mount(&image, &path("mount")) else {
            return;
        };
        let count = if kibibytes > 100_000 { 20 } else { 90 };
        fill(&path("mount"), count);
        mounted.end();
        let Some(files) = tools.files(&image, &path("mount")) else {
            return;
        };
        assert!(files.len() as u64 > count * 5 / 6, "{options}");
        let said = tools.check(&image);

        let bytes = fs::read(&image).unwrap();
        let filesystem = open(&bytes);
        assert_eq!(filesystem.trust(), Trust::Records, "{options}");
        assert_eq!(filesystem.damage().findings(), [], "{options}");
        let info = filesystem.info();
        assert_eq!(info.version, Some((3, 1)));
        assert!(info.free_bytes > 1 << 20, "{options}: {info:?}");
        if options.contains("label") {
            assert_eq!(info.label, b"label");
        }
        let copy = tools.clone(&image, &path("clone"));
        let restored = restored(&bytes);
        assert!(holds(&bytes, GONE) && !holds(&restored, GONE), "{options}");
        // The same clusters are in use for both; the last sectors are only here.
        let volume = info.clusters as usize * info.cluster_bytes as usize;
        assert!(restored[..volume] == copy[..volume], "{options}");
        assert!(restored[volume..] == bytes[volume..], "{options}");

        fs::write(&image, restored).unwrap();
        assert_eq!(tools.check(&image), said, "{options}");
        let after = tools.files(&image, &path("mount")).unwrap();
        assert!(after == files, "{options}");
    }
}

#[test]
fn what_was_synced_is_there_if_ntfs_3g_was_killed() {
    let Some(tools) = Tools::require() else {
        return;
    };
    for round in 0..3u64 {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let image = path("image");
        tools.make(&image, "-Q", 24_000);
        let Some(mounted) = tools.mount(&image, &path("mount")) else {
            return;
        };
        let mut random = SplitMix::new(round);
        let mut synced = Vec::new();
        for number in 0..20 + round * 7 {
            let name = path("mount").join(format!("file {number}"));
            let bytes = random.bytes(20_000);
            let mut file = File::create(&name).unwrap();
            file.write_all(&bytes).unwrap();
            file.sync_all().unwrap();
            synced.push((format!("file {number}"), bytes));
        }
        fs::remove_file(path("mount").join("file 3")).unwrap();
        synced.remove(3);
        fs::write(path("mount").join("not synced"), random.bytes(300_000)).unwrap();
        let user = hostdisk::in_use::source_in_use(&hostdisk::Disk::open(&image).unwrap()).unwrap();
        let on = path("mount");
        assert_eq!(user, Some(hostdisk::in_use::InUse::Mounted { on }));
        mounted.kill();

        let bytes = fs::read(&image).unwrap();
        let filesystem = open(&bytes);
        assert_eq!(filesystem.trust(), Trust::Records, "{round}");
        fs::write(&image, restored(&bytes)).unwrap();
        let files = tools.files(&image, &path("mount")).unwrap();
        for (name, bytes) in synced {
            assert!(files[Path::new(&name)] == bytes, "{round}: {name}");
        }
    }
}
