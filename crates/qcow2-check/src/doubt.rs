//! The parts of a damaged image that cannot be trusted: the guest bytes whose host clusters
//! have another owner too. Both cannot be right, and which one is cannot be known.
//!
//! Memory is bounded: of what is crossed, ranges are kept, and where there are too many
//! of them, they are joined. So more may be lost than has to be, but never less.

use std::ops::Range;

use blockio::salvage::Lost;
use blockio::{Holes, ReadAt};
use qcow2_format::ClusterBits;
use qcow2_map::{Content, ImageContent, ImageMap, L1Reader, Mapping, Run, Stream, Walk};

use crate::counts::{Count, Counts, PARTS_MAX};
use crate::crossing::Crossing;
use crate::finding::Use;
use crate::refcounts::{RefcountTable, Refcounts};
use crate::references::References;
use crate::streams::{Measure, Streams};

/// The guest bytes that cannot be trusted, by the index of their layer: salvage
/// gives them up. What was not closed properly may have any
/// refcounts, and is taken as it is.
#[must_use]
pub fn doubtful<S: ReadAt>(map: &ImageMap<S>) -> Vec<(usize, Lost)> {
    let mut doubtful = Vec::new();
    for (index, layer) in map.layers().iter().enumerate() {
        let (Content::Image(image), Some(storage), Some(holes)) = (
            &layer.content,
            map.files().get(layer.file),
            map.holes().get(layer.file),
        ) else {
            continue;
        };
        if !image.is_dirty()
            && let Some(guest) = Doubt::new(storage, holes, image, layer.size).guest()
        {
            doubtful.push((index, guest));
        }
    }
    doubtful
}

/// Host clusters with something wrong.
struct Wrong {
    /// That are not counted as often as they are used, or have two uses: what a table
    /// names there may not be what it should name.
    any: Lost,
    /// That have two owners.
    crossed: Lost,
    /// With nothing but streams, used more often than they are counted: some of them
    /// may overlap.
    streams: Lost,
}

struct Doubt<'d, S> {
    storage: &'d S,
    holes: &'d Holes,
    image: &'d ImageContent,
    size: u64,
    cluster_bits: ClusterBits,
}

impl<'d, S: ReadAt> Doubt<'d, S> {
    fn new(storage: &'d S, holes: &'d Holes, image: &'d ImageContent, size: u64) -> Self {
        Self {
            storage,
            holes,
            image,
            size,
            cluster_bits: image.header.cluster_bits,
        }
    }

    /// The guest bytes that cannot be vouched for, if there are any.
    fn guest(&self) -> Option<Lost> {
        let counted = self.wrong(Streams::Counted);
        if counted.any.is_empty() {
            return None;
        }
        // Entries may count more sectors than their streams have.
        let wrong = self.wrong(Streams::Measured);
        if wrong.crossed.is_empty() && wrong.streams.is_empty() {
            return None;
        }
        let lost = self.owners(&wrong);
        (!lost.is_empty()).then_some(lost)
    }

    /// The clusters with something wrong, judging by the references and the refcounts.
    /// Refcounts that cannot be read are zero.
    fn wrong(&self, streams: Streams) -> Wrong {
        let table = RefcountTable::read(self.storage, &self.image.header);
        let table = table.unwrap_or_else(|_| RefcountTable::empty(self.cluster_bits));
        let mut refcounts = Refcounts::new(self.storage, &self.image.header, &table);
        let references = References::new(self.storage, self.holes, self.image, &table);
        let cluster_bytes = self.cluster_bits.bytes();
        let file_clusters = self.storage.size().div_ceil(cluster_bytes);
        let mut wrong = Wrong {
            any: Lost::new(u64::MAX),
            crossed: Lost::new(u64::MAX),
            streams: Lost::new(u64::MAX),
        };
        let (mut next, mut parts): (_, u32) = (Some(0u64), 0);
        while let Some(start) = next {
            if parts == PARTS_MAX {
                // What was not examined cannot be trusted.
                let rest = start.saturating_mul(cluster_bytes)..u64::MAX;
                wrong.any.insert(rest.clone());
                wrong.crossed.insert(rest);
                break;
            }
            parts = parts.saturating_add(1);
            let mut counts = Counts::new(start, file_clusters);
            let visited = references.visit(streams, None, |reference| counts.add(reference));
            // Salvaged tables are read sector by sector, and no error ends that.
            debug_assert!(visited.is_ok(), "{visited:?}");
            for (cluster, count) in counts.used() {
                let refcount = refcounts.get(cluster).unwrap_or(0);
                let first = cluster.saturating_mul(cluster_bytes);
                let host = first..first.saturating_add(cluster_bytes);
                match self.judge(count, refcount) {
                    Verdict::Right => continue,
                    Verdict::Uncounted => {}
                    Verdict::Crossed => wrong.crossed.insert(host.clone()),
                    Verdict::Streams => wrong.streams.insert(host.clone()),
                }
                wrong.any.insert(host);
            }
            next = counts.next();
        }
        wrong
    }

