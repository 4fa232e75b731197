//! Streams that overlap. Those that follow each other may share a cluster, and a sector.

use std::collections::BTreeMap;

use blockio::ReadAt;
use blockio::salvage::Lost;
use qcow2_map::{ImageContent, Mapping, Walk};

use crate::counts::PARTS_MAX;
use crate::streams::Measure;

/// Most streams that are looked at in one go: some 64 MiB of them.
const STREAMS_MAX: usize = 1 << 20;

/// No stream is longer: its entry cannot count more than two clusters.
const STREAM_BYTES_MAX: u64 = 4 << 20;

/// Streams by their start, with their end, and whether there are two of them.
type ByStart = BTreeMap<u64, (u64, bool)>;

/// Looks for streams of a disk that overlap.
pub(crate) struct Crossing<'c, S> {
    storage: &'c S,
    image: &'c ImageContent,
    size: u64,
    /// The host clusters where they may.
    within: &'c Lost,
    streams_max: usize,
}

impl<'c, S: ReadAt> Crossing<'c, S> {
    pub(crate) fn new(
        storage: &'c S,
        image: &'c ImageContent,
        size: u64,
        within: &'c Lost,
    ) -> Self {
        Self {
            storage,
            image,
            size,
            within,
            streams_max: STREAMS_MAX,
        }
    }

    /// The host offsets where streams start that overlap others.
    pub(crate) fn starts(&self) -> Lost {
        let mut starts = Lost::new(u64::MAX);
        if self.within.is_empty() {
            return starts;
        }
        let mut from = 0;
        for _ in 0..PARTS_MAX {
            let (streams, is_all) = self.streams(from);
            note_overlaps(&streams, &mut starts);
            let Some((&last, _)) = streams.last_key_value().filter(|_| !is_all) else {
                return starts;
            };
            // Those that may reach beyond the last are looked at again.
            let next = last.saturating_sub(STREAM_BYTES_MAX);
            if next <= from {
                break;
            }
            from = next;
        }
        // There are too many: none of the rest is vouched for.
        starts.insert(from..u64::MAX);
        starts
    }

    /// The first streams from the host offset `from` on, and whether there are no more.
    fn streams(&self, from: u64) -> (ByStart, bool) {
        let mut measure = Measure::new(self.storage, self.image.tables.codec);
        let mut streams = ByStart::new();
        let mut is_all = true;
        for run in Walk::new(self.storage, &self.image.tables, 0..self.size) {
            // Salvage makes losses of all errors.
            let Ok(run) = run else { break };
            let Mapping::Compressed(stream) = run.mapping else {
                continue;
            };
            let start = stream.host.0;
            let counted = start..start.saturating_add(stream.bytes_max);
            if start < from || self.within.meets(&counted).is_none() {
                continue;
            }
            let end = measure.end(&counted);
            streams
                .entry(start)
                .and_modify(|(known, twice)| (*known, *twice) = (end.max(*known), true))
                .or_insert((end, false));
            if streams.len() > self.streams_max {
                streams.pop_last();
                is_all = false;
            }
        }
        (streams, is_all)
    }
}

/// Adds the starts of those of `streams` that overlap others.
fn note_overlaps(streams: &ByStart, starts: &mut Lost) {
    let mut note = |start: u64| starts.insert(start..start.saturating_add(1));
    // The stream so far that reaches farthest.
    let mut far: Option<(u64, u64)> = None;
    for (&start, &(end, twice)) in streams {
        if twice {
            note(start);
        }
        if let Some((far_start, far_end)) = far
            && start < far_end
        {
            note(start);
            note(far_start);
        }
        if far.is_none_or(|(_, far_end)| end > far_end) {
            far = Some((start, end));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn streams_that_overlap_are_those_that_do_so_in_pairs(
            all in prop::collection::vec((0u64..300, 1u64..40), 0..20),
        ) {
            let mut streams = ByStart::new();
            for (start, length) in &all {
                let end = start + length;
                streams
                    .entry(*start)
                    .and_modify(|(known, twice)| (*known, *twice) = (end.max(*known), true))
                    .or_insert((end, false));
            }
            let mut starts = Lost::new(u64::MAX);
            note_overlaps(&streams, &mut starts);
            for (index, (start, length)) in all.iter().enumerate() {
                let others = all.iter().enumerate().filter(|(other, _)| *other != index);
                let overlaps = others
                    .map(|(_, other)| other)
                    .any(|(other, bytes)| *other < start + length && *start < other + bytes);
                let found = starts.meets(&(*start..start + 1)).is_some();
                // Of two at one place the longer one counts for both.
                prop_assert!(found || !overlaps, "{start} {length}");
                let is_double = streams[start].1;
                prop_assert!(overlaps || !found || is_double, "{start} {length}");
            }
        }
    }
}
