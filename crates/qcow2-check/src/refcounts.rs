//! The stored refcounts.

use blockio::ReadAt;
use qcow2_format::refcount::RefcountTableEntry;
use qcow2_format::{ClusterBits, Header, HostOffset, RefcountOrder};
use qcow2_map::Structure;

use crate::error::Error;

/// The refcount table of an image, as stored: all of its entries are right.
#[derive(Debug)]
pub struct RefcountTable {
    cluster_bits: ClusterBits,
    bytes: Vec<u8>,
}

impl RefcountTable {
    /// Reads the refcount table of an image.
    ///
    /// # Errors
    ///
    /// [`Error::NoRefcountTable`], [`Error::RefcountTable`] where an entry is wrong, and
    /// where it cannot be read.
    pub fn read<S: ReadAt>(storage: &S, header: &Header) -> Result<Self, Error> {
        if header.refcount_table_clusters == 0 {
            return Err(Error::NoRefcountTable);
        }
        let cluster_bits = header.cluster_bits;
        let host = header.refcount_table_offset;
        let clusters = u64::from(header.refcount_table_clusters);
        // Decoding the header has held this against the limit of 8 MiB.
        let table_bytes = clusters.saturating_mul(cluster_bits.bytes());
        let bytes = read_there(storage, Structure::RefcountTable, host, table_bytes)?;
        let table = Self {
            cluster_bits,
            bytes,
        };
        for (index, word) in (0..).zip(table.words()) {
            table
                .decode(index, word)
                .map_err(|source| Error::RefcountTable {
                    table: host,
                    source,
                })?;
        }
        Ok(table)
    }

    /// A table that names no block: nothing is counted.
    pub(crate) fn empty(cluster_bits: ClusterBits) -> Self {
        Self {
            cluster_bits,
            bytes: Vec::new(),
        }
    }

    fn words(&self) -> &[[u8; 8]] {
        self.bytes.as_chunks().0
    }

    fn decode(
        &self,
        index: u64,
        word: &[u8; 8],
    ) -> Result<Option<HostOffset>, qcow2_format::Error> {
        let entry = RefcountTableEntry::decode(u64::from_be_bytes(*word), self.cluster_bits, index);
        entry.map(|RefcountTableEntry(block)| block)
    }

    /// Where the refcount blocks are.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = HostOffset> {
        let words = (0..).zip(self.words());
        words.filter_map(|(index, word)| self.decode(index, word).ok()?)
    }

    /// Where block `index` is, if there is one.
    #[must_use]
    pub fn block(&self, index: u64) -> Option<HostOffset> {
        let word = self.words().get(usize::try_from(index).ok()?)?;
        self.decode(index, word).ok()?
    }
}

/// The refcounts of an image: its table, and one block.
pub(crate) struct Refcounts<'s, S> {
    storage: &'s S,
    cluster_bits: ClusterBits,
    order: RefcountOrder,
    table: &'s RefcountTable,
    /// A block and its index.
    current: Option<(u64, Vec<u8>)>,
}

impl<'s, S: ReadAt> Refcounts<'s, S> {
    /// The refcounts in the blocks that `table` names.
    pub(crate) fn new(storage: &'s S, header: &Header, table: &'s RefcountTable) -> Self {
        Self {
            storage,
            cluster_bits: header.cluster_bits,
            order: header.refcount_order,
            table,
            current: None,
        }
    }

    /// The refcount of a host cluster.
    pub(crate) fn get(&mut self, cluster: u64) -> Result<u64, Error> {
        // A power of two.
        let entries = self.order.entries_per_block(self.cluster_bits);
        let block = cluster >> entries.trailing_zeros();
        let entry = cluster & entries.saturating_sub(1);
        if self.current.as_ref().map(|(index, _)| *index) != Some(block) {
            let Some(place) = self.table.block(block) else {
                return Ok(0);
            };
            let bytes = self.cluster_bits.bytes();
            let bytes = read_there(self.storage, Structure::RefcountBlock, place, bytes)?;
            self.current = Some((block, bytes));
        }
        let current = self.current.as_ref();
        Ok(current
            .and_then(|(_, bytes)| self.order.get(bytes, entry))
            .unwrap_or(0))
    }
}

/// Reads a structure that starts in the file. What lies past the file's end is
/// zero, as the rest of the last cluster may.
fn read_there<S: ReadAt>(
    storage: &S,
    structure: Structure,
    host: HostOffset,
    length: u64,
) -> Result<Vec<u8>, Error> {
    let file_bytes = storage.size();
    if host.0 >= file_bytes {
        return Err(qcow2_map::Error::TableTruncated {
            structure,
            host,
            end: host.0.saturating_add(length),
            file_bytes,
        }
        .into());
    }
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    let there = file_bytes.saturating_sub(host.0).min(length);
    let there = usize::try_from(there).unwrap_or(usize::MAX);
    let part = bytes.get_mut(..there).unwrap_or_default();
    storage
        .read_at(host.0, part)
        .map_err(|source| qcow2_map::Error::Read {
            structure,
            host,
            source,
        })?;
    Ok(bytes)
}
