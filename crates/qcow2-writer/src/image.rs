//! An image that takes writes in any order.

mod allocator;
pub(crate) mod cluster;
pub(crate) mod compressed;
mod data_run;
pub(crate) mod exact;
mod file;
mod l1_table;
mod l2_cache;
pub(crate) mod layout;
mod place;
mod refcounts;
mod zeros;

use std::fmt;
use std::ops::Range;

use blockio::{Store, is_zero, len_u64};
use qcow2_format::extension::Extension;
use qcow2_format::feature::IncompatibleFeatures;
use qcow2_format::header::CompressionType;
use qcow2_format::{ClusterBits, Geometry, GuestOffset, Header, HostOffset, Version};

use crate::error::Error;
use crate::image::allocator::Allocator;
use crate::image::cluster::Mapping;
use crate::image::compressed::counts::CompressedCounts;
use crate::image::data_run::DataRun;
use crate::image::file::{Floor, ImageFile};
use crate::image::l1_table::{L1Table, L2Place};
use crate::image::l2_cache::L2Cache;
use crate::image::layout::{Layout, RefcountArea};
use crate::image::refcounts::Refcounts;
use crate::options::WriteOptions;
use crate::units::{cut, to_u32};

/// Bytes of L2 tables that are kept in memory at most, unless one is larger.
const L2_CACHE_BYTES_MAX: u64 = 32 << 20;

/// Writes a new image, in any order.
///
/// Clusters that were never written, or only with zeros, are not stored; a
/// stored cluster is overwritten where it is. There is no image before
/// [`finish`](Self::finish).
///
/// # Example
///
/// ```
/// use blockio::MemoryDisk;
/// use qcow2_writer::{ImageWriter, WriteOptions};
///
/// # fn main() -> Result<(), qcow2_writer::Error> {
/// let target = MemoryDisk::default();
/// let options = WriteOptions { size: 10 << 30, ..Default::default() };
/// let mut writer = ImageWriter::create(&target, &options)?;
/// writer.write_at(b"boot", 512)?;
/// assert_eq!(writer.finish()?.stored_clusters, 1);
/// # Ok(())
/// # }
/// ```
pub struct ImageWriter<'t, T: ?Sized> {
    output: ImageFile<'t, T>,
    layout: Layout,
    version: Version,
    sync: bool,
    l1: L1Table,
    l2: L2Cache,
    allocator: Allocator,
    /// The end of the clusters that data was first written to, or shared.
    floor: Floor,
    stored: Stored,
    /// Set where a [`CompressedWriter`](compressed::CompressedWriter) writes.
    compressed: Option<CompressedArea>,
    /// Whether exactly what is in use is allocated.
    is_exact: bool,
    /// Whether a write failed: what the tables say is not known to be true.
    broken: bool,
}

/// Where compressed streams are.
#[derive(Clone, Copy, Debug)]
struct CompressedArea {
    /// The first host cluster they can be in.
    first_cluster: u64,
    compression_type: CompressionType,
}

/// The guest clusters that are stored.
#[derive(Debug, Default)]
struct Stored {
    clusters: u64,
    bytes: u64,
}

impl Stored {
    /// Counts the cluster that byte `guest` is in.
    fn add(&mut self, guest: u64, layout: &Layout) {
        let cluster = layout.cluster_bits.round_down(guest);
        self.clusters += 1;
        self.bytes += layout.cluster_bits.bytes().min(layout.size - cluster);
    }
}

/// Makes the bytes of the new cluster at `host` zero that `guest` is not about
/// to overwrite.
fn clear_around<T: Store + ?Sized>(
    host: HostOffset,
    guest: &Range<u64>,
    bits: ClusterBits,
    output: &ImageFile<'_, T>,
) -> Result<(), Error> {
    let head = bits.offset_in_cluster(guest.start);
    let end = head + (guest.end - guest.start);
    output.clear("data", host, head)?;
    output.clear("data", HostOffset(host.0 + end), bits.bytes() - end)
}

/// What became of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImageReport {
    /// Length of the image in bytes, a multiple of the cluster size.
    pub image_bytes: u64,
    /// Guest clusters that are stored.
    pub stored_clusters: u64,
    /// Bytes of the disk in these clusters; the last one may be cut by its end.
    pub stored_bytes: u64,
}

impl<T: ?Sized> fmt::Debug for ImageWriter<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageWriter")
            .field("layout", &self.layout)
            .field("version", &self.version)
            .field("stored", &self.stored)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

