//! How far a job has come.

use std::ops::ControlFlow;

use blockio::Progress;

use crate::error::Error;
use crate::options::PackOptions;

/// Bytes of progress that are worth a call.
const PROGRESS_BYTES: u64 = 16 << 20;

/// Tells how far the job has come.
pub(crate) struct Meter<'o> {
    options: &'o PackOptions<'o>,
    progress: Progress,
    /// What was told last.
    told: Option<Progress>,
}

impl<'o> Meter<'o> {
    pub(crate) fn new(total_bytes: u64, options: &'o PackOptions<'o>) -> Self {
        Self {
            options,
            progress: Progress {
                done_bytes: 0,
                total_bytes,
            },
            told: None,
        }
    }

    /// The options of the job.
    pub(crate) fn options(&self) -> &'o PackOptions<'o> {
        self.options
    }

    /// Counts `bytes` more, and tells now and then, and when they are the last.
    pub(crate) fn add(&mut self, bytes: u64) -> Result<(), Error> {
        let Progress {
            done_bytes,
            total_bytes,
        } = &mut self.progress;
        *done_bytes += bytes;
        let is_last = *done_bytes == *total_bytes;
        // A source that is written meanwhile may hold more than was foreseen.
        *total_bytes = (*total_bytes).max(*done_bytes);
        let told_bytes = self.told.map_or(0, |told| told.done_bytes);
        if is_last || *done_bytes - told_bytes >= PROGRESS_BYTES {
            self.tell()?;
        }
        Ok(())
    }

    /// Tells, unless there is nothing new. Fails if the job is to stop.
    pub(crate) fn tell(&mut self) -> Result<(), Error> {
        let is_new = self.told.replace(self.progress) != Some(self.progress);
        match self.options.progress {
            Some(on_progress) if is_new => match on_progress(self.progress) {
                ControlFlow::Continue(()) => Ok(()),
                ControlFlow::Break(()) => Err(Error::Stopped),
            },
            _ => Ok(()),
        }
    }
}
