//! What the refcounts say of clusters that nothing uses.

use std::ops::Range;

use blockio::is_zero;
use qcow2_format::Header;
use qcow2_format::refcount::RefcountTableEntry;

use crate::error::Error;
use crate::file::File;
use crate::kind::Kind;

/// Refcounts that are looked at one by one, at most: many tables may name one block.
const LOOKED_AT_MAX: u64 = 1 << 28;

/// The stored refcounts of an image.
pub(crate) struct Refcounts<'r> {
    file: &'r File<'r>,
    header: &'r Header,
    /// The block that was read last, by its place.
    block: Option<(u64, Vec<u8>)>,
    looked_at: u64,
}

impl<'r> Refcounts<'r> {
    pub(crate) fn new(file: &'r File<'r>, header: &'r Header) -> Self {
        Self {
            file,
            header,
            block: None,
            looked_at: 0,
        }
    }

    /// Shows what the clusters numbered `clusters` are, if nothing uses them.
    pub(crate) fn unused(
        &mut self,
        clusters: Range<u64>,
        mut show: impl FnMut(Range<u64>, Kind),
    ) -> Result<(), Error> {
        let order = self.header.refcount_order;
        let per_block = order.entries_per_block(self.header.cluster_bits).max(1);
        let mut at = clusters.start;
        while at < clusters.end {
            let index = at / per_block;
            let first = index.saturating_mul(per_block);
            let end = first.saturating_add(per_block).min(clusters.end);
            let part = at..end;
            at = end;
            let host = match self.entry(index)? {
                // No block, and none from here on in the table.
                Entry::Past => {
                    show(part.start..clusters.end, Kind::Free);
                    return Ok(());
                }
                Entry::None => {
                    show(part, Kind::Free);
                    continue;
                }
                Entry::Wrong => {
                    show(part, Kind::Unknown);
                    continue;
                }
                Entry::Block(host) => host,
            };
            if self.looked_at >= LOOKED_AT_MAX {
                show(part, Kind::Unknown);
                continue;
            }
            let block = self.read_block(host)?;
            if is_zero(block) {
                show(part, Kind::Free);
                continue;
            }
            for cluster in part.clone() {
                let kind = match order.get(block, cluster.saturating_sub(first)) {
                    Some(0) => Kind::Free,
                    Some(_) => Kind::Leaked,
                    None => Kind::Unknown,
                };
                show(cluster..cluster.saturating_add(1), kind);
            }
            let looked_at = part.end.saturating_sub(part.start);
            self.looked_at = self.looked_at.saturating_add(looked_at);
        }
        Ok(())
    }

    /// Entry `index` of the refcount table.
    fn entry(&self, index: u64) -> Result<Entry, Error> {
        let bits = self.header.cluster_bits;
        let clusters = u64::from(self.header.refcount_table_clusters);
        if index >= clusters.saturating_mul(bits.bytes()) / 8 {
            return Ok(Entry::Past);
        }
        let at = self
            .header
            .refcount_table_offset
            .0
            .saturating_add(index.saturating_mul(8));
        let bytes = self.file.read(at..at.saturating_add(8))?;
        let word = bytes
            .first_chunk()
            .map_or(0, |word| u64::from_be_bytes(*word));
        Ok(match RefcountTableEntry::decode(word, bits, index) {
            Ok(RefcountTableEntry(None)) => Entry::None,
            Ok(RefcountTableEntry(Some(host))) if host.0 < self.file.size() => Entry::Block(host.0),
            _ => Entry::Wrong,
        })
    }

    fn read_block(&mut self, host: u64) -> Result<&[u8], Error> {
        let held = match self.block.take() {
            Some((at, bytes)) if at == host => (at, bytes),
            _ => {
                let end = host.saturating_add(self.header.cluster_bits.bytes());
                (host, self.file.read(host..end)?)
            }
        };
        Ok(&self.block.insert(held).1)
    }
}

/// What an entry of the refcount table says.
enum Entry {
    Block(u64),
    None,
    Wrong,
    /// It is past the end of the table.
    Past,
}
