//! How far a job has come, and whether it goes on.

use std::ops::ControlFlow;

/// How far a job has come, in bytes of the disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Bytes that are done. If the job goes over the disk twice, both times count.
    pub done_bytes: u64,
    /// Bytes that `done_bytes` will reach; never less than `done_bytes`.
    pub total_bytes: u64,
}

/// Hears how far a job has come, now and then and from one thread at a time, and says
/// whether it goes on. A job that is stopped fails with an error that says so; what it
/// wrote is incomplete.
pub type OnProgress<'a> = &'a (dyn Fn(Progress) -> ControlFlow<()> + Sync);
