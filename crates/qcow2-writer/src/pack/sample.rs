//! How large a compressed image will be, from a sample of its clusters.
//!
//! The clusters that hold data, in their order, are cut into as many strata of equal size
//! as there are pairs of runs in the sample. One run of neighbours is taken from each half
//! of a stratum, at a place that depends on the number of the stratum alone. What a run
//! adds to an image is found by placing its streams as they would be placed. What the two
//! runs of a stratum have in common is its part of the estimate, and how they differ its
//! part of the error.

use std::ops::Range;

use blockio::{Extent, ExtentKind, ReadAt, Tiling};
use pipeline::{BufferPool, ordered_map_with};
use qcow2_codec::{Compression, Compressor};

use crate::error::Error;
use crate::image::layout::{Layout, RefcountArea};
use crate::options::PackOptions;
use crate::pack::batch::Batches;
use crate::pack::begin::{Begun, begin, needed};
use crate::pack::compressed::CompressedBatch;
use crate::pack::meter::Meter;
use crate::pack::sink::Sink;

/// Bytes of neighbouring clusters that are compressed together, unless the sample is small.
const RUN_BYTES: u64 = 1 << 20;

/// Clusters of a run, at least: fewer would not tell how streams share clusters.
const RUN_CLUSTERS_MIN: u64 = 4;

/// Strata, at least.
const STRATA_MIN: u64 = 32;

/// Standard errors that the truth may be away, in halves.
const ERRORS_HALVES: u64 = 7;

/// What a placement that was not simulated may add or take away: one part in so many.
const MODEL_PARTS: u64 = 500;

/// The estimated length of an image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Estimate {
    pub(crate) image_bytes: u64,
    pub(crate) error_bytes: u64,
    /// Bytes of clusters that were looked at.
    pub(crate) sampled_bytes: u64,
}

/// Estimates the length of the image of `source`; `None` if not more than `sample_bytes`
/// are in use, so that it can as well be found exactly.
pub(crate) fn estimate<S, G>(
    source: &S,
    tiling: &G,
    options: &PackOptions<'_>,
    compression: &Compression,
    sample_bytes: u64,
) -> Result<Option<Estimate>, Error>
where
    S: ReadAt + ?Sized,
    G: Tiling + ?Sized,
{
    let Begun {
        writer,
        data_clusters,
        ..
    } = begin(source, tiling, &Sink, options)?;
    let layout = *writer.layout();
    let cluster_bytes = layout.cluster_bits.bytes();
    let Some(strata) = Strata::new(data_clusters, cluster_bytes, sample_bytes) else {
        return Ok(None);
    };
    let runs = strata.extents(needed(source, tiling, options), &layout)?;
    let mut meter = Meter::new(strata.sampled_clusters() * cluster_bytes, options);
    let pool = BufferPool::new();
    let mut rates = Vec::new();
    ordered_map_with(
        options.threads,
        runs.into_iter().map(Ok),
        || Compressor::new(compression),
        |compressor, run: Vec<Extent>| {
            let bits = options.cluster_bits;
            let batches =
                Batches::new(run.into_iter().map(Ok), bits, RUN_BYTES, options.allocation);
            let mut forms = Vec::new();
            for batch in batches {
                let loaded = CompressedBatch::load(batch?, &layout, source, &pool, compressor)?;
                forms.extend(loaded.forms());
            }
            Ok(forms)
        },
        |forms| {
            rates.push(added(&forms, cluster_bytes));
            meter.add(strata.run_clusters * cluster_bytes)
        },
    )?;
    meter.tell()?;
    let (data_bytes, error_bytes) = strata.total(&rates);
    let front = writer.next_place().0 >> layout.cluster_bits.bits();
    let clusters = data_bytes.div_ceil(cluster_bytes);
    let area = RefcountArea::place(front.saturating_add(clusters), 0, &layout)
        .ok_or_else(|| layout.too_many(0, clusters))?;
    // Refcounts of the clusters in question, and the last cluster of each kind.
    let refcount_bytes = error_bytes / 128;
    Ok(Some(Estimate {
        image_bytes: layout.host_offset(area.end).0,
        error_bytes: error_bytes
            .saturating_add(data_bytes / MODEL_PARTS)
            .saturating_add(refcount_bytes)
            .saturating_add(cluster_bytes * 4)
            .next_multiple_of(cluster_bytes),
        sampled_bytes: strata.sampled_clusters() * cluster_bytes,
    }))
}

/// The clusters that hold data, numbered in their order, and which of them are sampled.
#[derive(Clone, Copy, Debug)]
struct Strata {
    clusters: u64,
    count: u64,
    run_clusters: u64,
}

impl Strata {
    /// Strata of `clusters` clusters, to look at about `sample_bytes` bytes of them. `None`
    /// if that would be most of them.
    fn new(clusters: u64, cluster_bytes: u64, sample_bytes: u64) -> Option<Self> {
        let run_bytes = RUN_BYTES.min(sample_bytes / (STRATA_MIN * 2));
        let run_clusters = (run_bytes / cluster_bytes).max(RUN_CLUSTERS_MIN);
        let pair_bytes = run_clusters * cluster_bytes * 2;
        let count = (sample_bytes / pair_bytes).max(STRATA_MIN);
        let sampled = count * run_clusters * 2;
        (clusters / 2 > sampled).then_some(Self {
            clusters,
            count,
            run_clusters,
        })
    }

