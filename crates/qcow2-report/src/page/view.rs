//! What the templates see.

use serde::Serialize;

use super::chart::{CompressionChart, PiecesChart};
use super::picture::Picture;
use super::text::{Row, SnapshotRow, Text};
use crate::disk::parts::PartTotals;
use crate::kinds::{DiskKind, FileKind, Kind};
use crate::survey::{Survey, Totals};
use crate::units::{bytes, grouped, per_mille, percent};

/// All that the templates see, but the script, the style and the data.
#[derive(Debug, Serialize)]
pub(super) struct View<'v> {
    title: &'v str,
    what: &'v str,
    content: &'v str,
    program: &'v str,
    cards: Vec<Card>,
    facts: Vec<Pair<'v>>,
    disk: Picture,
    file: Option<Picture>,
    parts: Vec<PartView<'v>>,
    more_parts: usize,
    compression: Option<CompressionChart>,
    pieces: Option<PiecesChart>,
    snapshots: Vec<SnapshotView<'v>>,
    more_snapshots: usize,
    held_by_snapshots: Option<String>,
    findings: Option<FindingsView<'v>>,
    notes: &'v [String],
}

/// A number that matters.
#[derive(Debug, Serialize)]
struct Card {
    name: &'static str,
    value: String,
    note: String,
    /// The kind whose colour it has, if it has one.
    key: Option<&'static str>,
}

#[derive(Debug, Serialize)]
struct Pair<'v> {
    name: &'v str,
    value: &'v str,
}

/// A row of the table of parts.
#[derive(Debug, Serialize)]
struct PartView<'v> {
    number: &'v str,
    name: &'v str,
    content: &'v str,
    is_inside: bool,
    start: String,
    size: String,
    used: String,
    free: String,
    stored: String,
    /// What of it is in use, and free yet stored, in percent.
    used_percent: u64,
    stale_percent: u64,
}

#[derive(Debug, Serialize)]
struct SnapshotView<'v> {
    id: &'v str,
    name: &'v str,
    date: &'v str,
    disk: String,
    vm_state: String,
}

#[derive(Debug, Serialize)]
struct FindingsView<'v> {
    count: String,
    is_none: bool,
    lines: &'v [String],
    hidden: String,
}

impl<'v> View<'v> {
    pub(super) fn new(survey: &'v Survey, text: &'v Text) -> Self {
        let rows = text.rows.iter().zip(&survey.parts);
        let file = survey.file.as_ref();
        let held = file.map(|file| file.total(FileKind::Snapshots));
        let facts = text.facts.iter().map(|fact| Pair {
            name: &fact.name,
            value: &fact.value,
        });
        Self {
            title: &text.title,
            what: &text.what,
            content: &text.content,
            program: &text.program,
            cards: cards(&survey.totals, file.is_some()),
            facts: facts.collect(),
            disk: Picture::new("disk", "Guest disk", &survey.disk),
            file: file.map(|file| Picture::new("file", "Image file", file)),
            parts: rows
                .map(|(row, totals)| PartView::new(row, totals))
                .collect(),
            more_parts: text.more_rows,
            compression: CompressionChart::new(&survey.compression, survey.totals.disk_bytes),
            pieces: file.and_then(|_| PiecesChart::new(&survey.pieces)),
            snapshots: text.snapshots.iter().map(SnapshotView::new).collect(),
            more_snapshots: text.more_snapshots,
            held_by_snapshots: held.map(bytes),
            findings: survey.findings.as_ref().map(|found| FindingsView {
                count: grouped(found.count),
                is_none: found.count == 0,
                lines: &found.lines,
                hidden: grouped(
                    found
                        .count
                        .saturating_sub(blockio::len_u64(found.lines.len())),
                ),
            }),
            notes: &text.notes,
        }
    }
}

/// The numbers that matter.
fn cards(totals: &Totals, has_file: bool) -> Vec<Card> {
    let of_disk = |bytes| format!("{} of the disk", percent(bytes, totals.disk_bytes));
    let card = |name, number, note: String| Card {
        name,
        value: bytes(number),
        note,
        key: None,
    };
    let exact = format!("{} bytes", grouped(totals.disk_bytes));
    let mut cards = vec![
        card("Disk", totals.disk_bytes, exact),
        card("In use", totals.used_bytes, of_disk(totals.used_bytes)),
        card("Free", totals.free_bytes, of_disk(totals.free_bytes)),
        card("Stored", totals.stored_bytes, of_disk(totals.stored_bytes)),
    ];
    let stale = match (totals.stale_bytes, has_file) {
        (0, _) => "nothing is stored in vain",
        (_, true) => "pack leaves it out",
        (_, false) => "punch gives it back",
    };
    let mut stale = card("Free, yet stored", totals.stale_bytes, stale.to_owned());
    stale.key = Some(DiskKind::Stale.key());
    cards.push(stale);
    if has_file {
        let note = of_disk(totals.file_bytes);
        cards.push(card("Image file", totals.file_bytes, note));
    }
    cards
}

impl<'v> PartView<'v> {
    fn new(row: &'v Row, totals: &PartTotals) -> Self {
        let sum = totals.used_bytes.saturating_add(totals.free_bytes);
        Self {
            number: &row.number,
            name: &row.name,
            content: &row.content,
            is_inside: row.is_inside,
            start: row.start.map(bytes).unwrap_or_default(),
            size: bytes(row.bytes),
            used: bytes(totals.used_bytes),
            free: bytes(totals.free_bytes),
            stored: bytes(totals.stored_bytes),
            used_percent: per_mille(totals.used_bytes, sum) / 10,
            stale_percent: per_mille(totals.stale_bytes, sum) / 10,
        }
    }
}

impl<'v> SnapshotView<'v> {
    fn new(row: &'v SnapshotRow) -> Self {
        Self {
            id: &row.id,
            name: &row.name,
            date: &row.date,
            disk: bytes(row.disk_bytes),
            vm_state: bytes(row.vm_state_bytes),
        }
    }
}
