//! The clusters of a file, and the first use of each.

use std::collections::BTreeMap;
use std::ops::Range;

use qcow2_format::ClusterBits;

use crate::cells::Cells;
use crate::error::Error;
use crate::kinds::{FILE_KINDS, FileKind, Kind};

/// Clusters that are held together.
const CHUNK_BITS: u32 = 16;

/// Most clusters that are held: 256 MiB of them, one byte each.
const CLUSTERS_MAX: u64 = 1 << 28;

/// Set in the use of an L2 table whose entries were visited.
const VISITED: u8 = 0x40;

/// The clusters of a file, and the first use of each. Parts of the file that nothing uses
/// take no memory.
pub(crate) struct Clusters {
    file_bytes: u64,
    cluster_bits: ClusterBits,
    chunks: BTreeMap<u64, Box<[u8]>>,
    /// The chunk in use, which is not among the others.
    current: (u64, Box<[u8]>),
}

impl Clusters {
    pub(crate) fn new(file_bytes: u64, cluster_bits: ClusterBits) -> Self {
        Self {
            file_bytes,
            cluster_bits,
            chunks: BTreeMap::new(),
            current: (0, new_chunk()),
        }
    }

    /// Says that `bytes` of the file are of `kind`: the clusters that they touch, if they
    /// have no use yet. What lies past the end of the file does not count.
    pub(crate) fn paint(&mut self, bytes: &Range<u64>, kind: FileKind) -> Result<(), Error> {
        let end = bytes.end.min(self.file_bytes);
        if bytes.start >= end {
            return Ok(());
        }
        let bits = self.cluster_bits.bits();
        let last = end.saturating_sub(1) >> bits;
        let mut cluster = bytes.start >> bits;
        while cluster <= last {
            let chunk_end = (cluster >> CHUNK_BITS).saturating_add(1) << CHUNK_BITS;
            let end = chunk_end.min(last.saturating_add(1));
            let part = within(cluster)..within(end.saturating_sub(1)).saturating_add(1);
            let chunk = self.chunk(cluster)?;
            for used_as in chunk.get_mut(part).unwrap_or_default() {
                if *used_as == code(FileKind::Unused) {
                    *used_as = code(kind);
                }
            }
            cluster = end;
        }
        Ok(())
    }

    /// Whether the L2 table at `host` has not been visited; from now on it has. What is
    /// used as something else, or lies past the end of the file, is no table.
    pub(crate) fn visit_table(&mut self, host: u64) -> Result<bool, Error> {
        if host >= self.file_bytes {
            return Ok(false);
        }
        let cluster = host >> self.cluster_bits.bits();
        let chunk = self.chunk(cluster)?;
        let used_as = chunk.get_mut(within(cluster));
        let table = used_as.filter(|used_as| **used_as == code(FileKind::L2));
        Ok(table.is_some_and(|used_as| {
            *used_as |= VISITED;
            true
        }))
    }

    /// Makes the chunk of `cluster` the one in use.
    fn chunk(&mut self, cluster: u64) -> Result<&mut [u8], Error> {
        let index = cluster >> CHUNK_BITS;
        let (current, chunk) = &mut self.current;
        if *current != index {
            let next = match self.chunks.remove(&index) {
                Some(next) => next,
                None if blockio::len_u64(self.chunks.len()) >= CLUSTERS_MAX >> CHUNK_BITS => {
                    return Err(Error::TooManyClusters { max: CLUSTERS_MAX });
                }
                None => new_chunk(),
            };
            let old = std::mem::replace(chunk, next);
            self.chunks.insert(*current, old);
            *current = index;
        }
        Ok(chunk)
    }

    /// Counts all bytes of the file in `cells`.
    pub(crate) fn count(self, cells: &mut Cells<FileKind>) {
        let (file_bytes, bits) = (self.file_bytes, self.cluster_bits.bits());
        let mut chunks = self.chunks;
        let (index, chunk) = self.current;
        chunks.insert(index, chunk);
        // Runs of one kind: the start and the kind of the one that goes on.
        let (mut start, mut kind) = (0u64, FileKind::Unused);
        let mut change = |at: u64, next: FileKind| {
            if next != kind {
                cells.add(start..at.min(file_bytes), kind);
                (start, kind) = (at.min(file_bytes), next);
            }
        };
        for (index, chunk) in chunks {
            let first = index << CHUNK_BITS;
            for (cluster, used_as) in (first..).zip(chunk.iter()) {
                change(cluster.saturating_mul(1 << bits), kind_of(*used_as));
            }
            let end = first.saturating_add(1 << CHUNK_BITS);
            change(end.saturating_mul(1 << bits), FileKind::Unused);
        }
        cells.add(start..file_bytes, kind);
    }
}

