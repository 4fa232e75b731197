//! How large an image will be, without writing it.

use blockio::{ReadAt, Reflink, Tiling};
use qcow2_format::RefcountOrder;

use crate::error::Error;
use crate::image::layout::{Layout, RefcountArea};
use crate::options::{Allocation, PackOptions};
use crate::pack::pack;
use crate::pack::sample::{Estimate, estimate};
use crate::pack::sink::Sink;

/// What an image of a disk takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Measured {
    /// Length of the image in bytes: exact, or the best estimate.
    pub image_bytes: u64,
    /// How far the true length may be from that, up or down, in bytes: 0 if it is exact.
    pub error_bytes: u64,
    /// Bytes of the disk that were compressed to find that out, if not all were.
    pub sampled_bytes: Option<u64>,
    /// Length of the image in bytes if all clusters of the disk held data, and no stream
    /// were shorter than its cluster.
    pub fully_allocated_bytes: u64,
}

/// The length of the image that [`pack()`](crate::pack()) would write of the same source
/// with the same options: reads what `pack` reads, and writes nothing.
///
/// Without compression it is exact. With it, a disk of which more than `sample_bytes` are
/// in use is sampled: runs of neighbouring clusters all over what is in use are
/// compressed, always the same ones. The true length is within
/// [`error_bytes`](Measured::error_bytes) of the estimate unless the disk was made to
/// mislead it: that is 3.5 times the standard error of the sample, and what the model
/// leaves out. With refcounts of less than 16 bits, and where the allocation is not
/// [`Needed`](Allocation::Needed), all of the disk is compressed, however large it is.
///
/// # Errors
///
/// As [`pack()`](crate::pack()), except that nothing is written.
///
/// # Example
///
/// ```
/// use blockio::{AllData, MemoryDisk};
/// use qcow2_writer::{PackOptions, measure, pack};
///
/// let mut disk = vec![0; 1 << 20];
/// disk[700_000] = 1;
/// let options = PackOptions::default();
/// let measured = measure(&disk, &AllData, &options, 256 << 20)?;
/// let packed = pack(&disk, &AllData, &MemoryDisk::default(), &options)?;
/// assert_eq!((measured.image_bytes, measured.error_bytes), (packed.image_bytes, 0));
/// # Ok::<(), qcow2_writer::Error>(())
/// ```
pub fn measure<S, G>(
    source: &S,
    tiling: &G,
    options: &PackOptions<'_>,
    sample_bytes: u64,
) -> Result<Measured, Error>
where
    S: ReadAt + ?Sized,
    G: Tiling + ?Sized,
{
    let mut options = *options;
    options.sync = false;
    // What shares blocks is as long as what copies them, but for zeros.
    options.reflink = Reflink::Never;
    let fully_allocated_bytes = fully_allocated(source.size(), &options)?;
    let may_sample = options.allocation == Allocation::Needed
        && options.refcount_order.order() >= RefcountOrder::DEFAULT.order();
    if let Some(compression) = options.compression.as_ref().filter(|_| may_sample) {
        let estimated = estimate(source, tiling, &options, compression, sample_bytes)?;
        if let Some(Estimate {
            image_bytes,
            error_bytes,
            sampled_bytes,
        }) = estimated
        {
            return Ok(Measured {
                image_bytes,
                error_bytes,
                sampled_bytes: Some(sampled_bytes),
                fully_allocated_bytes,
            });
        }
    }
    let packed = pack(source, tiling, &Sink, &options)?;
    Ok(Measured {
        image_bytes: packed.image_bytes,
        error_bytes: 0,
        sampled_bytes: None,
        fully_allocated_bytes,
    })
}

/// The length of the image of a disk of `size` bytes that is full of data.
fn fully_allocated(size: u64, options: &PackOptions<'_>) -> Result<u64, Error> {
    let geometry = options.geometry();
    let layout = Layout::new(size, options.version, geometry, options.refcount_order)?;
    let tables = geometry.l1_entries_for(size);
    let clusters = size.div_ceil(layout.cluster_bits.bytes());
    layout.check(tables, clusters)?;
    let allocated = layout
        .front_clusters()
        .saturating_add(tables)
        .saturating_add(clusters);
    let area = RefcountArea::place(allocated, 0, &layout)
        .ok_or_else(|| layout.too_many(tables, clusters))?;
    Ok(layout.host_offset(area.end).0)
}

#[cfg(test)]
mod tests;
