//! Colours, on a terminal only.

use std::env;
use std::io::{self, IsTerminal};

/// What begins every message.
const PROGRAM: &str = "qcow2:";

/// What begins a warning.
const WARNING: &str = "warning:";

const RED: &str = "\u{1b}[1;31m";
const YELLOW: &str = "\u{1b}[1;33m";
const PLAIN: &str = "\u{1b}[0m";

/// Returns `message` as a line for standard error: its beginning has a colour if that is a
/// terminal which shows colours, and the user has nothing against them.
pub(super) fn highlighted(message: &str) -> String {
    line(
        message,
        io::stderr().is_terminal() && are_wanted(|name| env::var_os(name)),
    )
}

/// Whether the variables that `variable` looks up allow colours: see no-color.org.
fn are_wanted(variable: impl Fn(&str) -> Option<std::ffi::OsString>) -> bool {
    let refused = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_dumb = variable("TERM").is_none_or(|terminal| terminal == "dumb");
    !refused && !is_dumb
}

fn line(message: &str, has_colours: bool) -> String {
    if !has_colours {
        return format!("{PROGRAM} {message}");
    }
    match message.strip_prefix(WARNING) {
        Some(rest) => format!("{PROGRAM} {YELLOW}{WARNING}{PLAIN}{rest}"),
        None => format!("{RED}{PROGRAM}{PLAIN} {message}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_for_terminals_that_want_them() {
        let wanted = |set: &[(&str, &str)]| {
            are_wanted(|name| {
                let found = set.iter().find(|(key, _)| *key == name);
                found.map(|(_, value)| value.into())
            })
        };
        assert!(wanted(&[("TERM", "xterm")]));
        assert!(wanted(&[("TERM", "xterm"), ("NO_COLOR", "")]));
        assert!(!wanted(&[("TERM", "xterm"), ("NO_COLOR", "1")]));
        assert!(!wanted(&[("TERM", "dumb")]));
        assert!(!wanted(&[]));
    }

    #[test]
    fn the_beginning_of_a_line_has_the_colour() {
        assert_eq!(line("no", false), "qcow2: no");
        assert_eq!(line("no", true), "\u{1b}[1;31mqcow2:\u{1b}[0m no");
        let warning = line("warning: hm", true);
        assert_eq!(warning, "qcow2: \u{1b}[1;33mwarning:\u{1b}[0m hm");
    }
}
