//! The free space tree: for each block group the runs that are free, as extents or as
//! bitmaps. Linux, `fs/btrfs/free-space-tree.c`.

use std::collections::VecDeque;
use std::ops::Range;

use blockio::{ReadAt, len_u64};

use super::item::{no_tree, range, unsound};
use crate::bytes::le32;
use crate::finding::{Distrust, Step};
use crate::key::{item, tree};
use crate::tree::{Item, Pointer, Reader, Walk};

const INFO_BYTES: usize = 8;
/// A flag: the group has bitmaps.
const BITMAPS: u32 = 1;

/// Free runs in order, of block groups that exist.
pub(super) struct FreeSpace<'r, 'd, R: ?Sized> {
    reader: &'r Reader<'d, R>,
    walk: Walk<'r, 'd, R>,
    sector: u64,
    group: Option<Group>,
    /// Groups met so far that exist.
    groups: usize,
    /// Runs that are complete.
    ready: VecDeque<Range<u64>>,
}

/// The group whose records are read.
struct Group {
    range: Range<u64>,
    /// Whether there is such a block group: records of others are left over.
    exists: bool,
    has_bitmaps: bool,
    /// Its runs, as stored and as counted.
    stored: u32,
    counted: u64,
    /// The last run, which may go on.
    run: Option<Range<u64>>,
    /// The end of the last record.
    end: u64,
}

impl<'r, 'd, R: ReadAt + ?Sized> FreeSpace<'r, 'd, R> {
    pub(super) fn new(reader: &'r Reader<'d, R>, root: Pointer, sector: u32) -> Self {
        Self {
            reader,
            walk: Walk::new(reader, root),
            sector: sector.into(),
            group: None,
            groups: 0,
            ready: VecDeque::new(),
        }
    }

    /// The next free run, as long as it can be within its block group.
    pub(super) fn next(&mut self) -> Step<Option<Range<u64>>> {
        loop {
            if let Some(run) = self.ready.pop_front() {
                return Ok(Some(run));
            }
            let Some(leaf) = self.walk.next()? else {
                self.close()?;
                return Ok(self.ready.pop_front());
            };
            for item in leaf.items() {
                self.take(&item)?;
            }
        }
    }

    /// Nothing else is free, and all block groups have been met.
    pub(super) fn finish(&mut self) -> Step<()> {
        match self.next()? {
            Some(run) => Err(Distrust::FreeSpace { at: run.start }.into()),
            None if self.groups == self.reader.chunks.len() => Ok(()),
            None => Err(no_tree(tree::FREE_SPACE).into()),
        }
    }

    fn take(&mut self, item: &Item<'_>) -> Step<()> {
        let fault = |what| unsound(tree::FREE_SPACE, item.key, what);
        let range = range(item.key.object, item.key.offset).filter(|range| !range.is_empty());
        let range = range.ok_or(fault("it has no length"))?;
        if item.key.kind == item::FREE_SPACE_INFO {
            return self.open(item, range);
        }
        let group = (self.group.as_mut()).ok_or(fault("it is of no group"))?;
        let is_inside = group.end <= range.start && range.end <= group.range.end;
        let is_aligned = [range.start, range.end]
            .into_iter()
            .all(|at| at.is_multiple_of(self.sector));
        if !is_inside || !is_aligned {
            return Err(fault("it is out of its place").into());
        }
        group.end = range.end;
        match item.key.kind {
            item::FREE_SPACE_EXTENT if !group.has_bitmaps && item.bytes.is_empty() => {
                group.counted = group.counted.saturating_add(1);
                group.add(range, &mut self.ready);
            }
            item::FREE_SPACE_BITMAP if group.has_bitmaps => {
                let bits = item.key.offset.checked_div(self.sector).unwrap_or(0);
                if len_u64(item.bytes.len()) != bits.div_ceil(8) {
                    return Err(fault("its length").into());
                }
                for run in runs(item.bytes, bits) {
                    let place = |bit: u64| {
                        let bytes = bit.saturating_mul(self.sector);
                        range.start.saturating_add(bytes)
                    };
                    group.add(place(run.start)..place(run.end), &mut self.ready);
                }
            }
            _ => return Err(fault("its type").into()),
        }
        Ok(())
    }

