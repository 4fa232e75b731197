//! A crashed filesystem through the program and back: whatever replays it, it
//! becomes what a full copy becomes.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use fixtures::{Usage, compare};

use super::control;
use super::family::Crashable;
use super::kinds::Kind;
use crate::support::judge::first_other_line;
use crate::support::load::Synced;
use crate::support::round_trip::{Bench, DONE, DONE_UNCLEAN};
use crate::support::tree::Tree;
use crate::support::verdict::Verdict;

/// Most a crashed filesystem's image may hold beyond what is in use, in
/// thousandths of that.
const STALE_MILLI_MAX: u64 = 20;

/// What e2fsck says of maps that hold what they should not.
const DAMAGE: [&str; 4] = [
    "illegal block",
    "ultiply-claimed block",
    "i_size is",
    "bad extended attribute block",
];

/// From this exit code on e2fsck has not come to its end.
const FSCK_FAILED: i32 = 8;

/// A filesystem as a crash left it.
#[derive(Debug)]
pub(super) struct Crashed {
    pub(super) disk: PathBuf,
    pub(super) kind: Kind,
    pub(super) synced: Vec<Synced>,
    /// Something was synced just before: the control has to lose it.
    pub(super) is_just_synced: bool,
    /// e2fsck has repaired it since.
    pub(super) repaired: bool,
}

/// Who brings a crashed filesystem into order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Replay {
    Kernel,
    E2fsck,
}

impl fmt::Display for Replay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kernel => "the kernel's replay",
            Self::E2fsck => "e2fsck -fy",
        })
    }
}

impl Crashed {
    /// Whether a full copy has every synced file after `replay`. The kernel
    /// repairs only what has a journal, and e2fsck 1.47 stops early in the fast
    /// commits of this kernel; restored must then be what a full copy is.
    fn keeps_synced(&self, replay: Replay) -> bool {
        let by_e2fsck = self.repaired || replay == Replay::E2fsck;
        if by_e2fsck {
            !self.kind.has_fast_commits()
        } else {
            self.kind.has_journal()
        }
    }
}

/// What an image came to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Figures {
    pub(super) code: Option<i32>,
    /// Bytes in use before, in or after the journal.
    pub(super) used_bytes: u64,
    /// Bytes of clusters with data.
    pub(super) stored_bytes: u64,
    /// Bytes that nobody needs, kept although they are not zero.
    pub(super) stale_bytes: u64,
    /// Names in the filesystem once it is replayed.
    pub(super) names: usize,
}

/// The files of a proof, and what has been found.
struct Proof<'b, J> {
    bench: &'b Bench<J>,
    folder: &'b Path,
    crashed: &'b Crashed,
    /// When the proof began, in seconds of the epoch.
    since: i64,
    figures: Figures,
    problems: Vec<String>,
    /// What nobody needs, in any state looked at so far.
    usage: Option<Usage>,
}

/// Packs and restores `crashed`, and holds the restored disk against it.
pub(super) fn prove<J: Crashable>(
    bench: &Bench<J>,
    folder: &Path,
    crashed: &Crashed,
) -> io::Result<(Figures, Verdict)> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let since = since.map_err(io::Error::other)?.as_secs();
    let mut proof = Proof {
        bench,
        since: i64::try_from(since).map_err(io::Error::other)?,
        folder,
        crashed,
        figures: Figures::default(),
        problems: Vec::new(),
        usage: None,
    };
    if proof.pack_and_restore()? {
        proof.replay_by_kernel()?;
        proof.replay_by_checker()?;
        proof.compare_bytes()?;
        let alarm = control::loses(&bench.tools, folder, crashed)?;
        proof
            .problems
            .extend(alarm.filter(|_| crashed.is_just_synced));
    }
    Ok((proof.figures, Verdict::Ran(proof.problems)))
}

