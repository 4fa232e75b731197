//! How well the data of a disk is compressed, along the disk.

use serde::Serialize;

use super::places::Place;
use super::walk::Segment;
use crate::scale::Scale;

/// Bars of the chart.
const BARS_MAX: u64 = 128;

/// How well the data of a disk is compressed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Compression {
    /// Bytes of the disk that are stored compressed.
    pub guest_bytes: u64,
    /// Bytes of the file that they take, in the sectors that the entries count: at most 511
    /// too many for each cluster.
    pub stored_bytes: u64,
    /// How many compressed clusters there are.
    pub clusters: u64,
    /// Bytes of the disk that a bar stands for.
    pub bar_bytes: u64,
    /// The bytes of the disk and of the file of each bar.
    pub bars: Vec<(u64, u64)>,
    #[serde(skip)]
    scale: Scale,
    /// The stream that was seen last.
    #[serde(skip)]
    last: Option<u64>,
}

impl Compression {
    pub(crate) fn new(disk_bytes: u64) -> Self {
        let of_cells = crate::scale::CELLS_MAX / BARS_MAX;
        let unit = Scale::new(disk_bytes, 1 << 16).cell_bytes;
        let scale = Scale::new(disk_bytes, unit.saturating_mul(of_cells));
        Self {
            guest_bytes: 0,
            stored_bytes: 0,
            clusters: 0,
            bar_bytes: scale.cell_bytes,
            bars: vec![(0, 0); scale.count()],
            scale,
            last: None,
        }
    }

    /// Takes in the next segment of the disk.
    pub(crate) fn add(&mut self, segment: &Segment) {
        let Place::Stream { host, bytes } = segment.place else {
            return;
        };
        // A stream counts once, where it is first.
        let is_new = self.last.replace(host) != Some(host);
        let stored = if is_new { bytes } else { 0 };
        let length = segment.guest.end.saturating_sub(segment.guest.start);
        self.clusters = self.clusters.saturating_add(is_new.into());
        self.guest_bytes = self.guest_bytes.saturating_add(length);
        self.stored_bytes = self.stored_bytes.saturating_add(stored);
        if let Some(bar) = self.bars.get_mut(self.scale.cell(segment.guest.start)) {
            bar.0 = bar.0.saturating_add(length);
            bar.1 = bar.1.saturating_add(stored);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_counts_once() {
        let mut found = Compression::new(1 << 30);
        assert_eq!((found.bar_bytes, found.bars.len()), (8 << 20, 128));
        let mut add = |guest, host| {
            found.add(&Segment {
                guest,
                is_used: true,
                place: Place::Stream { host, bytes: 512 },
            });
        };
        add(0..4096, 1024);
        add(4096..65536, 1024);
        add((8 << 20)..(8 << 20) + 65536, 2048);
        assert_eq!((found.guest_bytes, found.stored_bytes), (131_072, 1024));
        assert_eq!(found.clusters, 2);
        assert_eq!(found.bars[..3], [(65536, 512), (65536, 512), (0, 0)]);
    }
}
