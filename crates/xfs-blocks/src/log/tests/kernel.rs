//! The kernel as the judge: filesystems copied beneath it, replayed in memory and by the
//! kernel itself, are the same in every sector.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use blockio::ReadAt;
use fixtures::{Mount, SplitMix, Tool, require, strict};

use super::is_full;
use crate::log::{LogState, Replay, View, examine};
use crate::superblock::Superblock;

/// Length of each filesystem: mkfs makes none that is shorter.
const BYTES: u64 = 300 << 20;
/// Options of mkfs.xfs.
const MAKES: [&str; 2] = [
    "-m rmapbt=1,reflink=1 -i size=1024",
    "-b size=1024 -l su=64k -n size=8192 -m finobt=0,reflink=0",
];

struct Bench {
    make: Tool,
    copy: Tool,
    freeze: Tool,
    folder: tempfile::TempDir,
}

impl Bench {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn snapshot(&self, disk: &Path, name: &str) -> PathBuf {
        let copy = self.path(name);
        let arguments = ["--sparse=always"];
        self.copy
            .ok(|command| command.args(arguments).arg(disk).arg(&copy))
            .unwrap();
        copy
    }

    fn freezes(&self, mount: &Mount, how: &str) {
        self.freeze
            .ok(|command| command.arg(how).arg(&mount.folder))
            .unwrap();
    }
}

/// Files and folders that come and go.
fn load(folder: &Path, seed: u64) -> io::Result<()> {
    let mut random = SplitMix::new(seed);
    let base = folder.join(format!("load{seed}"));
    let mut below = |limit| random.below(limit);
    for number in 0..400 {
        let inside = base.join(format!("folder{}", below(12)));
        fs::create_dir_all(&inside)?;
        let length = usize::try_from(below(50_000)).unwrap();
        let file = inside.join(format!("{}{number}", "x".repeat(length % 120)));
        fs::write(&file, vec![0x5a; length])?;
        match below(8) {
            0 | 1 => fs::remove_file(&file)?,
            2 => File::options()
                .write(true)
                .open(&file)?
                .set_len(below(9000))?,
            3 => fs::rename(&file, base.join(format!("renamed{number}")))?,
            4 => std::os::unix::fs::symlink("s".repeat(900), base.join(format!("s{number}")))?,
            5 => fs::hard_link(&file, base.join(format!("link{number}")))?,
            6 => {
                // Extents with gaps between them.
                let mut open = File::options().append(true).open(&file)?;
                for _ in 0..below(9) {
                    open.set_len(open.metadata()?.size() + below(200_000))?;
                    open.write_all(&[1; 5000])?;
                }
            }
            _ => {}
        }
    }
    fs::remove_dir_all(base.join("folder3"))
}

fn open(path: &Path) -> (hostdisk::Disk, Superblock) {
    let disk = hostdisk::Disk::open(path).unwrap();
    let mut sector = [0; 512];
    disk.read_at(0, &mut sector).unwrap();
    let superblock = Superblock::new(&sector, disk.size()).unwrap();
    (disk, superblock)
}

fn replayed(path: &Path) -> Replay {
    let (disk, superblock) = open(path);
    match examine(&disk, &superblock.log).unwrap() {
        LogState::Dirty(replay) => *replay,
        other => panic!("{}: {other:?}", path.display()),
    }
}

