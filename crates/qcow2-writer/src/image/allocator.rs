//! Host clusters, handed out from the front on.

use std::collections::VecDeque;
use std::ops::Range;

use qcow2_format::HostOffset;

use crate::error::Error;
use crate::image::layout::Layout;

/// Hands out host clusters, each once and in ascending order: first those that are
/// free, then those past the end of the image.
#[derive(Debug)]
pub(crate) struct Allocator {
    /// Runs of free clusters before `end`, ascending and apart; none is empty.
    free: VecDeque<Range<u64>>,
    /// No cluster from this one on is handed out.
    end: u64,
    clusters_max: u64,
}

impl Allocator {
    /// Appends at cluster `start`, after it has handed out the clusters of the runs
    /// `free` that lie between the L1 table and `start`. It does not know what a free
    /// cluster holds.
    pub(crate) fn new(
        start: u64,
        free: impl IntoIterator<Item = Range<u64>>,
        layout: &Layout,
    ) -> Self {
        let mut runs: Vec<_> = free.into_iter().collect();
        runs.sort_unstable_by_key(|run| run.start);
        // Runs that overlap must not hand out a cluster twice.
        let mut passed = layout.front_clusters();
        let runs = runs.into_iter().filter_map(|run| {
            let run = run.start.max(passed)..run.end.min(start);
            passed = passed.max(run.end);
            (!run.is_empty()).then_some(run)
        });
        Self {
            free: runs.collect(),
            end: start,
            clusters_max: layout.allocated_max(),
        }
    }

    /// Hands out the next cluster.
    pub(crate) fn take(&mut self, layout: &Layout) -> Result<HostOffset, Error> {
        let cluster = self.next();
        if let Some(run) = self.free.front_mut() {
            run.start += 1;
            if run.is_empty() {
                self.free.pop_front();
            }
            return Ok(layout.host_offset(cluster));
        }
        if cluster >= self.clusters_max {
            let wanted = cluster - layout.front_clusters() + 1;
            return Err(layout.too_many(0, wanted).into());
        }
        self.end += 1;
        Ok(layout.host_offset(cluster))
    }

    /// The cluster that is handed out next.
    pub(crate) fn next(&self) -> u64 {
        self.free.front().map_or(self.end, |run| run.start)
    }

    /// The end of the image: no cluster from this one on is handed out.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Runs of clusters before the end that are still free, ascending.
    pub(crate) fn free(&self) -> impl Iterator<Item = Range<u64>> {
        self.free.iter().cloned()
    }

    /// Hands out the clusters before `cluster`.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, cluster: u64) {
        self.free.clear();
        self.end = cluster;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Unrepresentable;
    use qcow2_format::{ClusterBits, Geometry, RefcountOrder, Version};

    fn layout(size: u64) -> Layout {
        let order = RefcountOrder::from_bits(64).unwrap();
        let geometry = Geometry {
            cluster_bits: ClusterBits::MIN,
            extended_l2: false,
        };
        Layout::new(size, Version::V3, geometry, order).unwrap()
    }

    /// The next `count` clusters.
    fn take(allocator: &mut Allocator, count: usize) -> Vec<u64> {
        let layout = layout(1 << 20);
        let mut take = || {
            let next = allocator.next();
            assert_eq!(allocator.take(&layout).unwrap().0, next * 512);
            next
        };
        (0..count).map(|_| take()).collect()
    }

    #[test]
    fn clusters_are_handed_out_once_and_up_to_the_limit() {
        let layout = layout(64 << 30);
        let front = layout.front_clusters();
        let mut allocator = Allocator::new(front, [], &layout);
        assert_eq!(allocator.take(&layout).unwrap().0, front * 512);
        assert_eq!(allocator.take(&layout).unwrap().0, (front + 1) * 512);
        // 2^26 clusters can be counted, by 2^20 blocks and a table of 2^14 clusters.
        let clusters_max = (1 << 26) - (1 << 20) - (1 << 14);
        allocator.skip_to(clusters_max - 1);
        assert_eq!(allocator.take(&layout).unwrap().0, (clusters_max - 1) * 512);
        let Err(Error::Unrepresentable(error)) = allocator.take(&layout) else {
            panic!("more clusters than can be counted");
        };
        let want = Unrepresentable::RefcountTable {
            clusters: clusters_max + 1,
            clusters_max,
            cluster_bytes: 512,
            table_bytes_max: 8 << 20,
            smallest_cluster_bytes: Some(1024),
        };
        assert_eq!(error, want);
    }

    #[test]
    fn free_clusters_come_first_and_then_those_past_the_end() {
        // Header and L1 table take two clusters.
        let mut allocator = Allocator::new(20, [12..14, 5..6], &layout(1 << 20));
        assert_eq!(take(&mut allocator, 2), [5, 12]);
        assert_eq!((allocator.end(), allocator.next()), (20, 13));
        assert!(allocator.free().eq(std::iter::once(13..14)));
        assert_eq!(take(&mut allocator, 3), [13, 20, 21]);
        assert_eq!((allocator.end(), allocator.next()), (22, 22));
        assert_eq!(allocator.free().count(), 0);
    }

    #[test]
    fn no_cluster_is_free_twice_or_outside_of_what_may_be() {
        let start = 10;
        let empty = start..start;
        let runs = [4..6, 0..3, 5..8, 5..6, 9..30, 40..41, empty];
        let mut allocator = Allocator::new(start, runs, &layout(1 << 20));
        assert_eq!(take(&mut allocator, 8), [2, 4, 5, 6, 7, 9, 10, 11]);
    }

    #[test]
    fn free_clusters_are_handed_out_where_no_other_can_be() {
        let layout = layout(64 << 30);
        let end = layout.allocated_max();
        let free = layout.front_clusters() + 7;
        let mut allocator = Allocator::new(end, std::iter::once(free..free + 1), &layout);
        assert_eq!(allocator.take(&layout).unwrap().0, free * 512);
        assert!(allocator.take(&layout).is_err());
        assert!(allocator.take(&layout).is_err());
        assert_eq!(allocator.end(), end);
    }
}
