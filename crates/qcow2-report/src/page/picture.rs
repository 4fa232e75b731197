//! A picture: cells in rows, and its legend.

use serde::Serialize;

use crate::cells::Cells;
use crate::kinds::Kind;
use crate::units::{bytes, per_mille, percent};

/// Cells in a row of a large picture, and of a small one.
const COLUMNS: usize = 64;
const COLUMNS_OF_FEW: usize = 32;

/// Most cells of a small picture.
const FEW: usize = 512;

/// A kind of bytes that a cell has is seen if it has at least this part of it, in tenths
/// of a percent.
const SEEN_MIN: u64 = 100;

/// A picture, and its legend.
#[derive(Debug, Serialize)]
pub(super) struct Picture {
    id: &'static str,
    title: &'static str,
    total: String,
    cell: String,
    columns: usize,
    legend: Vec<Legend>,
    rows: Vec<Row>,
}

#[derive(Debug, Serialize)]
struct Legend {
    key: &'static str,
    name: &'static str,
    bytes: String,
    percent: String,
}

#[derive(Debug, Serialize)]
struct Row {
    /// Where it begins.
    offset: String,
    cells: Vec<Cell>,
}

#[derive(Debug, Serialize)]
struct Cell {
    /// The only kind, if there is one.
    key: &'static str,
    /// Where the colours of several kinds change.
    stops: Option<String>,
}

/// Cells in a row of a picture with so many cells.
pub(super) fn columns(cells: usize) -> usize {
    match cells <= FEW {
        true => COLUMNS_OF_FEW,
        false => COLUMNS,
    }
}

impl Picture {
    pub(super) fn new<K: Kind>(id: &'static str, title: &'static str, cells: &Cells<K>) -> Self {
        let scale = cells.scale;
        let columns = columns(scale.count());
        let drawn: Vec<Cell> = cells.iter().map(|counts| Cell::new(&counts)).collect();
        let row_bytes = scale.cell_bytes.saturating_mul(blockio::len_u64(columns));
        let starts = (0u64..).map(|row| row.saturating_mul(row_bytes));
        let mut drawn = drawn.into_iter();
        let rows = starts.map_while(|start| {
            let cells: Vec<_> = drawn.by_ref().take(columns).collect();
            (!cells.is_empty()).then(|| Row {
                offset: bytes(start),
                cells,
            })
        });
        let legend = K::ALL.iter().filter_map(|kind| {
            let total = cells.total(*kind);
            (total > 0).then(|| Legend {
                key: kind.key(),
                name: kind.name(),
                bytes: bytes(total),
                percent: percent(total, scale.bytes),
            })
        });
        Self {
            id,
            title,
            total: bytes(scale.bytes),
            cell: bytes(scale.cell_bytes),
            columns,
            legend: legend.collect(),
            rows: rows.collect(),
        }
    }
}

impl Cell {
    fn new<K: Kind>(counts: &[(K, u64)]) -> Self {
        let (key, stops) = match counts {
            [] => ("", None),
            [(kind, _)] => (kind.key(), None),
            kinds => ("mixed", Some(stops(kinds))),
        };
        Self { key, stops }
    }
}

/// The stops of a gradient from bottom to top. A kind with little of the cell gets enough
/// of it to be seen.
fn stops<K: Kind>(counts: &[(K, u64)]) -> String {
    let total = counts
        .iter()
        .fold(0u64, |sum, (_, bytes)| sum.saturating_add(*bytes));
    let parts = counts
        .iter()
        .map(|(kind, bytes)| (kind, per_mille(*bytes, total).max(SEEN_MIN)));
    let parts: Vec<_> = parts.collect();
    let sum = parts
        .iter()
        .fold(0u64, |sum, (_, part)| sum.saturating_add(*part));
    let mut end = 0;
    let stops = parts.iter().map(|(kind, part)| {
        let start = percent_of(end, sum);
        end = part.saturating_add(end);
        format!("var(--{}) {start}% {}%", kind.key(), percent_of(end, sum))
    });
    stops.collect::<Vec<_>>().join(",")
}

/// `part` of `whole` in percent, rounded down.
fn percent_of(part: u64, whole: u64) -> u64 {
    per_mille(part, whole) / 10
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::DiskKind::{Free, Stale, Used};
    use crate::scale::Scale;

    #[test]
    fn a_picture_has_rows_and_what_is_there_is_in_its_legend() {
        let mut cells = Cells::new(Scale::new(33 << 16, 1 << 16));
        cells.add(0..1 << 16, Used);
        cells.add(1 << 16..33 << 16, Free);
        let picture = Picture::new("disk", "Disk", &cells);
        let lengths: Vec<_> = picture.rows.iter().map(|row| row.cells.len()).collect();
        assert_eq!(lengths, [32, 1]);
        assert_eq!(picture.rows[1].offset, "2 MiB");
        let keys: Vec<_> = picture.legend.iter().map(|one| one.key).collect();
        assert_eq!(keys, ["used", "free"]);
        assert_eq!(picture.legend[0].percent, "3.0 %");
        assert_eq!(columns(2048), 64);
    }

    #[test]
    fn little_of_a_cell_is_seen() {
        assert_eq!(
            stops(&[(Used, 1), (Free, 1)]),
            "var(--used) 0% 50%,var(--free) 50% 100%"
        );
        let stops = stops(&[(Used, 1), (Stale, 1 << 20), (Free, 1)]);
        assert_eq!(
            stops,
            "var(--used) 0% 8%,var(--stale) 8% 91%,var(--free) 91% 100%"
        );
    }
}