fn new_chunk() -> Box<[u8]> {
    vec![code(FileKind::Unused); 1 << CHUNK_BITS].into_boxed_slice()
}

/// Index of a cluster in its chunk.
fn within(cluster: u64) -> usize {
    usize::try_from(cluster & ((1 << CHUNK_BITS) - 1)).unwrap_or(0)
}

/// A kind as the byte of a cluster.
fn code(kind: FileKind) -> u8 {
    u8::try_from(kind.index()).unwrap_or(0)
}

fn kind_of(used_as: u8) -> FileKind {
    let index = usize::from(used_as & !VISITED);
    FILE_KINDS.get(index).copied().unwrap_or(FileKind::Unused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scale::Scale;

    fn totals(clusters: Clusters) -> Vec<(FileKind, u64)> {
        let mut cells = Cells::new(Scale::new(clusters.file_bytes, 512));
        clusters.count(&mut cells);
        let totals = FILE_KINDS.iter().map(|kind| (*kind, cells.total(*kind)));
        totals.filter(|(_, bytes)| *bytes > 0).collect()
    }

    fn clusters(file_bytes: u64) -> Clusters {
        Clusters::new(file_bytes, ClusterBits::new(9).unwrap())
    }

    #[test]
    fn the_first_use_of_a_cluster_counts_and_the_rest_is_unused() {
        let mut found = clusters(5000);
        found.paint(&(0..512), FileKind::Header).unwrap();
        found.paint(&(100..1100), FileKind::Data).unwrap();
        found.paint(&(4700..9000), FileKind::Compressed).unwrap();
        found.paint(&(6000..7000), FileKind::Data).unwrap();
        found.paint(&(3..3), FileKind::Data).unwrap();
        assert_eq!(
            totals(found),
            [
                (FileKind::Data, 1024),
                (FileKind::Compressed, 5000 - 4608),
                (FileKind::Header, 512),
                (FileKind::Unused, 4608 - 1536),
            ]
        );
        assert_eq!(totals(clusters(0)), []);
        assert_eq!(totals(clusters(3)), [(FileKind::Unused, 3)]);
    }

    #[test]
    fn far_parts_of_a_file_take_no_memory_between_them() {
        let far = 1 << 50;
        let mut found = clusters(far + 700);
        found.paint(&(far..far + 512), FileKind::Data).unwrap();
        found.paint(&(0..512), FileKind::Header).unwrap();
        found.paint(&(far + 512..far + 700), FileKind::L2).unwrap();
        assert_eq!(
            totals(found),
            [
                (FileKind::Data, 512),
                (FileKind::Header, 512),
                (FileKind::L2, 188),
                (FileKind::Unused, far - 512),
            ]
        );
    }

    #[test]
    fn runs_cross_chunks_and_the_number_of_chunks_is_limited() {
        let chunk = 512u64 << CHUNK_BITS;
        let mut found = clusters(1 << 45);
        found
            .paint(&(chunk - 512..3 * chunk + 512), FileKind::Data)
            .unwrap();
        assert_eq!(
            totals(found),
            [
                (FileKind::Data, 2 * chunk + 1024),
                (FileKind::Unused, (1 << 45) - 2 * chunk - 1024),
            ]
        );
        let mut found = clusters(1 << 45);
        let all = found.paint(&(0..1 << 45), FileKind::Data);
        assert!(matches!(all, Err(Error::TooManyClusters { .. })));
    }

    #[test]
    fn a_table_is_visited_once() {
        let mut found = clusters(4096);
        found.paint(&(512..1024), FileKind::L2).unwrap();
        found.paint(&(0..4096), FileKind::Data).unwrap();
        let visits = [512, 512, 1024, 5000].map(|host| found.visit_table(host).unwrap());
        assert_eq!(visits, [true, false, false, false]);
        assert_eq!(totals(found), [(FileKind::Data, 3584), (FileKind::L2, 512)]);
    }
}
