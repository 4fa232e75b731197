//! What is in one structure.

use std::io::{self, Write};
use std::ops::Range;

use blockio::{ReadAt, len_u64};
use hostdisk::Disk;
use qcow2_dump::{Kind, Place, Structure, entry, header_fields, place};
use qcow2_format::Header;
use serde_json::json;

use crate::args::{DumpArgs, OutputFormat};
use crate::failure::Failure;
use crate::output::SCHEMA;
use crate::text::escaped;

/// First bytes of a file that fields are read from: more than any header has.
const HEADER_BYTES: u64 = 4096;

/// Bytes that are read at once: whole entries of each kind.
const CHUNK_BYTES: u64 = 64 << 10;

/// Bytes in a line.
const LINE_BYTES: usize = 16;

/// Writes what is in `structure`. What is in the outer result is not about the output.
pub(super) fn show(
    args: &DumpArgs,
    disk: &Disk,
    structure: Structure,
    out: &mut impl Write,
) -> Result<io::Result<()>, Failure> {
    let format = args.output.output;
    // Of a damaged header the fields are there all the same.
    if structure == Structure::Header {
        let bytes = read(args, disk, 0..HEADER_BYTES.min(disk.size()))?;
        return Ok(fields(&bytes, format, out));
    }
    let found = place(disk, structure);
    let found = found.map_err(|error| Failure::about(args.image_name(), &error))?;
    let Some(Place { kind, range, .. }) = found else {
        let message = "the image has no such structure";
        return Err(Failure::because(args.image_name(), message));
    };
    let header = qcow2_reader::read_header(disk);
    let header = header.map_err(|error| Failure::about(args.image_name(), &error))?;
    let mut shown = Shown {
        kind,
        header: &header,
        structure,
        format,
        out,
        count: 0,
    };
    if let Err(error) = shown.begin(&range) {
        return Ok(Err(error));
    }
    let mut at = range.start;
    while at < range.end {
        let end = at.saturating_add(CHUNK_BYTES).min(range.end);
        let bytes = read(args, disk, at..end)?;
        if let Err(error) = shown.chunk(at, at.saturating_sub(range.start), &bytes) {
            return Ok(Err(error));
        }
        at = end;
    }
    Ok(shown.end())
}

fn read(args: &DumpArgs, disk: &Disk, range: Range<u64>) -> Result<Vec<u8>, Failure> {
    let length = range.end.saturating_sub(range.start);
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
    disk.read_at(range.start, &mut bytes)
        .map_err(|error| Failure::about(args.image_name(), &error))?;
    Ok(bytes)
}

fn hex(bytes: &[u8]) -> String {
    let bytes: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    bytes.join(" ")
}

/// Writes the fields of a header that begins with `bytes`.
fn fields(bytes: &[u8], format: OutputFormat, out: &mut impl Write) -> io::Result<()> {
    let fields = header_fields(bytes);
    if format == OutputFormat::Json {
        let fields = fields.iter().map(|field| {
            json!({ "offset": field.offset, "length": field.bytes.len(), "name": field.name,
                    "value": field.value })
        });
        let report = json!({ "schema": SCHEMA, "command": "dump", "structure": "header",
                             "fields": fields.collect::<Vec<_>>() });
        return writeln!(out, "{report}");
    }
    for field in fields {
        writeln!(
            out,
            "{:#06x}  {:<24}{:<25}{} ({:#x})",
            field.offset,
            field.name,
            hex(&field.bytes),
            field.value,
            field.value
        )?;
    }
    Ok(())
}

/// A structure that is written part by part.
struct Shown<'s, W> {
    kind: Kind,
    header: &'s Header,
    structure: Structure,
    format: OutputFormat,
    out: &'s mut W,
    /// Entries written.
    count: u64,
}

