//! Data that is still to come and whose place on the disk is known.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use qcow2_format::{ClusterBits, HostOffset};
use qcow2_map::{Mapping, Run};

/// Most uses of the clusters of one part that are counted.
const USES_MAX: usize = 1 << 18;

/// Runs of data, in the order of the file.
#[derive(Debug, Default)]
pub(super) struct Pending(BTreeMap<(u64, u64), Run>);

/// Where the data of a run is, if it has any.
pub(super) fn host_bytes(run: &Run) -> Option<Range<u64>> {
    match run.mapping {
        Mapping::Unallocated | Mapping::Zero | Mapping::Lost => None,
        Mapping::Data { host } => Some(host.0..host.0.saturating_add(run.bytes())),
        Mapping::Compressed(stream) => Some(stream.host.0..stream.end()),
    }
}

/// Cuts `run` where the host offset `at` is, into what lies before it and what does
/// not. A stream is not cut: it is where it starts.
pub(super) fn cut(mut run: Run, at: u64) -> (Option<Run>, Option<Run>) {
    let Some(host) = host_bytes(&run) else {
        return (None, None);
    };
    if host.start >= at {
        return (None, Some(run));
    }
    if host.end <= at || matches!(run.mapping, Mapping::Compressed(_)) {
        return (Some(run), None);
    }
    let middle = run
        .guest
        .start
        .saturating_add(at.saturating_sub(host.start));
    let after = Run {
        guest: middle..run.guest.end,
        file: run.file,
        mapping: Mapping::Data {
            host: HostOffset(at),
        },
    };
    run.guest.end = middle;
    (Some(run), Some(after))
}

impl Pending {
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds runs of data.
    pub(super) fn extend(&mut self, runs: Vec<Run>) {
        for run in runs {
            if let Some(host) = host_bytes(&run) {
                self.0.insert((host.start, run.guest.start), run);
            }
        }
    }

    /// Host offset of the first byte.
    pub(super) fn start(&self) -> Option<u64> {
        self.0.first_key_value().map(|((host, _), _)| *host)
    }

    /// Takes what lies before `position` as a whole, and the part of plain runs that
    /// does. A stream that is not there as a whole ends that, unless the file has
    /// `ended`.
    pub(super) fn take(&mut self, position: u64, ended: bool) -> Vec<Run> {
        let mut taken = Vec::new();
        while let Some(first) = self.0.first_entry() {
            let (host, _) = *first.key();
            let is_stream = matches!(first.get().mapping, Mapping::Compressed(_));
            let end = host_bytes(first.get()).map_or(host, |host| host.end);
            if host >= position || is_stream && end > position && !ended {
                break;
            }
            let (before, after) = cut(first.remove(), position);
            taken.extend(before);
            self.extend(after.into_iter().collect());
        }
        taken
    }

    /// How many clusters of the disk are known to use each of the clusters of the
    /// file that `part` begins with and goes on to; `None` where there are too many, or
    /// what entries say of the length of streams cannot be right.
    pub(super) fn uses(&self, part: &Range<u64>, bits: ClusterBits) -> Option<Vec<u64>> {
        let first = part.start / bits.bytes();
        let clusters = part.end.div_ceil(bits.bytes()).saturating_sub(first);
        let mut uses = vec![0; usize::try_from(clusters).ok()?];
        let mut seen = HashSet::new();
        let mut last_stream: Option<Range<u64>> = None;
        for run in self.0.range(..(part.end, 0)).map(|(_, run)| run) {
            let Some(host) = host_bytes(run) else {
                continue;
            };
            if matches!(run.mapping, Mapping::Compressed(_)) {
                if is_too_long(last_stream.as_ref(), &host) {
                    return None;
                }
                last_stream = Some(host.clone());
            }
            let there = host.start.max(part.start)..host.end.min(part.end);
            if there.is_empty() {
                continue;
            }
            for cluster in there.start / bits.bytes()..there.end.div_ceil(bits.bytes()) {
                let guest = match run.mapping {
                    Mapping::Data { .. } => {
                        let at = (cluster.saturating_mul(bits.bytes())).max(host.start);
                        let before = at.saturating_sub(host.start);
                        run.guest.start.saturating_add(before)
                    }
                    _ => run.guest.start,
                };
                let index = usize::try_from(cluster.saturating_sub(first)).ok()?;
                if seen.len() >= USES_MAX {
                    return None;
                }
                // A cluster of the disk may be several runs, and counts once.
                if let Some(uses) = uses.get_mut(index)
                    && seen.insert((index, bits.round_down(guest)))
                {
                    *uses = 1_u64.saturating_add(*uses);
                }
            }
        }
        Some(uses)
    }
}

/// Bytes of a sector: entries count them.
const SECTOR_BYTES: u64 = 512;

/// Whether the `last` stream reaches further into the `next` than the sector that
/// they may share. Then its entry counts more than it has.
pub(super) fn is_too_long(last: Option<&Range<u64>>, next: &Range<u64>) -> bool {
    last.is_some_and(|last| {
        last.start != next.start && last.end > next.start.next_multiple_of(SECTOR_BYTES)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn data(guest: Range<u64>, host: u64) -> Run {
        Run {
            guest,
            file: 0,
            mapping: Mapping::Data {
                host: HostOffset(host),
            },
        }
    }

    #[test]
    fn runs_are_cut_at_a_host_offset() {
        let run = data(100..200, 1000);
        assert_eq!(cut(run.clone(), 1000), (None, Some(run.clone())));
        assert_eq!(cut(run.clone(), 1100), (Some(run.clone()), None));
        let parts = (Some(data(100..130, 1000)), Some(data(130..200, 1030)));
        assert_eq!(cut(run, 1030), parts);
        assert_eq!(cut(Run::empty(0..9, Mapping::Zero), 5), (None, None));
    }

    #[test]
    fn what_has_come_is_taken_and_the_rest_stays() {
        let mut pending = Pending::default();
        pending.extend(vec![data(5000..6000, 2048), data(0..1000, 1024)]);
        assert_eq!(pending.start(), Some(1024));
        assert_eq!(pending.take(1500, false), [data(0..476, 1024)]);
        assert_eq!(pending.start(), Some(1500));
        let rest = [data(476..1000, 1500), data(5000..6000, 2048)];
        assert_eq!(pending.take(9000, false), rest);
        assert!(pending.is_empty());
    }

    #[test]
    fn a_cluster_of_the_disk_uses_one_of_the_file_once() {
        let bits = ClusterBits::MIN;
        let mut pending = Pending::default();
        // Two clusters in a row, parts of one, and two that share one.
        pending.extend(vec![
            data(0..1024, 1024),
            data(2048..2100, 2048),
            data(2200..2300, 2200),
            data(4096..4608, 2560),
            data(8192..8704, 2560),
        ]);
        assert_eq!(pending.uses(&(1024..3584), bits), Some(vec![1, 1, 1, 2, 0]));
    }
}
