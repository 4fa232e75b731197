//! Blocks that are used whatever the trees say.

use std::ops::Range;

use crate::geometry::Geometry;
use crate::group::runs::Run;

/// Blocks, counted through all groups: ascending, disjoint.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    ranges: Vec<Range<u64>>,
    ag_blocks: u64,
}

impl Kept {
    /// The blocks of `bytes`, which may overlap.
    pub(crate) fn new(geometry: &Geometry, bytes: impl Iterator<Item = Range<u64>>) -> Self {
        let block_bytes = geometry.block_bytes();
        let blocks = bytes.map(|bytes| {
            let start = bytes.start >> geometry.block_log;
            start..bytes.end.div_ceil(block_bytes)
        });
        let mut ranges: Vec<Range<u64>> = blocks.collect();
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, before| {
            let touches = next.start <= before.end;
            if touches {
                before.end = before.end.max(next.end);
            }
            touches
        });
        Self {
            ranges,
            ag_blocks: geometry.ag_blocks.into(),
        }
    }

    /// All of them.
    pub(crate) fn ranges(&self) -> &[Range<u64>] {
        &self.ranges
    }

    /// Those of group `ag`.
    pub(crate) fn of(&self, ag: u32) -> Vec<Run> {
        let start = u64::from(ag).saturating_mul(self.ag_blocks);
        let end = start.saturating_add(self.ag_blocks);
        let first = self.ranges.partition_point(|range| range.end <= start);
        let rest = self.ranges.get(first..).unwrap_or_default();
        let here = rest.iter().take_while(|range| range.start < end);
        let number = |block: u64| u32::try_from(block.saturating_sub(start)).unwrap_or(u32::MAX);
        let run = |range: &Range<u64>| {
            let from = number(range.start.max(start));
            let to = number(range.end.min(end));
            Run::new(from, to.saturating_sub(from))
        };
        here.map(run).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_those_that_bytes_touch_group_by_group() {
        let geometry = Geometry {
            block_log: 12,
            sector_log: 9,
            inode_log: 9,
            ag_block_log: 7,
            ag_blocks: 100,
            ag_count: 3,
            blocks: 300,
            has_crc: true,
            meta_uuid: [0; 16],
        };
        let bytes = [
            4096 * 99 + 1..4096 * 102,
            0..1,
            4095..4097,
            4096 * 101..4096 * 103,
            4096 * 250..4096 * 251,
        ];
        let kept = Kept::new(&geometry, bytes.into_iter());
        assert_eq!(kept.ranges(), [0..2, 99..103, 250..251]);
        assert_eq!(kept.of(0), [Run::new(0, 2), Run::new(99, 1)]);
        assert_eq!(kept.of(1), [Run::new(0, 3)]);
        assert_eq!(kept.of(2), [Run::new(50, 1)]);
        assert_eq!(kept.of(3), []);
    }
}