/// Lets the kernel replay the log of a copy of `snapshot`, and holds every sector but those
/// of the log and the superblock, whose counts the kernel corrects, against ours.
fn compare(bench: &Bench, snapshot: &Path) {
    let replay = replayed(snapshot);
    let theirs = bench.snapshot(snapshot, "theirs");
    Mount::new(&theirs, &bench.path("mounted"), "")
        .unwrap()
        .end()
        .unwrap();
    let (disk, superblock) = open(snapshot);
    let size = disk.size();
    let (theirs, log) = (
        open(&theirs).0,
        superblock.log.start..superblock.log.start + superblock.log.bytes,
    );
    let sectors = replay.sectors.all().count();
    let touched = replay.touched;
    let view = View::new(disk, replay.sectors);
    let (mut ours, mut wanted) = (vec![0; 1 << 20], vec![0; 1 << 20]);
    let before = open(snapshot).0;
    let (mut stored, mut changed) = (vec![0; 1 << 20], 0);
    for at in (0..size).step_by(1 << 20) {
        let disks: [&dyn ReadAt; 2] = [&view, &theirs];
        let is_data = |disk: &&dyn ReadAt| {
            let data = disk.next_data(at).unwrap();
            data.is_some_and(|data| data.start < at + (1 << 20))
        };
        if !disks.iter().any(is_data) {
            continue;
        }
        view.read_at(at, &mut ours).unwrap();
        theirs.read_at(at, &mut wanted).unwrap();
        before.read_at(at, &mut stored).unwrap();
        for (index, sector) in (0..).zip(wanted.chunks(512)) {
            let byte = at + index * 512;
            if byte == 0 || log.contains(&byte) {
                continue;
            }
            let range = usize::try_from(index * 512).unwrap()..;
            assert!(ours[range.clone()][..512] == *sector, "{byte:#x}");
            if stored[range][..512] != *sector {
                changed += 1;
                let mut touched = touched.iter();
                assert!(touched.any(|range| range.contains(&byte)), "{byte:#x}");
            }
        }
    }
    println!(
        "{}: {sectors} sectors, {changed} changed",
        snapshot.display()
    );
}

#[test]
fn the_kernel_replays_the_same() {
    let tools = (require("mkfs.xfs"), require("cp"), require("fsfreeze"));
    let (Some(make), Some(copy), Some(freeze)) = tools else {
        return;
    };
    for options in &MAKES[..if is_full() { 2 } else { 1 }] {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench {
            make: make.clone(),
            copy: copy.clone(),
            freeze: freeze.clone(),
            folder,
        };
        let disk = bench.path("disk");
        File::create(&disk).unwrap().set_len(BYTES).unwrap();
        let words = options.split_whitespace();
        bench
            .make
            .ok(|command| command.arg("-q").args(words).arg(&disk))
            .unwrap();
        let (fresh, superblock) = open(&disk);
        let state = examine(&fresh, &superblock.log).unwrap();
        assert!(matches!(state, LogState::Clean), "{state:?}");
        let mount = match Mount::new(&disk, &bench.path("mounted"), "") {
            Ok(mount) => mount,
            Err(error) => {
                let is_root = fs::metadata("/proc/self").is_ok_and(|of| of.uid() == 0);
                assert!(!strict() || !is_root, "{error}");
                eprintln!("SKIPPED: no filesystem can be mounted here: {error}");
                return;
            }
        };
        let sync = |inside: &str| {
            load(&mount.folder, 1 + u64::try_from(inside.len()).unwrap()).unwrap();
            // All that was deleted is gone, too.
            let root = File::open(&mount.folder).unwrap();
            root.sync_all().unwrap();
            let tool = Tool::find("sync").unwrap();
            tool.ok(|command| command.arg("-f").arg(&mount.folder))
                .unwrap();
            bench.snapshot(&disk, inside)
        };
        let names = ["one", "three"];
        let names = &names[..if is_full() { 2 } else { 1 }];
        let synced: Vec<_> = names.iter().map(|name| sync(name)).collect();
        load(&mount.folder, 9).unwrap();
        bench.freezes(&mount, "--freeze");
        let frozen = bench.snapshot(&disk, "frozen");
        bench.freezes(&mount, "--unfreeze");
        mount.end().unwrap();
        for snapshot in &synced {
            assert!(!replayed(snapshot).is_only_superblock);
            compare(&bench, snapshot);
        }
        assert!(replayed(&frozen).is_only_superblock);
        compare(&bench, &frozen);
        let (unmounted, superblock) = open(&disk);
        let state = examine(&unmounted, &superblock.log).unwrap();
        assert!(matches!(state, LogState::Clean), "{state:?}");
    }
}
