//! What of a source is kept, and why.

use blockio::{Extent, ExtentKind, ReadAt};
use ext_blocks::damage::Finding;
use ext_blocks::{Content, Damage, Detected, Filesystem, SuperblockAt, Tail, Trust, Unclean};

use super::source::Source;
use crate::args::{ContentArg, PackArgs, TailArg};
use crate::failure::{Causes, Failure};

/// What of a source is kept.
pub(super) struct Kept<'s> {
    pub(super) disk_bytes: u64,
    pub(super) filesystem: Option<Filesystem<'s, dyn ReadAt + 's>>,
    /// Whether the filesystem decides, though it may decide to keep everything.
    by_filesystem: bool,
    /// Why everything is kept although less was asked for.
    pub(super) kept_whole: Option<String>,
    /// A superblock left over from a filesystem that is no longer there.
    pub(super) old_copy: Option<SuperblockAt>,
}

/// The extents of a disk.
pub(super) type Extents<'e> =
    Box<dyn Iterator<Item = Result<Extent, ext_blocks::Error>> + Send + 'e>;

impl<'s> Kept<'s> {
    /// Decides it for `source`.
    pub(super) fn decide(args: &PackArgs, source: &'s Source<'_>) -> Result<Self, Failure> {
        let in_use = source.in_use();
        let mut kept = Self {
            disk_bytes: source.size(),
            filesystem: None,
            by_filesystem: false,
            kept_whole: in_use.map(|user| format!("{user}, so nothing is proven free")),
            old_copy: None,
        };
        if args.content == ContentArg::All {
            return Ok(kept);
        }
        match ext_blocks::detect(source.metadata(), &options(args)) {
            Ok(Detected::Ext(filesystem)) => {
                kept.by_filesystem = kept.kept_whole.is_none();
                if let (Trust::Nothing(why), true) = (filesystem.trust(), kept.by_filesystem) {
                    kept.kept_whole = Some(why.to_string());
                }
                kept.filesystem = Some(filesystem);
            }
            Ok(Detected::Nothing { .. }) if args.content == ContentArg::Ext => {
                let message = "there is no ext filesystem here";
                return Err(Failure::because(&args.source, message));
            }
            Ok(Detected::Nothing { copy }) => kept.old_copy = copy,
            Err(error) if args.salvage => {
                let why = || format!("{}, so nothing is proven free", Causes(&error));
                kept.kept_whole.get_or_insert_with(why);
            }
            Err(error) => return Err(Failure::about(&args.source, &error)),
        }
        Ok(kept)
    }

    /// The disk as extents; the same each time.
    pub(super) fn extents(&self) -> Extents<'_> {
        match &self.filesystem {
            Some(filesystem) if self.by_filesystem => Box::new(filesystem.used_extents()),
            _ => {
                let all = Extent::new(0..self.disk_bytes, ExtentKind::Data);
                Box::new((all.length > 0).then_some(Ok(all)).into_iter())
            }
        }
    }

    /// How the filesystem was left, where it decides.
    pub(super) fn unclean(&self) -> Vec<String> {
        let filesystem = self.filesystem.as_ref().filter(|_| self.by_filesystem);
        let Some(Unclean { log, state, .. }) = filesystem.map(Filesystem::unclean) else {
            return Vec::new();
        };
        let log = log.map(|log| format!("{log}; they are kept"));
        let state = state.map(|state| format!("{state}; kept is also what any inode refers to"));
        log.into_iter().chain(state).collect()
    }

    /// Damage found where the filesystem decides, each with what was done about
    /// it, and how much there is in all.
    pub(super) fn damage(&self) -> (Vec<String>, u64) {
        let filesystem = self.filesystem.as_ref().filter(|_| self.by_filesystem);
        let Some(damage) = filesystem.map(Filesystem::damage) else {
            return (Vec::new(), 0);
        };
        let line = |finding: &Finding| format!("{finding}: {}", finding.consequence());
        let lines = damage.findings().iter().map(line).collect();
        (lines, Damage::total(damage))
    }
}

fn options(args: &PackArgs) -> ext_blocks::Options {
    ext_blocks::Options {
        content: match args.content {
            ContentArg::Ext => Content::Ext,
            ContentArg::Used | ContentArg::All => Content::Probe,
        },
        keep_uninit: args.keep_uninit,
        tail: match args.tail {
            TailArg::Keep => Tail::Keep,
            TailArg::Drop => Tail::Drop,
        },
        superblock: None,
    }
}
