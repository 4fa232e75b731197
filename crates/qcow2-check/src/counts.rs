//! How often each host cluster of a part of the file is used, and for what.

use std::ops::Range;

use crate::finding::Use;

/// Most clusters that are counted at once: 32 MiB of counts.
pub(crate) const CLUSTERS_MAX: u64 = 8 << 20;

/// Most parts of a file that are counted one by one.
pub(crate) const PARTS_MAX: u32 = 64;

/// Clusters that are used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reference {
    /// Numbers of host clusters.
    pub(crate) clusters: Range<u64>,
    pub(crate) used_as: Use,
    /// How often.
    pub(crate) times: u32,
    /// How often of these by the disk that is read.
    pub(crate) needed: u32,
}

/// How often a cluster is used, in the lower bits, and for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count(u32);

impl Count {
    const DATA: u32 = 1 << 31;
    const STREAM: u32 = 1 << 30;
    const L2_TABLE: u32 = 1 << 29;
    const METADATA: u32 = 1 << 28;
    const NEEDED: u32 = 1 << 27;
    const NEEDED_TWICE: u32 = 1 << 26;
    const TIMES_MAX: u32 = (1 << 26) - 1;

    fn add(&mut self, reference: &Reference) {
        let times = self.0 & Self::TIMES_MAX;
        let times = times.saturating_add(reference.times).min(Self::TIMES_MAX);
        let used_as = match reference.used_as {
            Use::Data => Self::DATA,
            Use::Stream => Self::STREAM,
            Use::L2Table => Self::L2_TABLE,
            Use::Metadata => Self::METADATA,
        };
        let needed = match reference.needed {
            0 => 0,
            1 if !self.is_needed() => Self::NEEDED,
            _ => Self::NEEDED | Self::NEEDED_TWICE,
        };
        self.0 = self.0 & !Self::TIMES_MAX | times | used_as | needed;
    }

    pub(crate) fn is_needed(self) -> bool {
        self.0 & Self::NEEDED != 0
    }

    /// Whether the disk that is read needs it for two parts of it.
    pub(crate) fn is_needed_twice(self) -> bool {
        self.0 & Self::NEEDED_TWICE != 0
    }

    /// How often it is used; more often where this is the most that is counted.
    pub(crate) fn references(self) -> u64 {
        (self.0 & Self::TIMES_MAX).into()
    }

    fn uses(self) -> impl Iterator<Item = Use> {
        [
            (Self::DATA, Use::Data),
            (Self::STREAM, Use::Stream),
            (Self::L2_TABLE, Use::L2Table),
            (Self::METADATA, Use::Metadata),
        ]
        .into_iter()
        .filter(move |(bit, _)| self.0 & bit != 0)
        .map(|(_, used_as)| used_as)
    }

    /// The use of a cluster that is used for one thing.
    pub(crate) fn only_use(self) -> Use {
        self.uses().next().unwrap_or(Use::Metadata)
    }

    /// Two uses that exclude each other. Data, streams and L2 tables may be shared
    /// with their like, other metadata may not.
    pub(crate) fn conflict(self) -> Option<(Use, Use)> {
        let exclusive = Self::DATA | Self::STREAM | Self::L2_TABLE;
        if self.0 & Self::METADATA == 0 && (self.0 & exclusive).is_power_of_two() {
            return None;
        }
        let mut uses = self.uses();
        match (uses.next(), uses.next()) {
            (Some(first), Some(second)) => Some((first, second)),
            (Some(Use::Metadata), None) if self.references() > 1 => {
                Some((Use::Metadata, Use::Metadata))
            }
            _ => None,
        }
    }
}

/// The counts of a part of the file.
#[derive(Debug)]
pub(crate) struct Counts {
    /// Number of the first cluster.
    start: u64,
    counts: Vec<Count>,
    /// Clusters of the file. References after are not counted.
    file_clusters: u64,
    /// The first cluster after this part that is used.
    next: Option<u64>,
}

impl Counts {
    /// Of the clusters of the file from `start` on, as many as are counted at
    /// once.
    pub(crate) fn new(start: u64, file_clusters: u64) -> Self {
        let length = file_clusters.saturating_sub(start).min(CLUSTERS_MAX);
        Self {
            start,
            counts: vec![Count::default(); usize::try_from(length).unwrap_or(0)],
            file_clusters,
            next: None,
        }
    }

