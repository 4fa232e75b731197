//! `qcow2 dump`: every byte of an image's file accounted for.

mod hex;
mod report;

use std::io::{self, BufWriter, Write};
use std::ops::{ControlFlow, Range};
use std::path::Path;

use hostdisk::Disk;
use qcow2_dump::{Account, Kind, account};

use crate::args::{DumpArgs, OutputFormat};
use crate::failure::{Failure, Outcome, STDOUT};
use crate::input::{Input, Unasked};
use crate::output;
use report::Report;

/// Accounts for an image's file, or shows one structure of it.
pub(crate) fn run(args: &DumpArgs) -> Result<Outcome, Failure> {
    let input = Input::open(&args.image, &args.input, Unasked::Decompress)?;
    let disk = input.into_disk(&args.input, true)?.disk;
    let mut out = BufWriter::new(io::stdout().lock());
    let (written, outcome) = match args.hex {
        Some(structure) => {
            let shown = hex::show(args, &disk, structure.0, &mut out);
            (shown?, Outcome::Done)
        }
        None => accounted(args, &disk, &mut out)?,
    };
    output::unless_left_early(written.and_then(|()| out.flush()))
        .map_err(|error| Failure::about(Path::new(STDOUT), &error))?;
    Ok(outcome)
}

/// Writes the ranges, if they are asked for, and what they come to.
fn accounted(
    args: &DumpArgs,
    disk: &Disk,
    out: &mut impl Write,
) -> Result<(io::Result<()>, Outcome), Failure> {
    let format = args.output.output;
    let mut list = List {
        format,
        out,
        count: 0,
        written: Ok(()),
    };
    if args.ranges {
        list.begin();
    }
    let found = account(disk, &mut |range, kind| match args.ranges {
        true => list.range(&range, kind),
        false => ControlFlow::Continue(()),
    });
    let found = found.map_err(|error| Failure::about(args.image_name(), &error))?;
    let written = list.written;
    let written = written.and_then(|()| finish(args, &found, out));
    let is_damaged = found.wrong_entries > 0 || found.is_incomplete;
    let outcome = match is_damaged {
        true => Outcome::DoneWithNotes,
        false => Outcome::Done,
    };
    Ok((written, outcome))
}

/// Writes what all ranges come to.
fn finish(args: &DumpArgs, found: &Account, out: &mut impl Write) -> io::Result<()> {
    let report = Report::new(args, found);
    match (args.output.output, args.ranges) {
        (OutputFormat::Human, false) => write!(out, "{report}"),
        (OutputFormat::Human, true) => write!(out, "\n{report}"),
        (OutputFormat::Json, false) => writeln!(out, "{}", report.json()?),
        (OutputFormat::Json, true) => {
            let rest = report.json()?;
            writeln!(out, "],{}", rest.strip_prefix('{').unwrap_or(&rest))
        }
    }
}

/// The ranges of a file, written as they are found: there may be many.
struct List<'l, W> {
    format: OutputFormat,
    out: &'l mut W,
    count: u64,
    written: io::Result<()>,
}

impl<W: Write> List<'_, W> {
    fn begin(&mut self) {
        self.written = match self.format {
            OutputFormat::Human => writeln!(self.out, "{:<16}{:<16}Structure", "Offset", "Length"),
            OutputFormat::Json => write!(self.out, "{{\"ranges\":["),
        };
    }

    fn range(&mut self, range: &Range<u64>, kind: Kind) -> ControlFlow<()> {
        if self.written.is_err() {
            return ControlFlow::Break(());
        }
        let (start, length) = (range.start, range.end.saturating_sub(range.start));
        let name = kind.name();
        self.written = match self.format {
            OutputFormat::Human => writeln!(
                self.out,
                "{:<16}{:<16}{name}",
                format!("{start:#x}"),
                format!("{length:#x}")
            ),
            OutputFormat::Json => {
                let separator = if self.count == 0 { "" } else { ",\n" };
                write!(
                    self.out,
                    "{separator}{{\"offset\":{start},\"length\":{length},\"structure\":\"{name}\"}}"
                )
            }
        };
        self.count = self.count.saturating_add(1);
        ControlFlow::Continue(())
    }
}
