//! A new image with nothing in it.

use blockio::Store;
use qcow2_check::Use;
use qcow2_format::extension::Extension;
use qcow2_format::feature::{CompatibleFeatures, IncompatibleFeatures};
use qcow2_format::header::CompressionType;
use qcow2_format::{ClusterBits, Header, HostOffset, RefcountOrder, Version};
use qcow2_map::in_memory;

use crate::change::allocator::Allocator;
use crate::change::refcounts::NewRefcounts;
use crate::error::Error;
use crate::image::counts::Counts;
use crate::image::state::{State, set_size};
use crate::image::view::{View, table_bytes};

/// What a new image is like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NewImage {
    /// Size of the disk, in bytes. One that is not a multiple of 512 is rounded up in the
    /// header, and kept in a header extension.
    pub size: u64,
    /// Size of a cluster.
    pub cluster_bits: ClusterBits,
    /// Version of the format.
    pub version: Version,
    /// Width of a refcount. Version 2 has 16 bits only.
    pub refcount_order: RefcountOrder,
    /// Whether clusters have 32 subclusters. Version 3 only.
    pub extended_l2: bool,
    /// How clusters are compressed later, if they are. Version 2 has deflate only.
    pub compression_type: CompressionType,
    /// Whether refcounts may be updated late. Version 3 only.
    pub lazy_refcounts: bool,
    /// Name and format of the backing file, as they are recorded.
    pub backing: Option<(Vec<u8>, Vec<u8>)>,
}

impl NewImage {
    /// An image of a disk of `size` bytes, with clusters of 64 KiB, as QEMU makes it.
    #[must_use]
    pub fn of_size(size: u64) -> Self {
        Self {
            size,
            cluster_bits: ClusterBits::DEFAULT,
            version: Version::V3,
            refcount_order: RefcountOrder::DEFAULT,
            extended_l2: false,
            compression_type: CompressionType::Deflate,
            lazy_refcounts: false,
            backing: None,
        }
    }

    fn header(&self) -> Header {
        let mut header = Header::new(self.version, self.cluster_bits, 0);
        header.refcount_order = self.refcount_order;
        header.compression_type = self.compression_type;
        let is_other = self.compression_type != CompressionType::Deflate;
        let features = &mut header.incompatible;
        features.set(IncompatibleFeatures::COMPRESSION_TYPE, is_other);
        features.set(IncompatibleFeatures::EXTENDED_L2, self.extended_l2);
        let lazy = CompatibleFeatures::LAZY_REFCOUNTS;
        header.compatible.set(lazy, self.lazy_refcounts);
        if let Some((name, format)) = &self.backing {
            header.backing_name = Some(name.clone());
            header
                .extensions
                .push(Extension::BackingFormat(format.clone()));
        }
        header
    }
}

/// Writes a new image to an empty `target`, its header last.
///
/// # Errors
///
/// [`Error::Limit`] and [`Error::Unstorable`] if the format cannot hold it; and if the
/// storage fails.
pub fn create<S: Store>(target: &S, wanted: &NewImage) -> Result<(), Error> {
    let header = wanted.header();
    let max = header.geometry().size_max();
    if wanted.size > max {
        return Err(Error::Limit {
            what: "the size of the disk in bytes",
            found: wanted.size,
            min: 0,
            max,
        });
    }
    let mut state = State {
        header,
        snapshots: Vec::new(),
        bitmaps: Vec::new(),
    };
    set_size(&mut state, wanted.size);
    let view = View {
        storage: target,
        cluster_bits: wanted.cluster_bits,
    };
    let geometry = state.header.geometry();
    let entries = geometry.l1_entries_for(state.header.size).max(1);
    let mut counts = Counts::new(wanted.cluster_bits);
    counts.add(&(0..1), Use::Metadata, 1)?;
    let mut busy = Counts::new(wanted.cluster_bits);
    busy.add(&(0..1), Use::Metadata, 1)?;
    let mut allocator = Allocator::new(wanted.cluster_bits, busy, 1);
    let l1 = allocator.take(entries.saturating_mul(8))?;
    counts.add(&table_bytes(l1, entries), Use::Metadata, 1)?;
    state.header.l1_table_offset = l1;
    state.header.l1_entries = u32::try_from(entries).unwrap_or(u32::MAX);

    let refcounts = NewRefcounts::place(&state.header, &mut counts, &mut allocator)?;
    let l1_end = view.cluster_bits.round_up(table_bytes(l1, entries).end);
    let l1_bytes = l1_end.unwrap_or(u64::MAX).saturating_sub(l1.0);
    let zeroed = target.write_zeroes(l1.0, l1_bytes);
    zeroed.map_err(|source| Error::Write {
        structure: "L1 table",
        host: l1,
        source,
    })?;
    refcounts.write(view, &counts, &mut state.header)?;
    let mut first = state.header.encode().map_err(|source| Error::Unstorable {
        structure: "the header",
        source,
    })?;
    first.resize(in_memory(view.cluster_bits.bytes()), 0);
    view.sync()?;
    view.write("header", HostOffset(0), &first)
}
