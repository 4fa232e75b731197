//! An image with compressed clusters, written in the order of the guest.

pub(crate) mod counts;
mod places;

use std::ops::Range;

use blockio::{Store, len_u64};
use qcow2_format::entry::CompressedDescriptor;
use qcow2_format::header::CompressionType;
use qcow2_format::subcluster::SubclusterBitmap;
use qcow2_format::{GuestOffset, HostOffset};

use crate::error::Error;
use crate::image::cluster::{Cluster, Mapping};
use crate::image::compressed::places::CompressedPlaces;
use crate::image::file::Gather;

use super::{CompressedArea, ImageReport, ImageWriter};

/// Writes a new image, each cluster once, in the order of the guest: what makes
/// it possible to pack streams.
pub(crate) struct CompressedWriter<T> {
    image: ImageWriter<T>,
    places: CompressedPlaces,
    gather: Gather,
    /// The bytes of the data's clusters before this offset are written or
    /// gathered.
    filled: HostOffset,
    compressed_clusters: u64,
}

impl<T: Store> CompressedWriter<T> {
    /// Goes on with `image`, in which nothing is stored yet.
    pub(crate) fn new(mut image: ImageWriter<T>, compression_type: CompressionType) -> Self {
        let first_cluster = image.tables.allocator.next();
        image.compressed = Some(CompressedArea {
            first_cluster,
            compression_type,
        });
        Self {
            places: CompressedPlaces::new(image.layout.cluster_bits),
            gather: Gather::new("data"),
            filled: image.layout.host_offset(first_cluster),
            image,
            compressed_clusters: 0,
        }
    }

    /// Stores the cluster at `guest` as `stream`. Returns whether it did: a
    /// descriptor cannot hold every place.
    pub(crate) fn put_compressed(
        &mut self,
        guest: GuestOffset,
        stream: &[u8],
    ) -> Result<bool, Error> {
        let image = &mut self.image;
        let length = len_u64(stream.len());
        let host = self
            .places
            .place(length, &mut image.tables.allocator, &image.layout)?;
        let Some(host) = host else {
            return Ok(false);
        };
        let bits = image.layout.cluster_bits;
        let descriptor = CompressedDescriptor::for_stream(host, length, bits)?;
        self.write(host, stream)?;
        self.compressed_clusters += 1;
        self.map(guest, Mapping::Compressed(descriptor))?;
        Ok(true)
    }

    /// Stores the cluster at `guest` as it is, with data in some of its `units`.
    pub(crate) fn put_plain(
        &mut self,
        guest: GuestOffset,
        cluster: &[u8],
        units: SubclusterBitmap,
    ) -> Result<(), Error> {
        let host = self.image.tables.allocator.take(&self.image.layout)?;
        self.write(host, cluster)?;
        let stored = Cluster::stored(host, units);
        self.map(guest, Mapping::Cluster(stored))
    }

    /// As [`ImageWriter::put_zeros`], for clusters that are not stored yet.
    pub(crate) fn put_zeros(&mut self, guest: Range<u64>) -> Result<(), Error> {
        self.image.put_zeros(guest)
    }

    /// Stores `mapping` for the cluster at `guest`, which has none yet.
    fn map(&mut self, guest: GuestOffset, mapping: Mapping) -> Result<(), Error> {
        let ImageWriter {
            tables,
            layout,
            file,
            stored,
            ..
        } = &mut self.image;
        let cluster = layout.cluster(guest.0);
        tables.for_each_entry(cluster, layout, file, |cluster, entry, _| {
            entry.set(mapping);
            stored.add(cluster.start, layout);
            Ok(())
        })
    }

    /// Writes `bytes` at `host`, in a cluster that is already begun or after
    /// all of these. What is left of the last one is zeros until a stream comes,
    /// and so is a gap before `host`.
    fn write(&mut self, host: HostOffset, bytes: &[u8]) -> Result<(), Error> {
        if host > self.filled {
            self.fill_cluster_to(host)?;
        }
        self.gather.write(host, bytes, &self.image.file)?;
        self.filled = self.filled.max(HostOffset(host.0 + len_u64(bytes.len())));
        Ok(())
    }

    /// Fills the last cluster with zeros, up to its end or to `host` if that is in
    /// the cluster.
    fn fill_cluster_to(&mut self, host: HostOffset) -> Result<(), Error> {
        let bits = self.image.layout.cluster_bits;
        let rest = bits.bytes() - bits.offset_in_cluster(self.filled.0);
        if rest < bits.bytes() {
            let length = rest.min(host.0 - self.filled.0);
            self.gather
                .write_zeroes(self.filled, length, &self.image.file)?;
            self.filled.0 += length;
        }
        Ok(())
    }

    /// Completes the image; also returns how many clusters are compressed.
    pub(crate) fn finish(mut self) -> Result<(ImageReport, u64), Error> {
        self.fill_cluster_to(HostOffset(u64::MAX))?;
        self.gather.flush(&self.image.file)?;
        Ok((self.image.finish()?.1, self.compressed_clusters))
    }

    /// Writes all that is gathered and the tables; returns how many clusters are
    /// compressed.
    #[cfg(test)]
    pub(crate) fn flush(&mut self) -> Result<u64, Error> {
        self.gather.flush(&self.image.file)?;
        self.image.tables.l2.flush(&self.image.file)?;
        Ok(self.compressed_clusters)
    }
}
