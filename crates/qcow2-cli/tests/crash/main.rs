//! Filesystems the kernel was writing when the machine stopped, through the
//! program: whatever replays them, nothing that a full copy has is missing. As
//! root. `QCOW2_TESTS=full` takes all makes, three loads each and more snapshots;
//! `QCOW2_KEEP` names a folder for the disks of cases that fail.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod control;
mod family;
mod fill;
mod kinds;
mod proof;
mod snapshot;

use std::fs;
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::OnceLock;

use fixtures::{E2fs, FsTools, Mount, REFLINKS, Tool};

use family::Crashable;
use fill::{FILL_BYTES, fill};
use kinds::{End, KINDS, Kind};
use proof::{Crashed, Figures};
use support::load::{Load, SyncedList};
use support::mounts::{cannot_mount, scratch};
use support::round_trip::Bench;
use support::suite::{Level, check, level, run, trial, variable, with_bench};
use support::tree;
use support::verdict::Verdict;

const MIB: u64 = 1 << 20;

/// Bytes written then, up to the crash.
const LOAD_BYTES: u64 = 10 * MIB;
/// Changes before the crash.
const STEPS: u64 = 250;

/// From this exit code on e2fsck leaves errors.
const FSCK_LEFT: i32 = 4;

/// Names a folder for the disks of cases that fail.
const KEEP: &str = "QCOW2_KEEP";

/// Snapshots of one filesystem, without and with `QCOW2_TESTS=full`.
const SNAPSHOTS: [u64; 2] = [3, 12];

/// The makes that snapshots are taken of: the first ones without `QCOW2_TESTS=full`.
const SNAPSHOT_KINDS: [&str; 7] = [
    "ext4 of 1024",
    "XFS",
    "btrfs",
    "ext4 of 4096",
    "fast_commit",
    "ext4 data=journal",
    "XFS with rmapbt",
];
const SNAPSHOT_KINDS_QUICK: usize = 3;

/// What a case is.
#[derive(Clone, Copy)]
enum Case {
    /// A filesystem crashes; the number makes its load another one.
    Crash {
        kind: Kind,
        repaired: bool,
        seed: u64,
    },
    /// Snapshots of one under load, on one of [`REFLINKS`].
    Snapshots { kind: Kind, on: usize, count: u64 },
}

fn main() -> ExitCode {
    let cases = cases(level() == Level::Full).into_iter();
    let trials = cases.map(|case| trial(case.name(), move || case.start()));
    let of_trees = check("every kind of difference of trees is seen", tree::check);
    run(trials.chain([of_trees]).collect())
}

/// Why no filesystem can be mounted here, if that is so.
fn why_not_mounted() -> Option<&'static str> {
    static WHY: OnceLock<Option<String>> = OnceLock::new();
    let why = WHY.get_or_init(|| can_mount().err().map(|error| error.to_string()));
    why.as_deref()
}

/// A filesystem that is made and mounted, to see whether that can be done.
fn can_mount() -> io::Result<()> {
    let folder = scratch()?;
    let disk = folder.path().join("disk");
    let missing = || io::Error::other("e2fsprogs is not installed");
    let e2fs = E2fs::find().ok_or_else(missing)?;
    e2fs.make(&disk, MIB, &["-t", "ext2"])?;
    Mount::new(&disk, &folder.path().join("mounted"), "")?.end()
}

fn cases(full: bool) -> Vec<Case> {
    let mut cases = Vec::new();
    for kind in KINDS.into_iter().filter(|kind| full || kind.quick) {
        for seed in if full { 1..4 } else { 1..2 } {
            let crash = |repaired| Case::Crash {
                kind,
                repaired,
                seed,
            };
            cases.push(crash(false));
            // No checker of the others replays anything.
            if kind.family.is_none() {
                cases.push(crash(true));
            }
        }
    }
    let makes = if full {
        SNAPSHOT_KINDS.len()
    } else {
        SNAPSHOT_KINDS_QUICK
    };
    for (on, _) in REFLINKS.iter().enumerate() {
        for name in &SNAPSHOT_KINDS[..makes] {
            let kind = KINDS.into_iter().find(|kind| kind.name == *name);
            let count = SNAPSHOTS[usize::from(full)];
            cases.extend(kind.map(|kind| Case::Snapshots { kind, on, count }));
        }
    }
    cases
}

impl Case {
    fn name(&self) -> String {
        match self {
            Self::Crash {
                kind,
                repaired: false,
                seed,
            } => format!("{} #{seed}", kind.name),
            Self::Crash {
                kind,
                repaired: true,
                seed,
            } => {
                format!("{} #{seed}, after e2fsck", kind.name)
            }
            Self::Snapshots { kind, on, .. } => {
                format!("{}, snapshots on {}", kind.name, REFLINKS[*on].0)
            }
        }
    }

    fn kind(&self) -> &Kind {
        match self {
            Self::Crash { kind, .. } | Self::Snapshots { kind, .. } => kind,
        }
    }

    /// Runs it with the tools of its family.
    fn start(&self) -> io::Result<Verdict> {
        if let Some(why) = why_not_mounted() {
            return cannot_mount(why);
        }
        match self.kind().family {
            None => with_bench(E2fs::find(), "e2fsprogs", |bench| self.run(bench)),
            Some(family) => {
                let tools = FsTools::find(family);
                with_bench(tools, family.name(), |bench| self.run(bench))
            }
        }
    }

