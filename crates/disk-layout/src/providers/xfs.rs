//! The provider for XFS.

use std::ops::Range;

use blockio::{AllData, Extents, Tiling};
use xfs_blocks::{Filesystem, Finding, Info, Sought, Trust};

use crate::claims::Claim;
use crate::error::Error;
use crate::options::{Keep, Options, Proof};
use crate::provider::{Belief, Candidate, Content, OtherClaim, Part, Probe, Provider};
use crate::report::{Blocks, ContentReport, Damage, Evidence, FilesystemInfo};

/// Knows XFS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Xfs;

/// A superblock of XFS.
struct Superblock<'d> {
    part: Part<'d>,
    found: Box<xfs_blocks::Candidate>,
}

/// A filesystem that was looked into, unless nothing of it decides.
struct XfsContent<'d> {
    info: Info,
    filesystem: Option<Filesystem<Part<'d>>>,
    claim: Option<OtherClaim>,
    is_metadata: bool,
    not_discarded: Option<String>,
}

impl Provider for Xfs {
    fn probe<'d>(&self, part: &Part<'d>, _: &Options<'_>) -> Result<Probe<'d>, Error> {
        Ok(match xfs_blocks::find(part).map_err(content)? {
            Sought::Xfs(found) => Probe::Mine(Box::new(Superblock {
                part: part.clone(),
                found,
            })),
            Sought::Nothing => Probe::NotMine,
        })
    }
}

impl<'d> Candidate<'d> for Superblock<'d> {
    fn belief(&self) -> Belief {
        match self.found.filesystem_bytes() {
            Some(bytes) => Belief::Bytes { bytes },
            None => Belief::Nothing,
        }
    }

    fn own(&self) -> &'static [Claim] {
        &[Claim::Xfs]
    }

    fn open(
        self: Box<Self>,
        claim: Option<OtherClaim>,
        options: &Options<'_>,
    ) -> Result<Box<dyn Content + 'd>, Error> {
        let is_metadata = options.keep == Keep::Metadata;
        let is_kept = claim.is_some() || options.in_use.is_some();
        let decides = !options.preliminary && (is_metadata || !is_kept);
        let info = self.found.info();
        let how = xfs_options(options);
        let filesystem = decides.then(|| self.found.open(self.part, &how));
        let filesystem = filesystem.transpose().map_err(content)?;
        let trust = filesystem.as_ref().map(Filesystem::trust);
        if let (true, Some(Trust::Nothing(why))) = (is_metadata, trust) {
            let why = why.to_string();
            return Err(Error::NoMetadata { why });
        }
        let not_discarded = (options.discard.is_any())
            .then(|| "unwritten extents and logs of XFS cannot be told to be free".to_owned());
        Ok(Box::new(XfsContent {
            info,
            filesystem,
            claim,
            is_metadata,
            not_discarded,
        }))
    }
}

impl Tiling for XfsContent<'_> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        match &self.filesystem {
            Some(filesystem) => filesystem.extents(range),
            None => AllData.extents(range),
        }
    }
}

impl Content for XfsContent<'_> {
    fn report(&self) -> ContentReport {
        let mut report = ContentReport::new(filesystem_info(&self.info));
        report.not_discarded.clone_from(&self.not_discarded);
        report.distrust = self.claim.map(|claim| claim.to_string());
        let Some(filesystem) = &self.filesystem else {
            return report;
        };
        if let Trust::Nothing(why) = filesystem.trust() {
            report.distrust = Some(why.to_string());
            return report;
        }
        if self.is_metadata {
            report.unit_bytes = Some(self.info.block_bytes);
        } else {
            report.evidence = Some(if filesystem.has_references() {
                Evidence::References
            } else {
                Evidence::Map
            });
        }
        report.unclean = (filesystem.unclean())
            .map(|log| format!("{log}; what is in use before or after them is kept"));
        let damage = filesystem.damage();
        report.damage = Damage {
            lines: damage.findings().iter().map(Finding::to_string).collect(),
            total: damage.total(),
        };
        report
    }
}

fn filesystem_info(info: &Info) -> FilesystemInfo {
    let mut filesystem = FilesystemInfo::new("XFS");
    filesystem.label.clone_from(&info.label);
    filesystem.uuid = Some(info.uuid);
    filesystem.blocks = (info.blocks > 0).then_some(Blocks {
        bytes: info.block_bytes,
        count: info.blocks,
    });
    filesystem
}

fn xfs_options<'a>(options: &Options<'a>) -> xfs_blocks::Options<'a> {
    let mut how = xfs_blocks::Options::default();
    how.evidence = match options.proof {
        Proof::References => xfs_blocks::Evidence::References,
        Proof::Checksums => xfs_blocks::Evidence::Checksums,
    };
    if options.keep == Keep::Metadata {
        how.keep = xfs_blocks::Keep::Metadata;
    }
    if options.drop_tail {
        how.tail = xfs_blocks::Tail::Drop;
    }
    how.spool = options.spool;
    how
}

fn content(error: xfs_blocks::Error) -> Error {
    Error::Content(error.into())
}