    /// Begins the records of a group.
    fn open(&mut self, item: &Item<'_>, range: Range<u64>) -> Step<()> {
        let fault = |what| unsound(tree::FREE_SPACE, item.key, what);
        if item.bytes.len() != INFO_BYTES {
            return Err(fault("its length").into());
        }
        let is_after = (self.group.as_ref()).is_none_or(|group| group.range.end <= range.start);
        if !is_after {
            return Err(fault("it overlaps the one before").into());
        }
        self.close()?;
        let chunks = &self.reader.chunks;
        let chunk = chunks.starting_at(range.start);
        let exists = chunk.is_some_and(|(_, chunk)| chunk.end() == range.end);
        if !exists && chunks.overlaps(&range) {
            return Err(Distrust::FreeSpace { at: range.start }.into());
        }
        self.groups = self.groups.saturating_add(exists.into());
        self.group = Some(Group {
            end: range.start,
            range,
            exists,
            has_bitmaps: le32(item.bytes, 4) & BITMAPS != 0,
            stored: le32(item.bytes, 0),
            counted: 0,
            run: None,
        });
        Ok(())
    }

    /// Ends the records of a group.
    fn close(&mut self) -> Step<()> {
        let Some(mut group) = self.group.take() else {
            return Ok(());
        };
        group.flush(&mut self.ready);
        if group.exists && u64::from(group.stored) != group.counted {
            return Err(Distrust::FreeSpace {
                at: group.range.start,
            }
            .into());
        }
        Ok(())
    }
}

impl Group {
    fn add(&mut self, run: Range<u64>, ready: &mut VecDeque<Range<u64>>) {
        match &mut self.run {
            Some(last) if last.end == run.start => last.end = run.end,
            _ => {
                self.flush(ready);
                self.run = Some(run);
            }
        }
    }

    fn flush(&mut self, ready: &mut VecDeque<Range<u64>>) {
        let Some(run) = self.run.take() else {
            return;
        };
        if self.has_bitmaps {
            self.counted = self.counted.saturating_add(1);
        }
        if self.exists {
            ready.push_back(run);
        }
    }
}

/// Runs of set bits among the first `bits`; the first bit of a byte is its lowest.
fn runs(bytes: &[u8], bits: u64) -> impl Iterator<Item = Range<u64>> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = Some(next(bytes, at, true)).filter(|start| *start < bits)?;
        at = next(bytes, start, false).min(bits);
        Some(start..at)
    })
}

/// The first bit from `bit` on that is set, or that is clear, or the end.
fn next(bytes: &[u8], mut bit: u64, is_set: bool) -> u64 {
    let mut rest = usize::try_from(bit / 8).map_or(&[][..], |at| bytes.get(at..).unwrap_or(&[]));
    while let Some((byte, after)) = rest.split_first() {
        let wanted = if is_set { *byte } else { !*byte };
        // Those before `bit` do not count.
        let left = wanted.checked_shr(low_bits(bit)).unwrap_or(0);
        if left != 0 {
            return bit.saturating_add(left.trailing_zeros().into());
        }
        bit = (bit / 8).saturating_add(1).saturating_mul(8);
        rest = after;
    }
    len_u64(bytes.len()).saturating_mul(8)
}

/// The number of a bit in its byte.
fn low_bits(bit: u64) -> u32 {
    u32::try_from(bit % 8).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_count_from_the_lowest() {
        let all = |bytes: &[u8], bits| runs(bytes, bits).collect::<Vec<_>>();
        assert_eq!(all(&[0b1000_0110, 0b1], 16), [1..3, 7..9]);
        assert_eq!(all(&[0b1000_0110, 0xff], 10), [1..3, 7..10]);
        assert_eq!(all(&[0xff, 0xff, 0x7f, 0, 0x80], 40), [0..23, 39..40]);
        assert_eq!(all(&[0xfe, 0xfd], 13), [1..9, 10..13]);
        assert_eq!(all(&[], 0), []);
    }
}
