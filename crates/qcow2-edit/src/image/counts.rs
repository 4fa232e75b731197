//! How often each host cluster is used, and for what.

use std::collections::BTreeMap;
use std::ops::Range;

use qcow2_check::Use;
use qcow2_format::{ClusterBits, HostOffset};

use crate::error::Error;
use crate::image::damage::Damage;

/// Clusters that are counted in one piece.
const PART_CLUSTERS: u64 = 4096;

/// Most pieces: 2 GiB of counts, 32 TiB of file with clusters of 64 KiB.
const PARTS_MAX: usize = 128 << 10;

/// How often a cluster is used, in the lower bits, and for what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Count(u32);

impl Count {
    const TIMES_MAX: u32 = (1 << 28) - 1;
    const USES: [(u32, Use); 4] = [
        (1 << 31, Use::Data),
        (1 << 30, Use::Stream),
        (1 << 29, Use::L2Table),
        (1 << 28, Use::Metadata),
    ];

    fn bit(used_as: Use) -> u32 {
        match used_as {
            Use::Data => 1 << 31,
            Use::Stream => 1 << 30,
            Use::L2Table => 1 << 29,
            Use::Metadata => 1 << 28,
        }
    }

    /// How often it is used; more often if this is the most that is counted.
    pub(crate) fn times(self) -> u64 {
        (self.0 & Self::TIMES_MAX).into()
    }

    pub(crate) fn is_used(self) -> bool {
        self.0 != 0
    }

    fn add(&mut self, used_as: Use, times: u32) {
        let sum = (self.0 & Self::TIMES_MAX).saturating_add(times);
        self.0 = self.0 & !Self::TIMES_MAX | sum.min(Self::TIMES_MAX) | Self::bit(used_as);
    }

    /// Two uses that exclude each other. Data, compressed data and L2 tables may be shared
    /// with their like, other metadata may not.
    pub(crate) fn conflict(self) -> Option<(Use, Use)> {
        let mut uses = Self::USES.into_iter().filter(|(bit, _)| self.0 & bit != 0);
        match (uses.next(), uses.next()) {
            (Some((_, first)), Some((_, second))) => Some((first, second)),
            (Some((_, Use::Metadata)), None) if self.times() > 1 => {
                Some((Use::Metadata, Use::Metadata))
            }
            _ => None,
        }
    }
}

/// The counts of all clusters of a file.
#[derive(Debug)]
pub(crate) struct Counts {
    cluster_bits: ClusterBits,
    parts: BTreeMap<u64, Box<[Count]>>,
}

impl Counts {
    pub(crate) fn new(cluster_bits: ClusterBits) -> Self {
        Self {
            cluster_bits,
            parts: BTreeMap::new(),
        }
    }

    /// The numbers of the clusters that `bytes` touch.
    pub(crate) fn clusters(&self, bytes: &Range<u64>) -> Range<u64> {
        let bits = self.cluster_bits.bits();
        let start = bytes.start >> bits;
        if bytes.is_empty() {
            return start..start;
        }
        start..(bytes.end.saturating_sub(1) >> bits).saturating_add(1)
    }

    /// Counts the clusters that `bytes` touch, `times` times.
    pub(crate) fn add(
        &mut self,
        bytes: &Range<u64>,
        used_as: Use,
        times: u32,
    ) -> Result<(), Error> {
        for cluster in self.clusters(bytes) {
            self.part(cluster)?.add(used_as, times);
        }
        Ok(())
    }

    fn part(&mut self, cluster: u64) -> Result<&mut Count, Error> {
        let (part, index) = place(cluster);
        if self.parts.len() >= PARTS_MAX && !self.parts.contains_key(&part) {
            return Err(Error::TooScattered {
                max: PARTS_MAX,
                part_bytes: PART_CLUSTERS.saturating_mul(self.cluster_bits.bytes()),
            });
        }
        let counts = self.parts.entry(part).or_insert_with(|| {
            let length = usize::try_from(PART_CLUSTERS).unwrap_or(0);
            vec![Count::default(); length].into_boxed_slice()
        });
        counts.get_mut(index).ok_or(Error::TooScattered {
            max: PARTS_MAX,
            part_bytes: PART_CLUSTERS,
        })
    }

