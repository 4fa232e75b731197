//! Who owns each byte of a disk.

use std::ops::Range;

use super::damage::Damage;
use super::found::Found;

/// Who owns some bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Owner {
    /// The table itself.
    Structure,
    /// The partition with this index in [`Table::partitions`](super::Table::partitions).
    Partition(usize),
    /// No part of the table. Boot loaders live there; on a disk without a table it is
    /// the whole disk.
    Gap,
    /// Nobody can say for certain.
    Doubtful,
}

/// Everything, where nothing is certain.
pub(super) fn all_doubtful(size: u64) -> Vec<(Range<u64>, Owner)> {
    let all = (0..size, Owner::Doubtful);
    if size > 0 { vec![all] } else { Vec::new() }
}

/// Joins the structures, and marks partitions that overlap them or each other.
pub(super) fn find_overlaps(found: &mut Found, size: u64) {
    found.structures = joined(std::mem::take(&mut found.structures), size);
    let mut order: Vec<usize> = (0..found.partitions.len()).collect();
    let start = |index: &usize| found.partitions.get(*index).map(|one| one.range.start);
    order.sort_by_key(start);
    let mut overlapping = vec![false; found.partitions.len()];
    for is_extended in [false, true] {
        mark_overlapping(found, &order, is_extended, &mut overlapping);
    }
    for (partition, overlaps) in found.partitions.iter_mut().zip(overlapping) {
        let number = partition.number;
        if overlaps {
            partition.is_doubtful = true;
            found.damage.push(Damage::Overlap { number });
        }
        if !partition.is_extended && meets(&found.structures, &partition.range) {
            partition.is_doubtful = true;
            found.damage.push(Damage::OverlapsTable { number });
        }
    }
}

/// Marks partitions of the same floor that overlap: primary ones with each other and
/// extended ones, or else those that own bytes with each other.
fn mark_overlapping(found: &Found, order: &[usize], extended: bool, marks: &mut [bool]) {
    // The partition seen so far that ends last: who overlaps any overlaps this one.
    let mut last: Option<(usize, u64)> = None;
    for index in order {
        let Some(partition) = found.partitions.get(*index) else {
            continue;
        };
        let is_logical = !partition.is_extended && partition.is_logical;
        if (extended && is_logical) || (!extended && partition.is_extended) {
            continue;
        }
        if let Some((other, end)) = last
            && partition.range.start < end
        {
            for mark in [*index, other] {
                if let Some(mark) = marks.get_mut(mark) {
                    *mark = true;
                }
            }
        }
        if last.is_none_or(|(_, end)| partition.range.end > end) {
            last = Some((*index, partition.range.end));
        }
    }
}

/// `ranges` on a disk of `size` bytes, ascending, none touching another.
fn joined(ranges: Vec<Range<u64>>, size: u64) -> Vec<Range<u64>> {
    let mut ranges = ranges;
    ranges.sort_by_key(|range| range.start);
    let mut joined: Vec<Range<u64>> = Vec::new();
    for range in ranges {
        let range = range.start..range.end.min(size);
        if range.is_empty() {
            continue;
        }
        match joined.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => joined.push(range),
        }
    }
    joined
}

/// Whether one of `ranges`, which ascend, has a byte of `range`.
fn meets(ranges: &[Range<u64>], range: &Range<u64>) -> bool {
    let first = ranges.partition_point(|other| other.end <= range.start);
    ranges
        .get(first)
        .is_some_and(|other| other.start < range.end)
}

/// One end of a claim to some bytes.
#[derive(Clone, Copy)]
enum Claim {
    Structure,
    Partition(usize),
    Doubtful,
}

/// The owner of every byte of a disk of `size` bytes.
pub(super) fn assign(found: &Found, size: u64) -> Vec<(Range<u64>, Owner)> {
    let structures = found
        .structures
        .iter()
        .map(|range| (range, Claim::Structure));
    let doubtful = found.doubtful.iter().map(|range| (range, Claim::Doubtful));
    let partitions = found.partitions.iter().enumerate();
    let partitions = partitions.filter(|(_, partition)| !partition.is_extended);
    let partitions = partitions.map(|(index, partition)| {
        let claim = if partition.is_doubtful {
            Claim::Doubtful
        } else {
            Claim::Partition(index)
        };
        (&partition.range, claim)
    });
    let mut ends: Vec<(u64, bool, Claim)> = Vec::new();
    for (range, claim) in structures.chain(doubtful).chain(partitions) {
        if range.start < range.end.min(size) {
            ends.push((range.start, true, claim));
            ends.push((range.end.min(size), false, claim));
        }
    }
    ends.sort_by_key(|(at, ..)| *at);
    let mut owned = Vec::new();
    let (mut at, mut held) = (0, Held::default());
    for (next, begins, claim) in ends {
        push(&mut owned, at..next, held.owner());
        held.change(begins, claim);
        at = next;
    }
    push(&mut owned, at..size, Owner::Gap);
    owned
}

/// The claims to the bytes at one place.
#[derive(Default)]
struct Held {
    structures: usize,
    doubtful: usize,
    /// Sound partitions do not overlap.
    partition: Option<usize>,
}

impl Held {
    fn change(&mut self, begins: bool, claim: Claim) {
        let count = match claim {
            Claim::Structure => &mut self.structures,
            Claim::Doubtful => &mut self.doubtful,
            Claim::Partition(index) => {
                if begins {
                    self.partition = Some(index);
                } else if self.partition == Some(index) {
                    self.partition = None;
                }
                return;
            }
        };
        *count = if begins {
            count.saturating_add(1)
        } else {
            count.saturating_sub(1)
        };
    }

    /// A partition owns its bytes whatever a leftover entry says of them.
    fn owner(&self) -> Owner {
        match (self.structures, self.partition, self.doubtful) {
            (1.., _, _) => Owner::Structure,
            (0, Some(index), _) => Owner::Partition(index),
            (0, None, 1..) => Owner::Doubtful,
            (0, None, 0) => Owner::Gap,
        }
    }
}

fn push(owned: &mut Vec<(Range<u64>, Owner)>, range: Range<u64>, owner: Owner) {
    if range.is_empty() {
        return;
    }
    match owned.last_mut() {
        Some((last, same)) if *same == owner => last.end = range.end,
        _ => owned.push((range, owner)),
    }
}
