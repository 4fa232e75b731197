//! The digests of the units of a disk, in a file: what spares reading the disk to
//! compare another one with it.

mod binding;
pub(crate) mod layout;
mod records;
mod writer;

use blake3::Hasher;
use blockio::{ReadAt, len_u64};

use crate::error::{Error, IndexFault};
use crate::units::Units;
pub use binding::binding;
use layout::{Digest, HEADER_BYTES, Header, RECORD_BYTES};
pub(crate) use records::Records;
pub use writer::IndexWriter;

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
        let mut hash = Hasher::new();
        let mut records = index.all_records();
        while let Some(block) = records.next_block()? {
            hash.update(block);
        }
        hash.update(&header.checked_bytes());
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

    /// What [`IndexWriter::finish`] was told: normally a [`binding()`].
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
