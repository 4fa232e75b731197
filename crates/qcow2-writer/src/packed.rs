//! A whole disk, compressed batch by batch.

use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::{ReadAt, Store};
use pipeline::{BufferPool, PooledBuffer};
use qcow2_format::GuestOffset;

use crate::batch::{Batch, Batches};
use crate::compress::{Compression, Compressor};
use crate::error::Error;
use crate::image::{ImageWriter, StreamWriter};
use crate::meter::Meter;
use crate::pack::Stored;
use crate::units::to_usize;

/// Bytes that a thread compresses at once, unless a cluster is larger: with what
/// it made before, no more than 512 KiB are in memory for each thread.
const BATCH_BYTES: u64 = 128 << 10;

/// Threads that are worth having: the one that emits can keep up with no more.
const COMPRESSORS_MAX: NonZeroUsize = NonZeroUsize::new(128).unwrap();

/// Stores the data in `ranges` of `source` in compressed clusters.
pub(crate) fn store_packed<S: ReadAt + ?Sized, T: Store + ?Sized>(
    source: &S,
    ranges: impl Iterator<Item = Result<Range<u64>, Error>> + Send,
    writer: ImageWriter<'_, T>,
    compression: &Compression,
    meter: &mut Meter<'_>,
) -> Result<Stored, Error> {
    let options = meter.options();
    let mut writer = StreamWriter::new(writer, compression.compression_type());
    let pool = BufferPool::new();
    pipeline::ordered_map_with(
        options.threads.min(COMPRESSORS_MAX),
        Batches::new(ranges, options.cluster_bits, BATCH_BYTES),
        || Compressor::new(compression),
        |compressor, batch| Packed::load(batch, source, &pool, compressor),
        |packed| {
            packed.store(source, &pool, &mut writer)?;
            meter.add(packed.data_bytes);
            Ok(())
        },
    )?;
    let (image, compressed_clusters) = writer.finish()?;
    Ok(Stored {
        image,
        compressed_clusters,
        shared_bytes: 0,
    })
}

/// The clusters of a batch that are not zeros, as they are to be stored.
#[derive(Debug)]
pub(crate) struct Packed<'p> {
    batch: Batch,
    /// What is stored of all clusters, one behind the other.
    buffer: PooledBuffer<'p>,
    clusters: Vec<PackedCluster>,
    /// Bytes that were read.
    pub(crate) data_bytes: u64,
}

#[derive(Debug)]
struct PackedCluster {
    guest: GuestOffset,
    /// What is stored of it, in the buffer.
    range: Range<usize>,
    /// Whether that is a stream, not the cluster as it is.
    is_stream: bool,
}

impl<'p> Packed<'p> {
    /// Reads and compresses the data of `batch`. A cluster whose stream would
    /// not be shorter stays as it is.
    pub(crate) fn load<S: ReadAt + ?Sized>(
        batch: Batch,
        source: &S,
        pool: &'p BufferPool,
        compressor: &mut Compressor,
    ) -> Result<Self, Error> {
        let cluster_bytes = to_usize(batch.cluster_bits.bytes());
        let loaded = batch.load(source, pool)?;
        let mut buffer = pool.take(loaded.runs().map(|(_, bytes)| bytes.len()).sum());
        let mut clusters = Vec::new();
        let mut end = 0;
        for (offset, cluster) in loaded.clusters(cluster_bytes) {
            let room = &mut buffer[end..end + cluster_bytes];
            let stream_length = compressor
                .compress(cluster, &mut room[..cluster_bytes - 1])
                .map_err(|source| Error::Compress { offset, source })?;
            if stream_length.is_none() {
                room.copy_from_slice(cluster);
            }
            let range = end..end + stream_length.unwrap_or(cluster_bytes);
            end = range.end;
            clusters.push(PackedCluster {
                guest: GuestOffset(offset),
                range,
                is_stream: stream_length.is_some(),
            });
        }
        Ok(Self {
            buffer,
            clusters,
            data_bytes: loaded.data_bytes,
            batch,
        })
    }

    /// Stores the clusters. Where no entry can hold the place of a stream, its
    /// cluster is stored as it is: far behind in images of hundreds of TiB, so
    /// to read it again is better than to keep it until then.
    pub(crate) fn store<S: ReadAt + ?Sized, T: Store + ?Sized>(
        &self,
        source: &S,
        pool: &BufferPool,
        writer: &mut StreamWriter<'_, T>,
    ) -> Result<(), Error> {
        let cluster_bytes = to_usize(self.batch.cluster_bits.bytes());
        for cluster in &self.clusters {
            let bytes = &self.buffer[cluster.range.clone()];
            if !cluster.is_stream {
                writer.put_plain(cluster.guest, bytes)?;
            } else if !writer.put_stream(cluster.guest, bytes)? {
                let loaded = self.batch.load(source, pool)?;
                let again = loaded
                    .clusters(cluster_bytes)
                    .find(|(offset, _)| *offset == cluster.guest.0);
                // It may be zeros by now, in a source that is written meanwhile.
                if let Some((_, bytes)) = again {
                    writer.put_plain(cluster.guest, bytes)?;
                }
            }
        }
        Ok(())
    }
}
