//! Reports: for people, and as JSON.

pub(crate) mod filesystem;
pub(crate) mod kept;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::args::OutputFormat;
use crate::failure::{Failure, STDOUT};
use crate::text::harmless;

/// Version of the shape of our own JSON reports; raised when a field changes
/// its meaning or goes away.
pub(crate) const SCHEMA: u32 = 1;

/// A report in the form asked for, to be printed.
fn text<R: Serialize + Display>(report: &R, format: OutputFormat) -> io::Result<String> {
    match format {
        OutputFormat::Human => Ok(report.to_string()),
        OutputFormat::Json => Ok(harmless(&serde_json::to_string_pretty(report)?) + "\n"),
    }
}

/// Prints `report`, which is all that the command is for.
pub(crate) fn print<R: Serialize + Display>(
    report: &R,
    format: OutputFormat,
) -> Result<(), Failure> {
    let printed = text(report, format).and_then(|text| write_stdout(&text));
    unless_left_early(printed).map_err(|error| Failure::about(Path::new(STDOUT), &error))
}

/// Prints the `report` of a job that is done, on the standard output or, where
/// that carries the data, on the error output. The target is complete and in its
/// place: that nobody can be told does not make a failure of it.
pub(crate) fn print_done<R: Serialize + Display>(
    report: &R,
    format: OutputFormat,
    to_stderr: bool,
) {
    let printed = text(report, format).and_then(|text| match to_stderr {
        true => io::stderr().write_all(text.as_bytes()),
        false => write_stdout(&text),
    });
    if let Err(error) = unless_left_early(printed) {
        complain(format_args!(
            "warning: all is done, but the report cannot be written: {error}"
        ));
    }
}

fn write_stdout(text: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(text.as_bytes())?;
    stdout.flush()
}

/// A reader that left early has what it wanted.
pub(crate) fn unless_left_early(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Says `message` on the error output. That this fails too is no reason to end in
/// another way.
pub(crate) fn complain(message: impl Display) {
    let _ = io::stderr().write_all(format!("qcow2: {message}\n").as_bytes());
}
