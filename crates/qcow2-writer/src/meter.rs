//! How far a job has come.

use crate::options::{PackOptions, Progress};

/// Bytes of progress that are worth a call.
const PROGRESS_BYTES: u64 = 16 << 20;

/// Tells how far the job has come.
pub(crate) struct Meter<'o> {
    options: &'o PackOptions<'o>,
    progress: Progress,
    told_bytes: u64,
}

impl<'o> Meter<'o> {
    pub(crate) fn new(total_bytes: u64, options: &'o PackOptions<'o>) -> Self {
        Self {
            options,
            progress: Progress {
                done_bytes: 0,
                total_bytes,
            },
            told_bytes: 0,
        }
    }

    /// The options of the job.
    pub(crate) fn options(&self) -> &'o PackOptions<'o> {
        self.options
    }

    /// Counts `bytes` more, and tells now and then, and when they are the last.
    pub(crate) fn add(&mut self, bytes: u64) {
        let Progress {
            done_bytes,
            total_bytes,
        } = &mut self.progress;
        *done_bytes += bytes;
        // A source that is written meanwhile may hold more than was foreseen.
        *total_bytes = (*total_bytes).max(*done_bytes);
        let is_last = *done_bytes == *total_bytes;
        if is_last || *done_bytes - self.told_bytes >= PROGRESS_BYTES {
            self.told_bytes = *done_bytes;
            self.tell();
        }
    }

    pub(crate) fn tell(&self) {
        if let Some(progress) = self.options.progress {
            progress(self.progress);
        }
    }
}
