//! The ranges that tile a file.
//!
//! The file is looked at in parts. Of each, a byte a sector is in memory: what names the
//! sector, which all tables are walked for once more. In a long file without streams it is a
//! byte a cluster. Parts of which nothing is named cost nothing, so neither does a long file
//! that is mostly a hole.

use std::ops::Range;

use blockio::ReadAt;
use qcow2_format::Header;
use qcow2_map::read_header;

use crate::emit::{Each, Emit, Total};
use crate::error::Error;
use crate::file::File;
use crate::kind::Kind;
use crate::place::front;
use crate::refcounts::Refcounts;
use crate::walk::Walk;

/// What streams begin and end at multiples of.
const SECTOR_BYTES: u64 = 512;

/// Units of a part, sectors or clusters: a multiple of the sectors of the largest cluster.
const PART_UNITS: u64 = 128 << 20;

/// Parts that are looked at, at most: 4 TiB of streams, and 512 TiB of clusters of 64 KiB.
const PARTS_MAX: u32 = 64;

/// What the bytes of a file come to.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Account {
    /// Length of the file in bytes.
    pub file_bytes: u64,
    /// Size of a cluster in bytes.
    pub cluster_bytes: u64,
    /// All kinds, in the order of [`Kind::ALL`]. Their bytes add up to those of the file.
    pub structures: Vec<Total>,
    /// Entries of tables that name what cannot be there: past the end of the file, not
    /// aligned, or not allowed. They were passed over.
    pub wrong_entries: u64,
    /// Not all that may use clusters was looked at: what seems unused is
    /// [`Unknown`](Kind::Unknown), not [`Leaked`](Kind::Leaked).
    pub is_incomplete: bool,
}

/// Accounts for every byte of the file of an image: shows ranges that tile it to `each`,
/// which may end that, and adds them up. Where two structures claim a byte, metadata come
/// before data, and what the active disk uses before what only snapshots use.
///
/// # Errors
///
/// [`Error::Header`] if the header is wrong; [`Error::Read`] if the file cannot be read.
pub fn account(storage: &dyn ReadAt, each: Each<'_>) -> Result<Account, Error> {
    let header = read_header(storage)?;
    let file = File::new(storage);
    let walk = Walk::new(&file, &header)?;
    let unit = unit(&walk, &file, &header)?;
    let mut ledger = Ledger {
        header: &header,
        file: &file,
        refcounts: Refcounts::new(&file, &header),
        is_incomplete: walk.is_incomplete,
        emit: Emit::new(file.size(), each),
        unit,
        ends: Vec::new(),
    };
    ledger.ends = walk.ends().filter(|(end, _)| end % unit != 0).collect();
    ledger.ends.sort_unstable();
    let mut counts = [0u64; Kind::ALL.len()];
    let mut wrong_entries = walk.wrong_entries;
    let units = file.size().div_ceil(unit);
    let mut map = vec![NOBODY; usize::try_from(units.min(PART_UNITS)).unwrap_or(usize::MAX)];
    let mut next = (units > 0).then_some(0);
    let mut parts = 0;
    let mut done = 0;
    while let Some(start) = next.filter(|_| parts < PARTS_MAX) {
        map.fill(NOBODY);
        let mut part = Part {
            map: &mut map,
            unit,
            start,
            next: None,
        };
        let wrong = walk.visit(&mut |kind, range| {
            if parts == 0
                && let Some(count) = counts.get_mut(kind.index())
            {
                *count = count.saturating_add(1);
            }
            part.claim(kind, &file.within(range));
        })?;
        if parts == 0 {
            wrong_entries = wrong_entries.saturating_add(wrong);
        }
        next = part.next.map(|first| first / PART_UNITS * PART_UNITS);
        ledger.gap(done..start)?;
        done = start.saturating_add(PART_UNITS).min(units);
        ledger.part(&map, start..done)?;
        parts += 1;
    }
    ledger.is_incomplete |= next.is_some();
    ledger.gap(done..units)?;
    let is_incomplete = ledger.is_incomplete;
    let mut structures = ledger.emit.finish();
    // The front of the file is no table's to name.
    for front in front(&header, storage)? {
        if let Some(count) = counts.get_mut(front.kind.index()) {
            *count = 1;
        }
    }
    for (total, count) in structures.iter_mut().zip(counts) {
        total.count = count;
    }
    Ok(Account {
        file_bytes: file.size(),
        cluster_bytes: header.cluster_bits.bytes(),
        structures,
        wrong_entries,
        is_incomplete,
    })
}

/// What the places in a part are counted in, in bytes: clusters if the file is long and nothing
/// in it is smaller.
fn unit(walk: &Walk<'_>, file: &File<'_>, header: &Header) -> Result<u64, Error> {
    let bits = header.cluster_bits;
    if file.size().div_ceil(SECTOR_BYTES) <= PART_UNITS {
        return Ok(SECTOR_BYTES);
    }
    let mut is_whole = true;
    walk.visit(&mut |kind, range| {
        let named = matches!(kind, Kind::Compressed | Kind::SnapshotData);
        is_whole &= !named || (bits.is_aligned(range.start) && bits.is_aligned(range.end));
    })?;
    Ok(if is_whole { bits.bytes() } else { SECTOR_BYTES })
}

/// What a unit holds that nothing names.
const NOBODY: u8 = u8::MAX;

fn byte_of(kind: Kind) -> u8 {
    u8::try_from(kind.index()).unwrap_or(NOBODY)
}

fn kind_of(byte: u8) -> Option<Kind> {
    Kind::ALL.get(usize::from(byte)).copied()
}