    pub(crate) fn get(&self, cluster: u64) -> Count {
        let (part, index) = place(cluster);
        let counts = self.parts.get(&part);
        counts
            .and_then(|counts| counts.get(index))
            .copied()
            .unwrap_or_default()
    }

    /// Whether the cluster with byte `host` is used once.
    pub(crate) fn is_single(&self, host: u64) -> bool {
        self.get(host >> self.cluster_bits.bits()).times() == 1
    }

    /// Frees the clusters that `bytes` touch.
    pub(crate) fn clear(&mut self, bytes: &Range<u64>) -> Result<(), Error> {
        for cluster in self.clusters(bytes) {
            *self.part(cluster)? = Count::default();
        }
        Ok(())
    }

    /// The clusters in use, ascending.
    pub(crate) fn used(&self) -> impl Iterator<Item = (u64, Count)> {
        self.parts.iter().flat_map(|(part, counts)| {
            let first = part.saturating_mul(PART_CLUSTERS);
            (first..)
                .zip(counts.iter().copied())
                .filter(|(_, count)| count.is_used())
        })
    }

    /// The number after that of the last cluster in use.
    pub(crate) fn end(&self) -> u64 {
        let mut parts = self.parts.iter().rev();
        let last = parts.find_map(|(part, counts)| {
            let last = counts.iter().rposition(|count| count.is_used())?;
            let first = part.saturating_mul(PART_CLUSTERS);
            Some(
                first
                    .saturating_add(blockio::len_u64(last))
                    .saturating_add(1),
            )
        });
        last.unwrap_or(0)
    }

    /// Refuses a cluster with two uses that exclude each other.
    pub(crate) fn check_uses(&self) -> Result<(), Damage> {
        let mut conflicts = self
            .used()
            .filter_map(|(cluster, count)| Some((cluster, count.conflict()?)));
        match conflicts.next() {
            None => Ok(()),
            Some((cluster, (first, second))) => Err(Damage::Conflict {
                host: self.host(cluster),
                first,
                second,
            }),
        }
    }

    /// Where a cluster is.
    pub(crate) fn host(&self, cluster: u64) -> HostOffset {
        HostOffset(cluster.saturating_mul(self.cluster_bits.bytes()))
    }
}

/// The part with a cluster, and its index there.
fn place(cluster: u64) -> (u64, usize) {
    let index = usize::try_from(cluster % PART_CLUSTERS).unwrap_or(0);
    (cluster / PART_CLUSTERS, index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clusters_are_counted_and_freed() {
        let mut counts = Counts::new(ClusterBits::new(9).unwrap());
        counts.add(&(511..1025), Use::Stream, 2).unwrap();
        counts.add(&(512..1024), Use::Stream, 1).unwrap();
        counts.add(&(5 << 20..5 << 20), Use::Data, 1).unwrap();
        let times = |cluster| counts.get(cluster).times();
        assert_eq!([0, 1, 2, 3].map(times), [2, 3, 2, 0]);
        assert_eq!(counts.end(), 3);
        assert_eq!(counts.check_uses(), Ok(()));
        counts.clear(&(1024..1025)).unwrap();
        assert_eq!(counts.used().map(|(cluster, _)| cluster).max(), Some(1));
        assert_eq!(counts.end(), 2);
    }

    #[test]
    fn what_excludes_each_other_is_found() {
        let found = |uses: &[Use]| {
            let mut counts = Counts::new(ClusterBits::DEFAULT);
            for used_as in uses {
                counts.add(&(0x1_0000..0x1_0001), *used_as, 1).unwrap();
            }
            counts.check_uses().is_err()
        };
        for alone in [Use::Data, Use::Stream, Use::L2Table] {
            assert!(!found(&[alone, alone]));
            assert!(found(&[alone, Use::Metadata]));
        }
        assert!(!found(&[Use::Metadata]));
        assert!(found(&[Use::Metadata, Use::Metadata]));
        assert!(found(&[Use::Data, Use::Stream]));
        assert!(found(&[Use::L2Table, Use::Stream]));
    }
}
