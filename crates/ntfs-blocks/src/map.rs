//! `$Bitmap`: one bit a cluster, set if it is in use.

pub(crate) mod bits;

use std::ops::Range;

use blockio::{Extent, ExtentKind, Extents, ReadAt, clip};

use crate::bytes::usize_of;
use crate::error::{Error, Structure};
use crate::fault::{Fault, Kind};
use crate::finding::{Distrust, Step, of};
use crate::mft::{Contents, Mft};
use crate::stream::Stream;

use bits::Bits;

/// The record of `$Bitmap`.
const BITMAP: u64 = 6;
/// Clusters whose bits are read at once for extents.
const CHUNK_CLUSTERS: u64 = 1 << 19;
/// Bytes that the bitmap may have beyond those it needs, besides the rest of a cluster.
const SPARE_BYTES: u64 = 64 << 10;

/// Which clusters are free. The bits are read again whenever they are asked for, so that
/// memory does not depend on how many there are.
#[derive(Clone, Debug)]
pub(crate) struct Map {
    stream: Stream,
    cluster_bytes: u64,
    pub(crate) clusters: u64,
    /// Clusters that the bitmap calls free, and that are in use: ascending, apart from each
    /// other.
    used: Vec<Range<u64>>,
}

impl Map {
    /// Finds the bitmap, and checks its length and the bits that stand for no cluster.
    pub(crate) fn open<R: ReadAt + ?Sized>(mft: &Mft<'_, R>) -> Step<Self> {
        let wrong = |fault| of(BITMAP, Kind::DATA, fault);
        let found = mft.attribute(BITMAP, Kind::DATA, "")?;
        let Some(Contents::Elsewhere(stream)) = found.map(|found| found.contents) else {
            return Err(wrong(Fault::Missing).into());
        };
        stream.check_stored().map_err(wrong)?;
        let map = Self {
            stream,
            cluster_bytes: mft.boot.cluster_bytes,
            clusters: mft.boot.clusters,
            used: Vec::new(),
        };
        map.check_end(mft.disk)?;
        Ok(map)
    }

    fn check_end<R: ReadAt + ?Sized>(&self, disk: &R) -> Step<()> {
        let found = self.stream.sizes.data;
        let needed = self.clusters.div_ceil(8);
        if found < needed {
            let record = BITMAP;
            return Err(Distrust::BitmapLength {
                record,
                found,
                needed,
            }
            .into());
        }
        let limit = needed
            .saturating_add(self.cluster_bytes)
            .saturating_add(SPARE_BYTES);
        if found > limit {
            return Err(of(BITMAP, Kind::DATA, Fault::TooLong { found, limit }).into());
        }
        // From the byte that has the last bits on.
        let start = self.clusters / 8;
        let mut bytes = vec![0; usize_of(found.saturating_sub(start))];
        self.stream
            .read(disk, Structure::Bitmap, start, &mut bytes)?;
        let bits = Bits::clear_in(&bytes, blockio::len_u64(bytes.len()).saturating_mul(8));
        match bits.first_set(self.clusters % 8..bits.length()) {
            None => Ok(()),
            Some(bit) => {
                let cluster = start.saturating_mul(8).saturating_add(bit);
                Err(Distrust::BitmapEnd { cluster }.into())
            }
        }
    }

    /// Which of the clusters from `start` on, a multiple of 8, are free: `count` of them at
    /// most.
    pub(crate) fn free<R: ReadAt + ?Sized>(
        &self,
        disk: &R,
        start: u64,
        count: u64,
    ) -> Result<Bits, Error> {
        let count = self.clusters.saturating_sub(start).min(count);
        let mut bytes = vec![0xff; usize_of(count.div_ceil(8))];
        self.stream
            .read(disk, Structure::Bitmap, start / 8, &mut bytes)?;
        let mut bits = Bits::clear_in(&bytes, count);
        let end = start.saturating_add(count);
        let skip = self.used.partition_point(|range| range.end <= start);
        let used = self.used.get(skip..).unwrap_or_default();
        for range in used.iter().take_while(|range| range.start < end) {
            let range = range.start.saturating_sub(start)..range.end.saturating_sub(start);
            bits.fill(range, false);
        }
        Ok(bits)
    }

    /// How many clusters are free.
    pub(crate) fn count_free<R: ReadAt + ?Sized>(&self, disk: &R) -> Result<u64, Error> {
        let mut free = 0u64;
        let mut start = 0;
        while start < self.clusters {
            let bits = self.free(disk, start, CHUNK_CLUSTERS)?;
            free = free.saturating_add(bits.count());
            start = start.saturating_add(CHUNK_CLUSTERS);
        }
        Ok(free)
    }

    /// Takes in clusters that are in use, whatever the bitmap says.
    pub(crate) fn set_used(&mut self, mut ranges: Vec<Range<u64>>) {
        ranges.sort_unstable_by_key(|range| range.start);
        self.used.clear();
        for range in ranges {
            match self.used.last_mut() {
                Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
                _ => self.used.push(range),
            }
        }
    }

    /// What the bytes `range` of `disk` are.
    pub(crate) fn extents<'a, R: ReadAt>(&'a self, disk: &'a R, range: Range<u64>) -> Extents<'a> {
        let size = disk.size();
        let end = self.clusters.saturating_mul(self.cluster_bytes);
        let first = range.start.checked_div(self.cluster_bytes).unwrap_or(0);
        let last = range
            .end
            .div_ceil(self.cluster_bytes.max(1))
            .min(self.clusters);
        // Reading whole bytes of the bitmap.
        let mut runs = Clusters {
            map: self,
            disk,
            bits: Bits::default(),
            start: first & !7,
            at: 0,
            last,
        };
        let begin = runs.start.saturating_mul(self.cluster_bytes).min(end);
        let runs = std::iter::from_fn(move || runs.step().transpose());
        let before = [Ok(Extent::new(0..begin, ExtentKind::Data))];
        let rest = last.saturating_mul(self.cluster_bytes);
        let after = [Ok(Extent::new(rest..size, ExtentKind::Data))];
        let all = before.into_iter().chain(runs).chain(after);
        let is_any = |extent: &Result<Extent, Error>| !matches!(extent, Ok(one) if one.length == 0);
        clip(all.filter(is_any), range)
    }
}

/// The runs of clusters that are free or not, chunk by chunk.
struct Clusters<'a, R> {
    map: &'a Map,
    disk: &'a R,
    /// Those that are free from `start` on.
    bits: Bits,
    start: u64,
    /// The next one, counted from `start`.
    at: u64,
    /// Where to end.
    last: u64,
}

impl<R: ReadAt> Clusters<'_, R> {
    fn step(&mut self) -> Result<Option<Extent>, Error> {
        if self.at >= self.bits.length() {
            self.start = self.start.saturating_add(self.at);
            self.at = 0;
            let count = self.last.saturating_sub(self.start).min(CHUNK_CLUSTERS);
            if count == 0 {
                self.bits = Bits::default();
                return Ok(None);
            }
            self.bits = self.map.free(self.disk, self.start, count)?;
        }
        let is_free = self.bits.get(self.at);
        let end = self.bits.end_of_run(self.at, is_free);
        let byte = |cluster: u64| {
            let cluster = self.start.saturating_add(cluster);
            cluster.saturating_mul(self.map.cluster_bytes)
        };
        let kind = if is_free {
            ExtentKind::Free
        } else {
            ExtentKind::Data
        };
        let run = Extent::new(byte(self.at)..byte(end), kind);
        self.at = end;
        Ok(Some(run))
    }
}
