//! The provider for Linux swap.

use std::ops::Range;

use blockio::{AllData, Extents, ReadAt, Tiling};

use crate::claims::Claim;
use crate::error::Error;
use crate::options::{Keep, Options};
use crate::provider::{Belief, Candidate, Content, OtherClaim, Part, Probe, Provider};
use crate::report::{Blocks, ContentReport, FilesystemInfo};
use crate::swap::{self, Detected, Trust};

/// Knows Linux swap.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Swap;

/// The header of swap on a part of this size.
struct Header {
    swap: swap::Swap,
    bytes: u64,
}

/// Swap whose pages are free, unless something else claims its part.
struct Pages {
    swap: swap::Swap,
    claim: Option<OtherClaim>,
}

impl Provider for Swap {
    fn probe<'d>(&self, part: &Part<'d>, _: &Options<'_>) -> Result<Probe<'d>, Error> {
        let detected = swap::detect(part);
        Ok(
            match detected.map_err(|error| Error::Content(error.into()))? {
                Detected::Nothing => Probe::NotMine,
                Detected::Swap(swap) => Probe::Mine(Box::new(Header {
                    swap,
                    bytes: part.size(),
                })),
            },
        )
    }
}

impl<'d> Candidate<'d> for Header {
    fn belief(&self) -> Belief {
        match self.swap.trust() {
            Trust::Nothing(_) => Belief::Nothing,
            Trust::Header => Belief::Bytes { bytes: self.bytes },
        }
    }

    fn own(&self) -> &'static [Claim] {
        &[Claim::Swap, Claim::Hibernation]
    }

    fn open(
        self: Box<Self>,
        claim: Option<OtherClaim>,
        options: &Options<'_>,
    ) -> Result<Box<dyn Content + 'd>, Error> {
        if options.keep == Keep::Metadata {
            let why = "it is swap space".into();
            return Err(Error::NoMetadata { why });
        }
        Ok(Box::new(Pages {
            swap: self.swap,
            claim,
        }))
    }
}

impl Tiling for Pages {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        match self.claim {
            Some(_) => AllData.extents(range),
            None => self.swap.extents(range),
        }
    }
}

impl Content for Pages {
    fn report(&self) -> ContentReport {
        let info = self.swap.info();
        let mut filesystem = FilesystemInfo::new("swap");
        filesystem.label.clone_from(&info.label);
        filesystem.uuid = Some(info.uuid).filter(|uuid| *uuid != [0; 16]);
        let bytes = info.used_bytes.saturating_add(info.free_bytes);
        let page = u64::from(info.page_bytes);
        filesystem.blocks = bytes
            .checked_div(page)
            .map(|count| Blocks { bytes: page, count });
        let mut report = ContentReport::new(filesystem);
        report.distrust = match (self.claim, self.swap.trust()) {
            (Some(claim), _) => Some(claim.to_string()),
            (None, Trust::Nothing(why)) => Some(why.to_string()),
            (None, Trust::Header) => None,
        };
        report
    }
}
