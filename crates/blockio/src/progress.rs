//! How far a job has come, and whether it should continue.

use std::ops::ControlFlow;

/// How far a job has come, in bytes of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are done. If the job passes over the disk twice, both passes count.
    pub done_bytes: u64,
    /// Bytes that `done_bytes` will reach; never less than `done_bytes`.
    pub total_bytes: u64,
}

/// A callback that receives the progress of a job and decides whether it continues.
///
/// It is called now and then, from one thread at a time. A job that is stopped fails
/// with an error for that; what it wrote is incomplete.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync);
