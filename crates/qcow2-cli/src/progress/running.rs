//! The stage that runs, for those who ask by a signal.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use indicatif::ProgressBar;

use super::moment::{Form, Moment};

/// The stage that runs.
static RUNNING: Mutex<Option<Running>> = Mutex::new(None);

/// How far it is. The two may be of different moments, which does no harm in a line.
static DONE_BYTES: AtomicU64 = AtomicU64::new(0);
static TOTAL_BYTES: AtomicU64 = AtomicU64::new(0);

/// A stage that runs.
pub(super) struct Running {
    pub(super) stage: &'static str,
    pub(super) started: Instant,
    /// The bar that must make room for a line.
    pub(super) bar: Option<ProgressBar>,
    pub(super) form: Form,
}

impl Running {
    pub(super) fn begin(running: Self) {
        update(0, 0);
        set(Some(running));
    }

    pub(super) fn end() {
        set(None);
    }
}

fn set(running: Option<Running>) {
    *RUNNING.lock().unwrap_or_else(PoisonError::into_inner) = running;
}

/// Remembers how far the stage is.
pub(super) fn update(done_bytes: u64, total_bytes: u64) {
    DONE_BYTES.store(done_bytes, Ordering::Relaxed);
    TOTAL_BYTES.store(total_bytes, Ordering::Relaxed);
}

/// Returns how many bytes are done, and how many there are.
pub(super) fn bytes() -> (u64, u64) {
    let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
    (load(&DONE_BYTES), load(&TOTAL_BYTES))
}

/// Prints on standard error how far the stage is that runs.
pub(crate) fn tell() {
    let running = RUNNING.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(running) = &*running else {
        let _ = io::stderr().write_all(b"qcow2: no progress to show at the moment\n");
        return;
    };
    let (done_bytes, total_bytes) = bytes();
    let moment = Moment {
        stage: running.stage,
        done_bytes,
        total_bytes,
        elapsed: running.started.elapsed(),
    };
    match &running.bar {
        Some(bar) => bar.suspend(|| moment.print(running.form)),
        None => moment.print(running.form),
    }
}
