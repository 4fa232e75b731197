//! A signature: some bytes at some places, and what else must hold.

use super::claim::Claim;
use blockio::ReadAt;

use super::found::Found;
use super::regions::{Regions, Unreadable};

/// Bytes of a structure that a check may look at: a sector.
pub(super) const CHECKED_BYTES: usize = 512;

/// The bytes of the longest magic.
const MAGIC_BYTES: usize = 24;

/// Where a structure is, in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// From the start of the disk.
    Start(u64),
    /// `back` bytes before the last multiple of `unit` on the disk.
    End { unit: u64, back: u64 },
}

/// Bytes that tell a format.
#[derive(Debug)]
pub(super) struct Signature {
    pub(super) claim: Claim,
    /// Where its structure may be.
    pub(super) places: &'static [Place],
    /// Where in the structure the magic is.
    pub(super) inside: u64,
    /// Any of these.
    pub(super) magics: &'static [&'static [u8]],
    /// What the first bytes of the structure must say besides, where the magic is
    /// too short to tell: given them and the size of the disk.
    pub(super) check: Option<Check>,
}

pub(super) type Check = fn(&[u8; CHECKED_BYTES], u64) -> bool;

impl Place {
    /// Whole sectors of 512 bytes before the end.
    pub(super) const fn sectors_back(count: u64) -> Self {
        Self::End {
            unit: 512,
            back: count.saturating_mul(512),
        }
    }

    /// `None` where the disk is too small.
    fn on(self, disk_bytes: u64) -> Option<u64> {
        match self {
            Self::Start(at) => Some(at),
            Self::End { unit, back } => {
                let rest = disk_bytes.checked_rem(unit)?;
                disk_bytes.checked_sub(rest)?.checked_sub(back)
            }
        }
    }
}

impl Signature {
    /// A signature without more conditions.
    pub(super) const fn new(
        claim: Claim,
        places: &'static [Place],
        inside: u64,
        magics: &'static [&'static [u8]],
    ) -> Self {
        Self {
            claim,
            places,
            inside,
            magics,
            check: None,
        }
    }

    /// A signature that is too short, and counts only where `check` holds.
    pub(super) const fn weak(
        claim: Claim,
        places: &'static [Place],
        inside: u64,
        magics: &'static [&'static [u8]],
        check: Check,
    ) -> Self {
        Self {
            claim,
            places,
            inside,
            magics,
            check: Some(check),
        }
    }

    /// The first place where it is, of those from the end where it `counts`.
    pub(super) fn find<R: ReadAt + ?Sized>(
        &self,
        regions: &Regions<'_, R>,
        counts: &mut dyn FnMut(Found) -> bool,
    ) -> Result<Option<Found>, Unreadable> {
        let disk_bytes = regions.disk_bytes();
        for place in self.places {
            let Some(start) = place.on(disk_bytes) else {
                continue;
            };
            let Some(at) = start.checked_add(self.inside) else {
                continue;
            };
            let mut found = [0; MAGIC_BYTES];
            let longest = self.magics.iter().map(|magic| magic.len()).max();
            // No byte more: the next sector may be one that cannot be read.
            if let Some(found) = found.get_mut(..longest.unwrap_or(0)) {
                regions.fill(at, found)?;
            }
            if !self.magics.iter().any(|magic| found.starts_with(magic)) {
                continue;
            }
            let mut structure = [0; CHECKED_BYTES];
            if let Some(check) = self.check {
                regions.fill(start, &mut structure)?;
                if !check(&structure, disk_bytes) {
                    continue;
                }
            }
            let claim = self.claim;
            let found = Found { claim, at };
            if matches!(place, Place::Start(_)) || counts(found) {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}
