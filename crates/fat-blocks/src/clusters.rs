//! Where clusters are, and which are free.

use std::ops::Range;

use blockio::{Extent, ExtentKind, Extents, clip};

use crate::bits::Bits;

/// Most clusters of a filesystem that are followed: all that FAT32 can number.
pub const CLUSTERS_MAX: u64 = 1 << 28;

/// The number of the first cluster.
pub(crate) const FIRST_CLUSTER: u32 = 2;

/// The place of the clusters on the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Heap {
    /// Byte of the first cluster.
    pub(crate) start: u64,
    pub(crate) cluster_bytes: u32,
    /// Clusters that the FAT or the bitmap knows.
    pub(crate) count: u32,
}

impl Heap {
    /// The place of cluster `number` among the clusters, from 0; `None` if there is no such
    /// cluster.
    pub(crate) fn index(&self, number: u32) -> Option<u64> {
        let index = number.checked_sub(FIRST_CLUSTER)?;
        (index < self.count).then_some(u64::from(index))
    }

    /// The byte at which cluster `index`, from 0, begins.
    pub(crate) fn byte(&self, index: u64) -> u64 {
        let bytes = index.saturating_mul(u64::from(self.cluster_bytes));
        self.start.saturating_add(bytes)
    }

    /// The clusters that `bytes` bytes need.
    pub(crate) fn needed(&self, bytes: u64) -> u64 {
        bytes.div_ceil(u64::from(self.cluster_bytes).max(1))
    }

    fn end(&self) -> u64 {
        self.byte(u64::from(self.count))
    }
}

/// The clusters of a filesystem that is trusted.
#[derive(Clone, Debug)]
pub(crate) struct Clusters {
    pub(crate) heap: Heap,
    /// Those that are free, from 0.
    pub(crate) free: Bits,
}

impl Clusters {
    pub(crate) fn free_bytes(&self) -> u64 {
        let bytes = u64::from(self.heap.cluster_bytes);
        self.free.count().saturating_mul(bytes)
    }

    /// What the bytes `range` of a disk of `size` bytes are.
    pub(crate) fn extents(&self, range: Range<u64>, size: u64) -> Extents<'_> {
        let Heap {
            start,
            cluster_bytes,
            count,
        } = self.heap;
        let into = range.start.saturating_sub(start);
        let first = into.checked_div(u64::from(cluster_bytes)).unwrap_or(0);
        let mut index = first.min(u64::from(count));
        let before = (range.start < start).then(|| Extent::new(0..start, ExtentKind::Data));
        let runs = std::iter::from_fn(move || {
            if index >= u64::from(count) {
                return None;
            }
            let is_free = self.free.get(index);
            let end = self.free.end_of_run(index, is_free).min(u64::from(count));
            let kind = if is_free {
                ExtentKind::Free
            } else {
                ExtentKind::Data
            };
            let run = Extent::new(self.heap.byte(index)..self.heap.byte(end), kind);
            index = end;
            Some(run)
        });
        let tail = Extent::new(self.heap.end()..size, ExtentKind::Data);
        let all = before.into_iter().chain(runs).chain([tail]);
        let all = all.filter(|extent| extent.length > 0);
        clip(all.map(Ok::<_, std::convert::Infallible>), range)
    }
}
