//! A whole disk, as an image, in one ordered pass.

use std::num::NonZeroUsize;

use blockio::{Extent, ReadAt, Store};
use pipeline::BufferPool;
use qcow2_format::ClusterBits;

use crate::batch::Batches;
use crate::data_ranges::DataRanges;
use crate::error::Error;
use crate::image::ImageWriter;
use crate::layout::Layout;
use crate::options::{PackOptions, Progress, WriteOptions};
use crate::plan::Plan;
use crate::units::to_usize;

/// Bytes that are read, and written, at once, unless a cluster is larger. Less
/// costs system calls; more makes the page cache look for longer runs of free
/// memory, which can take several times as long as the copy.
const BATCH_BYTES: u64 = 512 << 10;

/// Bytes of data in memory at the same time, at most.
const IN_FLIGHT_BYTES_MAX: u64 = 16 << 20;

/// Batches in flight for each thread; see [`pipeline::ordered_map`].
const BATCHES_PER_THREAD: u64 = 3;

/// L2 tables in memory. Data comes in order, so a table is complete before the
/// next is begun; small ones are worth being written together.
const L2_TABLES: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// Bytes of progress that are worth a call.
const PROGRESS_BYTES: u64 = 16 << 20;

/// What became of a packed disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PackReport {
    /// Length of the disk in bytes.
    pub disk_bytes: u64,
    /// Bytes of the disk in use, whether they are zeros or not.
    pub used_bytes: u64,
    /// Bytes of the disk in clusters that are stored.
    pub stored_bytes: u64,
    /// Guest clusters that are stored.
    pub stored_clusters: u64,
    /// Length of the image in bytes.
    pub image_bytes: u64,
}

/// Writes the bytes of `source` that are in use as an image.
///
/// `extents` says what they are: called twice, it gives extents that tile
/// `source`, in order. The first pass finds how much room the image can need, so
/// that its tables come first; the second reads the data. Clusters that hold
/// nothing but zeros and unused bytes are not stored, and unused bytes of stored
/// clusters are zeros. The image depends on source, extents and options, not on
/// threads or timing.
///
/// The header is written last. To store it safely is left to the caller, as
/// with [`ImageWriter::finish`].
///
/// # Errors
///
/// [`Error::Unrepresentable`], [`Error::NotTiled`] and [`Error::Unreadable`],
/// normally before anything is written; any other [`Error`] where reading or
/// writing fails. There is no image then.
///
/// # Example
///
/// ```
/// use std::convert::Infallible;
///
/// use blockio::{Extent, ExtentKind, MemoryDisk};
/// use qcow2_writer::{PackOptions, pack};
///
/// let disk = vec![1; 1 << 20];
/// let extents = [
///     Extent::new(0..4096, ExtentKind::Data),
///     Extent::new(4096..1 << 20, ExtentKind::Unused),
/// ];
/// let target = MemoryDisk::default();
/// let report = pack(
///     &disk,
///     || extents.into_iter().map(Ok::<_, Infallible>),
///     &target,
///     &PackOptions::default(),
/// )?;
/// assert_eq!((report.used_bytes, report.stored_clusters), (4096, 1));
/// # Ok::<(), qcow2_writer::Error>(())
/// ```
pub fn pack<S, T, I, X>(
    source: &S,
    extents: impl Fn() -> I,
    target: &T,
    options: &PackOptions<'_>,
) -> Result<PackReport, Error>
where
    S: ReadAt + ?Sized,
    T: Store + ?Sized,
    I: Iterator<Item = Result<Extent, X>> + Send,
    X: std::error::Error + Send + Sync + 'static,
{
    let size = source.size();
    let bits = options.cluster_bits;
    let layout = Layout::new(size, options.version, bits, options.refcount_order)?;
    let mut ranges = DataRanges::new(source, extents(), size);
    let plan = Plan::new(&mut ranges, &layout)?;
    layout.check(plan.tables.count(), plan.data_clusters)?;

    let mut writer = ImageWriter::create(target, &write_options(size, options))?;
    writer.reserve(plan.tables.iter())?;
    let used_bytes = ranges.used_bytes();
    let mut meter = Meter::new(plan.data_bytes, options);
    let pool = BufferPool::new();
    let ranges = DataRanges::new(source, extents(), size);
    pipeline::ordered_map(
        threads(options.threads, bits),
        Batches::new(ranges, bits, BATCH_BYTES),
        |batch| batch.load(source, &pool),
        |loaded| {
            for (guest, bytes) in loaded.runs() {
                writer.put(bytes, guest, |_| false)?;
            }
            meter.add(loaded.data_bytes);
            Ok(())
        },
    )?;
    let image = writer.finish()?;
    meter.tell();
    Ok(PackReport {
        disk_bytes: size,
        used_bytes,
        stored_bytes: image.stored_bytes,
        stored_clusters: image.stored_clusters,
        image_bytes: image.image_bytes,
    })
}

fn write_options(size: u64, options: &PackOptions<'_>) -> WriteOptions {
    WriteOptions {
        size,
        cluster_bits: options.cluster_bits,
        version: options.version,
        refcount_order: options.refcount_order,
        l2_cache_tables: L2_TABLES,
        sync: options.sync,
    }
}

/// As many of `wanted` threads as memory allows.
fn threads(wanted: NonZeroUsize, bits: ClusterBits) -> NonZeroUsize {
    let thread_bytes = BATCH_BYTES.max(bits.bytes()) * BATCHES_PER_THREAD;
    let allowed = NonZeroUsize::new(to_usize(IN_FLIGHT_BYTES_MAX / thread_bytes));
    wanted.min(allowed.unwrap_or(NonZeroUsize::MIN))
}

/// Tells how far the job has come.
struct Meter<'o> {
    options: &'o PackOptions<'o>,
    progress: Progress,
    told_bytes: u64,
}

impl<'o> Meter<'o> {
    fn new(total_bytes: u64, options: &'o PackOptions<'o>) -> Self {
        Self {
            options,
            progress: Progress {
                done_bytes: 0,
                total_bytes,
            },
            told_bytes: 0,
        }
    }

    /// Counts `bytes` more, and tells now and then.
    fn add(&mut self, bytes: u64) {
        let Progress {
            done_bytes,
            total_bytes,
        } = &mut self.progress;
        *done_bytes += bytes;
        // A source that is written meanwhile may hold more than was foreseen.
        *total_bytes = (*total_bytes).max(*done_bytes);
        if *done_bytes - self.told_bytes >= PROGRESS_BYTES {
            self.told_bytes = *done_bytes;
            self.tell();
        }
    }

    fn tell(&self) {
        if let Some(progress) = self.options.progress {
            progress(self.progress);
        }
    }
}