impl<W: Write> Shown<'_, W> {
    fn begin(&mut self, range: &Range<u64>) -> io::Result<()> {
        let name = self.kind.name();
        match self.format {
            OutputFormat::Human => writeln!(
                self.out,
                "{name} at {:#x}, {} bytes",
                range.start,
                range.end.saturating_sub(range.start)
            ),
            OutputFormat::Json => write!(
                self.out,
                "{{\"schema\":{SCHEMA},\"command\":\"dump\",\"structure\":\"{name}\",\
                 \"offset\":{},\"length\":{},\"entries\":[",
                range.start,
                range.end.saturating_sub(range.start)
            ),
        }
    }

    /// Writes `bytes`, which are at `at` in the file and begin `first` bytes into the structure.
    fn chunk(&mut self, at: u64, first: u64, bytes: &[u8]) -> io::Result<()> {
        match self.kind {
            Kind::RefcountBlock => self.refcounts(first, bytes),
            Kind::RefcountTable | Kind::L1Table => self.entries(8, first, bytes),
            Kind::L2Table => {
                let entry_bytes = self.header.l2_entry_bytes();
                self.entries(usize::try_from(entry_bytes).unwrap_or(8), first, bytes)
            }
            _ => self.lines(at, bytes),
        }
    }

    /// Writes the refcounts in `bytes` that are not zero, each with the cluster that it counts.
    fn refcounts(&mut self, first: u64, bytes: &[u8]) -> io::Result<()> {
        let (order, bits) = (self.header.refcount_order, self.header.cluster_bits);
        let Structure::RefcountBlock(block) = self.structure else {
            return Ok(());
        };
        let bits_before = first.saturating_mul(8) >> order.order();
        let before = block
            .saturating_mul(order.entries_per_block(bits))
            .saturating_add(bits_before);
        let count = len_u64(bytes.len()).saturating_mul(8) >> order.order();
        for index in 0..count {
            let refcount = order.get(bytes, index).unwrap_or(0);
            if refcount > 0 {
                let cluster = before.saturating_add(index);
                let offset = cluster.saturating_mul(bits.bytes());
                let says = format!("cluster at {offset:#x}, {refcount}");
                self.line(cluster, refcount.to_be_bytes().as_slice(), &says)?;
            }
        }
        Ok(())
    }

    /// Writes the entries of `entry_bytes` bytes that are not zero.
    fn entries(&mut self, entry_bytes: usize, first: u64, bytes: &[u8]) -> io::Result<()> {
        let first = first / len_u64(entry_bytes).max(1);
        for (index, words) in (first..).zip(bytes.chunks_exact(entry_bytes.max(1))) {
            if words.iter().any(|byte| *byte != 0) {
                let says = entry(self.kind, self.header, index, words).unwrap_or_default();
                self.line(index, words, &says)?;
            }
        }
        Ok(())
    }

    /// Writes `bytes`, which are at `at` in the file, as they are.
    fn lines(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let offsets = (at..).step_by(LINE_BYTES);
        for (offset, line) in offsets.zip(bytes.chunks(LINE_BYTES)) {
            let text: String = line.iter().map(|byte| printable(*byte)).collect();
            match self.format {
                OutputFormat::Human => {
                    writeln!(self.out, "{offset:#010x}  {:<48}{text}", hex(line))?;
                }
                OutputFormat::Json => self.line(offset, line, "")?,
            }
        }
        Ok(())
    }

    /// Writes one entry.
    fn line(&mut self, index: u64, bytes: &[u8], says: &str) -> io::Result<()> {
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match self.format {
            OutputFormat::Human => writeln!(
                self.out,
                "{index:>10}  {digits}  {}",
                escaped(says.as_bytes())
            )?,
            OutputFormat::Json => {
                let separator = if self.count == 0 { "" } else { ",\n" };
                let entry = match says {
                    "" => json!({ "offset": index, "bytes": digits }),
                    says => json!({ "index": index, "bytes": digits, "says": says }),
                };
                write!(self.out, "{separator}{entry}")?;
            }
        }
        self.count = self.count.saturating_add(1);
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        match self.format {
            OutputFormat::Human => Ok(()),
            OutputFormat::Json => writeln!(self.out, "]}}"),
        }
    }
}

/// What stands for a byte in a line of text.
fn printable(byte: u8) -> char {
    match byte {
        b' '..=b'~' => char::from(byte),
        _ => '.',
    }
}
