//! Filesystems made by mkfs.xfs, filled and emptied by the kernel, and restored with zeros
//! in the place of what is free: what xfs_repair, xfs_db and the kernel make of them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use blockio::ExtentKind;
use fixtures::{Mount, SplitMix, Tool, require};
use xfs_blocks::{Evidence, Keep, Options, Trust};

use crate::image::{extents, free};

/// Options of mkfs.xfs, MiB of the disk, and whether Linux still mounts it. Those after the
/// first six take `QCOW2_TESTS=full`.
const MAKES: [(&str, u64, bool); 12] = [
    ("", 40, true),
    ("-m rmapbt=1", 48, true),
    ("-b size=1024 -i sparse=0", 40, true),
    ("-i size=2048,maxpct=90 -L label", 40, true),
    ("-m crc=0 -b size=512", 40, false),
    ("-m crc=0 -l lazy-count=0", 40, false),
    ("-b size=2048 -m rmapbt=1,reflink=1 -i nrext64=1", 40, true),
    ("-b size=16384 -s size=4096", 160, true),
    ("-b size=4096 -s size=4096 -n size=16384", 48, true),
    ("-m reflink=0,finobt=0 -i size=1024", 40, true),
    ("-m crc=0 -l version=1 -i size=256", 40, false),
    ("-d agcount=5 -b size=1024", 85, true),
];
const ALWAYS: usize = 6;

/// Filesystems smaller than 300 MB, which tests are allowed to make.
const SMALL: [(&str, &str); 3] = [("TEST_DIR", "t"), ("TEST_DEV", "t"), ("QA_CHECK_FS", "t")];

struct Tools {
    mkfs: Tool,
    repair: Tool,
    db: Tool,
}

impl Tools {
    fn require() -> Option<Self> {
        Some(Self {
            mkfs: require("mkfs.xfs")?,
            repair: require("xfs_repair")?,
            db: require("xfs_db")?,
        })
    }

    /// Makes a filesystem over bytes of before, from a prototype that fills it if the
    /// kernel will not.
    fn make(&self, image: &Path, options: &str, mebibytes: u64, prototype: Option<&Path>) {
        let file = File::create(image).unwrap();
        file.set_len(mebibytes << 20).unwrap();
        let mut random = SplitMix::new(77);
        for at in (0..mebibytes << 20).step_by(1 << 20) {
            let old = random.bytes(8192);
            std::os::unix::fs::FileExt::write_all_at(&file, &old, at + (300 << 10)).unwrap();
        }
        let words = options.split_whitespace();
        self.mkfs
            .ok(|command| {
                let command = command.envs(SMALL).args(["-q", "-f", "-K"]).args(words);
                if let Some(prototype) = prototype {
                    command.arg("-p").arg(prototype);
                }
                command.arg(image)
            })
            .unwrap();
    }

    /// Whether xfs_repair finds nothing wrong.
    #[track_caller]
    fn is_sound(&self, image: &Path) {
        let outcome = self.repair.run(|command| command.arg("-n").arg(image));
        let outcome = outcome.unwrap();
        assert!(outcome.success(), "{}", outcome.brief(800));
    }

    /// The free runs that xfs_db finds, and those of the AGFL, which it counts too: the
    /// group, the first block and the blocks of each.
    fn free_runs(&self, image: &Path) -> Vec<(u64, u64, u64)> {
        let told = self
            .db
            .ok(|command| command.args(["-r", "-c", "freesp -d"]).arg(image));
        let told = told.unwrap();
        let runs = told.lines().filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().map(str::parse).collect();
            match words.as_slice() {
                [Ok(ag), Ok(start), Ok(blocks)] => Some((*ag, *start, *blocks)),
                _ => None,
            }
        });
        runs.collect()
    }
}

/// What is in a tree: of files the contents, of links the target.
fn tree(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(inside) = folders.pop() {
        for entry in fs::read_dir(inside).unwrap() {
            let path = entry.unwrap().path();
            let name = path.strip_prefix(folder).unwrap().to_path_buf();
            let kind = path.symlink_metadata().unwrap().file_type();
            let bytes = if kind.is_dir() {
                folders.push(path);
                Vec::new()
            } else if kind.is_symlink() {
                fs::read_link(path)
                    .unwrap()
                    .into_os_string()
                    .into_encoded_bytes()
            } else {
                fs::read(path).unwrap()
            };
            found.insert(name, bytes);
        }
    }
    found
}

