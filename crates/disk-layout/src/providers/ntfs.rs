//! The provider for NTFS.

use std::ops::Range;

use blockio::{AllData, Extents, Tiling};
use ntfs_blocks::{Filesystem, Finding, Info, Trust};

use crate::claims::Claim;
use crate::error::Error;
use crate::options::{Keep, Options};
use crate::provider::{Belief, Candidate, Content, OtherClaim, Part, Probe, Provider};
use crate::report::{Blocks, ContentReport, Damage, Evidence, FilesystemInfo};

/// Knows NTFS.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ntfs;

/// A boot sector of NTFS.
struct BootSector<'d> {
    part: Part<'d>,
    found: ntfs_blocks::Candidate,
}

/// A volume that decides, unless something else claims its part.
struct Volume<'d> {
    filesystem: Filesystem<Part<'d>>,
    claim: Option<OtherClaim>,
}

impl Provider for Ntfs {
    fn probe<'d>(&self, part: &Part<'d>, _: &Options<'_>) -> Result<Probe<'d>, Error> {
        Ok(match ntfs_blocks::find(part).map_err(content)? {
            None => Probe::NotMine,
            Some(found) => Probe::Mine(Box::new(BootSector {
                part: part.clone(),
                found,
            })),
        })
    }
}

impl<'d> Candidate<'d> for BootSector<'d> {
    fn belief(&self) -> Belief {
        match self.found.distrust() {
            Some(_) => Belief::Nothing,
            None => Belief::Bytes {
                bytes: self.found.info().bytes,
            },
        }
    }

    fn own(&self) -> &'static [Claim] {
        &[Claim::Ntfs]
    }

    fn open(
        self: Box<Self>,
        claim: Option<OtherClaim>,
        options: &Options<'_>,
    ) -> Result<Box<dyn Content + 'd>, Error> {
        if options.keep == Keep::Metadata {
            let why = "the filesystem is NTFS".into();
            return Err(Error::NoMetadata { why });
        }
        let mut how = ntfs_blocks::Options::default();
        // The bitmap has no checksum, so it is never enough where anything is left out.
        if claim.is_some() || options.in_use.is_some() || options.preliminary {
            how.evidence = ntfs_blocks::Evidence::Bitmap;
        }
        let filesystem = self.found.open(self.part, &how).map_err(content)?;
        Ok(Box::new(Volume { filesystem, claim }))
    }
}

impl Tiling for Volume<'_> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        match self.claim {
            Some(_) => AllData.extents(range),
            None => self.filesystem.extents(range),
        }
    }
}

impl Content for Volume<'_> {
    fn report(&self) -> ContentReport {
        let trust = self.filesystem.trust();
        let mut report = ContentReport::new(filesystem(self.filesystem.info()));
        report.distrust = match (self.claim, trust) {
            (Some(claim), _) => Some(claim.to_string()),
            (None, Trust::Nothing(why)) => Some(why.to_string()),
            (None, _) => None,
        };
        report.repaired_by = Some("chkdsk /f");
        if self.claim.is_none() {
            report.evidence = match trust {
                Trust::Records => Some(Evidence::References),
                Trust::Bitmap => Some(Evidence::Map),
                _ => None,
            };
            let damage = self.filesystem.damage();
            report.damage = Damage {
                lines: damage.findings().iter().map(Finding::to_string).collect(),
                total: damage.total(),
            };
        }
        report
    }
}

fn filesystem(info: &Info) -> FilesystemInfo {
    let mut filesystem = FilesystemInfo::new("NTFS");
    filesystem.label.clone_from(&info.label);
    filesystem.long_serial = Some(info.serial).filter(|serial| *serial != 0);
    filesystem.blocks = (info.clusters > 0).then_some(Blocks {
        bytes: info.cluster_bytes,
        count: info.clusters,
    });
    filesystem
}

fn content(error: ntfs_blocks::Error) -> Error {
    Error::Content(error.into())
}
