//! The provider for ext2, ext3 and ext4.

use std::ops::Range;

use blockio::{Extents, Tiling};
use ext_blocks::damage::Finding;
use ext_blocks::discardable::{Discardable, Discarded};
use ext_blocks::trust::Evidence as Needed;
use ext_blocks::{Halt, Kind, Metadata, Sought, Tail, Trust, Unclean};

use crate::claims::Found;
use crate::error::Error;
use crate::options::{Keep, Options, Proof};
use crate::provider::{
    Belief, Candidate, Content, ExtFilesystem, OtherClaim, Part, Probe, Provider,
};
use crate::report::{Blocks, ContentReport, Damage, Evidence, FilesystemInfo};

/// Knows ext2, ext3 and ext4.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ext;

/// A superblock of ext.
struct Superblock<'d> {
    part: Part<'d>,
    found: Box<ext_blocks::Candidate>,
}

/// A filesystem of which the metadata may be all that counts.
struct ExtContent<'d> {
    filesystem: ExtFilesystem<'d>,
    metadata: Option<Metadata>,
    not_discarded: Option<String>,
}

impl Provider for Ext {
    fn probe<'d>(&self, part: &Part<'d>, options: &Options<'_>) -> Result<Probe<'d>, Error> {
        Ok(
            match ext_blocks::find(part, options.superblock).map_err(content)? {
                Sought::Ext(found) => Probe::Mine(Box::new(Superblock {
                    part: part.clone(),
                    found,
                })),
                Sought::Nothing { backup: Some(at) } => Probe::Relic { at: at.offset() },
                Sought::Nothing { backup: None } => Probe::NotMine,
            },
        )
    }
}

impl<'d> Candidate<'d> for Superblock<'d> {
    fn belief(&self) -> Belief {
        match self.found.filesystem_bytes() {
            Some(bytes) => Belief::Bytes { bytes },
            None if self.found.is_believed() => Belief::Signature,
            None => Belief::Nothing,
        }
    }

    fn open(
        self: Box<Self>,
        claim: Option<OtherClaim>,
        options: &Options<'_>,
    ) -> Result<Box<dyn Content + 'd>, Error> {
        let how = ext_options(claim, options);
        let filesystem = self.found.open(self.part, &how).map_err(content)?;
        let mut opened = ExtContent {
            filesystem,
            metadata: None,
            not_discarded: None,
        };
        if options.preliminary {
            opened.expect_metadata(options)?;
            return Ok(Box::new(opened));
        }
        let dropped = opened.discardable(options)?;
        if options.keep == Keep::Metadata {
            opened.find_metadata(dropped.as_ref())?;
        } else if let Some(dropped) = dropped.filter(|_| options.in_use.is_none()) {
            opened.filesystem.leave_out(dropped).map_err(discard)?;
        }
        Ok(Box::new(opened))
    }
}

