//! A whole disk, as an image, in one ordered pass.

use std::num::NonZeroUsize;

use blockio::{Extent, ReadAt, Reflink, Store};
use pipeline::BufferPool;
use qcow2_format::Version;

use crate::batch::{Batches, Content, Loaded};
use crate::error::{Error, Unrepresentable};
use crate::image::{ImageReport, ImageWriter};
use crate::layout::Layout;
use crate::meter::Meter;
use crate::options::{Allocation, PackOptions, WriteOptions};
use crate::packed::store_packed;
use crate::plan::Plan;
use crate::share::{Shared, share};
use crate::units::to_usize;
use crate::used_extents::UsedExtents;

/// Bytes that are read, and written, at once, unless a cluster is larger. Less
/// costs system calls; more makes the page cache look for longer runs of free
/// memory, which can take several times as long as the copy.
pub(crate) const BATCH_BYTES: u64 = 512 << 10;

/// Bytes of data in memory at the same time, at most.
const IN_FLIGHT_BYTES_MAX: u64 = 16 << 20;

/// Batches in flight for each thread; see [`pipeline::ordered_map`].
const BATCHES_PER_THREAD: u64 = 3;

/// L2 tables in memory. Data comes in order, so a table is complete before the
/// next is begun; small ones are worth being written together.
const L2_TABLES: NonZeroUsize = NonZeroUsize::new(8).unwrap();

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
    /// Those of them that are compressed.
    pub compressed_clusters: u64,
    /// Bytes of the disk whose blocks the image shares.
    pub shared_bytes: u64,
    /// Length of the image in bytes.
    pub image_bytes: u64,
}

/// Writes the bytes of `source` that are in use as an image.
///
/// `extents` says what they are: each time it is called, it gives extents that
/// tile `source`, in order. The first pass finds how much room the image can
/// need, so that its tables come first; the second reads the data. Clusters that
/// hold nothing but zeros and unused bytes are not stored, and unused bytes of
/// stored clusters are zeros. The image depends on source, extents and options,
/// not on threads or timing.
///
/// With [`Allocation::Exact`] the image also says which bytes were in use, down to
/// the cluster or, with extended L2 entries, the subcluster.
///
/// With [`PackOptions::reflink`], clusters that lie wholly in data share their
/// blocks with `source` instead of being read. Where the first of them cannot,
/// [`Reflink::Auto`] goes on from there as if nothing were to be shared.
///
/// The header is written last. To store it safely is left to the caller, as
/// with [`ImageWriter::finish`].
///
/// # Errors
///
/// [`Error::Unrepresentable`], [`Error::NotTiled`], [`Error::Unaligned`] and
/// [`Error::Unreadable`], normally before anything is written; [`Error::Share`] where nothing but
/// sharing would do; any other [`Error`] where reading or writing fails. There is
/// no image then.
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
    let Begun {
        writer,
        used_bytes,
        data_bytes,
    } = begin(source, extents(), target, options)?;
    let mut meter = Meter::new(data_bytes, options);
    let used = || used_extents(source, extents(), options);
    let stored = match &options.compression {
        Some(compression) => store_packed(source, used(), writer, compression, &mut meter)?,
        None => store_plain(source, used, writer, &mut meter)?,
    };
    meter.tell();
    Ok(stored.report(size, used_bytes))
}

/// What was stored of a disk.
pub(crate) struct Stored {
    pub(crate) image: ImageReport,
    pub(crate) compressed_clusters: u64,
    pub(crate) shared_bytes: u64,
}

impl Stored {
    /// The report on a disk of `disk_bytes` bytes, with `used_bytes` in use.
    pub(crate) fn report(self, disk_bytes: u64, used_bytes: u64) -> PackReport {
        PackReport {
            disk_bytes,
            used_bytes,
            stored_bytes: self.image.stored_bytes,
            stored_clusters: self.image.stored_clusters,
            compressed_clusters: self.compressed_clusters,
            shared_bytes: self.shared_bytes,
            image_bytes: self.image.image_bytes,
        }
    }
}

/// What the image must hold of `source`, of which `extents` say what is in use.
pub(crate) fn used_extents<'s, S, I>(
    source: &'s S,
    extents: I,
    options: &PackOptions<'_>,
) -> UsedExtents<'s, S, I>
where
    S: ReadAt + ?Sized,
{
    let used = UsedExtents::new(source, extents, source.size());
    match options.allocation {
        Allocation::Needed => used,
        Allocation::Exact => used.exact(options.geometry().unit_bytes()),
    }
}

