//! What comes before the data of a disk: whether there can be an image of it, and
//! the places of its tables.

use std::num::NonZeroUsize;

use blockio::{ReadAt, Reflink, Store, Tiling};
use qcow2_format::Version;

use crate::compression;
use crate::error::{Error, Unrepresentable};
use crate::image::ImageWriter;
use crate::image::header;
use crate::image::layout::Layout;
use crate::options::{Allocation, PackOptions, WriteOptions};
use crate::pack::needed::NeededExtents;
use crate::pack::plan::Plan;

/// L2 tables in memory. Data comes in order, so a table is complete before the
/// next is begun; small ones are worth being written together.
const L2_TABLES: NonZeroUsize = NonZeroUsize::new(8).unwrap();

/// A new image with its L2 tables reserved.
pub(crate) struct Begun<T> {
    pub(crate) writer: ImageWriter<T>,
    /// Bytes of the disk in use, zeros included.
    pub(crate) used_bytes: u64,
    /// Bytes of the disk that must be read.
    pub(crate) data_bytes: u64,
    /// Clusters that they are in.
    pub(crate) data_clusters: u64,
}

/// Begins an image of `source` on `target`, once it is known that there can be
/// one.
pub(crate) fn begin<S, G, T>(
    source: &S,
    tiling: &G,
    target: T,
    options: &PackOptions<'_>,
) -> Result<Begun<T>, Error>
where
    S: ReadAt + ?Sized,
    G: Tiling + ?Sized,
    T: Store,
{
    let (size, version) = (source.size(), options.version);
    let layout = Layout::new(size, version, options.geometry(), options.refcount_order)?;
    check_allocation(options)?;
    if let Some(compression) = &options.compression {
        compression::check(compression, version)?;
    }
    if let Some(why) = no_reflink(options)
        && options.reflink == Reflink::Always
    {
        return Err(Error::NoReflink { why });
    }
    if let Some(backing) = &options.backing {
        header::check_backing(backing, &layout, version)?;
    }
    let mut needed = needed(source, tiling, options);
    let plan = Plan::new(&mut needed, &layout)?;
    layout.check(plan.tables.count(), plan.data_clusters)?;
    let mut writer = ImageWriter::create(target, &write_options(size, options))?;
    writer.reserve(plan.tables.iter())?;
    match options.allocation {
        Allocation::Needed => {}
        Allocation::Exact => writer.be_exact(),
        Allocation::Overlay => writer.lie_over(options.backing.as_ref()),
    }
    Ok(Begun {
        writer,
        used_bytes: needed.used_bytes(),
        data_bytes: plan.data_bytes,
        data_clusters: plan.data_clusters,
    })
}

/// Whether the version has what the allocation needs, and it alone a backing file.
fn check_allocation(options: &PackOptions<'_>) -> Result<(), Unrepresentable> {
    let (allocation, old) = (options.allocation, options.version == Version::V2);
    match allocation {
        Allocation::Exact if old => Err(Unrepresentable::ZeroClusters),
        Allocation::Overlay if old => Err(Unrepresentable::OverlayVersion),
        _ if options.backing.is_some() != (allocation == Allocation::Overlay) => {
            Err(Unrepresentable::Backing { allocation })
        }
        _ => Ok(()),
    }
}

/// What the image must hold of `source`; `tiling` says what is in use.
pub(crate) fn needed<'s, S, G>(
    source: &'s S,
    tiling: &'s G,
    options: &PackOptions<'_>,
) -> NeededExtents<'s, S>
where
    S: ReadAt + ?Sized,
    G: Tiling + ?Sized,
{
    let size = source.size();
    let needed = NeededExtents::new(source, tiling.extents(0..size), size);
    match options.allocation {
        Allocation::Needed => needed,
        Allocation::Exact => needed.exact(options.geometry().unit_bytes()),
        Allocation::Overlay => needed.overlay(options.geometry().unit_bytes()),
    }
}

/// Why nothing can be shared, if so.
pub(super) fn no_reflink(options: &PackOptions<'_>) -> Option<&'static str> {
    if options.compression.is_some() {
        Some("its clusters are compressed")
    } else if options.allocation == Allocation::Exact {
        Some("its allocation is exact")
    } else if options.allocation == Allocation::Overlay {
        Some("it has a backing file")
    } else if options.extended_l2 {
        Some("its clusters have subclusters")
    } else {
        None
    }
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
