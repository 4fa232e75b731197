//! Which clusters the directory tree needs.

use crate::bits::Bits;
use crate::clusters::Heap;
use crate::finding::{ClusterFault, Distrust, Step};

/// Clusters that are free, and those that something refers to. No cluster is both, or is
/// referred to twice, so a walk over the tree ends.
#[derive(Debug)]
pub(crate) struct Claims {
    pub(crate) heap: Heap,
    pub(crate) free: Bits,
    claimed: Bits,
}

impl Claims {
    /// Nothing is claimed yet.
    pub(crate) fn new(heap: Heap, free: Bits) -> Self {
        let claimed = Bits::new(u64::from(heap.count));
        Self {
            heap,
            free,
            claimed,
        }
    }

    /// Claims `cluster`, of the chain from `first`; returns the byte where it begins.
    pub(crate) fn claim(&mut self, first: u32, cluster: u32) -> Step<u64> {
        let fault = match self.heap.index(cluster) {
            None => ClusterFault::Outside,
            Some(index) if self.free.get(index) => ClusterFault::Free,
            Some(index) if self.claimed.get(index) => ClusterFault::Shared,
            Some(index) => {
                self.claimed.set(index);
                return Ok(self.heap.byte(index));
            }
        };
        Err(fault_of(first, cluster, fault).into())
    }

    /// How many clusters are neither free nor claimed.
    pub(crate) fn unreferenced(&self) -> u64 {
        let known = self.free.count().saturating_add(self.claimed.count());
        u64::from(self.heap.count).saturating_sub(known)
    }
}

pub(crate) const fn fault_of(first: u32, cluster: u32, fault: ClusterFault) -> Distrust {
    Distrust::Cluster {
        first,
        cluster,
        fault,
    }
}
