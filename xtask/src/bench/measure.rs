//! What one run of a program costs.
//!
//! The kernel sums up the costs of all children of a process, so each program
//! is run by a process of its own: this one, started again.

use std::env;
use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use fixtures::{Tool, number};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::time::TimeVal;
use nix::unistd::Pid;

use super::tools::Line;
use crate::task::arguments::Arguments;
use crate::task::{Failure, TaskResult};

/// The task that does the measuring; it is not listed.
pub(crate) const TASK: &str = "measure";

/// How long a program may run before it is ended.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What a run cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cost {
    pub(crate) time: Duration,
    /// Time of all processors, for the program and for the kernel.
    pub(crate) cpu: Duration,
    /// Most memory of the program, or of the largest program it started.
    pub(crate) peak_bytes: u64,
}

/// Runs `line` to its end, which must be 0.
pub(super) fn measure(line: &Line) -> Result<Cost, Failure> {
    let run = measure_any(line.words(), PATIENCE)?;
    if run.code == Some(0) {
        return Ok(run.cost);
    }
    Err(Failure::new(format!(
        "{line} ended with {:?}: {}",
        run.code, run.stderr
    )))
}

/// A run of a program.
#[derive(Clone, Debug)]
pub(crate) struct Run {
    pub(crate) cost: Cost,
    /// `None` where a signal or the time limit ended it.
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
}

/// Runs a program with its arguments, `words`, however it ends; within
/// `patience`.
pub(crate) fn measure_any(words: &[String], patience: Duration) -> Result<Run, Failure> {
    let measurer = Tool::at(env::current_exe()?).with_patience(patience * 2);
    let seconds = patience.as_secs().to_string();
    let outcome = measurer.run(|command| command.args([TASK, &seconds]).args(words))?;
    let read = |key| number(&outcome.stdout, key);
    let cost = || {
        Some(Cost {
            time: Duration::from_micros(read("time_us")?),
            cpu: Duration::from_micros(read("cpu_us")?),
            peak_bytes: read("peak_kib")?.checked_mul(1024)?,
        })
    };
    let cost = cost().filter(|_| outcome.success());
    let cost = cost.ok_or_else(|| Failure::new(outcome.brief(300)))?;
    Ok(Run {
        cost,
        code: read("code").and_then(|code| i32::try_from(code).ok()),
        stderr: outcome.stderr,
    })
}

/// `cargo xtask measure SECONDS PROGRAM ARGUMENT…`: runs the program, which has
/// so long, and prints what it cost.
pub(crate) fn run(mut arguments: Arguments) -> TaskResult {
    let seconds = arguments.first().and_then(|word| word.parse().ok());
    let patience = Duration::from_secs(seconds.ok_or(Failure::new("no time is given"))?);
    let program = arguments.first();
    let mut command = Command::new(program.ok_or(Failure::new("no program is given"))?);
    while let Some(argument) = arguments.first() {
        command.arg(argument);
    }
    command.stdin(Stdio::null()).stdout(Stdio::null());
    let start = Instant::now();
    let mut child = command.spawn()?;
    let guard = end_in_time(&child, patience);
    let status = child.wait()?;
    let time = start.elapsed();
    drop(guard);
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).map_err(io::Error::from)?;
    let cpu_us = microseconds(usage.user_time()) + microseconds(usage.system_time());
    let code = status.code().map_or("null".into(), |code| code.to_string());
    println!(
        "{{\"code\": {code}, \"time_us\": {}, \"cpu_us\": {cpu_us}, \"peak_kib\": {}}}",
        time.as_micros(),
        usage.max_rss()
    );
    Ok(())
}

fn microseconds(time: TimeVal) -> i64 {
    time.tv_sec() * 1_000_000 + time.tv_usec()
}

/// Ends `child` when `patience` is over, unless the sender is dropped before.
fn end_in_time(child: &Child, patience: Duration) -> mpsc::Sender<()> {
    let (sender, receiver) = mpsc::channel::<()>();
    let pid = i32::try_from(child.id()).map(Pid::from_raw);
    thread::spawn(move || {
        if let (Err(RecvTimeoutError::Timeout), Ok(pid)) = (receiver.recv_timeout(patience), pid) {
            // It may have ended by itself just now.
            let _ended = kill(pid, Signal::SIGKILL);
        }
    });
    sender
}
