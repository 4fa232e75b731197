//! What the readers of tables collect.

use std::ops::Range;

use super::bytes::cut;
use super::damage::Damage;
use super::partition::Partition;

/// Parts of a table, as far as they were found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Bytes of structures, in any order.
    pub(super) structures: Vec<Range<u64>>,
    pub(super) partitions: Vec<Partition>,
    /// Bytes that may belong to a partition nobody can name.
    pub(super) doubtful: Vec<Range<u64>>,
    pub(super) damage: Vec<Damage>,
}

impl Found {
    /// Takes in `partition`, whose stored range is `stored`, of a disk of `size` bytes.
    pub(super) fn push(&mut self, partition: Partition, stored: &Range<u64>, size: u64) {
        let mut partition = partition;
        if stored.end > size {
            let (number, stored) = (partition.number, stored.clone());
            self.damage.push(Damage::PastEnd {
                number,
                stored,
                size,
            });
            partition.is_doubtful = true;
        }
        if !partition.range.is_empty() {
            self.partitions.push(partition);
        }
    }
    /// Notes that an entry without a type names `range`, on a disk of `size` bytes.
    pub(super) fn push_leftover(&mut self, range: &Range<u64>, size: u64) {
        let range = cut(range, size);
        if !range.is_empty() {
            self.doubtful.push(range.clone());
            self.damage.push(Damage::Leftover { range });
        }
    }
}
