//! A whole disk, compressed batch by batch.

use std::num::NonZeroUsize;
use std::ops::Range;

use blockio::{Extent, ReadAt, Store, len_u64, nonzero_runs};
use pipeline::{BufferPool, PooledBuffer};
use qcow2_codec::{Compression, Compressor};
use qcow2_format::GuestOffset;
use qcow2_format::subcluster::SubclusterBitmap;

use crate::error::Error;
use crate::image::ImageWriter;
use crate::image::cluster::bitmap;
use crate::image::compressed::CompressedWriter;
use crate::image::layout::Layout;
use crate::options::Allocation;
use crate::pack::batch::{Batch, Batches, Content, clusters};
use crate::pack::meter::Meter;
use crate::pack::report::Stored;
use crate::units::to_usize;

/// Bytes that a thread compresses at once, unless a cluster is larger: with what
/// it made before, no more than 512 KiB are in memory for each thread.
const BATCH_BYTES: u64 = 128 << 10;

/// Threads that are worth having: the one that emits can keep up with no more.
const COMPRESSORS_MAX: NonZeroUsize = NonZeroUsize::new(128).unwrap();

/// Stores `extents` of `source` in compressed clusters.
pub(crate) fn store_compressed<S: ReadAt + ?Sized, T: Store>(
    source: &S,
    extents: impl Iterator<Item = Result<Extent, Error>> + Send,
    writer: ImageWriter<T>,
    compression: &Compression,
    meter: &mut Meter<'_>,
) -> Result<Stored, Error> {
    let options = meter.options();
    let layout = *writer.layout();
    let mut writer = CompressedWriter::new(writer, compression.compression_type());
    let pool = BufferPool::new();
    pipeline::ordered_map_with(
        options.threads.min(COMPRESSORS_MAX),
        Batches::new(
            extents,
            options.cluster_bits,
            BATCH_BYTES,
            options.allocation,
        ),
        || Compressor::new(compression),
        |compressor, batch| CompressedBatch::load(batch, &layout, source, &pool, compressor),
        |batch| {
            batch.store(&layout, source, &pool, &mut writer)?;
            meter.add(batch.data_bytes)
        },
    )?;
    meter.tell()?;
    let (image, compressed_clusters) = writer.finish()?;
    Ok(Stored {
        image,
        compressed_clusters,
        reflinked_bytes: 0,
    })
}

/// What a batch holds, as it is to be stored.
#[derive(Debug)]
pub(crate) struct CompressedBatch<'p> {
    batch: Batch,
    /// What is stored of all clusters, one after the other.
    buffer: PooledBuffer<'p>,
    parts: Vec<Part>,
    /// Bytes that were read.
    pub(crate) data_bytes: u64,
}

#[derive(Debug)]
enum Part {
    /// A cluster with data.
    Cluster(StoredCluster),
    /// Guest bytes in use that are zeros.
    Zeros(Range<u64>),
}

#[derive(Debug)]
struct StoredCluster {
    guest: GuestOffset,
    /// What is stored of it, in the buffer.
    range: Range<usize>,
    form: Form,
}

#[derive(Debug)]
enum Form {
    Compressed,
    /// The cluster as it is.
    Plain(SubclusterBitmap),
}

impl<'p> CompressedBatch<'p> {
    /// Reads and compresses the data of `batch`. A cluster whose stream would
    /// not be shorter stays as it is, and so does one that is not in use as a
    /// whole, where a stream would say it is.
    pub(crate) fn load<S: ReadAt + ?Sized>(
        batch: Batch,
        layout: &Layout,
        source: &S,
        pool: &'p BufferPool,
        compressor: &mut Compressor,
    ) -> Result<Self, Error> {
        let cluster_bytes = to_usize(batch.cluster_bits.bytes());
        let loaded = batch.load(source, pool)?;
        let mut buffer = pool.take(loaded.runs().map(|(_, bytes)| bytes.len()).sum());
        let mut parts = Vec::new();
        let mut end = 0;
        for content in loaded.contents() {
            let (guest, run) = match content {
                Content::Data(guest, run) => (guest, run),
                Content::Zeros(guest) => {
                    parts.push(Part::Zeros(guest));
                    continue;
                }
            };
            for (offset, cluster) in clusters(guest, run, cluster_bytes) {
                let room = &mut buffer[end..end + cluster_bytes];
                let units = units(&batch, offset, cluster, layout);
                let stream_length = if says_the_same(&batch, offset, units, layout) {
                    compressor
                        .compress(cluster, &mut room[..cluster_bytes - 1])
                        .map_err(|source| Error::Compress { offset, source })?
                } else {
                    None
                };
                if stream_length.is_none() {
                    room.copy_from_slice(cluster);
                }
                let range = end..end + stream_length.unwrap_or(cluster_bytes);
                end = range.end;
                parts.push(Part::Cluster(StoredCluster {
                    guest: GuestOffset(offset),
                    range,
                    form: stream_length.map_or(Form::Plain(units), |_| Form::Compressed),
                }));
            }
        }
        Ok(Self {
            buffer,
            parts,
            data_bytes: loaded.data_bytes,
            batch,
        })
    }

