//! Which bytes an index has.

use crate::error::IndexFault;

/// A BLAKE3 of 256 bits.
pub(crate) type Digest = [u8; 32];

const MAGIC: [u8; 8] = *b"qcow2idx";
const VERSION: u32 = 2;

/// Length of the header in bytes.
pub(super) const HEADER_BYTES: usize = 96;
/// What of it the checksum covers, in bytes.
const CHECKED_BYTES: usize = 64;
/// Length of a record in bytes: the number of a unit, and its digest.
pub(super) const RECORD_BYTES: usize = 40;

/// The BLAKE3 of a whole unit.
pub(crate) fn digest_of(unit: &[u8]) -> Digest {
    blake3::hash(unit).into()
}

/// What stands before the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) unit_bytes: u32,
    pub(super) disk_bytes: u64,
    pub(super) records: u64,
    pub(super) binding: [u8; 32],
}

impl Header {
    /// The bytes that the checksum covers.
    pub(super) fn checked_bytes(&self) -> [u8; CHECKED_BYTES] {
        let mut bytes = [0; CHECKED_BYTES];
        let fields: [&[u8]; 6] = [
            &MAGIC,
            &VERSION.to_be_bytes(),
            &self.unit_bytes.to_be_bytes(),
            &self.disk_bytes.to_be_bytes(),
            &self.records.to_be_bytes(),
            &self.binding,
        ];
        for (byte, field) in bytes.iter_mut().zip(fields.into_iter().flatten()) {
            *byte = *field;
        }
        bytes
    }

    /// The header in `bytes`, as far as it can be judged by itself, and its checksum.
    pub(super) fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<(Self, Digest), IndexFault> {
        let mut rest = bytes.as_slice();
        if take(&mut rest) != MAGIC {
            return Err(IndexFault::Magic);
        }
        let found = u32::from_be_bytes(take(&mut rest));
        if found != VERSION {
            return Err(IndexFault::Version { found });
        }
        let header = Self {
            unit_bytes: u32::from_be_bytes(take(&mut rest)),
            disk_bytes: u64::from_be_bytes(take(&mut rest)),
            records: u64::from_be_bytes(take(&mut rest)),
            binding: take(&mut rest),
        };
        Ok((header, take(&mut rest)))
    }
}

/// The first bytes of `rest`, which is long enough.
pub(super) fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let Some((first, after)) = rest.split_first_chunk() else {
        return [0; N];
    };
    *rest = after;
    *first
}
