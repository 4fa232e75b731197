//! Where new structures go: into clusters that nothing uses.

use std::ops::Range;

use qcow2_check::Use;
use qcow2_format::limits::HOST_OFFSET_END;
use qcow2_format::{ClusterBits, HostOffset};

use crate::error::Error;
use crate::image::counts::Counts;

/// Finds clusters that neither the old image uses nor the new one.
#[derive(Debug)]
pub(crate) struct Allocator {
    cluster_bits: ClusterBits,
    /// What is used, or was given out.
    busy: Counts,
    /// All single clusters before it are busy.
    first_free: u64,
    /// The number after that of the last cluster of the file.
    end: u64,
}

impl Allocator {
    /// `busy` counts what the image uses, and the file has `end` clusters.
    pub(crate) fn new(cluster_bits: ClusterBits, busy: Counts, end: u64) -> Self {
        Self {
            cluster_bits,
            first_free: 0,
            end: end.max(busy.end()),
            busy,
        }
    }

    /// Takes clusters in a row for `bytes` bytes.
    pub(crate) fn take(&mut self, bytes: u64) -> Result<HostOffset, Error> {
        let clusters = (bytes.max(1)).div_ceil(self.cluster_bits.bytes());
        let start = self.find(clusters);
        let range = self.range(start, clusters);
        if range.end > HOST_OFFSET_END {
            return Err(Error::Limit {
                what: "the end of the file",
                found: range.end,
                min: 0,
                max: HOST_OFFSET_END,
            });
        }
        self.busy.add(&range, Use::Metadata, 1)?;
        self.end = self.end.max(start.saturating_add(clusters));
        Ok(HostOffset(range.start))
    }

    /// Gives back what was taken for `bytes` bytes at `host`.
    pub(crate) fn give_back(&mut self, host: HostOffset, bytes: u64) -> Result<(), Error> {
        let range = host.0..host.0.saturating_add(bytes.max(1));
        self.busy.clear(&range)?;
        self.first_free = self.first_free.min(host.0 >> self.cluster_bits.bits());
        Ok(())
    }

    fn range(&self, start: u64, clusters: u64) -> Range<u64> {
        let at = |cluster: u64| cluster.saturating_mul(self.cluster_bits.bytes());
        at(start)..at(start.saturating_add(clusters))
    }

    /// The first of `clusters` free clusters in a row.
    fn find(&mut self, clusters: u64) -> u64 {
        while self.first_free < self.end && self.busy.get(self.first_free).is_used() {
            self.first_free = self.first_free.saturating_add(1);
        }
        let mut start = self.first_free;
        let mut at = start;
        while at < self.end {
            at = at.saturating_add(1);
            if self.busy.get(at.saturating_sub(1)).is_used() {
                start = at;
            } else if at.saturating_sub(start) == clusters {
                break;
            }
        }
        // What is free at the end of the file may be too short: the file grows.
        start
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holes_are_filled_before_the_file_grows() {
        let bits = ClusterBits::new(9).unwrap();
        let mut busy = Counts::new(bits);
        for used in [0..512, 1024..1536, 2048..2049] {
            busy.add(&used, Use::Data, 1).unwrap();
        }
        // Clusters 1, 3, 5, 6 are free.
        let mut allocator = Allocator::new(bits, busy, 7);
        let mut take = |bytes| allocator.take(bytes).unwrap().0 / 512;
        assert_eq!(take(513), 5);
        assert_eq!(take(512), 1);
        assert_eq!(take(1), 3);
        assert_eq!(take(0), 7);
        assert_eq!(take(1536), 8);
        allocator.give_back(HostOffset(512), 512).unwrap();
        assert_eq!(allocator.take(512).unwrap().0, 512);
    }

    #[test]
    fn a_run_at_the_end_may_pass_it() {
        let bits = ClusterBits::DEFAULT;
        let mut busy = Counts::new(bits);
        busy.add(&(0..1), Use::Data, 1).unwrap();
        let mut allocator = Allocator::new(bits, busy, 2);
        assert_eq!(allocator.take(3 << 16).unwrap().0, 1 << 16);
        assert_eq!(allocator.take(1).unwrap().0, 4 << 16);
    }
}
