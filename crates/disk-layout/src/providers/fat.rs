//! The provider for FAT12, FAT16, FAT32 and exFAT.

use std::ops::Range;

use blockio::{AllData, Extents, Tiling};
use fat_blocks::{Detected, Filesystem, Finding, Info, Kind, Trust, detect};

use crate::claims::{self, Claim};
use crate::error::Error;
use crate::options::{Keep, Options};
use crate::provider::{Belief, Candidate, Content, OtherClaim, Part, Probe, Provider};
use crate::report::{Blocks, ContentReport, Damage, FilesystemInfo};
use crate::table;

/// Knows the FAT family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fat;

/// A filesystem of the family, and whether its first sector holds a partition table.
struct Found<'d> {
    filesystem: Filesystem<Part<'d>>,
    is_table: bool,
    /// What else claims the part in sectors that FAT32 leaves alone.
    beside: Option<claims::Found>,
}

/// A filesystem that decides, unless something else claims its part.
struct FatContent<'d> {
    filesystem: Filesystem<Part<'d>>,
    claim: Option<OtherClaim>,
}

impl Provider for Fat {
    fn probe<'d>(&self, part: &Part<'d>, _: &Options<'_>) -> Result<Probe<'d>, Error> {
        let detected = detect(part.clone(), &fat_blocks::Options::default());
        let filesystem = match detected.map_err(|error| Error::Content(error.into()))? {
            Detected::Fat(filesystem) => filesystem,
            Detected::Nothing => return Ok(Probe::NotMine),
        };
        // A boot sector whose only partition is its own filesystem is no table.
        let table = table::read(part, &table::Options::default());
        let kind = table.map_err(Error::Table)?.kind;
        let beside = match filesystem.info().kind {
            Some(Kind::Fat32) => claims::find_in_boot_area(part)?,
            _ => None,
        };
        Ok(Probe::Mine(Box::new(Found {
            filesystem,
            beside,
            is_table: !matches!(kind, table::Kind::None(_)),
        })))
    }
}

impl<'d> Candidate<'d> for Found<'d> {
    fn belief(&self) -> Belief {
        match self.filesystem.info().bytes {
            _ if self.filesystem.trust() != Trust::Clusters => Belief::Nothing,
            0 => Belief::Signature,
            bytes => Belief::Bytes { bytes },
        }
    }

    fn own(&self) -> &'static [Claim] {
        if self.is_table {
            &[Claim::Fat, Claim::Exfat]
        } else {
            &[Claim::Fat, Claim::Exfat, Claim::Mbr]
        }
    }

    fn open(
        self: Box<Self>,
        claim: Option<OtherClaim>,
        options: &Options<'_>,
    ) -> Result<Box<dyn Content + 'd>, Error> {
        if options.keep == Keep::Metadata {
            let why = format!("the filesystem is {}", name(self.filesystem.info()));
            return Err(Error::NoMetadata { why });
        }
        Ok(Box::new(FatContent {
            filesystem: self.filesystem,
            claim: claim.or(self.beside.map(OtherClaim::Part)),
        }))
    }
}

impl Tiling for FatContent<'_> {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        match self.claim {
            Some(_) => AllData.extents(range),
            None => self.filesystem.extents(range),
        }
    }
}

impl Content for FatContent<'_> {
    fn report(&self) -> ContentReport {
        let info = self.filesystem.info();
        let mut filesystem = FilesystemInfo::new(name(info));
        filesystem.label.clone_from(&info.label);
        filesystem.serial = Some(info.serial).filter(|serial| *serial != 0);
        filesystem.blocks = (info.clusters > 0).then(|| Blocks {
            bytes: info.cluster_bytes.into(),
            count: info.clusters.into(),
        });
        let mut report = ContentReport::new(filesystem);
        report.distrust = match (self.claim, self.filesystem.trust()) {
            (Some(claim), _) => Some(claim.to_string()),
            (None, Trust::Nothing(why)) => Some(why.to_string()),
            (None, _) => None,
        };
        report.repaired_by = Some(match info.kind {
            Some(Kind::ExFat) => "fsck.exfat",
            _ => "fsck.fat",
        });
        if self.claim.is_none() {
            let found = self.filesystem.damage();
            report.damage = Damage {
                lines: found.iter().map(Finding::to_string).collect(),
                total: blockio::len_u64(found.len()),
            };
        }
        report
    }
}

const fn name(info: &Info) -> &'static str {
    match info.kind {
        Some(Kind::Fat12) => "FAT12",
        Some(Kind::Fat16) => "FAT16",
        Some(Kind::Fat32) => "FAT32",
        Some(Kind::ExFat) => "exFAT",
        _ => "FAT",
    }
}
