//! The state of a terminal.

use std::io;

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// A saved state of the terminal on standard input.
pub(crate) struct TerminalState(Termios);

impl TerminalState {
    /// Returns the current state, or `None` if standard input is not a terminal.
    pub(crate) fn of_stdin() -> Option<Self> {
        tcgetattr(io::stdin()).ok().map(Self)
    }

    /// Restores the state, as far as possible, before the process ends.
    pub(crate) fn restore(&self) {
        // If the terminal is gone there is nothing to restore.
        let _ = tcsetattr(io::stdin(), OptionalActions::Now, &self.0);
    }
}
