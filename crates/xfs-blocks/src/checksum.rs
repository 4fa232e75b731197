//! CRC-32C as XFS version 5 uses it: over a whole structure with its own field as zeros,
//! with the final inversion, stored little-endian.

use crc::{CRC_32_ISCSI, Crc, Table};

use crate::bytes::le32;

pub(crate) static CRC32C: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_32_ISCSI);

/// Bytes of a stored checksum.
const CHECKSUM_BYTES: usize = 4;

/// A checksum that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Mismatch {
    pub(crate) stored: u32,
    pub(crate) computed: u32,
}

/// Holds the checksum at byte `at` of `structure` against its bytes.
pub(crate) fn check(structure: &[u8], at: usize) -> Result<(), Mismatch> {
    let stored = le32(structure, at);
    let computed = compute(structure, at);
    if stored == computed {
        return Ok(());
    }
    Err(Mismatch { stored, computed })
}

/// The checksum of `structure`, which has it at byte `at`.
pub(crate) fn compute(structure: &[u8], at: usize) -> u32 {
    let (before, rest) = structure.split_at_checked(at).unwrap_or((structure, &[]));
    let after = rest.get(CHECKSUM_BYTES..).unwrap_or_default();
    let mut digest = CRC32C.digest();
    digest.update(before);
    digest.update(&[0; CHECKSUM_BYTES]);
    digest.update(after);
    digest.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_counts_as_zeros() {
        // "123456789" has the check value of the algorithm's definition.
        assert_eq!(CRC32C.checksum(b"123456789"), 0xe306_9283);
        let mut bytes = *b"abcd\0\0\0\0efgh";
        let want = CRC32C.checksum(&bytes);
        bytes[4..8].copy_from_slice(&want.to_le_bytes());
        assert_eq!(check(&bytes, 4), Ok(()));
        bytes[0] ^= 1;
        let found = check(&bytes, 4).unwrap_err();
        assert_eq!(found.stored, want);
        assert_ne!(found.computed, want);
    }
}
