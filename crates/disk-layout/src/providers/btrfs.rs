//! The provider for btrfs.

use std::ops::Range;

use blockio::{AllData, Extents, Tiling};
use btrfs_blocks::{Filesystem, Finding, Log, Trust, find};

use crate::claims::Claim;
use crate::error::Error;
use crate::options::{Keep, Options, Proof};
use crate::provider::{Belief, Candidate, Content, OtherClaim, Part, Probe, Provider};
use crate::report::{Blocks, ContentReport, Damage, Evidence, FilesystemInfo};

/// Knows btrfs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Btrfs;

/// A superblock of btrfs.
struct Superblock<'d> {
    part: Part<'d>,
    found: btrfs_blocks::Candidate,
}

/// A filesystem that decides, unless something else claims its part.
struct BtrfsContent<'d> {
    filesystem: Filesystem<Part<'d>>,
    claim: Option<OtherClaim>,
    keep: Keep,
    discards: bool,
}

impl Provider for Btrfs {
    fn probe<'d>(&self, part: &Part<'d>, _: &Options<'_>) -> Result<Probe<'d>, Error> {
        Ok(match find(part).map_err(content)? {
            Some(found) => Probe::Mine(Box::new(Superblock {
                part: part.clone(),
                found,
            })),
            None => Probe::NotMine,
        })
    }
}

impl<'d> Candidate<'d> for Superblock<'d> {
    fn belief(&self) -> Belief {
        if !self.found.is_believed() {
            return Belief::Nothing;
        }
        let bytes = self.found.bytes();
        Belief::Bytes { bytes }
    }

    fn own(&self) -> &'static [Claim] {
        &[Claim::Btrfs]
    }

    fn open(
        self: Box<Self>,
        claim: Option<OtherClaim>,
        options: &Options<'_>,
    ) -> Result<Box<dyn Content + 'd>, Error> {
        let mut how = btrfs_blocks::Options::default();
        if options.keep == Keep::Metadata {
            how.keep = btrfs_blocks::Keep::Metadata;
        }
        // Nothing will be free.
        let is_idle = options.in_use.is_some() || options.preliminary || claim.is_some();
        if is_idle || options.proof == Proof::Checksums {
            how.proof = btrfs_blocks::Proof::Extents;
        }
        let filesystem = self.found.open(self.part, &how).map_err(content)?;
        if let (Keep::Metadata, Some(why)) = (options.keep, filesystem.distrust()) {
            let why = why.to_string();
            return Err(Error::NoMetadata { why });
        }
        Ok(Box::new(BtrfsContent {
            filesystem,
            claim,
            keep: options.keep,
            discards: options.discard.is_any(),
        }))
    }
}

impl BtrfsContent<'_> {
    /// Whether another claim decides. Metadata is told from data all the same.
    fn is_claimed(&self) -> bool {
        self.claim.is_some() && self.keep != Keep::Metadata
    }

    fn info(&self) -> FilesystemInfo {
        let info = self.filesystem.info();
        let mut filesystem = FilesystemInfo::new("btrfs");
        filesystem.label.clone_from(&info.label);
        filesystem.uuid = Some(info.uuid);
        let bytes = u64::from(info.sector_bytes);
        let count = info.bytes.checked_div(bytes);
        filesystem.blocks = count.map(|count| Blocks { bytes, count });
        filesystem
    }
}

impl Tiling for BtrfsContent<'_> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        if self.is_claimed() {
            AllData.extents(range)
        } else {
            self.filesystem.extents(range)
        }
    }
}

impl Content for BtrfsContent<'_> {
    fn report(&self) -> ContentReport {
        let mut report = ContentReport::new(self.info());
        report.distrust = match (self.claim, self.filesystem.distrust()) {
            (Some(claim), _) => Some(claim.to_string()),
            (None, why) => why.map(ToString::to_string),
        };
        if self.discards {
            report.not_discarded = Some("it is a btrfs filesystem".into());
        }
        if self.is_claimed() || self.filesystem.distrust().is_some() {
            return report;
        }
        report.unclean = self.filesystem.log().map(log);
        let found = self.filesystem.damage();
        report.damage = Damage {
            lines: found.iter().map(Finding::to_string).collect(),
            total: blockio::len_u64(found.len()),
        };
        if self.keep == Keep::Metadata {
            let sector = self.filesystem.info().sector_bytes;
            report.unit_bytes = Some(sector.into());
        } else {
            report.evidence = Some(match self.filesystem.trust() {
                Trust::References => Evidence::References,
                _ => Evidence::Map,
            });
        }
        report
    }
}

/// What the log holds, in words.
fn log(log: Log) -> String {
    format!(
        "what was synced after the last commit is in the log: {} tree blocks with {} references to \
         contents of files; they are kept",
        log.blocks, log.references
    )
}

fn content(error: btrfs_blocks::Error) -> Error {
    Error::Content(error.into())
}
