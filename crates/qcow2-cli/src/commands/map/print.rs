//! A map in its forms. It may be long, so it is written as it is read.

use std::io::{self, Write};

use super::entry::Entry;
use crate::args::OutputFormat;
use crate::failure::Failure;
use crate::text::escaped;

/// Writes `entries` to `out`. What is in the outer result is not about the output.
pub(super) fn print(
    entries: impl Iterator<Item = Result<Entry, Failure>>,
    files: &[Vec<u8>],
    format: OutputFormat,
    out: &mut impl Write,
) -> Result<io::Result<()>, Failure> {
    let mut printer = Printer {
        files,
        out,
        count: 0,
    };
    if let Err(error) = printer.begin(format) {
        return Ok(Err(error));
    }
    for entry in entries {
        if let Err(error) = printer.entry(format, &entry?) {
            return Ok(Err(error));
        }
    }
    Ok(printer.end(format))
}

struct Printer<'p, W> {
    /// Names of the files.
    files: &'p [Vec<u8>],
    out: &'p mut W,
    /// Entries written.
    count: u64,
}

impl<W: Write> Printer<'_, W> {
    fn begin(&mut self, format: OutputFormat) -> io::Result<()> {
        match format {
            OutputFormat::Human => writeln!(
                self.out,
                "{:<16}{:<16}{:<16}File",
                "Offset", "Length", "Mapped to"
            ),
            OutputFormat::Json => write!(self.out, "["),
        }
    }

    fn entry(&mut self, format: OutputFormat, entry: &Entry) -> io::Result<()> {
        match format {
            OutputFormat::Human if !entry.is_stored() => return Ok(()),
            OutputFormat::Human => self.line(entry)?,
            OutputFormat::Json => {
                let separator = if self.count == 0 { "" } else { ",\n" };
                write!(self.out, "{separator}")?;
                serde_json::to_writer(&mut *self.out, entry)?;
            }
        }
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    fn line(&mut self, entry: &Entry) -> io::Result<()> {
        let place = match (entry.offset, entry.compressed) {
            (Some(offset), _) => format!("{offset:#x}"),
            (None, true) => "compressed".to_owned(),
            (None, false) => "encrypted".to_owned(),
        };
        let file = entry.file.and_then(|file| self.files.get(file));
        let file = file.map_or_else(String::new, |name| escaped(name));
        let (start, length) = (
            format!("{:#x}", entry.start),
            format!("{:#x}", entry.length),
        );
        writeln!(self.out, "{start:<16}{length:<16}{place:<16}{file}")
    }

    fn end(&mut self, format: OutputFormat) -> io::Result<()> {
        match format {
            OutputFormat::Human => Ok(()),
            OutputFormat::Json => writeln!(self.out, "]"),
        }
    }
}
