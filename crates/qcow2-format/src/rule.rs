//! Rules that several structures share.

use crate::limits::FILE_OFFSET_MAX;
use crate::{ClusterBits, Error, HostOffset};

/// Refuses a number above `max`.
pub(crate) fn at_most(field: &'static str, at: u64, found: u64, max: u64) -> Result<(), Error> {
    if found <= max {
        Ok(())
    } else {
        Err(Error::TooLarge {
            field,
            at,
            found,
            max,
        })
    }
}

/// Refuses an offset that is not cluster aligned, or from which `length` bytes
/// would pass the largest file offset.
pub(crate) fn table_at(
    field: &'static str,
    at: u64,
    found: u64,
    length: u64,
    cluster_bits: ClusterBits,
) -> Result<(), Error> {
    if !cluster_bits.is_aligned(found) {
        return Err(Error::Unaligned {
            field,
            at,
            found,
            alignment: cluster_bits.bytes(),
        });
    }
    if found
        .checked_add(length)
        .is_none_or(|end| end > FILE_OFFSET_MAX)
    {
        return Err(Error::PastFileOffsets {
            field,
            at,
            found,
            length,
        });
    }
    Ok(())
}

/// `offset`, if it is a multiple of the cluster size.
pub(crate) fn aligned(
    offset: u64,
    cluster_bits: ClusterBits,
    table: &'static str,
    index: u64,
) -> Result<HostOffset, Error> {
    if cluster_bits.is_aligned(offset) {
        Ok(HostOffset(offset))
    } else {
        Err(Error::UnalignedEntry {
            table,
            index,
            found: offset,
            alignment: cluster_bits.bytes(),
        })
    }
}
