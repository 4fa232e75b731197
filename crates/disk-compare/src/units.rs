//! The units that a disk is compared in.

use crate::error::Error;

/// The smallest and the largest unit in bytes.
const UNIT_BYTES_MIN: u64 = 512;
pub(crate) const UNIT_BYTES_MAX: u64 = 2 << 20;

/// What readers count in that know no exact lengths, in bytes.
const SECTOR_BYTES: u64 = 512;

/// How a disk is cut into units; the last may reach past its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Units {
    /// Length of the disk in bytes.
    pub(crate) disk_bytes: u64,
    /// What somebody may read of it, in bytes: whole sectors.
    pub(crate) seen_bytes: u64,
    pub(crate) unit_bytes: u64,
    /// How many there are.
    pub(crate) count: u64,
}

impl Units {
    pub(crate) fn new(disk_bytes: u64, unit_bytes: u64) -> Result<Self, Error> {
        if !unit_bytes.is_power_of_two() || !(UNIT_BYTES_MIN..=UNIT_BYTES_MAX).contains(&unit_bytes)
        {
            return Err(Error::Unit { unit_bytes });
        }
        Ok(Self {
            disk_bytes,
            seen_bytes: disk_bytes
                .div_ceil(SECTOR_BYTES)
                .saturating_mul(SECTOR_BYTES),
            unit_bytes,
            count: disk_bytes.div_ceil(unit_bytes),
        })
    }

    /// Bytes of the disk in this unit.
    pub(crate) fn bytes_of(&self, unit: u64) -> u64 {
        let rest = self
            .disk_bytes
            .saturating_sub(unit.saturating_mul(self.unit_bytes));
        rest.min(self.unit_bytes)
    }
}

/// A number of bytes that a buffer holds, which every address space does.
pub(crate) fn usize_of(bytes: u64) -> usize {
    usize::try_from(bytes).unwrap_or(usize::MAX)
}
