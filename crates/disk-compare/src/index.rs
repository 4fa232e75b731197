//! The digests of the units of a disk, in a file: what spares reading the disk to
//! compare another one with it.

mod binding;
mod records;
mod writer;

use blockio::{ReadAt, len_u64};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, IndexFault};
use crate::units::Units;
pub use binding::binding;
pub(crate) use records::Records;
pub use writer::IndexWriter;

/// A SHA-256.
pub(crate) type Digest = [u8; 32];

const MAGIC: [u8; 8] = *b"qcow2idx";
const VERSION: u32 = 1;

/// Length of the header in bytes.
const HEADER_BYTES: usize = 96;
/// What of it the checksum covers, in bytes.
const CHECKED_BYTES: usize = 64;
/// Length of a record in bytes: the number of a unit, and its digest.
pub(crate) const RECORD_BYTES: usize = 40;

/// The SHA-256 of a whole unit.
pub(crate) fn digest_of(unit: &[u8]) -> Digest {
    Sha256::digest(unit).into()
}

/// What stands before the records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) unit_bytes: u32,
    pub(crate) disk_bytes: u64,
    pub(crate) records: u64,
    pub(crate) binding: [u8; 32],
}

impl Header {
    /// The bytes that the checksum covers.
    pub(crate) fn checked_bytes(&self) -> [u8; CHECKED_BYTES] {
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
    fn parse(bytes: &[u8; HEADER_BYTES]) -> Result<(Self, Digest), IndexFault> {
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
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let Some((first, after)) = rest.split_first_chunk() else {
        return [0; N];
    };
    *rest = after;
    *first
}

/// The digests of the units of a disk. Units without one hold nothing but zeros.
pub struct DigestIndex<'f> {
    file: &'f dyn ReadAt,
    header: Header,
    units: Units,
}

impl std::fmt::Debug for DigestIndex<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DigestIndex")
            .field("header", &self.header)
            .finish_non_exhaustive()
    }
}

impl<'f> DigestIndex<'f> {
    /// Opens the index that `file` holds, once all of it is read and found whole.
    ///
    /// # Errors
    ///
    /// [`Error::Index`] if it cannot be read, is none, or is damaged.
    pub fn open(file: &'f dyn ReadAt) -> Result<Self, Error> {
        let mut bytes = [0; HEADER_BYTES];
        if file.size() < len_u64(HEADER_BYTES) {
            return Err(IndexFault::Magic.into());
        }
        file.read_at(0, &mut bytes).map_err(IndexFault::Read)?;
        let (header, checksum) = Header::parse(&bytes)?;
        let units = Units::new(header.disk_bytes, header.unit_bytes.into()).map_err(|_| {
            IndexFault::Unit {
                found: header.unit_bytes,
            }
        })?;
        let length = header
            .records
            .checked_mul(len_u64(RECORD_BYTES))
            .and_then(|bytes| bytes.checked_add(len_u64(HEADER_BYTES)));
        if length != Some(file.size()) {
            return Err(IndexFault::Length {
                records: header.records,
                found: file.size(),
            }
            .into());
        }
        let index = Self {
            file,
            header,
            units,
        };
        let mut hash = Sha256::new();
        let mut records = index.all_records();
        while let Some(block) = records.next_block()? {
            hash.update(block);
        }
        hash.update(header.checked_bytes());
        if Digest::from(hash.finalize()) != checksum {
            return Err(IndexFault::Checksum.into());
        }
        // The order was not looked at before it was known to be as it was written.
        let mut records = index.all_records();
        while records.next()?.is_some() {}
        Ok(index)
    }

    /// Length of the disk in bytes.
    #[must_use]
    pub fn disk_bytes(&self) -> u64 {
        self.header.disk_bytes
    }

    /// Size of a unit in bytes.
    #[must_use]
    pub fn unit_bytes(&self) -> u64 {
        self.header.unit_bytes.into()
    }

    /// What [`IndexWriter::finish`] was told: normally a [`binding`].
    #[must_use]
    pub fn binding(&self) -> [u8; 32] {
        self.header.binding
    }

    fn all_records(&self) -> Records<'_> {
        Records::new(self.file, self.header.records, self.units)
    }

    /// The records, for a comparison in units of `unit_bytes`.
    pub(crate) fn records(&self, unit_bytes: u64) -> Result<Records<'_>, Error> {
        if unit_bytes != self.unit_bytes() {
            return Err(Error::Unit { unit_bytes });
        }
        Ok(self.all_records())
    }
}

#[cfg(test)]
mod tests;