impl ExtContent<'_> {
    /// What is left out although it is in use, if that was asked for and can be.
    fn discardable(&mut self, options: &Options<'_>) -> Result<Option<Discarded>, Error> {
        if !options.discard.is_any() {
            return Ok(None);
        }
        let mut what = Discardable::default();
        what.unwritten = options.discard.unwritten;
        what.journal = options.discard.journal;
        match self.filesystem.discardable(what) {
            Ok(discarded) => Ok(Some(discarded)),
            Err(Halt::Failed(error)) => Err(discard(error)),
            Err(Halt::Refused(why)) => {
                self.not_discarded = Some(why.to_string());
                Ok(None)
            }
        }
    }

    fn find_metadata(&mut self, dropped: Option<&Discarded>) -> Result<(), Error> {
        let mut metadata = self.filesystem.metadata().map_err(|halt| match halt {
            Halt::Failed(error) => content(error),
            Halt::Refused(why) => no_metadata(&why),
        })?;
        if let Some(dropped) = dropped {
            metadata.leave_out(dropped);
        }
        self.metadata = Some(metadata);
        Ok(())
    }

    /// Refuses a filesystem whose metadata will not be found once its journal is replayed.
    fn expect_metadata(&self, options: &Options<'_>) -> Result<(), Error> {
        match self.filesystem.volume() {
            Err(why) if options.keep == Keep::Metadata => Err(no_metadata(why)),
            _ => Ok(()),
        }
    }

    fn evidence(&self) -> Option<Evidence> {
        match self.filesystem.trust() {
            Trust::Bitmaps if self.metadata.is_some() => None,
            Trust::Bitmaps if self.filesystem.has_all_of_inodes() => Some(Evidence::References),
            Trust::Bitmaps => Some(Evidence::Map),
            _ => None,
        }
    }

    /// How the filesystem was left.
    fn unclean(&self) -> Option<String> {
        let Unclean { log, state, .. } = self.filesystem.unclean();
        let log = log.map(|log| format!("{log}; they are kept"));
        let state = state.map(|state| format!("{state}; kept is also what any inode refers to"));
        match (log, state) {
            (Some(log), Some(state)) => Some(format!("{log}; {state}")),
            (log, state) => log.or(state),
        }
    }

    fn damage(&self) -> Damage {
        let damage = match &self.metadata {
            Some(metadata) => metadata.damage(),
            None => self.filesystem.damage(),
        };
        let line = |finding: &Finding| format!("{finding}: {}", finding.consequence());
        Damage {
            lines: damage.findings().iter().map(line).collect(),
            total: damage.total(),
        }
    }

    fn info(&self) -> FilesystemInfo {
        let info = self.filesystem.info();
        FilesystemInfo {
            kind: match info.kind {
                Kind::Ext2 => "ext2",
                Kind::Ext3 => "ext3",
                Kind::Ext4 => "ext4",
            },
            label: info.label.clone(),
            uuid: Some(info.uuid),
            serial: None,
            long_serial: None,
            external_journal: info.external_journal,
            blocks: info.geometry.as_ref().map(|geometry| Blocks {
                bytes: geometry.block_bytes(),
                count: geometry.block_count(),
            }),
            has_orphans: info.has_orphans,
        }
    }
}

impl Tiling for ExtContent<'_> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        match &self.metadata {
            Some(metadata) => metadata.extents(range),
            None => self.filesystem.extents(range),
        }
    }
}

impl Content for ExtContent<'_> {
    fn report(&self) -> ContentReport {
        let geometry = self.filesystem.info().geometry.as_ref();
        let mut report = ContentReport::new(self.info());
        report.distrust = match self.filesystem.trust() {
            Trust::Nothing(why) => Some(why.to_string()),
            _ => None,
        };
        report.evidence = self.evidence();
        report.unit_bytes = (self.metadata.as_ref())
            .and(geometry)
            .map(ext_blocks::geometry::Geometry::block_bytes);
        report.not_discarded.clone_from(&self.not_discarded);
        report.unclean = self.unclean();
        let state = self.filesystem.unclean().state;
        report.needs_check = state.map(|state| state.to_string());
        report.repaired_by = Some("e2fsck -f");
        report.damage = self.damage();
        report
    }

    fn as_ext(&self) -> Option<&ExtFilesystem<'_>> {
        Some(&self.filesystem)
    }
}

fn ext_options<'a>(claim: Option<OtherClaim>, options: &Options<'a>) -> ext_blocks::Options<'a> {
    let mut how = ext_blocks::Options::default();
    how.other_claim = claim.map(|claim| match claim {
        OtherClaim::Part(Found { claim, at }) => ext_blocks::OtherClaim::Disk {
            by: claim.name(),
            at,
        },
        OtherClaim::FreeBytes(Found { claim, at }) => ext_blocks::OtherClaim::FreeBlocks {
            by: claim.name(),
            at,
        },
    });
    how.keep_uninit = options.keep_uninit;
    if options.drop_tail {
        how.tail = Tail::Drop;
    }
    how.superblock = options.superblock;
    how.evidence = match options.proof {
        // What is replayed is looked at then.
        _ if options.preliminary => Needed::Nothing,
        // The look for metadata asks all inodes itself.
        _ if options.in_use.is_some() || options.keep == Keep::Metadata => Needed::Bitmaps,
        Proof::References => Needed::Inodes,
        Proof::Checksums => Needed::Checksums,
    };
    how.threads = options.threads;
    how.spool = options.spool;
    how
}

fn no_metadata(why: &ext_blocks::Distrust) -> Error {
    Error::NoMetadata {
        why: why.to_string(),
    }
}

fn content(error: ext_blocks::Error) -> Error {
    Error::Content(error.into())
}

fn discard(error: ext_blocks::Error) -> Error {
    Error::Discard(error.into())
}
