//! Where compressed streams go. Pure arithmetic.

use qcow2_format::entry::CompressedDescriptor;
use qcow2_format::{ClusterBits, HostOffset};

use crate::error::Error;
use crate::image::allocator::Allocator;
use crate::image::layout::Layout;

/// Streams begin at multiples of this. The specification has no such rule, but
/// there are readers that take a stream at an odd offset for zeros, and it costs
/// half a byte a stream.
const ALIGNMENT: u64 = 2;

/// Packs streams into host clusters, each at the first even offset after the last.
///
/// A stream goes on where the last one ended, if it fits into the rest of that
/// cluster, or if the next cluster is the next to be handed out, and if the
/// refcount of the cluster allows it. Else it begins a cluster, and what is left
/// of the other stays zeros.
#[derive(Debug)]
pub(crate) struct CompressedPlaces {
    /// Where the next stream can begin: where the last one ended, or a byte on.
    next: u64,
    /// Streams that touch the cluster of `next`; none if `next` begins a cluster.
    streams: u64,
    /// Where no stream can begin any more.
    host_end: HostOffset,
}

impl CompressedPlaces {
    pub(crate) fn new(cluster_bits: ClusterBits) -> Self {
        Self {
            next: 0,
            streams: 0,
            host_end: CompressedDescriptor::host_end(cluster_bits),
        }
    }

    /// The place of a stream of `length` bytes, at least one and less than a
    /// cluster. `None` where it would begin at an offset that no descriptor holds.
    pub(crate) fn place(
        &mut self,
        length: u64,
        allocator: &mut Allocator,
        layout: &Layout,
    ) -> Result<Option<HostOffset>, Error> {
        let bits = layout.cluster_bits;
        let fresh = layout.host_offset(allocator.next()).0;
        let cluster_end = bits.round_down(self.next) + bits.bytes();
        let may_go_on = (1..layout.refcount_order.max()).contains(&self.streams);
        let has_room = self.next + length <= cluster_end || cluster_end == fresh;
        let start = if may_go_on && has_room {
            self.next
        } else {
            fresh
        };
        if start >= self.host_end.0 {
            return Ok(None);
        }
        let end = start + length;
        let touches_fresh = end > fresh;
        if touches_fresh {
            allocator.take(layout)?;
        }
        // The byte that may be left out is in the last cluster of the stream: clusters
        // have an even length.
        self.next = end.next_multiple_of(ALIGNMENT);
        self.streams = match touches_fresh {
            _ if bits.is_aligned(self.next) => 0,
            true => 1,
            false => self.streams + 1,
        };
        Ok(Some(HostOffset(start)))
    }
}

#[cfg(test)]
mod tests;
