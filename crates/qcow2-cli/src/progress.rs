//! Shows progress on standard error: a bar on a terminal, lines elsewhere.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::RunArgs;

/// How often a line is printed if there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Shows the progress of one stage of a job.
pub(crate) struct Progress {
    stage: &'static str,
    shown: Shown,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    /// When the last line was printed.
    Lines(Mutex<Instant>),
}

impl Progress {
    /// Starts to show the progress of `stage`, in the way that `args` ask for.
    pub(crate) fn new(args: &RunArgs, stage: &'static str) -> Self {
        let terminal = io::stderr().is_terminal();
        let shown = match (args.quiet, terminal, args.progress) {
            (true, _, _) | (false, false, false) => Shown::Nothing,
            (false, true, _) => Shown::Bar(bar(stage)),
            (false, false, true) => Shown::Lines(Mutex::new(Instant::now())),
        };
        Self { stage, shown }
    }

    /// Shows that `done_bytes` of `total_bytes` are done.
    pub(crate) fn update(&self, done_bytes: u64, total_bytes: u64) {
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_length(total_bytes);
                bar.set_position(done_bytes);
            }
            Shown::Lines(last) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    let percent = done_bytes.saturating_mul(100) / total_bytes.max(1);
                    // The job does not depend on it.
                    let _ = writeln!(
                        io::stderr(),
                        "{} {percent} % ({done_bytes} of {total_bytes} bytes)",
                        self.stage
                    );
                }
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Shown::Bar(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

fn bar(stage: &'static str) -> ProgressBar {
    let bar = ProgressBar::new(0).with_message(stage);
    match ProgressStyle::with_template(
        "{msg:9} {wide_bar} {bytes:>10} of {total_bytes} {bytes_per_sec:>12} {eta:>4}",
    ) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
