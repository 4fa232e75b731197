//! What an image should be like.

use std::fmt;
use std::num::NonZeroUsize;

use blockio::Reflink;
use qcow2_format::{ClusterBits, RefcountOrder, Version};

use crate::compress::Compression;

/// L2 tables an [`ImageWriter`](crate::ImageWriter) keeps in memory by default.
const L2_CACHE_TABLES_DEFAULT: NonZeroUsize = NonZeroUsize::new(512).unwrap();

/// What an image that is written piece by piece should be like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WriteOptions {
    /// Exact length of the disk in bytes. One that is no multiple of 512 is
    /// rounded up in the header, and kept in a header extension.
    pub size: u64,
    /// Size of a cluster.
    pub cluster_bits: ClusterBits,
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
    /// An empty disk; 64 KiB clusters, version 3, 16-bit refcounts, 512 tables
    /// in memory, synced.
    fn default() -> Self {
        Self {
            size: 0,
            cluster_bits: ClusterBits::DEFAULT,
            version: Version::V3,
            refcount_order: RefcountOrder::DEFAULT,
            l2_cache_tables: L2_CACHE_TABLES_DEFAULT,
            sync: true,
        }
    }
}

/// How far a job has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes of the disk that are read and, where they are not zeros, written, or
    /// that are shared. Where the disk is read twice, both times count.
    pub done_bytes: u64,
    /// Bytes that `done_bytes` will reach; not less than `done_bytes`.
    pub total_bytes: u64,
}

/// What a packed image should be like, and how to make it.
#[derive(Clone, Copy)]
pub struct PackOptions<'a> {
    /// Size of a cluster.
    pub cluster_bits: ClusterBits,
    /// Version of the format. Version 2 has 16-bit refcounts only.
    pub version: Version,
    /// Width of a refcount.
    pub refcount_order: RefcountOrder,
    /// How clusters are compressed, if they are. One that does not shrink is
    /// stored as it is.
    pub compression: Option<Compression>,
    /// Threads that read and compress; what is written does not depend on it.
    pub threads: NonZeroUsize,
    /// Called now and then, by one thread at a time, and once at the end.
    pub progress: Option<&'a (dyn Fn(Progress) + Sync)>,
    /// Sync everything else before the header is written.
    pub sync: bool,
    /// Whether whole clusters in use share their blocks with the source. They
    /// are not read then, so those that hold zeros are stored too: the image
    /// may differ from one that shares nothing, and depends on what the
    /// filesystem can do.
    pub reflink: Reflink,
}

impl Default for PackOptions<'_> {
    /// 64 KiB clusters, version 3, 16-bit refcounts, no compression, all threads,
    /// no progress, synced, nothing shared.
    fn default() -> Self {
        let image = WriteOptions::default();
        Self {
            cluster_bits: image.cluster_bits,
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

impl fmt::Debug for PackOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackOptions")
            .field("cluster_bits", &self.cluster_bits)
            .field("version", &self.version)
            .field("refcount_order", &self.refcount_order)
            .field("compression", &self.compression)
            .field("threads", &self.threads)
            .field("sync", &self.sync)
            .field("reflink", &self.reflink)
            .finish_non_exhaustive()
    }
}