    fn judge(&self, count: Count, refcount: u64) -> Verdict {
        if !count.is_needed() {
            return Verdict::Right;
        }
        if count.conflict().is_some() {
            return Verdict::Crossed;
        }
        let used_as = count.only_use();
        if used_as == Use::Metadata || count.references() <= refcount {
            return Verdict::Right;
        }
        // What the active disk has was written last. What a snapshot has may have been
        // overwritten by a disk that shares it, unless nothing at all is counted there:
        // that tells nothing of the owners.
        let header = &self.image.header;
        let is_active = self.image.disk.l1_host == header.l1_table_offset;
        if !is_active && refcount > 0 {
            return Verdict::Crossed;
        }
        match (count.is_needed_twice(), used_as) {
            (false, _) => Verdict::Uncounted,
            (true, Use::Stream) => Verdict::Streams,
            (true, _) => Verdict::Crossed,
        }
    }

    /// The guest bytes of the owners of crossed clusters.
    fn owners(&self, wrong: &Wrong) -> Lost {
        let tables = &self.image.tables;
        let overlapping = Crossing::new(self.storage, self.image, self.size, &wrong.streams);
        let overlapping = overlapping.starts();
        let mut lost = Lost::new(self.size);
        let mut measure = Measure::new(self.storage, tables.codec);
        let mut l1 = L1Reader::new(self.storage, tables);
        for l1_index in 0..tables.l1_entries() {
            let guest = tables.l1_coverage(l1_index);
            let entry_host = tables.l1_entry_host(l1_index);
            let is_crossed = |host: &Range<u64>| wrong.crossed.meets(host).is_some();
            let in_crossed_l1 = is_crossed(&self.cluster(entry_host));
            // A table that is not there is lost anyway.
            let place = l1.l2_place(l1_index).unwrap_or(None);
            let Some((table, _)) = place else {
                if in_crossed_l1 {
                    lost.insert(guest);
                }
                continue;
            };
            let table = self.cluster(table.0);
            if in_crossed_l1 && wrong.any.meets(&table).is_some() {
                lost.insert(guest);
                continue;
            }
            let in_crossed_l2 = is_crossed(&table);
            for run in Walk::new(self.storage, tables, guest) {
                // Salvage makes losses of all errors.
                let Ok(run) = run else { break };
                let crossed = match run.mapping {
                    Mapping::Compressed(stream) => {
                        let host = self.measured(&stream, &mut measure, wrong);
                        let start = stream.host.0..stream.host.0.saturating_add(1);
                        is_crossed(&host)
                            || overlapping.meets(&start).is_some()
                            || in_crossed_l2 && wrong.any.meets(&host).is_some()
                    }
                    Mapping::Data { host } if tables.files.data == tables.files.image => {
                        let host = host.0..host.0.saturating_add(run.bytes());
                        is_crossed(&host) || in_crossed_l2 && wrong.any.meets(&host).is_some()
                    }
                    // What a table does not name is not vouched for by anything.
                    Mapping::Data { .. } | Mapping::Unallocated | Mapping::Zero | Mapping::Lost => {
                        in_crossed_l2
                    }
                };
                if crossed {
                    lost.insert(self.whole(&run));
                }
            }
        }
        lost
    }

    /// The host cluster that has `host`.
    fn cluster(&self, host: u64) -> Range<u64> {
        let start = self.cluster_bits.round_down(host);
        start..start.saturating_add(self.cluster_bits.bytes())
    }

    /// The guest bytes of `run`.
    fn whole(&self, run: &Run) -> Range<u64> {
        run.guest.start..run.guest.end.min(self.size)
    }

    /// The host bytes of a stream: as many as it needs where it matters.
    fn measured(&self, stream: &Stream, measure: &mut Measure<'_, S>, wrong: &Wrong) -> Range<u64> {
        let counted = stream.host.0..stream.host.0.saturating_add(stream.bytes_max);
        if wrong.any.meets(&counted).is_none() {
            return counted;
        }
        counted.start..measure.end(&counted).max(counted.start.saturating_add(1))
    }
}

/// What is to be said of a cluster.
enum Verdict {
    /// It is the disk's alone, or shared and counted, or not needed.
    Right,
    /// It is used once, and not counted.
    Uncounted,
    Crossed,
    Streams,
}
