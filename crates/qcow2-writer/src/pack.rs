//! A whole disk, as an image, in one ordered pass.

mod batch;
mod begin;
mod budget;
mod compressed;
mod meter;
mod needed;
pub(crate) mod pipe;
mod plan;
mod reflink;
pub(crate) mod report;

use blockio::{Extent, ReadAt, Reflink, Store};

use crate::error::Error;
use crate::image::ImageWriter;
use crate::options::PackOptions;
use crate::pack::batch::Content;
use crate::pack::compressed::store_compressed;
use crate::pack::meter::Meter;
use crate::pack::needed::NeededExtents;
use crate::pack::reflink::{Reflinked, reflink};
use begin::{Begun, begin, needed, no_reflink};
use budget::load_each;
use report::{PackReport, Stored};

/// Writes the bytes of `source` that are in use as an image.
///
/// `extents` says what they are: each time it is called, it gives extents that
/// tile `source`, in order. The first pass finds how much room the image can
/// need, so that its tables come first; the second reads the data. Clusters that
/// hold nothing but zeros and unused bytes are not stored, and unused bytes of
/// stored clusters are zeros. The image depends on source, extents and options,
/// not on threads or timing.
///
/// With [`Allocation::Exact`](crate::Allocation::Exact) the image also says which bytes were in use, down to
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
/// [`Error::Unreadable`], normally before anything is written; [`Error::Reflink`] where nothing but
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
///     Extent::new(4096..1 << 20, ExtentKind::Free),
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
    let used = || needed(source, extents(), options);
    let stored = match &options.compression {
        Some(compression) => store_compressed(source, used(), writer, compression, &mut meter)?,
        None => store_plain(source, used, writer, &mut meter)?,
    };
    meter.tell();
    Ok(stored.report(size, used_bytes))
}

/// Stores the data of `source` as it is; `extents` are the same each time.
fn store_plain<'s, S, T, I, X>(
    source: &'s S,
    extents: impl Fn() -> NeededExtents<'s, S, I>,
    mut writer: ImageWriter<T>,
    meter: &mut Meter<'_>,
) -> Result<Stored, Error>
where
    S: ReadAt + ?Sized,
    T: Store,
    I: Iterator<Item = Result<Extent, X>> + Send,
    X: std::error::Error + Send + Sync + 'static,
{
    let options = meter.options();
    let shared = if options.reflink == Reflink::Never || no_reflink(options).is_some() {
        Reflinked::default()
    } else {
        let extents = extents().in_units_of(options.cluster_bits.bytes());
        reflink(source, extents, &mut writer, meter)?
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
        image: writer.finish()?.1,
        compressed_clusters: 0,
        reflinked_bytes: shared.bytes,
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
