//! Master boot records: whether one is a table, and its partitions.

use blockio::ReadAt;

use super::damage::Damage;
use super::error::Error;
use super::extended::Chain;
use super::found::Found;
use super::kind::NoTable;
use super::record::{BootRecord, Entry};

/// Adds the partitions of `record`, of a disk with sectors of `unit` bytes, to `found`;
/// the inner error is why it is no table.
pub(super) fn read(
    disk: &dyn ReadAt,
    record: &BootRecord,
    unit: u32,
    found: &mut Found,
) -> Result<Result<(), NoTable>, Error> {
    let size = disk.size();
    if let Some(reason) = refusal(record, unit, size) {
        return Ok(Err(reason));
    }
    for (slot, entry) in record.slots() {
        let status = entry.status;
        if !entry.has_status() {
            found.damage.push(Damage::Status { slot, status });
        }
        let range = entry.range(0, unit);
        if entry.is_leftover() {
            found.push_leftover(&range, size);
        } else if entry.is_used() {
            let partition = entry.partition(slot, &range, record.disk_signature, size);
            found.push(partition, &range, size);
        }
    }
    if !record.entries.iter().any(Entry::is_used) {
        found.damage.push(Damage::OnlyLeftovers);
    }
    let mut chain = Chain::new(disk, unit, record.disk_signature);
    for entry in record.entries.iter().filter(|entry| entry.is_extended()) {
        chain.follow(&entry.range(0, unit), found)?;
    }
    Ok(Ok(()))
}

/// Why this is no table, by the rule of Linux: one status byte other than 0 and 0x80
/// makes it boot code. But not if entries look like partitions of a disk of `size`
/// bytes all the same, for then other programs see a table.
fn refusal(record: &BootRecord, unit: u32, size: u64) -> Option<NoTable> {
    let looks_right = |entry: &Entry| {
        let range = entry.range(0, unit);
        entry.has_status() && entry.start != 0 && entry.count != 0 && range.end <= size
    };
    let is_right = |entry: &Entry| looks_right(entry) && entry.kind != 0;
    if !record.is_signed {
        return Some(NoTable::Signature);
    }
    if !record.entries.iter().all(Entry::has_status) {
        let seen = record.entries.iter().any(is_right);
        return (!seen).then_some(NoTable::BootCode);
    }
    let mut used = record.entries.iter().filter(|entry| entry.is_used());
    match (used.next(), used.next()) {
        (None, _) => {
            let seen = record.entries.iter().any(looks_right);
            (!seen).then_some(NoTable::Empty)
        }
        (Some(only), None) if only.start == 0 => Some(NoTable::OwnPartition),
        _ => None,
    }
}
