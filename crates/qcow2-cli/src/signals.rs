//! SIGINT and SIGTERM: no temporary file is left.

use std::io;
use std::thread;

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// Ends the process with 128 + the signal when one of them arrives, once every
/// temporary file is gone.
pub(crate) fn clean_up_on_signals() -> io::Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM])?;
    thread::Builder::new()
        .name("signals".into())
        .spawn(move || {
            if let Some(signal) = signals.forever().next() {
                blockio::abandon_all();
                std::process::exit(128 + signal);
            }
        })
        .map(drop)
}
