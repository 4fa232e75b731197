//! What of a disk is kept, and why.

use std::fmt::Display;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;

use blockio::{Extent, ExtentKind, ReadAt};
use ext_blocks::damage::Finding;
use ext_blocks::discardable::Discarded;
use ext_blocks::trust::Evidence;
use ext_blocks::{
    Content, Damage, Detected, Filesystem, Halt, Metadata, Recovered, SuperblockAt, Tail, Trust,
    Unclean,
};
use ext_scramble::{ScrambleKey, Scrambled, scramble};
use hostdisk::{Spool, random_bytes};

use crate::args::{ContentArg, FilesystemArgs, TailArg, TrustArg};
use crate::failure::{Causes, Failure};

/// A disk, and what is known of it beforehand.
#[derive(Clone, Copy)]
pub(crate) struct Question<'a> {
    pub(crate) args: &'a FilesystemArgs,
    /// What it is called in messages.
    pub(crate) path: &'a Path,
    /// Who may write to it while it is read.
    pub(crate) in_use: Option<&'a str>,
    /// What cannot be read proves nothing, and does not end the run.
    pub(crate) salvage: bool,
    /// Nothing is left out by the answer, as before a journal is replayed.
    pub(crate) is_preliminary: bool,
    /// How many threads look at it.
    pub(crate) threads: NonZeroUsize,
}

/// What of a disk is kept.
pub(crate) struct Kept<'s> {
    pub(crate) disk_bytes: u64,
    pub(crate) filesystem: Option<Filesystem<&'s (dyn ReadAt + 's)>>,
    decides: Decides,
    /// Why everything is kept although less was asked for.
    pub(crate) kept_whole: Option<String>,
    /// A superblock left over from a filesystem that is no longer there.
    pub(crate) old_copy: Option<SuperblockAt>,
    /// What else is worth knowing.
    pub(crate) notes: Vec<String>,
}

/// What decides which bytes are kept.
enum Decides {
    /// Nothing: all of them are.
    Nobody,
    /// The filesystem, though it may decide to keep everything.
    Filesystem,
    /// What in the filesystem is metadata.
    Metadata(Metadata),
}

/// The extents of a disk.
pub(crate) type Extents<'e> =
    Box<dyn Iterator<Item = Result<Extent, ext_blocks::Error>> + Send + 'e>;

impl<'s> Kept<'s> {
    /// Decides it for `disk`.
    pub(crate) fn decide(question: Question<'_>, disk: &'s dyn ReadAt) -> Result<Self, Failure> {
        let Question { args, path, .. } = question;
        let mut kept = Self {
            disk_bytes: disk.size(),
            filesystem: None,
            decides: Decides::Nobody,
            kept_whole: None,
            old_copy: None,
            notes: Vec::new(),
        };
        if args.content == ContentArg::All {
            kept.keep_whole_in_use(question);
            return Ok(kept);
        }
        match ext_blocks::detect(disk, &options(question)) {
            Ok(Detected::Ext(filesystem)) => kept.take(question, filesystem)?,
            Ok(Detected::Nothing { .. }) if args.content != ContentArg::Used => {
                return Err(Failure::because(path, "there is no ext filesystem here"));
            }
            Ok(Detected::Nothing { .. }) if args.superblock().is_some() => {
                return Err(Failure::because(path, "there is no ext superblock there"));
            }
            Ok(Detected::Nothing { backup }) => {
                kept.old_copy = backup;
                kept.keep_whole_in_use(question);
            }
            Err(error) if question.salvage && args.content != ContentArg::Metadata => {
                let why = format!("{}, so nothing is proven free", Causes(&error));
                kept.kept_whole = Some(why);
            }
            Err(error) => return Err(Failure::about(path, &error)),
        }
        Ok(kept)
    }

    fn keep_whole_in_use(&mut self, question: Question<'_>) {
        let why = |user| format!("{user}, so nothing is proven free");
        self.kept_whole = question.in_use.map(why);
    }