/// Fills a mounted filesystem, with files of many extents and long links, and deletes half
/// of it.
fn fill(folder: &Path, seed: u64) {
    let mut random = SplitMix::new(seed);
    let mut made = Vec::new();
    for number in 0..200u64 {
        let inside = folder.join(format!("{}", number % 7));
        fs::create_dir_all(&inside).unwrap();
        let path = inside.join(format!("a file with a rather long name {seed} {number}"));
        let file = File::create(&path).unwrap();
        let pieces = if number == 50 { 300 } else { random.below(4) };
        for _ in 0..pieces {
            let length = [10, 700, 5000][random.below(3) as usize];
            let at = random.below(1 << 22);
            std::os::unix::fs::FileExt::write_all_at(&file, &random.bytes(length), at).unwrap();
        }
        if number % 20 == 0 {
            let target = "t".repeat([30, 900][(number / 20 % 2) as usize]);
            std::os::unix::fs::symlink(target, path.with_extension("link")).unwrap();
        }
        made.push(path);
    }
    for path in made.iter().step_by(2).filter(|path| !path.ends_with("50")) {
        fs::remove_file(path).unwrap();
    }
}

/// Looks whether filesystems can be mounted, which takes root.
fn can_mount() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:"));
    let is_root = uid.is_some_and(|uid| uid.split_whitespace().nth(1) == Some("0"));
    if !is_root {
        eprintln!("SKIPPED: only root can mount filesystems");
    }
    is_root
}

fn mount(image: &Path, options: &str) -> io::Result<Mount> {
    Mount::new(image, &image.with_extension("mounted"), options)
}

/// Puts zeros in the place of what is free; returns how many bytes those were.
fn restore(bytes: &mut [u8], options: &Options<'_>) -> usize {
    let filesystem = xfs_blocks::detect(&*bytes, options).unwrap().unwrap();
    assert_eq!(filesystem.trust(), Trust::Btrees);
    assert_eq!(filesystem.damage().findings(), []);
    let free: Vec<_> = extents_of(&filesystem);
    for (start, length) in &free {
        bytes[*start..*start + *length].fill(0);
    }
    free.iter().map(|run| run.1).sum()
}

fn extents_of(filesystem: &xfs_blocks::Filesystem<&[u8]>) -> Vec<(usize, usize)> {
    extents(filesystem)
        .into_iter()
        .filter(|extent| extent.kind == ExtentKind::Free)
        .map(|extent| (extent.start as usize, extent.length as usize))
        .collect()
}

/// The free bytes that xfs_db finds, without those of AGFLs: in runs as long as can be.
fn by_xfs_db(tools: &Tools, image: &Path, bytes: &[u8]) -> Vec<(usize, usize)> {
    let word = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
    let (block, ag_blocks) = (word(4), word(84));
    let sector = word(100) & 0xffff;
    let skip = if word(100) >> 16 & 15 == 5 { 36 } else { 0 };
    let mut blocks = std::collections::BTreeSet::new();
    for (ag, start, count) in tools.free_runs(image) {
        let first = ag as usize * ag_blocks + start as usize;
        blocks.extend(first..first + count as usize);
    }
    for ag in 0..word(88) {
        let base = ag * ag_blocks * block;
        let (first, count) = (word(base + sector + 40), word(base + sector + 48));
        let slots = (sector - skip) / 4;
        for index in 0..count {
            let slot = base + 3 * sector + skip + (first + index) % slots * 4;
            assert!(blocks.remove(&(ag * ag_blocks + word(slot))));
        }
    }
    let mut runs: Vec<(usize, usize)> = Vec::new();
    for number in blocks {
        match runs.last_mut() {
            Some(run) if run.0 + run.1 == number * block => run.1 += block,
            _ => runs.push((number * block, block)),
        }
    }
    runs
}

/// What the kernel does to it, if it mounts it.
fn age(image: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mounted = mount(image, "nodiscard").unwrap();
    fill(&mounted.folder, 1);
    let files = tree(&mounted.folder);
    mounted.end().unwrap();
    files
}

/// A file of mkfs.xfs that fills what it makes.
fn prototype(folder: &Path) -> PathBuf {
    let mut random = SplitMix::new(8);
    let source = folder.join("source");
    fs::write(&source, random.bytes(100_000)).unwrap();
    let mut text = String::from("/\n0 0\nd--755 0 0\n");
    for number in 0..40 {
        text += &format!("file{number} ---644 0 0 {}\n", source.display());
    }
    text += "tree d--755 0 0\n";
    for number in 0..300 {
        text += &format!(
            "a-rather-long-name-{number} l--777 0 0 {}\n",
            "t".repeat(700)
        );
    }
    text += "$\n$\n";
    let path = folder.join("prototype");
    fs::write(&path, text).unwrap();
    path
}

