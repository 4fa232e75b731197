//! Prints reports, as text for people and as JSON.

pub(crate) mod filesystem;
pub(crate) mod kept;
pub(crate) mod layout;
mod partition_type;
pub(crate) mod volumes;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;

use serde::Serialize;

use crate::args::OutputFormat;
use crate::failure::{Failure, STDOUT};
use crate::text::harmless;

/// Version of the JSON reports; raised when a field is removed or changes its meaning.
pub(crate) const SCHEMA: u32 = 1;

/// Formats a report as asked for.
fn text<R: Serialize + Display>(report: &R, format: OutputFormat) -> io::Result<String> {
    match format {
        OutputFormat::Human => Ok(report.to_string()),
        OutputFormat::Json => Ok(harmless(&serde_json::to_string_pretty(report)?) + "\n"),
    }
}

/// Prints `report`, which is the whole purpose of the command.
pub(crate) fn print<R: Serialize + Display>(
    report: &R,
    format: OutputFormat,
) -> Result<(), Failure> {
    let printed = text(report, format).and_then(|text| write_stdout(&text));
    unless_left_early(printed).map_err(|error| Failure::about(Path::new(STDOUT), &error))
}

/// Prints the `report` of a finished job, on standard output or, if that carries the
/// data, on standard error. The target is complete and in its place, so an error while
/// printing does not make the job fail.
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

/// Accepts that the reader of a pipe left early: it has what it wanted.
pub(crate) fn unless_left_early(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// Prints `message` on standard error. If this fails as well, nothing changes.
pub(crate) fn complain(message: impl Display) {
    let _ = io::stderr().write_all(format!("qcow2: {message}\n").as_bytes());
}
