//! What became of each unit of a disk, in little memory.

use std::collections::BTreeMap;
use std::ops::Range;

/// What became of a unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Change {
    /// It is what it was.
    Same,
    /// It is zeros now.
    Zero,
    /// It holds something else.
    Data,
}

/// Units in a block of the map.
const BLOCK_UNITS: u64 = 4096;

/// Units in a byte of a block.
const BYTE_UNITS: u64 = 4;

/// What became of each unit. Those never told are the same.
#[derive(Debug, Default)]
pub(crate) struct UnitMap {
    /// By their numbers.
    blocks: BTreeMap<u64, Block>,
    /// The block that units are told of now.
    open: u64,
}

/// What became of some units that follow each other.
#[derive(Debug)]
enum Block {
    /// The same of all.
    All(Change),
    /// Two bits each.
    Each(Vec<u8>),
}

impl Block {
    fn new() -> Self {
        let bytes = BLOCK_UNITS / BYTE_UNITS;
        Self::Each(vec![0; usize::try_from(bytes).unwrap_or(0)])
    }

    /// What became of unit `nth` of the block.
    fn get(&self, nth: u64) -> Change {
        match self {
            Self::All(change) => *change,
            Self::Each(bytes) => {
                let (at, shift) = place(nth);
                match bytes.get(at).map_or(0, |byte| byte >> shift & 3) {
                    0 => Change::Same,
                    1 => Change::Zero,
                    _ => Change::Data,
                }
            }
        }
    }

    fn set(&mut self, nth: u64, change: Change) {
        let (at, shift) = place(nth);
        if let Self::Each(bytes) = self
            && let Some(byte) = bytes.get_mut(at)
        {
            let bits = match change {
                Change::Same => 0,
                Change::Zero => 1,
                Change::Data => 2,
            };
            *byte = *byte & !(3 << shift) | bits << shift;
        }
    }
}

/// The byte that tells of unit `nth` of a block, and where in it.
fn place(nth: u64) -> (usize, u64) {
    let at = usize::try_from(nth / BYTE_UNITS).unwrap_or(usize::MAX);
    (at, nth % BYTE_UNITS * 2)
}

impl UnitMap {
    /// Notes what became of `unit`. Units ascend.
    pub(crate) fn push(&mut self, unit: u64, change: Change) {
        let block = unit / BLOCK_UNITS;
        if block != self.open {
            self.finish();
            self.open = block;
        }
        if change != Change::Same {
            let block = self.blocks.entry(block).or_insert_with(Block::new);
            block.set(unit % BLOCK_UNITS, change);
        }
    }

    /// Keeps the block of the last units in less memory, where it can be.
    pub(crate) fn finish(&mut self) {
        if let Some(block) = self.blocks.get_mut(&self.open) {
            let first = block.get(0);
            if (0..BLOCK_UNITS).all(|nth| block.get(nth) == first) {
                *block = Block::All(first);
            }
        }
    }

    /// The unit after `unit`, or after some that are alike, and what became of them.
    fn alike(&self, unit: u64) -> (u64, Change) {
        let number = unit / BLOCK_UNITS;
        let block_start = |number: u64| number.saturating_mul(BLOCK_UNITS);
        let Some(block) = self.blocks.get(&number) else {
            let next = self.blocks.range(number..).next();
            let end = next.map_or(u64::MAX, |(number, _)| block_start(*number));
            return (end, Change::Same);
        };
        let nth = unit % BLOCK_UNITS;
        let change = block.get(nth);
        let end = match block {
            Block::All(_) => BLOCK_UNITS,
            Block::Each(_) => (nth..BLOCK_UNITS)
                .find(|nth| block.get(*nth) != change)
                .unwrap_or(BLOCK_UNITS),
        };
        (block_start(number).saturating_add(end), change)
    }

    /// The bytes of `range` with what became of them, in order; units have `unit_bytes`
    /// bytes. Neighbours may be alike.
    pub(crate) fn runs(
        &self,
        range: Range<u64>,
        unit_bytes: u64,
    ) -> impl Iterator<Item = (Range<u64>, Change)> + Send {
        let Range { start, end } = range;
        let mut at = start;
        std::iter::from_fn(move || {
            if at >= end {
                return None;
            }
            let (next, change) = self.alike(at / unit_bytes);
            let run = at..next.saturating_mul(unit_bytes).min(end);
            at = run.end;
            Some((run, change))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    #[test]
    fn blocks_that_are_alike_take_no_room() {
        let mut map = UnitMap::default();
        for unit in 0..2 * BLOCK_UNITS {
            map.push(unit, Change::Data);
        }
        let far = (u64::MAX >> 10) - 1;
        map.push(far, Change::Zero);
        map.finish();
        assert!(matches!(map.blocks[&0], Block::All(Change::Data)));
        assert!(matches!(map.blocks[&1], Block::All(Change::Data)));
        assert_eq!(map.blocks.len(), 3);
        let end = (far + 1) * 512;
        let runs: Vec<_> = map.runs(0..end, 512).collect();
        assert_eq!(runs.first(), Some(&(0..BLOCK_UNITS * 512, Change::Data)));
        assert_eq!(runs.last(), Some(&(far * 512..end, Change::Zero)));
    }

    proptest! {
        #[test]
        fn every_unit_is_told(
            told in vec((0u64..20_000, 0u8..3), 0..200),
            start in 0u64..20_000,
        ) {
            let mut want = vec![Change::Same; 20_000];
            let mut map = UnitMap::default();
            let told: BTreeMap<_, _> = told.into_iter().collect();
            for (unit, change) in told {
                let change = [Change::Same, Change::Zero, Change::Data][usize::from(change)];
                want[usize::try_from(unit).unwrap()] = change;
                map.push(unit, change);
            }
            map.finish();
            let mut at = start * 512 + 7;
            for (run, change) in map.runs(at..20_000 * 512, 512) {
                prop_assert_eq!(run.start, at);
                prop_assert!(run.end > at);
                for unit in run.start / 512..run.end.div_ceil(512) {
                    prop_assert_eq!(want[usize::try_from(unit).unwrap()], change);
                }
                at = run.end;
            }
            prop_assert_eq!(at, 20_000 * 512);
        }
    }
}
