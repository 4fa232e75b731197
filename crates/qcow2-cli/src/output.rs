//! Prints reports, as text for people and as JSON.

mod colour;
pub(crate) mod filesystem;
pub(crate) mod kept;
pub(crate) mod layout;
mod partition_type;
mod schema;
pub(crate) mod volumes;

use std::fmt::Display;
use std::io::{self, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use serde::Serialize;

use crate::args::OutputFormat;
use crate::failure::{Failure, STDOUT};
use crate::text::harmless;

pub(crate) use schema::SCHEMA;

/// Whether errors and warnings are printed as JSON.
static ERRORS_AS_JSON: AtomicBool = AtomicBool::new(false);

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
    let message = message.to_string();
    let line = match ERRORS_AS_JSON.load(Ordering::Relaxed) {
        true => warning(&message),
        false => colour::highlighted(&message),
    };
    let _ = io::stderr().write_all(format!("{line}\n").as_bytes());
}

/// Prints why a command failed.
pub(crate) fn report_failure(failure: &Failure) {
    match ERRORS_AS_JSON.load(Ordering::Relaxed) {
        true => print_error(&failure.to_json()),
        false => complain(failure),
    }
}

/// Prints an error that is an object of JSON.
pub(crate) fn print_error(json: &str) {
    let _ = io::stderr().write_all(format!("{json}\n").as_bytes());
}

/// From now on errors and warnings are printed as JSON: one object a line.
pub(crate) fn errors_as_json() {
    ERRORS_AS_JSON.store(true, Ordering::Relaxed);
}

/// A warning as an object of JSON.
fn warning(message: &str) -> String {
    #[derive(Serialize)]
    struct Line<'m> {
        schema: u32,
        warning: Fields<'m>,
    }
    #[derive(Serialize)]
    struct Fields<'m> {
        message: &'m str,
    }
    let message = message.strip_prefix("warning: ").unwrap_or(message);
    let line = Line {
        schema: SCHEMA,
        warning: Fields { message },
    };
    harmless(&serde_json::to_string(&line).unwrap_or_default())
}
