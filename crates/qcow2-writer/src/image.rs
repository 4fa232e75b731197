//! An image that takes writes in any order.

mod allocator;
pub(crate) mod cluster;
pub(crate) mod compressed;
mod data_run;
pub(crate) mod exact;
mod file;
pub(crate) mod header;
mod l1_table;
mod l2_cache;
pub(crate) mod layout;
mod place;
mod refcounts;
mod tables;

use std::fmt;
use std::ops::Range;

use blockio::{Store, is_zero, len_u64};
use qcow2_format::header::CompressionType;
use qcow2_format::{ClusterBits, Geometry, HostOffset, Version};

use crate::error::Error;
use crate::image::allocator::Allocator;
use crate::image::cluster::Mapping;
use crate::image::compressed::counts::CompressedCounts;
use crate::image::data_run::DataRun;
use crate::image::file::{Floor, ImageFile};
use crate::image::header::{HeaderParts, RecordedBacking};
use crate::image::l1_table::{L1Table, L2Place};
use crate::image::l2_cache::L2Cache;
use crate::image::layout::Layout;
use crate::image::refcounts::Refcounts;
use crate::image::tables::Tables;
use crate::options::{Backing, WriteOptions};
use crate::units::cut;

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
/// let mut options = WriteOptions::default();
/// options.size = 10 << 30;
/// let mut writer = ImageWriter::create(&target, &options)?;
/// writer.write_at(512, b"boot")?;
/// assert_eq!(writer.finish()?.1.stored_clusters, 1);
/// # Ok(())
/// # }
/// ```
pub struct ImageWriter<T> {
    file: ImageFile<T>,
    layout: Layout,
    version: Version,
    sync: bool,
    tables: Tables,
    /// The end of the clusters that data was first written to, or shared.
    floor: Floor,
    stored: Stored,
    /// Set where a [`CompressedWriter`](compressed::CompressedWriter) writes.
    compressed: Option<CompressedArea>,
    /// Whether exactly what is in use is allocated.
    is_exact: bool,
    /// The backing file, if there is one.
    backing: Option<RecordedBacking>,
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
fn clear_around<T: Store>(
    host: HostOffset,
    guest: &Range<u64>,
    bits: ClusterBits,
    file: &ImageFile<T>,
) -> Result<(), Error> {
    let head = bits.offset_in_cluster(guest.start);
    let end = head + (guest.end - guest.start);
    file.clear("data", host, head)?;
    file.clear("data", HostOffset(host.0 + end), bits.bytes() - end)
}

/// What became of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageReport {
    /// Length of the image in bytes, a multiple of the cluster size.
    pub image_bytes: u64,
    /// Guest clusters that are stored.
    pub stored_clusters: u64,
    /// Bytes of the disk in these clusters; the last one may be cut by its end.
    pub stored_bytes: u64,
}

impl<T> fmt::Debug for ImageWriter<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImageWriter")
            .field("layout", &self.layout)
            .field("version", &self.version)
            .field("stored", &self.stored)
            .field("broken", &self.broken)
            .finish_non_exhaustive()
    }
}

impl<T: Store> ImageWriter<T> {
    /// Begins an image on `target`, whose contents are not needed. A header
    /// that is there already is overwritten with zeros.
    ///
    /// # Errors
    ///
    /// [`Error::Unrepresentable`] before anything is written, where no such
    /// image can be; else [`Error::WriteImage`].
    pub fn create(target: T, options: &WriteOptions) -> Result<Self, Error> {
        let layout = Layout::new(
            options.size,
            options.version,
            Geometry {
                cluster_bits: options.cluster_bits,
                extended_l2: options.extended_l2,
            },
            options.refcount_order,
        )?;
        let file = ImageFile::new(target);
        file.clear("zeros", HostOffset(0), layout.cluster_bits.bytes())?;
        if options.sync && !file.starts_zeroed() {
            file.sync()?;
        }
        let tables = options.l2_cache_tables;
        Ok(Self {
            file,
            tables: Tables {
                l1: L1Table::new(layout.l1_entries),
                l2: L2Cache::new(tables, L2_CACHE_BYTES_MAX, layout.geometry()),
                allocator: Allocator::new(layout.front_clusters(), [], &layout),
            },
            layout,
            version: options.version,
            sync: options.sync,
            floor: Floor::default(),
            stored: Stored::default(),
            compressed: None,
            is_exact: false,
            backing: None,
            broken: false,
        })
    }

