//! Handles signals: those that end the program, after temporary files are removed and the
//! terminal is restored, and the one that asks how far it is.

use std::fs;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use signal_hook::consts::{
    SIGALRM, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGXCPU, SIGXFSZ,
};
use signal_hook::flag;
use signal_hook::iterator::Signals;

use crate::progress;
use crate::terminal::TerminalState;

/// Far more time than the process needs to end.
const END_TIME: Duration = Duration::from_secs(2);

/// Signals that end the program even if they were ignored when it started.
const ALWAYS: [i32; 2] = [SIGINT, SIGTERM];

/// Signals that end it unless they were ignored when it started, as `nohup`
/// ignores SIGHUP. Unhandled, each would end the process and leave the temporary file
/// that some file systems need.
const UNLESS_IGNORED: [i32; 5] = [SIGHUP, SIGQUIT, SIGUSR2, SIGALRM, SIGXCPU];

/// The signal that asks how far the job is, unless it was ignored, too.
const ASKING: i32 = SIGUSR1;

/// State of the terminal before a passphrase was asked for.
static TERMINAL: OnceLock<TerminalState> = OnceLock::new();

/// Remembers the state of the terminal, to restore it if a signal ends a prompt.
pub(crate) fn keep_terminal() {
    if let Some(state) = TerminalState::of_stdin() {
        TERMINAL.get_or_init(|| state);
    }
}

/// Gives a signal that interrupted something the time to end the process.
pub(crate) fn let_end() {
    thread::sleep(END_TIME);
}

/// Makes these signals remove all temporary files and end the process with 128 + the
/// signal, and [`ASKING`] print a line of progress. A file that grows too long (`ulimit -f`) is an error of the write, not a
/// signal.
pub(crate) fn handle_signals() -> io::Result<()> {
    flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
    let ignored = ignored_signals();
    let is_ignored = |signal: i32| ignored >> signal.saturating_sub(1) & 1 == 1;
    let more = UNLESS_IGNORED.into_iter();
    let ending: Vec<_> = ALWAYS
        .into_iter()
        .chain(more.filter(|&signal| !is_ignored(signal)))
        .collect();
    let is_ending = Arc::new(AtomicBool::new(false));
    if ending.contains(&SIGQUIT) {
        // A second SIGQUIT ends the process if the cleanup hangs.
        flag::register_conditional_shutdown(SIGQUIT, 128 + SIGQUIT, Arc::clone(&is_ending))?;
    }
    let asking = (!is_ignored(ASKING)).then_some(ASKING);
    let mut signals = Signals::new(ending.into_iter().chain(asking))?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            let mut arrived = signals.forever();
            let ends = |signal: &i32| {
                if *signal == ASKING {
                    progress::tell();
                }
                *signal != ASKING
            };
            if let Some(signal) = arrived.find(ends) {
                is_ending.store(true, Ordering::Release);
                hostdisk::abandon_all();
                if let Some(state) = TERMINAL.get() {
                    state.restore();
                }
                std::process::exit(128 + signal);
            }
        })
        .map(drop)
}

/// Returns the signals that are ignored, bit 0 for signal 1; none if the system does
/// not report them.
fn ignored_signals() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    mask_in(&status).unwrap_or(0)
}

fn mask_in(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    u64::from_str_radix(line?.trim(), 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ignored_signals_are_told_by_the_system() {
        let status = "Name:\tqcow2\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000001001\n";
        assert_eq!(mask_in(status), Some(0x1001));
        assert_eq!(mask_in("Name:\tqcow2\n"), None);
        // Rust's runtime ignores SIGPIPE, 13.
        assert_eq!(ignored_signals() >> 12 & 1, 1);
    }
}