    fn sampled_clusters(&self) -> u64 {
        self.count * self.run_clusters * 2
    }

    /// The first cluster of stratum `index`, which may be the one past the last.
    fn start(&self, index: u64) -> u64 {
        // No product of two such numbers leaves 128 bits, and the quotient is a cluster.
        let start = u128::from(self.clusters) * u128::from(index) / u128::from(self.count);
        u64::try_from(start).unwrap_or(u64::MAX)
    }

    /// The runs of the sample, ascending, two in each stratum.
    fn runs(&self) -> impl Iterator<Item = Range<u64>> {
        (0..self.count).flat_map(move |index| {
            let (start, end) = (self.start(index), self.start(index + 1));
            let middle = start + (end - start) / 2;
            [(start..middle, index * 2), (middle..end, index * 2 + 1)].map(|(half, number)| {
                let room = (half.end - half.start).saturating_sub(self.run_clusters);
                let first = half.start + scattered(number) % (room + 1);
                first..first + self.run_clusters
            })
        })
    }

    /// What of `extents`, which ascend, lies in each of the runs.
    fn extents(
        &self,
        extents: impl Iterator<Item = Result<Extent, Error>>,
        layout: &Layout,
    ) -> Result<Vec<Vec<Extent>>, Error> {
        let bits = layout.cluster_bits;
        let runs: Vec<_> = self.runs().collect();
        let mut found = vec![Vec::new(); runs.len()];
        // The first cluster that no extent before touched, and its number.
        let (mut next_cluster, mut number) = (0, 0);
        let mut passed = 0;
        for extent in extents {
            let extent = extent?;
            if extent.kind != ExtentKind::Data {
                continue;
            }
            let clusters = extent.start >> bits.bits()..extent.end().div_ceil(bits.bytes());
            let fresh = clusters.start.max(next_cluster);
            // A cluster that two extents share has one number.
            let first = number - (fresh - clusters.start);
            let numbers = first..first + (clusters.end - clusters.start);
            while runs.get(passed).is_some_and(|run| run.end <= numbers.start) {
                passed += 1;
            }
            let rest = runs.iter().zip(&mut found).skip(passed);
            for (run, found) in rest.take_while(|(run, _)| run.start < numbers.end) {
                let at = |number: u64| (clusters.start + (number - first)) << bits.bits();
                let start = at(run.start.max(numbers.start)).max(extent.start);
                let end = at(run.end.min(numbers.end)).min(extent.end());
                found.push(Extent::new(start..end, ExtentKind::Data));
            }
            number = numbers.end;
            next_cluster = clusters.end;
        }
        Ok(found)
    }

    /// What all clusters add to the image, and how far that may be from the truth, of what
    /// each of the runs adds.
    fn total(&self, added: &[u64]) -> (u64, u64) {
        let (mut total, mut variance) = (0u128, 0u128);
        let run = u128::from(self.run_clusters);
        for (index, pair) in (0..).zip(added.as_chunks::<2>().0) {
            let clusters = u128::from(self.start(index + 1) - self.start(index));
            let [one, other] = pair.map(u128::from);
            total = total.saturating_add(clusters * (one + other) / (2 * run));
            let deviation = clusters * one.abs_diff(other) / (2 * run);
            variance = variance.saturating_add(deviation.saturating_mul(deviation));
        }
        let error = variance.isqrt().saturating_mul(ERRORS_HALVES.into()) / 2;
        let bytes = |bytes: u128| u64::try_from(bytes).unwrap_or(u64::MAX);
        (bytes(total), bytes(error))
    }
}

/// A number that has nothing to do with `index`, and is always the same.
fn scattered(index: u64) -> u64 {
    let mut bits = index.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// Bytes that the clusters with these `forms` add to an image: the length of a stream, or
/// `None` of a cluster that is stored as it is.
fn added(forms: &[Option<u64>], cluster_bytes: u64) -> u64 {
    let mut end = End {
        next: 0,
        fresh: 0,
        cluster_bytes,
    };
    // Once to come to what is there when they are, and once to see what they add.
    let mut before = 0;
    for _ in 0..2 {
        before = end.used();
        forms.iter().for_each(|form| end.put(*form));
    }
    end.used().saturating_sub(before)
}

/// The end of an image that streams are appended to, as `CompressedPlaces` does.
struct End {
    /// Where the next stream can begin; it is in no cluster if that is aligned.
    next: u64,
    /// Where the next cluster begins.
    fresh: u64,
    cluster_bytes: u64,
}

impl End {
    fn put(&mut self, stream: Option<u64>) {
        let Some(length) = stream else {
            self.fresh += self.cluster_bytes;
            return;
        };
        let room = self.room();
        let goes_on = room > 0 && (length <= room || self.next + room == self.fresh);
        let start = if goes_on { self.next } else { self.fresh };
        let end = start + length;
        if end > self.fresh {
            self.fresh += self.cluster_bytes;
        }
        self.next = end.next_multiple_of(2);
    }

    /// Bytes that are left of the cluster that was begun.
    fn room(&self) -> u64 {
        self.next.next_multiple_of(self.cluster_bytes) - self.next
    }

    fn used(&self) -> u64 {
        self.fresh - self.room()
    }
}
