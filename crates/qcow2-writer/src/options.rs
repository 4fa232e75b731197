//! What an image should be like.

use std::fmt;
use std::num::NonZeroUsize;

use blockio::{OnProgress, Reflink};
use qcow2_codec::Compression;
use qcow2_format::{ClusterBits, Geometry, RefcountOrder, Version};

/// L2 tables an [`ImageWriter`](crate::ImageWriter) keeps in memory by default.
const L2_CACHE_TABLES_DEFAULT: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// What is allocated in an image, of what is in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Allocation {
    /// What holds anything but zeros: nothing more is needed to read the disk.
    #[default]
    Needed,
    /// Exactly what is in use. Zeros in it are marked as such; what is not
    /// in use is not allocated. So extents must be made of whole clusters or, with
    /// extended L2 entries, of whole subclusters. A header extension says that the
    /// image is about what is allocated. Version 3 only.
    Exact,
    /// What differs from the [backing file](PackOptions::backing): where extents are
    /// `Data` or `Zero` the image says what the disk holds, and what of it is zeros is
    /// marked as such; all else is left to the backing file. So a cluster, or with
    /// extended L2 entries a subcluster, must be the one or the other as a whole.
    /// Version 3 only.
    Overlay,
}

/// The file that holds what an image leaves to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Backing<'a> {
    /// Its name as it is recorded, 1 to 1,023 bytes: a path, relative to the folder of
    /// the image unless it is absolute. QEMU takes a name with a colon before the first
    /// slash for a protocol.
    pub name: &'a [u8],
    /// How it is stored.
    pub format: BackingFormat,
}

impl<'a> Backing<'a> {
    /// The file called `name`, stored as `format` says.
    #[must_use]
    pub fn new(name: &'a [u8], format: BackingFormat) -> Self {
        Self { name, format }
    }
}

/// How a backing file is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BackingFormat {
    /// As another image.
    Qcow2,
    /// As it is.
    Raw,
}

impl BackingFormat {
    /// The name of the format, as images record it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Qcow2 => "qcow2",
            Self::Raw => "raw",
        }
    }
}

/// What an image that is written piece by piece should be like.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WriteOptions {
    /// Exact length of the disk in bytes. One that is not a multiple of 512 is
    /// rounded up in the header, and kept in a header extension.
    pub size: u64,
    /// Size of a cluster.
    pub cluster_bits: ClusterBits,
    /// Whether L2 entries are extended: clusters have 32 subclusters then, each
    /// allocated by itself, and 16 KiB at least. Version 3 only.
    pub extended_l2: bool,
    /// Version of the format. Version 2 has 16-bit refcounts only.
    pub version: Version,
    /// Width of a refcount.
    pub refcount_order: RefcountOrder,
    /// L2 tables kept in memory, at most 32 MiB of them.
    pub l2_cache_tables: NonZeroUsize,
    /// Sync everything else before the header is written.
    pub sync: bool,
}

impl Default for WriteOptions {
    /// An empty disk; 64 KiB clusters, no extended L2 entries, version 3, 16-bit refcounts, 512 tables
    /// in memory, synced.
    fn default() -> Self {
        Self {
            size: 0,
            cluster_bits: ClusterBits::DEFAULT,
            extended_l2: false,
            version: Version::V3,
            refcount_order: RefcountOrder::DEFAULT,
            l2_cache_tables: L2_CACHE_TABLES_DEFAULT,
            sync: true,
        }
    }
}

/// What a packed image should be like, and how to make it.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct PackOptions<'a> {
    /// Size of a cluster.
    pub cluster_bits: ClusterBits,
    /// Whether L2 entries are extended: clusters have 32 subclusters then, each
    /// allocated by itself, and 16 KiB at least. Version 3 only.
    pub extended_l2: bool,
    /// Version of the format. Version 2 has 16-bit refcounts only.
    pub version: Version,
    /// Width of a refcount.
    pub refcount_order: RefcountOrder,
    /// What is allocated.
    pub allocation: Allocation,
    /// The file that holds what [`Allocation::Overlay`] leaves out, which it needs; no
    /// other allocation may have one.
    pub backing: Option<Backing<'a>>,
    /// How clusters are compressed, if they are. One that does not shrink is
    /// stored as it is, and where the allocation is exact, so is one that has
    /// subclusters not in use.
    pub compression: Option<Compression>,
    /// Threads that read and compress; what is written does not depend on it.
    pub threads: NonZeroUsize,
    /// Hears now and then how many bytes of the disk are read and, where they are not
    /// zeros, written, or shared; and once before the image is completed. If it stops
    /// the job, that fails with [`Error::Stopped`](crate::Error::Stopped), and there is
    /// no image.
    pub progress: Option<OnProgress<'a>>,
    /// Sync everything else before the header is written.
    pub sync: bool,
    /// Whether whole clusters in use share their blocks with the source. They
    /// are not read then, so those that hold zeros are stored too: the image
    /// may differ from one that shares nothing, and depends on what the
    /// filesystem can do. Nothing is shared with compression, an exact allocation,
    /// a backing file or extended L2 entries.
    pub reflink: Reflink,
}

impl Default for PackOptions<'_> {
    /// 64 KiB clusters, no extended L2 entries, version 3, 16-bit refcounts, what
    /// is needed, no backing file, no compression, all threads, no progress, synced, nothing shared.
    fn default() -> Self {
        let image = WriteOptions::default();
        Self {
            cluster_bits: image.cluster_bits,
            extended_l2: image.extended_l2,
            allocation: Allocation::default(),
            backing: None,
            version: image.version,
            refcount_order: image.refcount_order,
            compression: None,
            threads: pipeline::available_threads(),
            progress: None,
            sync: image.sync,
            reflink: Reflink::Never,
        }
    }
}

impl PackOptions<'_> {
    pub(crate) fn geometry(&self) -> Geometry {
        Geometry {
            cluster_bits: self.cluster_bits,
            extended_l2: self.extended_l2,
        }
    }
}

impl fmt::Debug for PackOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackOptions")
            .field("cluster_bits", &self.cluster_bits)
            .field("extended_l2", &self.extended_l2)
            .field("allocation", &self.allocation)
            .field("backing", &self.backing)
            .field("version", &self.version)
            .field("refcount_order", &self.refcount_order)
            .field("compression", &self.compression)
            .field("threads", &self.threads)
            .field("sync", &self.sync)
            .field("reflink", &self.reflink)
            .finish_non_exhaustive()
    }
}
