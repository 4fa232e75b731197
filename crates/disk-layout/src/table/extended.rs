//! Extended partitions: chains of boot records, each with one logical partition and a link
//! to the next.
//!
//! A link counts from the start of the extended partition, an entry from its own record.
//! Records without a partition (parted) and partitions that lie past the next record
//! (sfdisk) are normal; so is a chain that goes back, as long as it never meets itself.

use std::collections::BTreeSet;
use std::ops::Range;

use blockio::ReadAt;

use super::bytes::cut;
use super::damage::{Damage, LinkFault};
use super::error::Error;
use super::found::Found;
use super::record::{BootRecord, Entry};

/// Most records that are followed in one extended partition. Linux stops at 256
/// partitions.
pub(super) const LINKS_MAX: usize = 256;

/// The number of the first logical partition.
const FIRST_LOGICAL: u32 = 5;

/// Follows chains, and counts logical partitions through all of them as Linux does.
pub(super) struct Chain<'d> {
    disk: &'d dyn ReadAt,
    unit: u32,
    disk_signature: u32,
    next_number: u32,
}

impl<'d> Chain<'d> {
    pub(super) fn new(disk: &'d dyn ReadAt, unit: u32, disk_signature: u32) -> Self {
        Self {
            disk,
            unit,
            disk_signature,
            next_number: FIRST_LOGICAL,
        }
    }

    /// Adds the logical partitions of the extended partition `extended` to `found`.
    pub(super) fn follow(&mut self, extended: &Range<u64>, found: &mut Found) -> Result<(), Error> {
        let first = found.partitions.len();
        let mut seen = BTreeSet::new();
        let mut at = extended.start;
        let mut bytes = extended.end.saturating_sub(at);
        loop {
            let fault = if seen.contains(&at) {
                LinkFault::Loop
            } else if seen.len() >= LINKS_MAX {
                LinkFault::TooMany
            } else if !extended.contains(&at) {
                LinkFault::Outside
            } else {
                match BootRecord::load(self.disk, at)? {
                    None => LinkFault::Outside,
                    Some(record) if !record.is_signed => LinkFault::Signature,
                    Some(record) => {
                        seen.insert(at);
                        self.entries(&record, at..at.saturating_add(bytes), extended, found);
                        let Some(link) = self.link(&record, at, found) else {
                            return Ok(());
                        };
                        let next = link.range(extended.start, self.unit);
                        bytes = next.end.saturating_sub(next.start);
                        at = next.start;
                        continue;
                    }
                }
            };
            found.damage.push(Damage::Link { at, fault });
            found.doubtful.push(cut(extended, self.disk.size()));
            if fault == LinkFault::Loop {
                let logical = found.partitions.iter_mut().skip(first);
                logical.for_each(|partition| partition.is_doubtful = true);
            }
            return Ok(());
        }
    }

    /// Adds the partitions of `record`, which with what follows has the bytes `own` of the
    /// extended partition `extended`.
    fn entries(
        &mut self,
        record: &BootRecord,
        own: Range<u64>,
        extended: &Range<u64>,
        found: &mut Found,
    ) {
        let (at, size) = (own.start, self.disk.size());
        let sector = at..at.saturating_add(u64::from(self.unit));
        found.structures.push(cut(&sector, size));
        for (slot, entry) in record.slots() {
            let range = entry.range(at, self.unit);
            if entry.is_leftover() {
                found.push_leftover(&range, size);
            }
            if !entry.is_used() || entry.is_extended() {
                continue;
            }
            let is_inside = extended.start <= range.start && range.end <= extended.end;
            let is_odd = slot > 2;
            if is_odd {
                found.damage.push(Damage::OddSlot { at, slot });
                found.doubtful.push(cut(&range, size));
                // Linux counts these only inside of what the record has.
                if !is_inside || range.end > own.end {
                    continue;
                }
            }
            let number = self.next_number;
            self.next_number = number.saturating_add(1);
            let mut partition = entry.partition(number, &range, self.disk_signature, size);
            partition.is_doubtful = is_odd || !is_inside;
            if !is_inside {
                found.damage.push(Damage::OutsideExtended { number });
            }
            found.push(partition, &range, size);
        }
    }

    /// The link of `record`, which is at byte `at`.
    fn link(&self, record: &BootRecord, at: u64, found: &mut Found) -> Option<Entry> {
        let mut links = record.entries.iter().filter(|entry| entry.is_extended());
        let first = links.next().copied();
        for other in links {
            found.damage.push(Damage::Links { at });
            let size = self.disk.size();
            found.doubtful.push(cut(&other.range(at, self.unit), size));
        }
        first
    }
}