    pub(crate) fn add(&mut self, reference: &Reference) {
        let Range { start, end } = reference.clusters;
        let end = end.min(self.file_clusters);
        let part_end = self
            .start
            .saturating_add(blockio::len_u64(self.counts.len()));
        if end > part_end && start < end {
            let first = start.max(part_end);
            self.next = Some(self.next.map_or(first, |next| next.min(first)));
        }
        let index = |at: u64| usize::try_from(at.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let inside = index(start)..index(end.min(part_end));
        for count in self.counts.get_mut(inside).unwrap_or_default() {
            count.add(reference);
        }
    }

    /// The clusters that are used, and how often.
    pub(crate) fn used(&self) -> impl Iterator<Item = (u64, Count)> {
        (self.start..)
            .zip(self.counts.iter().copied())
            .filter(|(_, count)| *count != Count::default())
    }

    pub(crate) fn next(&self) -> Option<u64> {
        self.next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reference(clusters: Range<u64>, used_as: Use, times: u32, needed: bool) -> Reference {
        Reference {
            clusters,
            used_as,
            times,
            needed: if needed { times } else { 0 },
        }
    }

    #[test]
    fn uses_are_counted_within_the_part_and_the_file() {
        let mut counts = Counts::new(10, 20);
        counts.add(&reference(0..11, Use::Data, 1, false));
        counts.add(&reference(10..12, Use::Data, 3, true));
        counts.add(&reference(19..100, Use::L2Table, u32::MAX, true));
        counts.add(&reference(25..30, Use::Data, 1, true));
        counts.add(&reference(5..8, Use::Data, 1, true));
        let used: Vec<_> = counts.used().collect();
        let facts: Vec<_> = used
            .iter()
            .map(|(at, count)| (*at, count.references(), count.only_use(), count.is_needed()))
            .collect();
        assert_eq!(
            facts,
            [
                (10, 4, Use::Data, true),
                (11, 3, Use::Data, true),
                (19, Count::TIMES_MAX.into(), Use::L2Table, true)
            ]
        );
        assert_eq!(counts.next(), None);
    }

    #[test]
    fn a_second_use_by_the_disk_is_told_from_one_by_others() {
        let twice = |uses: &[(u32, u32)]| {
            let mut count = Count::default();
            for (times, needed) in uses {
                let mut one = reference(0..1, Use::Data, *times, false);
                one.needed = *needed;
                count.add(&one);
            }
            (count.is_needed(), count.is_needed_twice())
        };
        assert_eq!(twice(&[(3, 0)]), (false, false));
        assert_eq!(twice(&[(3, 1), (1, 0)]), (true, false));
        assert_eq!(twice(&[(2, 2)]), (true, true));
        assert_eq!(twice(&[(1, 1), (1, 0), (1, 1)]), (true, true));
    }

    #[test]
    fn what_is_used_behind_the_part_starts_the_next() {
        let mut counts = Counts::new(0, 3 * CLUSTERS_MAX);
        let end = CLUSTERS_MAX;
        counts.add(&reference(2 * end..2 * end + 1, Use::Data, 1, true));
        assert_eq!(counts.next(), Some(2 * end));
        counts.add(&reference(end - 1..end + 2, Use::Data, 1, true));
        assert_eq!(counts.next(), Some(end));
        assert_eq!(counts.used().count(), 1);
    }

    #[test]
    fn two_uses_are_a_conflict_and_so_is_metadata_twice() {
        let conflict = |uses: &[Use]| {
            let mut count = Count::default();
            for used_as in uses {
                count.add(&reference(0..1, *used_as, 1, true));
            }
            count.conflict()
        };
        use Use::{Data, L2Table, Metadata, Stream};
        assert_eq!(conflict(&[Data, Data]), None);
        assert_eq!(conflict(&[Stream, Stream]), None);
        assert_eq!(conflict(&[Stream, Data]), Some((Data, Stream)));
        assert_eq!(conflict(&[L2Table, L2Table]), None);
        assert_eq!(conflict(&[Metadata]), None);
        assert_eq!(conflict(&[Metadata, Metadata]), Some((Metadata, Metadata)));
        assert_eq!(conflict(&[L2Table, Data]), Some((Data, L2Table)));
        assert_eq!(conflict(&[Metadata, Data]), Some((Data, Metadata)));
    }
}
