//! How a disk is read.

use std::fmt;
use std::num::NonZeroUsize;

use blockio::{OnProgress, Progress};
use pipeline::available_threads;

use crate::error::Error;

/// How disks are read.
#[derive(Clone, Copy, Default)]
#[non_exhaustive]
pub struct Options<'a> {
    /// Threads that read; `None` is as many as the machine runs at once. The outcome
    /// does not depend on them.
    pub threads: Option<NonZeroUsize>,
    /// Hears how far the job has come, in bytes of the disk, and can stop it.
    pub progress: Option<OnProgress<'a>>,
}

impl fmt::Debug for Options<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("threads", &self.threads)
            .field("progress", &self.progress.is_some())
            .finish()
    }
}

impl Options<'_> {
    pub(crate) fn threads(&self) -> NonZeroUsize {
        self.threads.unwrap_or_else(available_threads)
    }

    /// Reports that the first `done_bytes` of `total_bytes` are done.
    pub(crate) fn report(&self, done_bytes: u64, total_bytes: u64) -> Result<(), Error> {
        let progress = Progress {
            done_bytes,
            total_bytes,
        };
        match self.progress.map(|hear| hear(progress)) {
            Some(flow) if flow.is_break() => Err(Error::Stopped),
            _ => Ok(()),
        }
    }
}
