//! From entries to partitions.

use super::array::Entry;
use super::header::Header;
use crate::table::bytes::{cut, sectors};
use crate::table::damage::Damage;
use crate::table::found::Found;
use crate::table::partition::{Partition, PartitionId, PartitionType};

/// "Legacy BIOS bootable".
const BOOTABLE: u64 = 1 << 2;

/// Adds the partitions that `entries` are to `found`, on a disk of `size` bytes.
pub(in crate::table) fn push(entries: Vec<Entry>, header: &Header, size: u64, found: &mut Found) {
    for entry in entries {
        let (number, first, last) = (entry.number, entry.first, entry.last);
        if last < first {
            let damage = Damage::Backwards {
                number,
                first,
                last,
            };
            found.damage.push(damage);
            continue;
        }
        let count = last.saturating_sub(first).saturating_add(1);
        let stored = sectors(first, count, header.sector_bytes);
        let is_usable = header.first_usable <= first && last <= header.last_usable;
        if !is_usable {
            found.damage.push(Damage::Unusable { number });
        }
        let partition = Partition {
            number,
            range: cut(&stored, size),
            kind: PartitionType::Gpt(entry.kind),
            name: entry.name,
            id: PartitionId::Gpt(entry.unique),
            is_bootable: entry.attributes & BOOTABLE != 0,
            attributes: entry.attributes,
            is_extended: false,
            is_logical: false,
            is_doubtful: !is_usable,
        };
        found.push(partition, &stored, size);
    }
}

/// Whether two arrays name the same places under the same numbers.
pub(in crate::table) fn same_places(one: &[Entry], other: &[Entry]) -> bool {
    let places = |entries: &[Entry]| -> Vec<_> {
        let places = entries.iter();
        places
            .map(|entry| (entry.number, entry.first, entry.last))
            .collect()
    };
    places(one) == places(other)
}
