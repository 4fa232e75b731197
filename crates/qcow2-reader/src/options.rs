//! What a caller may choose, and what it is told.

use std::fmt;
use std::num::NonZeroUsize;

/// How an image is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenOptions {
    /// Bytes of L2 tables kept for the reads to come; one table is kept however
    /// small this is. 16 MiB by default, which maps 128 GiB of a disk with
    /// clusters of 64 KiB.
    pub l2_cache_bytes: u64,
}

impl Default for OpenOptions {
    fn default() -> Self {
        Self {
            l2_cache_bytes: 16 << 20,
        }
    }
}

/// How an image is unpacked.
#[derive(Clone, Copy)]
pub struct UnpackOptions<'p> {
    /// Threads that read, beside the one that writes. The disk written does
    /// not depend on it.
    pub threads: NonZeroUsize,
    /// Told, on the calling thread, how far the work has come.
    pub progress: Option<&'p (dyn Fn(Progress) + Sync)>,
}

impl Default for UnpackOptions<'_> {
    fn default() -> Self {
        Self {
            threads: pipeline::available_threads(),
            progress: None,
        }
    }
}

impl fmt::Debug for UnpackOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnpackOptions")
            .field("threads", &self.threads)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

/// How far the work has come, in bytes of the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes from the start of the disk that are done, holes included.
    pub done_bytes: u64,
    /// Bytes of the whole disk.
    pub total_bytes: u64,
}

/// What unpacking did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnpackReport {
    /// Bytes of the disk, holes included.
    pub disk_bytes: u64,
    /// Bytes that were written; the rest of the disk was left or made zero.
    pub written_bytes: u64,
}