    fn take(
        &mut self,
        question: Question<'_>,
        mut filesystem: Filesystem<&'s (dyn ReadAt + 's)>,
    ) -> Result<(), Failure> {
        if question.is_preliminary {
            if question.args.content == ContentArg::Metadata
                && let Err(why) = filesystem.volume()
            {
                let why = Halt::Refused(*why);
                return Err(failure(
                    question.path,
                    why,
                    "no metadata can be told from data",
                ));
            }
            self.filesystem = Some(filesystem);
            return Ok(());
        }
        let dropped = self.dropped(question, &filesystem)?;
        let distrust = match filesystem.trust() {
            Trust::Nothing(why) => Some(why.to_string()),
            _ => None,
        };
        if question.args.content == ContentArg::Metadata {
            let mut metadata = filesystem.metadata().map_err(|halt| {
                failure(question.path, halt, "no metadata can be told from data")
            })?;
            if let Some(dropped) = &dropped {
                metadata.leave_out(dropped);
            }
            self.decides = Decides::Metadata(metadata);
            self.notes.extend(question.in_use.map(str::to_owned));
            self.notes.extend(distrust);
        } else {
            self.keep_whole_in_use(question);
            if self.kept_whole.is_none() {
                self.decides = Decides::Filesystem;
                self.kept_whole = distrust;
                if let Some(dropped) = dropped {
                    filesystem
                        .leave_out(dropped)
                        .map_err(|error| Failure::about(question.path, &error))?;
                }
            }
        }
        self.filesystem = Some(filesystem);
        let unclean = self.unclean();
        self.notes.extend(unclean);
        Ok(())
    }

    /// What is left out of `filesystem`, if that was asked for and can be.
    fn dropped(
        &mut self,
        question: Question<'_>,
        filesystem: &Filesystem<&'s (dyn ReadAt + 's)>,
    ) -> Result<Option<Discarded>, Failure> {
        let Some(what) = question.args.droppable() else {
            return Ok(None);
        };
        match filesystem.discardable(what) {
            Ok(discarded) => Ok(Some(discarded)),
            Err(Halt::Failed(error)) => Err(Failure::about(question.path, &error)),
            Err(Halt::Refused(why)) => {
                self.notes.push(format!("nothing is left out: {why}"));
                Ok(None)
            }
        }
    }

    /// The disk as extents; the same each time.
    pub(crate) fn extents(&self) -> Extents<'_> {
        match (&self.decides, &self.filesystem) {
            (Decides::Metadata(metadata), _) => Box::new(metadata.used_extents().map(Ok)),
            (Decides::Filesystem, Some(filesystem)) => Box::new(filesystem.used_extents()),
            _ => {
                let all = Extent::new(0..self.disk_bytes, ExtentKind::Data);
                Box::new((all.length > 0).then_some(Ok(all)).into_iter())
            }
        }
    }

    /// What is kept, in a word.
    pub(crate) fn content(&self) -> &'static str {
        match &self.decides {
            Decides::Metadata(_) => "metadata",
            Decides::Filesystem if self.kept_whole.is_none() => "used",
            Decides::Filesystem | Decides::Nobody => "all",
        }
    }

    /// What proves that blocks are free, where some are left out: `inodes` is that
    /// none refers to them, and that bitmaps say so.
    pub(crate) fn evidence(&self) -> Option<&'static str> {
        let filesystem = self.filesystem.as_ref()?;
        match (&self.decides, filesystem.trust()) {
            (Decides::Filesystem, Trust::Bitmaps) if filesystem.has_all_of_inodes() => {
                Some("inodes")
            }
            (Decides::Filesystem, Trust::Bitmaps) => Some("bitmaps"),
            _ => None,
        }
    }

    /// Size of a block in bytes, where the metadata of a filesystem is kept: the
    /// unit of what is kept.
    pub(crate) fn metadata_unit(&self) -> Option<u64> {
        let Decides::Metadata(_) = &self.decides else {
            return None;
        };
        let geometry = self.filesystem.as_ref()?.info().geometry.as_ref()?;
        Some(geometry.block_bytes())
    }

    /// Adds that a recovered filesystem is not quite clean, where that is so.
    pub(crate) fn note_orphans(&mut self) {
        if let Some(filesystem) = &self.filesystem
            && filesystem.info().has_orphans
        {
            let note = "inodes that were deleted while open are left to the next mount or e2fsck";
            self.notes.push(note.to_owned());
        }
    }

    /// The disk after its journal was replayed.
    pub(crate) fn recovered(
        &self,
        path: &Path,
    ) -> Result<Recovered<&'_ &'s (dyn ReadAt + 's)>, Failure> {
        let Some(filesystem) = &self.filesystem else {
            let message = "there is no ext filesystem here whose journal could be replayed";
            return Err(Failure::because(path, message));
        };
        filesystem
            .recovered()
            .map_err(|halt| failure(path, halt, "it cannot be recovered"))
    }

    /// The metadata with scrambled names, by a key that nobody knows.
    pub(crate) fn scrambled(
        &self,
        path: &Path,
    ) -> Result<Scrambled<&'_ &'s (dyn ReadAt + 's)>, Failure> {
        let Some(filesystem) = &self.filesystem else {
            return Err(Failure::because(path, "there is no ext filesystem here"));
        };
        let key = random_bytes().map_err(|error| Failure::Failed(format!("a key: {error}")))?;
        scramble(filesystem, &ScrambleKey::new(key), &spool)
            .map_err(|halt| failure(path, halt, "names cannot be scrambled"))
    }

    /// How the filesystem was left, where it decides.
    fn unclean(&self) -> Option<String> {
        let Unclean { log, state, .. } = self.deciding()?.unclean();
        let log = log.map(|log| format!("{log}; they are kept"));
        let state = state.map(|state| format!("{state}; kept is also what any inode refers to"));
        match (log, state) {
            (Some(log), Some(state)) => Some(format!("{log}; {state}")),
            (log, state) => log.or(state),
        }
    }

    fn deciding(&self) -> Option<&Filesystem<&'s (dyn ReadAt + 's)>> {
        match &self.decides {
            Decides::Nobody => None,
            Decides::Filesystem | Decides::Metadata(_) => self.filesystem.as_ref(),
        }
    }

    /// Damage found where the filesystem decides, each with what was done about
    /// it, and how much there is in all.
    pub(crate) fn damage(&self) -> (Vec<String>, u64) {
        let damage = match &self.decides {
            Decides::Metadata(metadata) => Some(metadata.damage()),
            _ => self.deciding().map(Filesystem::damage),
        };
        let Some(damage) = damage else {
            return (Vec::new(), 0);
        };
        let line = |finding: &Finding| format!("{finding}: {}", finding.consequence());
        let lines = damage.findings().iter().map(line).collect();
        (lines, Damage::total(damage))
    }
}

