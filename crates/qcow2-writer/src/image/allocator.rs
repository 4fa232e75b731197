//! Host clusters, handed out from the front on.

use qcow2_format::HostOffset;

use crate::error::Error;
use crate::image::layout::Layout;

/// Hands out host clusters, each once, from the front on.
#[derive(Debug)]
pub(crate) struct Allocator {
    /// Clusters that are handed out.
    clusters: u64,
    clusters_max: u64,
}

impl Allocator {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            clusters: layout.front_clusters(),
            clusters_max: layout.allocated_max(),
        }
    }

    /// The next cluster.
    pub(crate) fn take(&mut self, layout: &Layout) -> Result<HostOffset, Error> {
        if self.clusters >= self.clusters_max {
            let wanted = self.clusters - layout.front_clusters() + 1;
            return Err(layout.too_many(0, wanted).into());
        }
        let host = layout.host_offset(self.clusters);
        self.clusters += 1;
        Ok(host)
    }

    /// Hands out the clusters before `cluster`.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, cluster: u64) {
        self.clusters = cluster;
    }

    /// Clusters that are handed out, those of header and L1 table included.
    pub(crate) fn clusters(&self) -> u64 {
        self.clusters
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Unrepresentable;
    use qcow2_format::{ClusterBits, Geometry, RefcountOrder, Version};

    #[test]
    fn clusters_are_handed_out_once_and_up_to_the_limit() {
        let order = RefcountOrder::from_bits(64).unwrap();
        let geometry = Geometry {
            cluster_bits: ClusterBits::MIN,
            extended_l2: false,
        };
        let layout = Layout::new(64 << 30, Version::V3, geometry, order).unwrap();
        let mut allocator = Allocator::new(&layout);
        let front = layout.front_clusters();
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
}
