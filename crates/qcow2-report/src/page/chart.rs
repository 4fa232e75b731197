//! Charts: bars of compression along the disk, and of lengths of pieces.

use serde::Serialize;

use crate::disk::compression::Compression;
use crate::disk::pieces::{LENGTH_CLASSES, Pieces};
use crate::units::{bytes, grouped, per_mille, percent};

/// Height of a chart in its own units: tenths of a percent.
const HEIGHT: u64 = 1000;

/// How well the data is compressed.
#[derive(Debug, Serialize)]
pub(super) struct CompressionChart {
    guest: String,
    stored: String,
    clusters: String,
    /// What is stored of what the guest has.
    percent: String,
    bar: String,
    end: String,
    columns: usize,
    bars: Vec<Bar>,
}

/// A bar.
#[derive(Debug, Serialize)]
struct Bar {
    at: usize,
    /// From the top.
    y: u64,
    height: u64,
    label: String,
}

impl CompressionChart {
    /// `None` if nothing is compressed.
    pub(super) fn new(found: &Compression, disk_bytes: u64) -> Option<Self> {
        let bars = found.bars.iter().enumerate().filter(|(_, bar)| bar.0 > 0);
        let bars = bars.map(|(at, (guest, stored))| {
            let height = per_mille(*stored, *guest).max(8);
            let start = found
                .bar_bytes
                .saturating_mul(u64::try_from(at).unwrap_or(u64::MAX));
            Bar {
                at,
                y: HEIGHT.saturating_sub(height),
                height,
                label: format!(
                    "from {}: {} compressed to {}, {}",
                    bytes(start),
                    bytes(*guest),
                    bytes(*stored),
                    percent(*stored, *guest)
                ),
            }
        });
        (found.guest_bytes > 0).then(|| Self {
            guest: bytes(found.guest_bytes),
            stored: bytes(found.stored_bytes),
            clusters: grouped(found.clusters),
            percent: percent(found.stored_bytes, found.guest_bytes),
            bar: bytes(found.bar_bytes),
            end: bytes(disk_bytes),
            columns: found.bars.len(),
            bars: bars.collect(),
        })
    }
}

/// In how many pieces the data lies.
#[derive(Debug, Serialize)]
pub(super) struct PiecesChart {
    count: String,
    backward: String,
    mean: String,
    longest: String,
    classes: Vec<Class>,
}

/// Pieces of about one length.
#[derive(Debug, Serialize)]
struct Class {
    name: String,
    count: String,
    /// Length of its bar in percent.
    percent: u64,
}

impl PiecesChart {
    /// `None` if nothing is stored.
    pub(super) fn new(found: &Pieces) -> Option<Self> {
        let most = found.classes.iter().copied().max().unwrap_or(0);
        let last = found.classes.iter().rposition(|count| *count > 0)?;
        let first = found.classes.iter().position(|count| *count > 0)?;
        let classes = (first..=last).map(|index| {
            let count = found.classes.get(index).copied().unwrap_or(0);
            Class {
                name: class_name(index),
                count: grouped(count),
                percent: (per_mille(count, most) / 10).max(u64::from(count > 0)),
            }
        });
        Some(Self {
            count: grouped(found.count),
            backward: grouped(found.backward),
            mean: bytes(found.mean_bytes()),
            longest: bytes(found.longest_bytes),
            classes: classes.collect(),
        })
    }
}

fn class_name(index: usize) -> String {
    let start = Pieces::class_start(index);
    let next = index.saturating_add(1);
    if index == 0 {
        format!("below {}", bytes(Pieces::class_start(next)))
    } else if next == LENGTH_CLASSES {
        format!("{} and more", bytes(start))
    } else {
        format!("{} to {}", bytes(start), bytes(Pieces::class_start(next)))
    }
}
