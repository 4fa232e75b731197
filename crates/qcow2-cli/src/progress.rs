//! Shows progress on standard error: a bar on a terminal, lines elsewhere, JSON for
//! programs.

mod moment;
mod running;

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use crate::args::{ProgressArg, RunArgs};

use moment::{Form, Moment};
use running::Running;

pub(crate) use running::tell;

/// How often a line is printed if there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(1);

/// Shows the progress of one stage of a job.
pub(crate) struct Progress {
    stage: &'static str,
    started: Instant,
    shown: Shown,
}

enum Shown {
    Nothing,
    Bar(ProgressBar),
    /// In this form; when the last line was printed.
    Lines(Form, Mutex<Instant>),
}

impl Progress {
    /// Starts to show the progress of `stage`, in the way that `args` ask for.
    pub(crate) fn new(args: &RunArgs, stage: &'static str) -> Self {
        let terminal = io::stderr().is_terminal();
        let started = Instant::now();
        let lines = |form| Shown::Lines(form, Mutex::new(started));
        let shown = match (args.quiet, terminal, args.progress) {
            (true, _, _) | (false, false, None) => Shown::Nothing,
            (false, _, Some(ProgressArg::Json)) => lines(Form::Json),
            (false, true, _) => Shown::Bar(bar(stage)),
            (false, false, Some(ProgressArg::Human)) => lines(Form::Human),
        };
        Running::begin(Running {
            stage,
            started,
            bar: match &shown {
                Shown::Bar(bar) => Some(bar.clone()),
                _ => None,
            },
            form: match args.progress {
                Some(ProgressArg::Json) => Form::Json,
                _ => Form::Human,
            },
        });
        Self {
            stage,
            started,
            shown,
        }
    }

    /// Shows that `done_bytes` of `total_bytes` are done.
    pub(crate) fn update(&self, done_bytes: u64, total_bytes: u64) {
        running::update(done_bytes, total_bytes);
        match &self.shown {
            Shown::Nothing => {}
            Shown::Bar(bar) => {
                bar.set_length(total_bytes);
                bar.set_position(done_bytes);
            }
            Shown::Lines(form, last) => {
                let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
                if last.elapsed() >= LINE_EVERY {
                    *last = Instant::now();
                    self.moment(done_bytes, total_bytes).print(*form);
                }
            }
        }
    }

    fn moment(&self, done_bytes: u64, total_bytes: u64) -> Moment {
        Moment {
            stage: self.stage,
            done_bytes,
            total_bytes,
            elapsed: self.started.elapsed(),
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        Running::end();
        match &self.shown {
            Shown::Bar(bar) => bar.finish_and_clear(),
            // A program learns how far each stage came, however short it was.
            Shown::Lines(Form::Json, _) => {
                let (done_bytes, total_bytes) = running::bytes();
                self.moment(done_bytes, total_bytes).print(Form::Json);
            }
            Shown::Nothing | Shown::Lines(..) => {}
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
