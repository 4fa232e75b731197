//! What a caller may choose, and what it is told.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use blockio::salvage::Lost;
use blockio::{OnProgress, Progress, Reflink};
use qcow2_map::{MapOptions, Secret};

use crate::error::Error;

/// How an image is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OpenOptions {
    /// Bytes of L1 and L2 tables, of all layers together, that are kept for the
    /// reads to come, in parts of at most 64 KiB; one of those is kept however
    /// small this is. 16 MiB by default, which maps 128 GiB of a disk with
    /// clusters of 64 KiB.
    pub l2_cache_bytes: u64,
    /// Bytes of decompressed clusters kept for small reads in a row; one
    /// cluster is kept however small this is. 8 MiB by default.
    pub cluster_cache_bytes: u64,
    /// The ID of an internal snapshot, or else its name: its disk is read, of its
    /// own size, and not the active one.
    pub snapshot: Option<Vec<u8>>,
    /// Read an image that is damaged: what can be known of its disk is read, and
    /// the rest is lost. It reads as zeros, is `Unreadable` among the extents, and
    /// is listed when the disk is unpacked. Metadata that is read as data, and the
    /// corrupt bit, are no obstacle.
    pub salvage: bool,
    /// The passphrase of encrypted images: of the one that is opened, and of its
    /// backing files.
    pub secret: Option<Secret>,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            l2_cache_bytes: 16 << 20,
            cluster_cache_bytes: 8 << 20,
            snapshot: None,
            salvage: false,
            secret: None,
        }
    }
}

impl OpenOptions {
    /// Those for the map of the image.
    pub(crate) fn of_map(&self) -> MapOptions {
        let mut options = MapOptions::default();
        options.l2_cache_bytes = self.l2_cache_bytes;
        options.snapshot.clone_from(&self.snapshot);
        options.salvage = self.salvage;
        options.secret.clone_from(&self.secret);
        options
    }
}

/// How an image is unpacked.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub struct UnpackOptions<'p> {
    /// Threads that read, decompress and write. The disk written does
    /// not depend on it.
    pub threads: NonZeroUsize,
    /// Told how far the work has come, in bytes of the disk, holes included, by one
    /// thread at a time. It may stop the work, which then fails with [`Error::Stopped`].
    pub progress: Option<OnProgress<'p>>,
    /// Whether the disk may share blocks with the file that holds the image.
    /// Blocks that are shared are not read, so zeros in them are not left out.
    pub reflink: Reflink,
    /// Write only what the image allocates, zeros included, at subcluster
    /// granularity. Nothing else of the target is touched, and its length is
    /// kept: it must hold the disk.
    pub only_allocated: bool,
}

impl UnpackOptions<'_> {
    /// Tells how far the work has come, and whether it goes on.
    pub(crate) fn report(&self, done_bytes: u64, total_bytes: u64) -> Result<(), Error> {
        let Some(progress) = self.progress else {
            return Ok(());
        };
        match progress(Progress {
            done_bytes,
            total_bytes,
        }) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(Error::Stopped),
        }
    }
}

impl Default for UnpackOptions<'_> {
    fn default() -> Self {
        Self {
            threads: pipeline::available_threads(),
            progress: None,
            reflink: Reflink::Never,
            only_allocated: false,
        }
    }
}

impl fmt::Debug for UnpackOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnpackOptions")
            .field("threads", &self.threads)
            .field("progress", &self.progress.is_some())
            .field("reflink", &self.reflink)
            .field("only_allocated", &self.only_allocated)
            .finish()
    }
}

/// What unpacking did.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnpackReport {
    /// Bytes of the disk, holes included.
    pub disk_bytes: u64,
    /// Bytes that were written; what is neither written nor shared was left or
    /// made zero.
    pub written_bytes: u64,
    /// Bytes that the disk shares with the file that holds the image.
    pub shared_bytes: u64,
    /// Bytes that could not be read, and are zero.
    pub lost: Lost,
}
