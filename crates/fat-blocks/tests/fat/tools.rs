//! Filesystems made by mkfs.fat and mkfs.exfat, filled by mtools, and restored with zeros
//! in the place of what is free.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use blockio::ExtentKind;
use fat_blocks::{Kind, Trust};
use fixtures::{SplitMix, Tool, require};

use crate::image::{extents, open};

/// Options of mkfs.fat, and the length of the disk in KiB.
const MAKES: [(&str, u64); 18] = [
    ("-F 12", 1440),
    ("-F 12 -s 8", 8000),
    ("-F 12 -f 1", 2000),
    ("-F 12 -S 4096 -s 1", 9000),
    ("-F 16", 20_000),
    ("-F 16 -s 1 -r 64", 9001),
    ("-F 16 -s 16 -R 40", 40_003),
    ("-F 16 -S 1024", 30_000),
    ("-F 16 -S 2048 -f 1", 40_000),
    ("-F 16 -S 4096 -s 1", 60_000),
    ("-F 16 --mbr=y", 20_000),
    ("-F 32", 40_000),
    ("-F 32 -s 1", 35_007),
    ("-F 32 -s 1 -f 1", 35_000),
    ("-F 32 -S 1024 -s 1", 70_000),
    ("-F 32 --mbr=y -n LABEL", 40_000),
    ("", 33_000),
    // Near the limit of FAT12.
    ("", 8192),
];

/// FAT32 by the lengths of its FATs, with fewer clusters than mtools takes for FAT32.
const SMALL_FAT32: [(&str, u64); 4] = [
    ("-F 32 -s 128", 40_000),
    ("-F 32 -S 1024 -s 2", 40_000),
    ("-F 32 -S 2048 -s 16", 50_000),
    ("-F 32 -S 4096 -R 8", 50_000),
];

struct Tools {
    mkfs: Tool,
    fsck: Tool,
    copy: Tool,
    make_folder: Tool,
    delete: Tool,
    delete_tree: Tool,
}

impl Tools {
    fn require() -> Option<Self> {
        Some(Self {
            mkfs: require("mkfs.fat")?,
            fsck: require("fsck.fat")?,
            copy: require("mcopy")?,
            make_folder: require("mmd")?,
            delete: require("mdel")?,
            delete_tree: require("mdeltree")?,
        })
    }

    #[track_caller]
    fn m(&self, tool: &Tool, image: &Path, arguments: &[&str]) {
        let done = tool.ok(|command| {
            command
                .env("MTOOLS_SKIP_CHECK", "1")
                .arg("-i")
                .arg(image)
                .args(arguments)
        });
        done.unwrap();
    }

    /// Fills a filesystem, and deletes some of it.
    fn fill(&self, image: &Path, folder: &Path) {
        let mut random = SplitMix::new(9);
        let file = folder.join("source");
        self.m(&self.make_folder, image, &["::/tree"]);
        for number in 0..24u64 {
            let length = [0, 1, 700, 5000, 30_000, 64_000][number as usize % 6];
            fs::write(&file, random.bytes(length)).unwrap();
            let place = if number % 2 == 0 { "::" } else { "::/tree" };
            let name = format!("{place}/a rather long name {number}.bin");
            self.m(&self.copy, image, &[file.to_str().unwrap(), &name]);
        }
        for number in [4, 10, 16] {
            let name = format!("::/a rather long name {number}.bin");
            self.m(&self.delete, image, &[&name]);
        }
        self.m(&self.make_folder, image, &["::/gone"]);
        self.m(&self.copy, image, &[file.to_str().unwrap(), "::/gone/file"]);
        self.m(&self.delete_tree, image, &["::/gone"]);
    }

