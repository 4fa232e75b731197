//! Hybrid MBRs: entries for some partitions of a GPT, for firmware that knows no GPT.

use super::bytes::cut;
use super::damage::Damage;
use super::found::Found;
use super::record::BootRecord;

/// Holds the entries of `record` against the partitions of the GPT in `found`. What is
/// not the same in both is doubtful.
pub(super) fn compare(record: &BootRecord, unit: u32, size: u64, found: &mut Found) {
    for (slot, entry) in record.slots() {
        if !BootRecord::is_hybrid_slot(&entry) {
            continue;
        }
        let range = cut(&entry.range(0, unit), size);
        let mut partitions = found.partitions.iter();
        if partitions.any(|partition| partition.range == range) {
            continue;
        }
        found.damage.push(Damage::Hybrid { slot });
        for partition in &mut found.partitions {
            if partition.range.start < range.end && range.start < partition.range.end {
                partition.is_doubtful = true;
            }
        }
        found.doubtful.push(range);
    }
}