impl<J: Crashable> Proof<'_, J> {
    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn problem(&mut self, text: impl Into<String>) {
        self.problems.push(text.into());
    }

    /// Whether there is a restored disk.
    fn pack_and_restore(&mut self) -> io::Result<bool> {
        let (image, restored) = (self.path("image"), self.path("restored"));
        let source = &self.crashed.disk;
        let block_bytes = self.bench.tools.block_bytes(source)?.to_string();
        let arguments = ["--cluster-size", &block_bytes];
        let packed = self.bench.program.pack(&arguments, source, &image)?;
        self.figures.code = packed.code;
        let allowed: &[i32] = if self.crashed.repaired {
            &[DONE]
        } else {
            &[DONE, DONE_UNCLEAN]
        };
        if !packed.code.is_some_and(|code| allowed.contains(&code)) {
            let code = packed.code;
            self.problem(format!("pack ended with {code:?}: {}", packed.brief(200)));
        }
        if !image.exists() {
            return Ok(false);
        }
        let checked = self.bench.qemu.check(&image)?;
        if !checked.success() {
            self.problem(format!("qemu-img check: {}", checked.brief(160)));
        }
        let ranges = self.bench.qemu.data_ranges("qcow2", &image)?;
        self.figures.stored_bytes = ranges.iter().map(|range| range.end - range.start).sum();
        let unpacked = self.bench.program.unpack(&[], &image, &restored)?;
        if !unpacked.success() {
            self.problem(format!("unpack: {}", unpacked.brief(200)));
        }
        Ok(unpacked.success())
    }

    /// Copies of the full disk and of the restored one.
    fn copies(&self) -> io::Result<[PathBuf; 2]> {
        let copies = [self.path("full-copy"), self.path("restored-copy")];
        fs::copy(&self.crashed.disk, &copies[0])?;
        fs::copy(self.path("restored"), &copies[1])?;
        Ok(copies)
    }

    fn replay_by_kernel(&mut self) -> io::Result<()> {
        let [full, restored] = self.copies()?;
        let trees = [self.tree(&full, "")?, self.tree(&restored, "")?];
        self.compare_trees(Replay::Kernel, &trees);
        if let [Ok(full), Ok(_)] = &trees {
            self.figures.names = full.len();
        }
        for (whose, disk) in [("the full copy", &full), ("restored", &restored)] {
            let said = self.bench.tools.check_replayed(disk)?;
            if let Some(said) = said.filter(|said| !said.success()) {
                let said = said.brief(300);
                self.problem(format!("{whose}, replayed by the kernel: {said}"));
            }
        }
        self.look(&full)
    }

    fn replay_by_checker(&mut self) -> io::Result<()> {
        let [full, restored] = self.copies()?;
        let one = self.bench.tools.repair(&full)?;
        let other = self.bench.tools.repair(&restored)?;
        let (Some(one), Some(other)) = (one, other) else {
            return Ok(());
        };
        if one != other {
            let first = first_other_line(&one, &other);
            self.problem(format!("e2fsck -fy differs: {first}"));
            return Ok(());
        }
        if one.code.is_none_or(|code| code >= FSCK_FAILED) {
            // It fails on both in the same way, after some fast commits: there
            // is nothing to compare.
            return Ok(());
        }
        let trees = [self.tree(&full, "ro")?, self.tree(&restored, "ro")?];
        self.compare_trees(Replay::E2fsck, &trees);
        self.look(&full)
    }

    /// All that is in a disk, or why it cannot be mounted.
    fn tree(&self, disk: &Path, options: &str) -> io::Result<Result<Tree, String>> {
        let mount = match self.bench.tools.mount(disk, &self.path("mounted"), options) {
            Ok(mount) => mount,
            Err(error) => return Ok(Err(error.to_string())),
        };
        let tree = Tree::read(&mount.folder, self.since);
        mount.end()?;
        Ok(Ok(tree))
    }

    /// The restored tree is that of the full copy, and has what was synced.
    fn compare_trees(&mut self, replay: Replay, trees: &[Result<Tree, String>; 2]) {
        let [full, restored] = trees;
        let (Ok(full), Ok(restored)) = (full, restored) else {
            let error = |tree: &Result<_, _>| tree.as_ref().err().cloned().unwrap_or_default();
            let (full, restored) = (error(full), error(restored));
            self.problem(format!(
                "after {replay}: not mounted, full copy `{full}`, restored `{restored}`"
            ));
            return;
        };
        if let Some(difference) = full.difference(restored) {
            self.problem(format!("after {replay}: {difference}"));
        }
        if !self.crashed.keeps_synced(replay) {
            return;
        }
        let lacks = |tree: &Tree, synced: &&Synced| tree.hash(&synced.path) != Some(synced.hash);
        for (whose, tree) in [("the full copy", full), ("restored", restored)] {
            let synced = self.crashed.synced.iter();
            let lost: Vec<_> = synced.filter(|synced| lacks(tree, synced)).collect();
            if let Some(first) = lost.first() {
                let (count, first) = (lost.len(), first.path.display());
                self.problem(format!(
                    "after {replay}: {whose} lacks {count} synced files: {first}"
                ));
            }
        }
    }

    /// Takes into account what is in use in `disk` now.
    fn look(&mut self, disk: &Path) -> io::Result<()> {
        match self.bench.tools.usage(disk)? {
            Some(now) => self.need(&now),
            None => self.problem("it cannot be told what is free once it is replayed"),
        }
        Ok(())
    }

    fn need(&mut self, usage: &Usage) {
        self.usage = Some(match &self.usage {
            Some(before) => before.and(usage),
            None => usage.clone(),
        });
    }

    /// The restored disk has all that is in use in any state, and little more.
    fn compare_bytes(&mut self) -> io::Result<()> {
        let source = &self.crashed.disk;
        let before = self.bench.tools.usage_before_replay(source)?;
        match &before {
            Some(usage) => self.need(usage),
            None => self.problem("it cannot be told what is free before it is replayed"),
        }
        let mut difference = compare(source, &self.path("restored"), self.usage.as_ref())?;
        if !J::REPLAY_ADDS_NOTHING {
            // What the kernel wrote where nothing was is no loss.
            difference.lost = compare(source, &self.path("restored"), before.as_ref())?.lost;
        }
        let free_bytes = self.usage.as_ref().map_or(0, Usage::free_bytes);
        let used = source.metadata()?.len().saturating_sub(free_bytes);
        self.figures.used_bytes = used;
        self.figures.stale_bytes = difference.stale;
        if difference.lost > 0 {
            self.problem(format!("{} used bytes are lost", difference.lost));
        }
        if difference.foreign > 0 {
            let count = difference.foreign;
            self.problem(format!("{count} bytes are neither the source's nor zero"));
        }
        if self.is_damaged()? {
            return Ok(());
        }
        let stored = self.figures.stored_bytes;
        let most = used / 1000 * (1000 + STALE_MILLI_MAX);
        if stored > most {
            self.problem(format!("{stored} bytes are stored for {used} in use"));
        }
        let allowed = if self.crashed.repaired {
            0
        } else {
            STALE_MILLI_MAX
        };
        let stale = difference.stale;
        if stale > used / 1000 * allowed {
            self.problem(format!("{stale} free bytes are kept, {used} are in use"));
        }
        Ok(())
    }

    /// Whether a crash without a journal left maps of blocks that e2fsck does
    /// not believe: then nothing is proven free.
    fn is_damaged(&self) -> io::Result<bool> {
        if self.crashed.kind.has_journal() || self.crashed.repaired {
            return Ok(false);
        }
        let said = self.bench.tools.check(&self.crashed.disk)?.stdout;
        Ok(DAMAGE.iter().any(|words| said.contains(words)))
    }
}