    /// What came of it: prints a line of figures for each disk.
    fn run<J: Crashable>(&self, bench: &Bench<J>) -> io::Result<Verdict> {
        let folder = scratch()?;
        let crashed = self.disks(bench, folder.path())?;
        let mut all = Verdict::Ran(vec![]);
        for (number, crashed) in crashed.iter().enumerate() {
            let inside = folder.path().join(format!("proof{number}"));
            fs::create_dir(&inside)?;
            let name = format!("{} {number}", self.name());
            let proven = proof::prove(bench, &inside, crashed);
            let failed = !matches!(&proven, Ok((_, verdict)) if verdict.is_well());
            if let Some(keep) = variable(KEEP).filter(|_| failed) {
                fs::create_dir_all(&keep)?;
                let kept = Path::new(&keep).join(name.replace([' ', '#'], "-"));
                fs::copy(&crashed.disk, kept)?;
            }
            let (figures, verdict) = proven?;
            println!("{}", figures.row(&name, crashed.synced.len()));
            all = all.and(verdict);
            fs::remove_dir_all(inside)?;
        }
        Ok(all)
    }

    /// The disks that crash, in `folder`.
    fn disks<J: Crashable>(&self, bench: &Bench<J>, folder: &Path) -> io::Result<Vec<Crashed>> {
        match self {
            Self::Crash {
                kind,
                repaired,
                seed,
            } => Ok(vec![crash(bench, folder, kind, *repaired, *seed)?]),
            Self::Snapshots { kind, on, count } => {
                let (_, mkfs, arguments) = REFLINKS[*on];
                snapshot::take(bench, folder, (mkfs, arguments), kind, *count)
            }
        }
    }
}

impl Figures {
    /// A line: the exit code, MiB in use, MiB stored, of them stale, files synced,
    /// names.
    fn row(&self, name: &str, synced: usize) -> String {
        let mib = |bytes: u64| format!("{}.{:02}", bytes / MIB, bytes % MIB * 100 / MIB);
        let code = self.code.map_or("-".into(), |code| code.to_string());
        format!(
            "{name:44} {code:>2} {:>7} {:>7} {:>7} {synced:>5} {:>5}",
            mib(self.used_bytes),
            mib(self.stored_bytes),
            mib(self.stale_bytes),
            self.names,
        )
    }
}

/// Makes a filesystem, works on it, and lets it crash.
fn crash<J: Crashable>(
    bench: &Bench<J>,
    folder: &Path,
    kind: &Kind,
    repaired: bool,
    seed: u64,
) -> io::Result<Crashed> {
    let (live, disk) = (folder.join("live"), folder.join("disk"));
    let make: Vec<_> = kind.make.split_whitespace().collect();
    bench.tools.make(&live, kind.disk_bytes(), &make)?;
    let (synced, mounted) = (SyncedList::default(), folder.join("live-mounted"));
    let mut load = Load::new(&mounted, seed, FILL_BYTES * 2 + LOAD_BYTES, &synced);
    if !kind.has_journal() {
        load.sync_folders();
    }
    fill(&bench.tools, &live, &mounted, kind, &mut load)?;
    let mount = bench.tools.mount(&live, &mounted, kind.mount)?;
    for _ in 0..STEPS {
        if !load.step()? {
            break;
        }
    }
    end(kind, mount, load, [&live, &disk])?;
    fs::remove_file(live)?;
    if repaired {
        repair(&bench.tools, &disk)?;
    }
    Ok(Crashed {
        disk,
        kind: *kind,
        synced: synced.now(),
        is_just_synced: true,
        repaired,
    })
}

/// Ends what is mounted as its kind says; `disks` are the one that lives and the
/// copy of it that is left.
fn end(kind: &Kind, mount: Mount, mut load: Load, disks: [&Path; 2]) -> io::Result<()> {
    let [live, disk] = disks;
    // What the kernel has not written is lost with the machine.
    let copy = || fs::copy(live, disk).map(drop);
    match kind.end {
        End::Crash => copy()?,
        End::Synced => {
            load.sync()?;
            copy()?;
        }
        End::Frozen => {
            load.sync()?;
            let missing = || io::Error::other("fsfreeze is not installed");
            let fsfreeze = Tool::find("fsfreeze").ok_or_else(missing)?;
            let freeze = |word| fsfreeze.ok(|command| command.arg(word).arg(&mount.folder));
            freeze("--freeze")?;
            let copied = copy();
            // Nothing frozen can be unmounted.
            freeze("--unfreeze")?;
            copied?;
        }
        End::Error | End::UnmountedError => {
            let trigger = format!("/sys/fs/ext4/{}/trigger_fs_error", mount.device()?);
            fs::write(trigger, "found for a test")?;
            if kind.end == End::Error {
                copy()?;
            }
        }
    }
    drop(load);
    mount.end()?;
    if kind.end == End::UnmountedError {
        copy()?;
    }
    Ok(())
}

/// Lets the checker repair `disk`. It may take a second run: some fast commits
/// leave a superblock whose checksum is wrong.
fn repair(tools: &impl Crashable, disk: &Path) -> io::Result<()> {
    let mut said = String::new();
    for _ in 0..2 {
        let Some(outcome) = tools.repair(disk)? else {
            return Err(io::Error::other("nothing repairs it"));
        };
        if matches!(outcome.code, Some(0..FSCK_LEFT)) {
            return Ok(());
        }
        said = outcome.brief(200);
    }
    Err(io::Error::other(format!("the repair: {said}")))
}
