//! SIGINT and SIGTERM: no temporary file is left, and the terminal as it was.

use std::io;
use std::sync::OnceLock;
use std::thread;
use std::time::Duration;

use blockio::TerminalState;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Far more than it takes to end.
const END_TIME: Duration = Duration::from_secs(2);

/// How the terminal was set before a passphrase was asked for.
static TERMINAL: OnceLock<TerminalState> = OnceLock::new();

/// Remembers how the terminal is set, for those who leave at a prompt.
pub(crate) fn keep_terminal() {
    if let Some(state) = TerminalState::of_stdin() {
        TERMINAL.get_or_init(|| state);
    }
}

/// Gives a signal that interrupted something the time to end the process.
pub(crate) fn let_end() {
    thread::sleep(END_TIME);
}

/// Ends the process with 128 + the signal when one of them arrives, once every
/// temporary file is gone.
pub(crate) fn clean_up_on_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                blockio::abandon_all();
                if let Some(state) = TERMINAL.get() {
                    state.restore();
                }
                std::process::exit(128 + signal);
            }
        })
        .map(drop)
}
