//! A whole disk, as an image, in one ordered pass.

mod batch;
mod begin;
mod budget;
mod compressed;
pub(crate) mod measure;
mod meter;
mod needed;
pub(crate) mod pipe;
mod plan;
mod reflink;
pub(crate) mod report;
mod sample;
mod sink;

use blockio::{Extent, ReadAt, Reflink, Store, Tiling};

use crate::error::Error;
use crate::image::ImageWriter;
use crate::options::PackOptions;
use crate::pack::batch::Content;
use crate::pack::compressed::store_compressed;
use crate::pack::meter::Meter;
use crate::pack::reflink::{Reflinked, reflink};
use begin::{Begun, begin, needed, no_reflink};
use budget::load_each;
use report::{PackReport, Stored};

/// Writes the bytes of `source` that are in use as an image.
///
/// `tiling` says what they are: its extents tile `source`. The first pass finds how much room the image can
/// need, so that its tables come first; the second reads the data. Clusters that
/// hold nothing but zeros and unused bytes are not stored, and unused bytes of
/// stored clusters are zeros. The image depends on source, tiling and options,
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
/// sharing would do; [`Error::Stopped`] where [`PackOptions::progress`] said so; any
/// other [`Error`] where reading or writing fails. There is
/// no image then.
///
/// # Example
///
/// ```
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
///     &extents,
///     &target,
///     &PackOptions::default(),
/// )?;
/// assert_eq!((report.used_bytes, report.stored_clusters), (4096, 1));
/// # Ok::<(), qcow2_writer::Error>(())
/// ```
pub fn pack<S, G, T>(
    source: &S,
    tiling: &G,
    target: &T,
    options: &PackOptions<'_>,
) -> Result<PackReport, Error>
where
    S: ReadAt + ?Sized,
    G: Tiling + ?Sized,
    T: Store + ?Sized,
{
    let Begun {
        writer,
        used_bytes,
        data_bytes,
        ..
    } = begin(source, tiling, target, options)?;
    let mut meter = Meter::new(data_bytes, options);
    let stored = match &options.compression {
        Some(compression) => {
            let extents = needed(source, tiling, options);
            store_compressed(source, extents, writer, compression, &mut meter)?
        }
        None => store_plain(source, tiling, writer, &mut meter)?,
    };
    Ok(stored.report(source.size(), used_bytes))
}

/// Stores the data of `source` as it is.
fn store_plain<S, G, T>(
    source: &S,
    tiling: &G,
    mut writer: ImageWriter<T>,
    meter: &mut Meter<'_>,
) -> Result<Stored, Error>
where
    S: ReadAt + ?Sized,
    G: Tiling + ?Sized,
    T: Store,
{
    let options = meter.options();
    let reflinked = if options.reflink == Reflink::Never || no_reflink(options).is_some() {
        Reflinked::default()
    } else {
        let extents = needed(source, tiling, options).in_units_of(options.cluster_bits.bytes());
        reflink(source, extents, &mut writer, meter)?
    };
    if reflinked.end < source.size() {
        let rest = from(reflinked.end, needed(source, tiling, options));
        let layout = *writer.layout();
        load_each(source, rest, &layout, options, |loaded| {
            for content in loaded.contents() {
                match content {
                    Content::Data(guest, bytes) => writer.put(bytes, guest, |_| false)?,
                    Content::Zeros(guest) => writer.put_zeros(guest)?,
                }
            }
            meter.add(loaded.data_bytes)
        })?;
    }
    meter.tell()?;
    let (_, image) = writer.finish()?;
    Ok(Stored {
        image,
        compressed_clusters: 0,
        reflinked_bytes: reflinked.bytes,
    })
}

/// The parts of `extents` at or past `start`.
fn from(
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
