//! How a terminal is set.

use std::io;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// How the terminal on the standard input was set.
pub(crate) struct TerminalState(Termios);

impl TerminalState {
    /// How it is set now; `None` if the standard input is no terminal.
    pub(crate) fn of_stdin() -> Option<Self> {
        tcgetattr(io::stdin()).ok().map(Self)
    }

    /// Sets it so again, as far as it lets us: this is for those who leave.
    pub(crate) fn restore(&self) {
        // Where the terminal is gone, nobody misses its echo.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