    /// How each cluster is stored that is: as a stream of so many bytes, or as it is.
    pub(crate) fn forms(&self) -> impl Iterator<Item = Option<u64>> {
        self.parts.iter().filter_map(|part| match part {
            Part::Cluster(StoredCluster {
                range,
                form: Form::Compressed,
                ..
            }) => Some(Some(len_u64(range.len()))),
            Part::Cluster(_) => Some(None),
            Part::Zeros(_) => None,
        })
    }

    /// Stores the clusters, and says where the zeros are.
    pub(crate) fn store<S: ReadAt + ?Sized, T: Store>(
        &self,
        layout: &Layout,
        source: &S,
        pool: &BufferPool,
        writer: &mut CompressedWriter<T>,
    ) -> Result<(), Error> {
        for part in &self.parts {
            let cluster = match part {
                Part::Cluster(cluster) => cluster,
                Part::Zeros(guest) => {
                    writer.put_zeros(guest.clone())?;
                    continue;
                }
            };
            let bytes = &self.buffer[cluster.range.clone()];
            match cluster.form {
                Form::Plain(units) => writer.put_plain(cluster.guest, bytes, units)?,
                Form::Compressed => {
                    if !writer.put_compressed(cluster.guest, bytes)? {
                        self.store_again(cluster.guest, layout, source, pool, writer)?;
                    }
                }
            }
        }
        Ok(())
    }

    /// Stores the cluster at `guest` as it is, where no entry can hold the place of
    /// its stream: far out in images of hundreds of TiB, so to read it again is
    /// better than to keep it until then.
    fn store_again<S: ReadAt + ?Sized, T: Store>(
        &self,
        guest: GuestOffset,
        layout: &Layout,
        source: &S,
        pool: &BufferPool,
        writer: &mut CompressedWriter<T>,
    ) -> Result<(), Error> {
        let cluster_bytes = to_usize(self.batch.cluster_bits.bytes());
        let loaded = self.batch.load(source, pool)?;
        let again = loaded
            .runs()
            .flat_map(|(guest, run)| clusters(guest, run, cluster_bytes))
            .find(|(offset, _)| *offset == guest.0);
        if let Some((_, bytes)) = again {
            let units = units(&self.batch, guest.0, bytes, layout);
            return writer.put_plain(guest, bytes, units);
        }
        // It is zeros by now: the source is written meanwhile.
        for used in self.batch.used_in(layout.cluster(guest.0)) {
            writer.put_zeros(used)?;
        }
        Ok(())
    }
}

/// What the units of the cluster at `guest` hold, whose bytes are `bytes`.
fn units(batch: &Batch, guest: u64, bytes: &[u8], layout: &Layout) -> SubclusterBitmap {
    let data = nonzero_runs(bytes, to_usize(layout.unit_bits.bytes()))
        .map(|run| guest + len_u64(run.start)..guest + len_u64(run.end))
        .fold(0, |units, run| units | layout.units(&run));
    let used = batch
        .used_in(layout.cluster(guest))
        .fold(0, |units, used| units | layout.units(&used));
    bitmap(data, used)
}

/// Whether a stream, which allocates all of the cluster at `guest`, says the same
/// as `units`, if it matters.
fn says_the_same(batch: &Batch, guest: u64, units: SubclusterBitmap, layout: &Layout) -> bool {
    let all = layout.units(&layout.cluster(guest));
    match batch.allocation {
        Allocation::Needed => true,
        Allocation::Exact | Allocation::Overlay => (units.allocated() | units.zero()) == all,
    }
}

#[cfg(test)]
mod tests;