/// Why nothing can be shared, if so.
fn unshareable(options: &PackOptions<'_>) -> Option<&'static str> {
    if options.compression.is_some() {
        Some("its clusters are compressed")
    } else if options.allocation == Allocation::Exact {
        Some("its allocation is exact")
    } else if options.extended_l2 {
        Some("its clusters have subclusters")
    } else {
        None
    }
}

/// Stores the data of `source` as it is; `extents` are the same each time.
fn store_plain<'s, S, T, I, X>(
    source: &'s S,
    extents: impl Fn() -> UsedExtents<'s, S, I>,
    mut writer: ImageWriter<'_, T>,
    meter: &mut Meter<'_>,
) -> Result<Stored, Error>
where
    S: ReadAt + ?Sized,
    T: Store + ?Sized,
    I: Iterator<Item = Result<Extent, X>> + Send,
    X: std::error::Error + Send + Sync + 'static,
{
    let options = meter.options();
    let shared = if options.reflink == Reflink::Never || unshareable(options).is_some() {
        Shared::default()
    } else {
        let extents = extents().in_units_of(options.cluster_bits.bytes());
        share(source, extents, &mut writer, meter)?
    };
    if shared.end < source.size() {
        let rest = behind(shared.end, extents());
        let layout = *writer.layout();
        load_each(source, rest, &layout, options, |loaded| {
            for content in loaded.contents() {
                match content {
                    Content::Data(guest, bytes) => writer.put(bytes, guest, |_| false)?,
                    Content::Zeros(guest) => writer.put_zeros(guest)?,
                }
            }
            meter.add(loaded.data_bytes);
            Ok(())
        })?;
    }
    Ok(Stored {
        image: writer.finish()?,
        compressed_clusters: 0,
        shared_bytes: shared.bytes,
    })
}

/// An image that is begun: its tables have places.
pub(crate) struct Begun<'t, T: ?Sized> {
    pub(crate) writer: ImageWriter<'t, T>,
    /// Bytes of the disk in use, zeros included.
    pub(crate) used_bytes: u64,
    /// Bytes of the disk that must be read.
    pub(crate) data_bytes: u64,
}

/// Begins an image of `source` on `target`, once it is known that there can be
/// one.
pub(crate) fn begin<'t, S, T, I, X>(
    source: &S,
    extents: I,
    target: &'t T,
    options: &PackOptions<'_>,
) -> Result<Begun<'t, T>, Error>
where
    S: ReadAt + ?Sized,
    T: Store + ?Sized,
    I: Iterator<Item = Result<Extent, X>>,
    X: std::error::Error + Send + Sync + 'static,
{
    let (size, version) = (source.size(), options.version);
    let layout = Layout::new(size, version, options.geometry(), options.refcount_order)?;
    if options.allocation == Allocation::Exact && version == Version::V2 {
        return Err(Unrepresentable::ZeroClusters.into());
    }
    if let Some(compression) = &options.compression {
        compression.check(version)?;
    }
    if let Some(why) = unshareable(options)
        && options.reflink == Reflink::Always
    {
        return Err(Error::NothingToShare { why });
    }
    let mut used = used_extents(source, extents, options);
    let plan = Plan::new(&mut used, &layout)?;
    layout.check(plan.tables.count(), plan.data_clusters)?;
    let mut writer = ImageWriter::create(target, &write_options(size, options))?;
    writer.reserve(plan.tables.iter())?;
    if options.allocation == Allocation::Exact {
        writer.be_exact();
    }
    Ok(Begun {
        writer,
        used_bytes: used.used_bytes(),
        data_bytes: plan.data_bytes,
    })
}

/// What of `extents` lies at or behind `start`.
fn behind(
    start: u64,
    extents: impl Iterator<Item = Result<Extent, Error>>,
) -> impl Iterator<Item = Result<Extent, Error>> {
    let cut = move |extent: Extent| {
        let range = extent.start.max(start)..extent.end();
        Extent::new(range, extent.kind)
    };
    extents
        .map(move |extent| extent.map(cut))
        .filter(|extent| !matches!(extent, Ok(extent) if extent.length == 0))
}

/// Reads the data of `source` in `extents`, which ascend, on all threads, and
/// hands it to `emit` in order, in runs of units.
pub(crate) fn load_each<S: ReadAt + ?Sized>(
    source: &S,
    extents: impl Iterator<Item = Result<Extent, Error>> + Send,
    layout: &Layout,
    options: &PackOptions<'_>,
    emit: impl FnMut(Loaded<'_>) -> Result<(), Error> + Send,
) -> Result<(), Error> {
    let pool = BufferPool::new();
    pipeline::ordered_map(
        threads(options),
        Batches::new(extents, layout.unit_bits, BATCH_BYTES, options.allocation),
        |batch| batch.load(source, &pool),
        emit,
    )
}

fn write_options(size: u64, options: &PackOptions<'_>) -> WriteOptions {
    WriteOptions {
        size,
        cluster_bits: options.cluster_bits,
        extended_l2: options.extended_l2,
        version: options.version,
        refcount_order: options.refcount_order,
        l2_cache_tables: L2_TABLES,
        sync: options.sync,
    }
}

/// As many of the threads that are wanted as memory allows.
pub(crate) fn threads(options: &PackOptions<'_>) -> NonZeroUsize {
    let thread_bytes = BATCH_BYTES.max(options.cluster_bits.bytes()) * BATCHES_PER_THREAD;
    let allowed = NonZeroUsize::new(to_usize(IN_FLIGHT_BYTES_MAX / thread_bytes));
    options.threads.min(allowed.unwrap_or(NonZeroUsize::MIN))
}