fn made_and_restored(tools: &Tools, options: &str, mebibytes: u64, mounts: bool) {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let prototype = (!mounts).then(|| prototype(folder.path()));
    tools.make(&image, options, mebibytes, prototype.as_deref());
    let files = mounts.then(|| age(&image));
    tools.is_sound(&image);
    let source = fs::read(&image).unwrap();

    let filesystem = xfs_blocks::detect(source.as_slice(), &Options::default()).unwrap();
    let filesystem = filesystem.unwrap();
    assert_eq!(filesystem.trust(), Trust::Btrees, "{options}");
    assert_eq!(filesystem.damage().findings(), [], "{options}");
    assert!(filesystem.unclean().is_none() && filesystem.has_references());
    assert_eq!(
        free(&filesystem),
        by_xfs_db(tools, &image, &source),
        "{options}"
    );

    let mut restored = source.clone();
    assert!(restore(&mut restored, &Options::default()) > source.len() / 3);
    assert_ne!(restored, source, "{options}: nothing was there before");
    fs::write(&image, &restored).unwrap();
    tools.is_sound(&image);
    if let Some(files) = files {
        let mounted = mount(&image, "ro").unwrap();
        assert!(tree(&mounted.folder) == files, "{options}");
        mounted.end().unwrap();
    }
    // Metadata alone is sound, too, and little of it.
    let mut options = Options::default();
    options.keep = Keep::Metadata;
    let mut metadata = source.clone();
    assert!(restore(&mut metadata, &options) > restore(&mut restored, &Options::default()));
    fs::write(&image, &metadata).unwrap();
    tools.is_sound(&image);
    options.evidence = Evidence::Checksums;
    options.keep = Keep::Used;
    let mut again = source;
    restore(&mut again, &options);
    assert!(again == restored);
}

#[test]
fn what_the_kernel_wrote_is_there_after_the_free_bytes_are_gone() {
    let Some(tools) = Tools::require() else {
        return;
    };
    let can_mount = can_mount();
    let is_full = std::env::var_os("QCOW2_TESTS").is_some_and(|which| which == "full");
    let makes = if is_full {
        &MAKES[..]
    } else {
        &MAKES[..ALWAYS]
    };
    thread::scope(|scope| {
        for makes in makes.chunks(makes.len().div_ceil(2)) {
            let tools = &tools;
            scope.spawn(move || {
                for (options, mebibytes, mounts) in makes {
                    if can_mount || !mounts {
                        made_and_restored(tools, options, *mebibytes, *mounts);
                    }
                }
            });
        }
    });
}

/// Copies beneath a running kernel: what was synced is there once the free bytes are gone.
#[test]
fn what_was_synced_is_there_before_it_is_written_back() {
    let (Some(tools), true) = (Tools::require(), can_mount()) else {
        return;
    };
    for options in ["", "-m rmapbt=1"] {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("image");
        tools.make(&image, options, 64, None);
        let mounted = mount(&image, "nodiscard").unwrap();
        fill(&mounted.folder, 1);
        sync(&mounted.folder);
        fill(&mounted.folder, 2);
        sync(&mounted.folder);
        let files = tree(&mounted.folder);
        let source = fs::read(&image).unwrap();
        mounted.end().unwrap();

        let filesystem = xfs_blocks::detect(source.as_slice(), &Options::default()).unwrap();
        let unclean = filesystem.unwrap().unclean().unwrap();
        assert!(
            unclean.transactions > 0 && !unclean.is_only_superblock,
            "{unclean:?}"
        );
        let mut restored = source;
        assert!(restore(&mut restored, &Options::default()) > 8 << 20);
        let crashed = folder.path().join("crashed");
        fs::write(&crashed, &restored).unwrap();
        let mounted = mount(&crashed, "nouuid").unwrap();
        assert!(tree(&mounted.folder) == files, "{options}");
        mounted.end().unwrap();
        tools.is_sound(&crashed);
    }
}

/// Writes everything of the filesystem that `folder` is on.
fn sync(folder: &Path) {
    let sync = require("sync").unwrap();
    sync.ok(|command| command.arg("-f").arg(folder)).unwrap();
}