impl<'t, T: Store + ?Sized> ImageWriter<'t, T> {
    /// Begins an image on `target`, which holds nothing anybody needs. A header
    /// that is there already is overwritten with zeros.
    ///
    /// # Errors
    ///
    /// [`Error::Unrepresentable`] before anything is written, where no such
    /// image can be; else [`Error::WriteImage`].
    pub fn create(target: &'t T, options: &WriteOptions) -> Result<Self, Error> {
        let layout = Layout::new(
            options.size,
            options.version,
            Geometry {
                cluster_bits: options.cluster_bits,
                extended_l2: options.extended_l2,
            },
            options.refcount_order,
        )?;
        let output = ImageFile::new(target);
        output.clear("zeros", HostOffset(0), layout.cluster_bits.bytes())?;
        if options.sync && !output.starts_zeroed() {
            output.sync()?;
        }
        let tables = options.l2_cache_tables;
        Ok(Self {
            output,
            l1: L1Table::new(layout.l1_entries),
            l2: L2Cache::new(tables, L2_CACHE_BYTES_MAX, layout.geometry()),
            allocator: Allocator::new(&layout),
            layout,
            version: options.version,
            sync: options.sync,
            floor: Floor::default(),
            stored: Stored::default(),
            compressed: None,
            is_exact: false,
            broken: false,
        })
    }

    /// Writes `bytes` at guest offset `offset`. Zeros that hit no stored
    /// cluster take no space.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] where the write passes the end of the disk; nothing
    /// is written then. After any other error the writer is
    /// [broken](Error::Broken).
    pub fn write_at(&mut self, bytes: &[u8], offset: u64) -> Result<(), Error> {
        let (length, size) = (len_u64(bytes.len()), self.layout.size);
        if offset.checked_add(length).is_none_or(|end| end > size) {
            return Err(Error::OutOfRange {
                offset,
                length,
                size,
            });
        }
        self.put(bytes, offset, is_zero)
    }

    /// Completes the image and writes its header. To store the header safely is
    /// left to the caller: the target may have to be synced, renamed, or both.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] after a failed write; [`Error::WriteImage`], and there
    /// is no image then.
    pub fn finish(mut self) -> Result<ImageReport, Error> {
        self.complete()
    }

