//! A list of ranges in its forms. It may be long, so it is written as it is read.

use std::io::Write;
use std::ops::Range;

use blockio::ExtentKind;
use serde::Serialize;

use super::{Head, List, Stop, Totals};
use crate::args::BlocksOutput;
use crate::failure::Failure;
use crate::text::Bytes;

/// Size of a block in a bmap, in bytes: that of bmaptool's own.
const BMAP_BLOCK_BYTES: u64 = 4096;

/// A range in JSON.
#[derive(Debug, Serialize)]
struct Entry {
    start: u64,
    length: u64,
    kind: &'static str,
}

fn name(kind: ExtentKind) -> &'static str {
    match kind {
        ExtentKind::Data | ExtentKind::Unreadable => "data",
        ExtentKind::Zero => "zero",
        ExtentKind::Unallocated | ExtentKind::Free => "unused",
    }
}

impl List<'_> {
    /// Writes the whole list to `out`.
    pub(super) fn print(&self, head: &Head, out: &mut impl Write) -> Result<(), Stop> {
        match self.args.output {
            BlocksOutput::Human => self.print_human(head, out),
            BlocksOutput::Json => self.print_json(head, out),
            BlocksOutput::Bmap => self.print_bmap(head, out),
        }
    }

    fn print_human(&self, head: &Head, out: &mut impl Write) -> Result<(), Stop> {
        write!(out, "source   {}: {}", head.source, Bytes(head.disk_bytes))?;
        match &head.filesystem {
            Some(filesystem) => writeln!(out, ", {filesystem}")?,
            None => match (&head.layout, &head.physical_volume) {
                (Some(layout), _) => write!(out, ", {}\n{layout}", layout.summary())?,
                (None, Some(physical)) => write!(out, ", {}\n{physical}", physical.name())?,
                (None, None) => writeln!(out)?,
            },
        }
        if let Some(image) = &head.source_image {
            write!(out, "{image}")?;
        }
        if let Some(reason) = &head.kept_whole {
            writeln!(out, "note     everything is in use: {reason}")?;
        }
        for note in &head.notes {
            writeln!(out, "note     {note}")?;
        }
        for damage in &head.damage {
            writeln!(out, "damage   {damage}")?;
        }
        let Totals { data, zero, unused } = head.totals;
        let [data, zero, unused] = [data, zero, unused].map(Bytes);
        writeln!(out, "totals   data {data}, zero {zero}, unused {unused}")?;
        writeln!(out, "\n{:>20} {:>20}  kind", "start", "length")?;
        self.each(|extent| {
            let kind = name(extent.kind);
            writeln!(out, "{:>20} {:>20}  {kind}", extent.start, extent.length)
        })
    }

    fn print_json(&self, head: &Head, out: &mut impl Write) -> Result<(), Stop> {
        let failed = |error| Stop::Failed(Failure::Failed(format!("report: {error}")));
        let text = serde_json::to_string_pretty(head).map_err(failed)?;
        // The ranges become the last member of the same object.
        let open = text.trim_end_matches('}').trim_end();
        write!(out, "{open},\n  \"ranges\": [")?;
        let mut separator = "";
        self.each(|extent| {
            let entry = Entry {
                start: extent.start,
                length: extent.length,
                kind: name(extent.kind),
            };
            write!(out, "{separator}\n    ")?;
            separator = ",";
            serde_json::to_writer(&mut *out, &entry).map_err(Into::into)
        })?;
        Ok(writeln!(out, "\n  ]\n}}")?)
    }

    /// Blocks in use, in the form of bmaptool's version 1.1, the last one without
    /// checksums. Blocks that are in use in part count.
    fn print_bmap(&self, head: &Head, out: &mut impl Write) -> Result<(), Stop> {
        let mut mapped = 0;
        self.each_used_run(|blocks| {
            mapped += blocks.end - blocks.start;
            Ok(())
        })?;
        let blocks = head.disk_bytes.div_ceil(BMAP_BLOCK_BYTES);
        write!(
            out,
            "<?xml version=\"1.0\" ?>\n\
             <bmap version=\"1.1\">\n\
             <ImageSize> {} </ImageSize>\n\
             <BlockSize> {BMAP_BLOCK_BYTES} </BlockSize>\n\
             <BlocksCount> {blocks} </BlocksCount>\n\
             <MappedBlocksCount> {mapped} </MappedBlocksCount>\n\
             <BlockMap>\n",
            head.disk_bytes,
        )?;
        self.each_used_run(|blocks| {
            let last = blocks.end - 1;
            if blocks.start == last {
                writeln!(out, "<Range> {last} </Range>")
            } else {
                writeln!(out, "<Range> {}-{last} </Range>", blocks.start)
            }
        })?;
        Ok(write!(out, "</BlockMap>\n</bmap>\n")?)
    }

    /// Gives each longest run of blocks in use to `take`.
    fn each_used_run(
        &self,
        mut take: impl FnMut(Range<u64>) -> std::io::Result<()>,
    ) -> Result<(), Stop> {
        let mut held: Option<Range<u64>> = None;
        self.each(|extent| {
            if extent.kind == ExtentKind::Free {
                return Ok(());
            }
            let start = extent.start / BMAP_BLOCK_BYTES;
            let end = extent.end().div_ceil(BMAP_BLOCK_BYTES);
            match &mut held {
                Some(run) if start <= run.end => run.end = run.end.max(end),
                _ => {
                    if let Some(run) = held.replace(start..end) {
                        take(run)?;
                    }
                }
            }
            Ok(())
        })?;
        Ok(held.map_or(Ok(()), take)?)
    }
}