/// A part of the file, and what names its units.
struct Part<'m> {
    map: &'m mut [u8],
    /// Size of a unit in bytes.
    unit: u64,
    /// The first unit.
    start: u64,
    /// The first unit past the part that something names.
    next: Option<u64>,
}

impl Part<'_> {
    /// Notes that `range` is of `kind`, where nothing else claims it.
    fn claim(&mut self, kind: Kind, range: &Range<u64>) {
        if range.is_empty() {
            return;
        }
        let unit = self.unit.max(1);
        let units = range.start / unit..range.end.div_ceil(unit);
        let end = self.start.saturating_add(blockio::len_u64(self.map.len()));
        if units.end > end {
            let first = units.start.max(end);
            self.next = Some(self.next.map_or(first, |next| next.min(first)));
        }
        let at = |unit: u64| {
            let within = unit.clamp(self.start, end).saturating_sub(self.start);
            usize::try_from(within).unwrap_or(usize::MAX)
        };
        let byte = byte_of(kind);
        let claimed = at(units.start)..at(units.end);
        for unit in self.map.get_mut(claimed).unwrap_or_default() {
            if *unit == NOBODY {
                *unit = byte;
            }
        }
    }
}

/// Turns the map of a part into ranges.
struct Ledger<'l> {
    header: &'l Header,
    file: &'l File<'l>,
    refcounts: Refcounts<'l>,
    is_incomplete: bool,
    emit: Emit<'l>,
    /// Size of a unit in bytes.
    unit: u64,
    /// Where structures end within a unit, ascending.
    ends: Vec<(u64, Kind)>,
}

impl Ledger<'_> {
    /// The units `units`, which nothing names.
    fn gap(&mut self, units: Range<u64>) -> Result<(), Error> {
        if units.is_empty() {
            return Ok(());
        }
        let bits = self.header.cluster_bits;
        let bytes = |at: u64| at.saturating_mul(self.unit);
        let clusters = bytes(units.start) >> bits.bits()..bytes(units.end).div_ceil(bits.bytes());
        let (emit, is_incomplete) = (&mut self.emit, self.is_incomplete);
        self.refcounts.unused(clusters, |clusters, kind| {
            let kind = match kind {
                Kind::Leaked if is_incomplete => Kind::Unknown,
                kind => kind,
            };
            let at = |cluster: u64| cluster.saturating_mul(bits.bytes());
            emit.push(at(clusters.start)..at(clusters.end), kind);
        })
    }

    /// The units `units`, of which `map` knows who names them.
    fn part(&mut self, map: &[u8], units: Range<u64>) -> Result<(), Error> {
        let per_cluster = (self.header.cluster_bits.bytes() / self.unit.max(1)).max(1);
        let in_map = usize::try_from(units.end.saturating_sub(units.start));
        let map = map.get(..in_map.unwrap_or(usize::MAX)).unwrap_or(map);
        let mut unused: Option<Range<u64>> = None;
        let mut at = units.start;
        for cluster in map.chunks(usize::try_from(per_cluster).unwrap_or(usize::MAX)) {
            let here = at..at.saturating_add(blockio::len_u64(cluster.len()));
            at = here.end;
            if here.start > 0 && cluster.iter().all(|unit| *unit == NOBODY) {
                let start = unused.map_or(here.start, |unused| unused.start);
                unused = Some(start..here.end);
                continue;
            }
            if let Some(unused) = unused.take() {
                self.gap(unused)?;
            }
            match here.start {
                0 => self.front(here.end.saturating_mul(self.unit))?,
                _ => self.cluster(cluster, here.start),
            }
        }
        unused.map_or(Ok(()), |unused| self.gap(unused))
    }

    /// The first cluster, up to byte `end`.
    fn front(&mut self, end: u64) -> Result<(), Error> {
        let mut at = 0;
        for place in front(self.header, self.file.storage())? {
            let range = place.range.start.max(at)..place.range.end.min(end);
            self.emit.push(at..range.start.min(end), Kind::Slack);
            at = at.max(range.end).max(range.start.min(end));
            self.emit.push(range, place.kind);
        }
        self.emit.push(at..end, Kind::Slack);
        Ok(())
    }

    /// A cluster that begins with unit `first`, of which something is named.
    fn cluster(&mut self, units: &[u8], first: u64) {
        let mut at = first.saturating_mul(self.unit);
        for run in units.chunk_by(|one, next| one == next) {
            let bytes = blockio::len_u64(run.len()).saturating_mul(self.unit);
            let range = at..at.saturating_add(bytes);
            at = range.end;
            match run.first().and_then(|byte| kind_of(*byte)) {
                Some(kind) => self.named(range, kind),
                None => self.emit.push(range, Kind::Slack),
            }
        }
    }

    /// Units of `kind`, of which the last may be so in part.
    fn named(&mut self, range: Range<u64>, kind: Kind) {
        let Range { mut start, end } = range;
        let first = self.ends.partition_point(|(at, _)| *at <= start);
        let mut at = first;
        while let Some((structure_end, of)) = self.ends.get(at).filter(|(at, _)| *at < end) {
            at = at.saturating_add(1);
            let unit_end = structure_end.next_multiple_of(self.unit);
            // Another one may end later in the same unit.
            let is_last = self
                .ends
                .get(at)
                .is_none_or(|(next, next_of)| next_of != of || *next >= unit_end);
            if *of == kind && is_last && *structure_end > start {
                self.emit.push(start..*structure_end, kind);
                start = unit_end.min(end);
                self.emit.push(*structure_end..start, Kind::Slack);
            }
        }
        self.emit.push(start..end, kind);
    }
}

#[cfg(test)]
mod tests;