fn options(question: Question<'_>) -> ext_blocks::Options<'static> {
    let args = question.args;
    let mut options = ext_blocks::Options::default();
    options.content = match args.content {
        ContentArg::Ext => Content::Ext,
        ContentArg::Used | ContentArg::Metadata | ContentArg::All => Content::Probe,
    };
    options.keep_uninit = args.keep_uninit;
    options.tail = match args.tail {
        TailArg::Keep => Tail::Keep,
        TailArg::Drop => Tail::Drop,
    };
    options.superblock = args.superblock();
    options.evidence = match args.trust {
        // What is replayed is looked at then.
        _ if question.is_preliminary => Evidence::Nothing,
        // The look for metadata asks all inodes itself.
        _ if question.in_use.is_some() || args.content == ContentArg::Metadata => Evidence::Bitmaps,
        TrustArg::Inodes => Evidence::Inodes,
        TrustArg::Bitmaps => Evidence::Checksums,
    };
    options.threads = Some(question.threads);
    options.spool = Some(&spool);
    options
}

fn failure<W: Display>(path: &Path, halt: Halt<W>, what: &str) -> Failure {
    match halt {
        Halt::Failed(error) => Failure::about(path, &error),
        Halt::Refused(why) => Failure::because(path, format!("{what}: {why}")),
    }
}

fn spool() -> io::Result<Box<dyn blockio::Spool>> {
    Ok(Box::new(Spool::new()?))
}