    /// As [`finish`](Self::finish); the tables can be asked afterwards.
    pub(crate) fn complete(&mut self) -> Result<ImageReport, Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        self.l2.flush(&self.output)?;
        self.l1.write(&self.layout, &self.output)?;
        if self.compressed.is_some() {
            // The tables are read back, and the last may end with a hole.
            let end = self.layout.host_offset(self.allocator.clusters());
            self.output.set_size(end.0)?;
        }
        let area = self
            .refcounts()
            .write(self.compressed_counts(), &self.layout, &self.output)?;
        let image_bytes = self.layout.host_offset(area.end).0;
        self.output.set_size(image_bytes)?;
        if self.sync {
            self.output.sync()?;
        }
        let header = self.header(&area).encode()?;
        self.output.write("the header", HostOffset(0), &header)?;
        Ok(ImageReport {
            image_bytes,
            stored_clusters: self.stored.clusters,
            stored_bytes: self.stored.bytes,
        })
    }

    /// Keeps places at the front for the L2 tables of the entries `l1_indexes`,
    /// which ascend. Nothing may be written yet.
    pub(crate) fn reserve(&mut self, l1_indexes: impl Iterator<Item = u64>) -> Result<(), Error> {
        for l1_index in l1_indexes {
            let host = self.allocator.take(&self.layout)?;
            self.l1.set(l1_index, L2Place::Reserved(host));
        }
        Ok(())
    }

    /// Hands out the host clusters before `cluster`.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, cluster: u64) {
        self.allocator.skip_to(cluster);
    }

    /// Writes `bytes` at guest offset `offset`. Where `needless` is true of the
    /// bytes of a cluster that is not stored, it stays so.
    pub(crate) fn put(
        &mut self,
        bytes: &[u8],
        offset: u64,
        needless: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        // Cleared at the end: tables may be wrong wherever this returns early.
        self.broken = true;
        let mut run = DataRun::new(bytes, offset);
        for guest in cut(run.range(), self.layout.geometry().l2_coverage_bytes()) {
            self.put_in_table(&mut run, guest, &needless)?;
        }
        run.write(&self.output, &mut self.floor)?;
        self.broken = false;
        Ok(())
    }

    /// Writes the bytes of `guest`, all within the reach of one L2 table.
    fn put_in_table(
        &mut self,
        run: &mut DataRun<'_>,
        guest: Range<u64>,
        needless: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let (bits, geometry) = (self.layout.cluster_bits, self.layout.geometry());
        let l1_index = geometry.l1_index(GuestOffset(guest.start));
        let in_use = matches!(self.l1.get(l1_index), L2Place::InUse(_));
        if !in_use && needless(run.part(&guest)) {
            return Ok(());
        }
        let (table_host, is_new) = self.use_table(l1_index)?;
        let table = self.l2.get(l1_index, table_host, is_new, &self.output)?;
        for guest in cut(guest, bits.bytes()) {
            let index = geometry.l2_index(GuestOffset(guest.start));
            let before = table.get(index)?;
            let (host, is_new) = match before.host() {
                Some(host) => (host, false),
                None if needless(run.part(&guest)) => continue,
                None => {
                    let host = self.allocator.take(&self.layout)?;
                    self.stored.add(guest.start, &self.layout);
                    clear_around(host, &guest, bits, &self.output)?;
                    (host, true)
                }
            };
            let after = before.with_data(host, self.layout.units(&guest));
            if after != before {
                table.set(index, Mapping::Cluster(after));
            }
            let within = bits.offset_in_cluster(guest.start);
            let host = HostOffset(host.0 + within);
            run.push(guest, host, is_new, &self.output, &mut self.floor)?;
        }
        Ok(())
    }

    /// Stores `mapping` for the cluster at `guest`, which has none yet.
    fn map(&mut self, guest: GuestOffset, mapping: Mapping) -> Result<(), Error> {
        let geometry = self.layout.geometry();
        let l1_index = geometry.l1_index(guest);
        let (table_host, is_new) = self.use_table(l1_index)?;
        let table = self.l2.get(l1_index, table_host, is_new, &self.output)?;
        table.set(geometry.l2_index(guest), mapping);
        self.stored.add(guest.0, &self.layout);
        Ok(())
    }

    /// The place of the L2 table of entry `l1_index`, which is in use from now
    /// on, and whether it was not before.
    fn use_table(&mut self, l1_index: u64) -> Result<(HostOffset, bool), Error> {
        let host = match self.l1.get(l1_index) {
            L2Place::InUse(host) => return Ok((host, false)),
            L2Place::Reserved(host) => host,
            L2Place::None => self.allocator.take(&self.layout)?,
        };
        self.l1.set(l1_index, L2Place::InUse(host));
        Ok((host, true))
    }

    /// How often each cluster is used that streams touch.
    fn compressed_counts(
        &self,
    ) -> CompressedCounts<'_, 't, T, impl Iterator<Item = HostOffset> + use<'_, 't, T>> {
        let end = self.allocator.clusters();
        let first = self.compressed.map_or(end, |area| area.first_cluster);
        // Without streams there is nothing to be read.
        let tables = self.compressed.into_iter().flat_map(|_| self.l1.in_use());
        CompressedCounts::new(tables, first..end, self.layout.geometry(), &self.output)
    }

    /// How often each allocated cluster is used, except by streams.
    fn refcounts(&self) -> Refcounts {
        let mut refcounts = Refcounts::default();
        for table in self.l1.unused() {
            let cluster = table.0 >> self.layout.cluster_bits.bits();
            refcounts.push_until(cluster, 1);
            refcounts.push_until(cluster + 1, 0);
        }
        refcounts.push_until(self.allocator.clusters(), 1);
        refcounts.trim();
        refcounts
    }

    fn header(&self, area: &RefcountArea) -> Header {
        let layout = &self.layout;
        let size = layout.header_size();
        let mut header = Header::new(self.version, layout.cluster_bits, size);
        header.refcount_order = layout.refcount_order;
        header.l1_entries = to_u32(layout.l1_entries);
        header.l1_table_offset = layout.l1_offset();
        header.refcount_table_offset = layout.host_offset(area.table);
        header.refcount_table_clusters = to_u32(area.table_clusters);
        if let Some(area) = self.compressed {
            header.compression_type = area.compression_type;
        }
        if header.compression_type != CompressionType::Deflate {
            header.incompatible |= IncompatibleFeatures::COMPRESSION_TYPE;
        }
        if layout.extended_l2 {
            header.incompatible |= IncompatibleFeatures::EXTENDED_L2;
        }
        if size != layout.size {
            header.extensions.push(Extension::ExactSize(layout.size));
        }
        if self.is_exact {
            header.extensions.push(Extension::ExactAllocation {
                unit_bytes: to_u32(layout.unit_bits.bytes()),
            });
        }
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_may_change_threads() {
        fn is_send<T: Send>() {}
        is_send::<ImageWriter<'_, blockio::MemoryDisk>>();
    }
}