    /// All files, by mcopy.
    fn files(&self, image: &Path, to: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
        fs::create_dir(to).unwrap();
        self.m(
            &self.copy,
            image,
            &["-s", "-n", "-Q", "::/*", to.to_str().unwrap()],
        );
        let mut files = BTreeMap::new();
        let mut folders = vec![to.to_path_buf()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    let name = path.strip_prefix(to).unwrap().to_path_buf();
                    files.insert(name, fs::read(&path).unwrap());
                }
            }
        }
        files
    }

    /// What fsck says of a sound filesystem: clusters in use, and clusters.
    #[track_caller]
    fn check(&self, image: &Path) -> (u64, u64) {
        let outcome = self
            .fsck
            .run(|command| command.arg("-n").arg(image))
            .unwrap();
        assert!(outcome.success(), "{}", outcome.brief(600));
        let words = outcome.stdout.split_whitespace();
        let counts = words.filter_map(|word| word.split_once('/'));
        let mut counts =
            counts.filter_map(|(used, all)| Some((used.parse().ok()?, all.parse().ok()?)));
        counts.next_back().unwrap()
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

#[test]
fn what_mtools_wrote_is_there_after_the_free_bytes_are_gone() {
    let Some(tools) = Tools::require() else {
        return;
    };
    for (options, kibibytes) in MAKES {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        File::create(&image)
            .unwrap()
            .set_len(kibibytes << 10)
            .unwrap();
        let words = options.split_whitespace();
        tools
            .mkfs
            .ok(|command| command.args(words).arg(&image))
            .unwrap();
        tools.fill(&image, folder.path());
        let files = tools.files(&image, &folder.path().join("before"));
        assert_eq!(files.len(), 21, "{options}");
        let (used, all) = tools.check(&image);

        let bytes = fs::read(&image).unwrap();
        let filesystem = open(&bytes);
        assert_eq!(filesystem.trust(), Trust::Clusters, "{options}");
        assert_eq!(filesystem.damage(), [], "{options}");
        let info = filesystem.info();
        assert_eq!(u64::from(info.clusters), all, "{options}");
        // fsck counts the root directory of FAT32 as well.
        let free = info.free_bytes / u64::from(info.cluster_bytes);
        assert_eq!(all - free, used, "{options}");
        if let Some(width) = options.strip_prefix("-F ").and_then(|rest| rest.get(..2)) {
            let kind = match width {
                "12" => Kind::Fat12,
                "16" => Kind::Fat16,
                _ => Kind::Fat32,
            };
            assert_eq!(info.kind, Some(kind), "{options}");
        }
        if options.contains("LABEL") {
            assert_eq!(info.label, b"LABEL");
        }

        let restored = restored(&bytes);
        assert_ne!(restored, bytes, "{options}: nothing was deleted");
        fs::write(&image, restored).unwrap();
        assert_eq!(tools.check(&image), (used, all), "{options}");
        let after = tools.files(&image, &folder.path().join("after"));
        assert!(after == files, "{options}");
    }
}

#[test]
fn a_small_fat32_is_one_all_the_same() {
    let Some(tools) = Tools::require() else {
        return;
    };
    for (options, kibibytes) in SMALL_FAT32 {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        File::create(&image)
            .unwrap()
            .set_len(kibibytes << 10)
            .unwrap();
        let words = options.split_whitespace();
        tools
            .mkfs
            .ok(|command| command.args(words).arg(&image))
            .unwrap();
        let bytes = fs::read(&image).unwrap();
        let filesystem = open(&bytes);
        let info = filesystem.info();
        assert_eq!(
            (filesystem.trust(), info.kind),
            (Trust::Clusters, Some(Kind::Fat32))
        );
        let free = info.free_bytes / u64::from(info.cluster_bytes);
        let all = u64::from(info.clusters);
        assert_eq!(tools.check(&image), (all - free, all), "{options}");
    }
}

#[test]
fn an_empty_exfat_is_sound_after_the_free_bytes_are_gone() {
    let (Some(mkfs), Some(fsck)) = (require("mkfs.exfat"), require("fsck.exfat")) else {
        return;
    };
    for options in ["", "-c 512", "-c 32K -L a-label", "-c 4K -b 1M", "-c 1M"] {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        // Bytes of before, which nobody needs.
        fs::write(&image, SplitMix::new(1).bytes(24 << 20)).unwrap();
        let words = options.split_whitespace();
        mkfs.ok(|command| command.args(words).arg(&image)).unwrap();
        let bytes = fs::read(&image).unwrap();
        let filesystem = open(&bytes);
        assert_eq!(filesystem.trust(), Trust::Clusters, "{options}");
        assert_eq!(filesystem.damage(), [], "{options}");
        assert_eq!(filesystem.info().kind, Some(Kind::ExFat));
        assert!(filesystem.info().free_bytes > 15 << 20, "{options}");
        if options.contains("-L") {
            assert_eq!(filesystem.info().label, b"a-label");
        }
        fs::write(&image, restored(&bytes)).unwrap();
        let outcome = fsck.run(|command| command.arg("-n").arg(&image)).unwrap();
        assert!(outcome.success(), "{options}: {}", outcome.brief(400));
    }
}
