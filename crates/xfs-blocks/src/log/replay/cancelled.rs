//! Buffers that were freed: what the log says of them before that must not be replayed,
//! since something else may be stored in their place.

use std::collections::BTreeMap;
use std::ops::Range;

use super::super::fault::LogFault;

/// Most buffers that are cancelled: 24 MiB.
const CANCELLED_MAX: usize = 1 << 19;

/// How often each buffer will be cancelled in the rest of the log, by its place and length
/// in blocks of 512 bytes.
#[derive(Debug, Default)]
pub(super) struct Cancelled(BTreeMap<(i64, u16), u32>);

impl Cancelled {
    /// Notes that a buffer is cancelled once in the log.
    pub(super) fn add(&mut self, block: i64, blocks: u16) -> Result<(), LogFault> {
        let times = self.0.entry((block, blocks)).or_insert(0);
        *times = times.saturating_add(1);
        if self.0.len() > CANCELLED_MAX {
            return Err(LogFault::too_large("cancelled buffers", CANCELLED_MAX));
        }
        Ok(())
    }

    /// Notes that the replay has passed one of them.
    pub(super) fn pass(&mut self, block: i64, blocks: u16) {
        let Some(times) = self.0.get_mut(&(block, blocks)) else {
            return;
        };
        *times = times.saturating_sub(1);
        if *times == 0 {
            self.0.remove(&(block, blocks));
        }
    }

    /// Whether a buffer will be cancelled.
    pub(super) fn has(&self, block: i64, blocks: u16) -> bool {
        self.0.contains_key(&(block, blocks))
    }

    /// Whether a buffer that begins in `blocks` will be cancelled.
    pub(super) fn has_any(&self, blocks: Range<i64>) -> bool {
        let range = (blocks.start, 0)..(blocks.end, 0);
        self.0.range(range).next().is_some()
    }
}
