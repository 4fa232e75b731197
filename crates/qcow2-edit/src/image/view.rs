//! Reads and writes the structures of an image.

use std::ops::Range;

use blockio::{ReadAt, WriteAt, len_u64};
use qcow2_format::{ClusterBits, HostOffset};
use qcow2_map::in_memory;

use crate::error::Error;
use crate::image::damage::Damage;

/// Bytes of a table that are read at once.
const PART_BYTES: u64 = 64 << 10;

/// Bytes of an entry of all tables of offsets.
pub(crate) const WORD_BYTES: u64 = 8;

/// The file with an image.
#[derive(Debug)]
pub(crate) struct View<'s, S> {
    pub(crate) storage: &'s S,
    pub(crate) cluster_bits: ClusterBits,
}

impl<S> Clone for View<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for View<'_, S> {}

impl<S: ReadAt> View<'_, S> {
    /// The end of the last cluster. The file may end anywhere in it.
    pub(crate) fn end(&self) -> u64 {
        let size = self.storage.size();
        self.cluster_bits.round_up(size).unwrap_or(size)
    }

    /// Refuses a structure that is not aligned, or not in the file.
    pub(crate) fn check(&self, structure: &'static str, bytes: &Range<u64>) -> Result<(), Damage> {
        let host = HostOffset(bytes.start);
        if !self.cluster_bits.is_aligned(bytes.start) {
            return Err(Damage::Unaligned { structure, host });
        }
        self.check_end(structure, bytes)
    }

    /// Refuses a structure that is not in the file.
    pub(crate) fn check_end(
        &self,
        structure: &'static str,
        bytes: &Range<u64>,
    ) -> Result<(), Damage> {
        if bytes.end <= self.end() {
            return Ok(());
        }
        Err(Damage::PastEnd {
            structure,
            host: HostOffset(bytes.start),
            end: bytes.end,
            file_bytes: self.storage.size(),
        })
    }

    /// Reads a structure; what is missing of the last cluster is zero.
    pub(crate) fn read(
        &self,
        structure: &'static str,
        bytes: &Range<u64>,
    ) -> Result<Vec<u8>, Error> {
        self.check_end(structure, bytes)?;
        let there = self.storage.size().min(bytes.end);
        let length = in_memory(there.saturating_sub(bytes.start));
        let mut out = vec![0; in_memory(bytes.end.saturating_sub(bytes.start))];
        let part = out.get_mut(..length).unwrap_or_default();
        let read = self.storage.read_at(bytes.start, part);
        read.map_err(|source| Error::Read {
            structure,
            host: HostOffset(bytes.start),
            source,
        })?;
        Ok(out)
    }

    /// Reads the cluster at `host`.
    pub(crate) fn read_cluster(
        &self,
        structure: &'static str,
        host: HostOffset,
    ) -> Result<Vec<u8>, Error> {
        self.read(structure, &self.cluster(host))
    }

    /// The bytes of the cluster at `host`.
    pub(crate) fn cluster(&self, host: HostOffset) -> Range<u64> {
        host.0..host.0.saturating_add(self.cluster_bits.bytes())
    }

    /// Shows the words of a table that are not zero to `visit`, with their indexes.
    pub(crate) fn words(
        &self,
        structure: &'static str,
        bytes: &Range<u64>,
        mut visit: impl FnMut(u64, u64) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut at = bytes.start;
        while at < bytes.end {
            let end = at.saturating_add(PART_BYTES).min(bytes.end);
            let part = self.read(structure, &(at..end))?;
            let first = at.saturating_sub(bytes.start) / WORD_BYTES;
            for (index, word) in (first..).zip(words(&part)) {
                if word != 0 {
                    visit(index, word)?;
                }
            }
            at = end;
        }
        Ok(())
    }

    /// Reads a table of words.
    pub(crate) fn table(
        &self,
        structure: &'static str,
        host: HostOffset,
        entries: u64,
    ) -> Result<Vec<u64>, Error> {
        let bytes = table_bytes(host, entries);
        self.check(structure, &bytes)?;
        Ok(words(&self.read(structure, &bytes)?).collect())
    }
}

impl<S: WriteAt> View<'_, S> {
    pub(crate) fn write(
        &self,
        structure: &'static str,
        host: HostOffset,
        bytes: &[u8],
    ) -> Result<(), Error> {
        let written = self.storage.write_at(host.0, bytes);
        written.map_err(|source| Error::Write {
            structure,
            host,
            source,
        })
    }

    pub(crate) fn sync(&self) -> Result<(), Error> {
        self.storage.sync().map_err(Error::Sync)
    }
}

/// The bytes of a table of words.
pub(crate) fn table_bytes(host: HostOffset, entries: u64) -> Range<u64> {
    host.0..host.0.saturating_add(entries.saturating_mul(WORD_BYTES))
}

/// The big-endian words in `bytes`.
pub(crate) fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (words, _) = bytes.as_chunks::<8>();
    words.iter().map(|word| u64::from_be_bytes(*word))
}

/// The bytes of `words`.
pub(crate) fn bytes_of(words: &[u64]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_be_bytes()).collect()
}

/// Length of `bytes`, filled up to whole clusters.
pub(crate) fn padded(mut bytes: Vec<u8>, cluster_bits: ClusterBits) -> Vec<u8> {
    let length = len_u64(bytes.len());
    let whole = cluster_bits.round_up(length).unwrap_or(length);
    bytes.resize(in_memory(whole), 0);
    bytes
}