    /// Writes `bytes` at guest offset `offset`. Zeros that hit no stored
    /// cluster take no space.
    ///
    /// # Errors
    ///
    /// [`Error::OutOfRange`] if the write passes the end of the disk; nothing
    /// is written then. After any other error the writer is
    /// [broken](Error::Broken).
    pub fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), Error> {
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

    /// Completes the image, writes its header, and gives the target back. To store the
    /// header safely is left to the caller: the target may have to be synced, renamed,
    /// or both.
    ///
    /// # Errors
    ///
    /// [`Error::Broken`] after a failed write; [`Error::WriteImage`], and there
    /// is not an image then.
    pub fn finish(mut self) -> Result<(T, ImageReport), Error> {
        let report = self.complete()?;
        Ok((self.file.into_target(), report))
    }

    /// As [`finish`](Self::finish); the tables can be asked afterwards.
    pub(crate) fn complete(&mut self) -> Result<ImageReport, Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        self.tables.l2.flush(&self.file)?;
        self.tables.l1.write(&self.layout, &self.file)?;
        if self.compressed.is_some() {
            // The tables are read back, and the last may end with a hole.
            let end = self.layout.host_offset(self.tables.allocator.end());
            self.file.set_size(end.0)?;
        }
        let area = self
            .refcounts()
            .write(self.compressed_counts(), &self.layout, &self.file)?;
        let image_bytes = self.layout.host_offset(area.end).0;
        self.file.set_size(image_bytes)?;
        if self.sync {
            self.file.sync()?;
        }
        let header = self.header_parts().header(&area).encode()?;
        self.file.write("the header", HostOffset(0), &header)?;
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
            self.tables.reserve(l1_index, &self.layout)?;
        }
        Ok(())
    }

    /// Hands out the host clusters before `cluster`.
    #[cfg(test)]
    pub(crate) fn skip_to(&mut self, cluster: u64) {
        self.tables.allocator.skip_to(cluster);
    }

    /// Writes `bytes` at guest offset `offset`. Where `needless` is true of the
    /// bytes of a cluster that is not stored, it stays so.
    pub(crate) fn put(
        &mut self,
        bytes: &[u8],
        offset: u64,
        needless: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let mut run = DataRun::new(bytes, offset);
        self.or_break(|writer| {
            for guest in cut(run.range(), writer.layout.geometry().l2_coverage_bytes()) {
                writer.put_in_table(&mut run, guest, &needless)?;
            }
            run.write(&writer.file, &mut writer.floor)
        })
    }

    /// Does `job`. If it fails, what the tables say is not known to be true: the writer
    /// is broken.
    fn or_break(&mut self, job: impl FnOnce(&mut Self) -> Result<(), Error>) -> Result<(), Error> {
        if self.broken {
            return Err(Error::Broken);
        }
        let result = job(self);
        self.broken = result.is_err();
        result
    }

    /// Writes the bytes of `guest`, all within the reach of one L2 table.
    fn put_in_table(
        &mut self,
        run: &mut DataRun<'_>,
        guest: Range<u64>,
        needless: impl Fn(&[u8]) -> bool,
    ) -> Result<(), Error> {
        let Self {
            tables,
            layout,
            file,
            floor,
            stored,
            ..
        } = self;
        let in_use = matches!(
            tables.place_of_table(guest.start, layout),
            L2Place::InUse(_)
        );
        if !in_use && needless(run.part(&guest)) {
            return Ok(());
        }
        let bits = layout.cluster_bits;
        tables.for_each_entry(guest, layout, file, |guest, entry, allocator| {
            let before = entry.get()?;
            let (host, is_new) = match before.host() {
                Some(host) => (host, false),
                None if needless(run.part(&guest)) => return Ok(()),
                None => {
                    let host = allocator.take(layout)?;
                    stored.add(guest.start, layout);
                    clear_around(host, &guest, bits, file)?;
                    (host, true)
                }
            };
            let after = before.with_data(host, layout.units(&guest));
            if after != before {
                entry.set(Mapping::Cluster(after));
            }
            let host = HostOffset(host.0 + bits.offset_in_cluster(guest.start));
            run.push(guest, host, is_new, file, floor)
        })
    }

    /// Says in the header that exactly what is in use is allocated.
    pub(crate) fn be_exact(&mut self) {
        self.is_exact = true;
    }

    /// Says in the header that `backing` holds what the image does not.
    pub(crate) fn lie_over(&mut self, backing: Option<&Backing<'_>>) {
        self.backing = backing.map(RecordedBacking::new);
    }

    /// How often each cluster is used that streams touch.
    fn compressed_counts(
        &self,
    ) -> CompressedCounts<'_, T, impl Iterator<Item = HostOffset> + use<'_, T>> {
        let end = self.tables.allocator.end();
        let first = self.compressed.map_or(end, |area| area.first_cluster);
        // Without streams there is nothing to be read.
        let tables = &self.tables.l1;
        let tables = self.compressed.iter().flat_map(|_| tables.in_use());
        CompressedCounts::new(tables, first..end, self.layout.geometry(), &self.file)
    }

    /// How often each allocated cluster is used, except by streams.
    fn refcounts(&self) -> Refcounts {
        let Tables { l1, allocator, .. } = &self.tables;
        let mut refcounts = Refcounts::default();
        let mut free = allocator.free().peekable();
        for table in l1.unused() {
            let cluster = table.0 >> self.layout.cluster_bits.bits();
            while let Some(run) = free.next_if(|run| run.end <= cluster) {
                refcounts.leave_out(run);
            }
            refcounts.leave_out(cluster..cluster + 1);
        }
        free.for_each(|run| refcounts.leave_out(run));
        refcounts.push_until(allocator.end(), 1);
        refcounts.trim();
        refcounts
    }

    /// What the header says beside the places of the refcounts.
    fn header_parts(&self) -> HeaderParts<'_> {
        HeaderParts {
            layout: &self.layout,
            version: self.version,
            compression_type: self.compressed.map(|area| area.compression_type),
            is_exact: self.is_exact,
            backing: self.backing.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests;
