//! The used clusters of the groups as runs, kept from the survey on, so that no bitmap
//! is read twice.
//!
//! Groups are kept in pieces, in memory first and in a spool after that. What is in
//! neither is read from the bitmaps again.

use blockio::{NewSpool, Spool, len_u64};
use ext_format::bitmap::Bitmap;
use ext_format::error::Error;
use ext_format::geometry::to_index;

/// Most bytes of runs in memory, if the caller does not say otherwise. A run takes a
/// byte or two: these are those of 16 million files.
pub(crate) const MEMORY_BYTES: usize = 32 << 20;

/// A piece is full when it has so many groups or bytes: it is read as a whole, and its
/// groups are passed over one by one.
const PIECE_GROUPS: usize = 64;
const PIECE_BYTES: usize = 16 << 10;

/// How the clusters of a group are written down: the lengths of runs, used and free by
/// turns, or the bitmap where that is shorter.
const RUNS: u8 = 0;
const BITMAP: u8 = 1;

/// The used clusters of groups from the first on.
#[derive(Debug, Default)]
pub(crate) struct UsedClusters {
    pieces: Vec<Piece>,
    /// The first group that is not kept.
    end: u32,
    spool: Option<Box<dyn Spool>>,
}

#[derive(Debug)]
struct Piece {
    /// Its first group.
    first: u32,
    place: Place,
}

#[derive(Debug)]
enum Place {
    Memory(Box<[u8]>),
    Spool { offset: u64, length: usize },
}

/// Takes down the used clusters of groups, one after the other.
pub(crate) struct Recorder<'s> {
    done: UsedClusters,
    /// The piece that is not full yet.
    open: Vec<u8>,
    open_groups: usize,
    next: u32,
    memory_left: usize,
    spool_bytes: u64,
    new_spool: Option<NewSpool<'s>>,
    /// There is no room for more.
    is_full: bool,
    group: Vec<u8>,
}

impl<'s> Recorder<'s> {
    /// Keeps at most `memory` bytes, and the rest in a spool if there is one.
    pub(crate) fn new(memory: usize, new_spool: Option<NewSpool<'s>>) -> Self {
        Self {
            done: UsedClusters::default(),
            open: Vec::new(),
            open_groups: 0,
            next: 0,
            memory_left: memory,
            spool_bytes: 0,
            new_spool,
            is_full: false,
            group: Vec::new(),
        }
    }

    /// Takes down the next group; `None` if all of it is used.
    pub(crate) fn push(&mut self, bitmap: Option<&Bitmap>) {
        self.next = self.next.saturating_add(1);
        if self.is_full {
            return;
        }
        self.group.clear();
        if let Some(bitmap) = bitmap {
            encode(bitmap, &mut self.group);
        }
        put_number(&mut self.open, self.group.len());
        self.open.extend_from_slice(&self.group);
        self.open_groups = self.open_groups.saturating_add(1);
        if self.open_groups >= PIECE_GROUPS || self.open.len() >= PIECE_BYTES {
            self.close();
        }
    }

    /// What was taken down.
    pub(crate) fn finish(mut self) -> UsedClusters {
        if self.open_groups > 0 {
            self.close();
        }
        self.done
    }

    fn close(&mut self) {
        let first = self.done.end;
        match self.place() {
            Some(place) => {
                self.done.pieces.push(Piece { first, place });
                self.done.end = self.next;
            }
            None => self.is_full = true,
        }
        self.open.clear();
        self.open_groups = 0;
    }

    /// Puts the open piece somewhere. A spool that fails is none: nothing is lost, the
    /// bitmaps are still there.
    fn place(&mut self) -> Option<Place> {
        let length = self.open.len();
        if let Some(left) = self.memory_left.checked_sub(length) {
            self.memory_left = left;
            return Some(Place::Memory(self.open.as_slice().into()));
        }
        // What follows belongs after it.
        self.memory_left = 0;
        if self.done.spool.is_none() {
            self.done.spool = Some(self.new_spool?().ok()?);
        }
        let offset = self.spool_bytes;
        let spool = self.done.spool.as_ref()?;
        spool.write_at(offset, &self.open).ok()?;
        self.spool_bytes = offset.saturating_add(len_u64(length));
        Some(Place::Spool { offset, length })
    }
}

/// Gives what was taken down, best in the order of the groups.
#[derive(Debug)]
pub(crate) struct Recorded<'a> {
    clusters: &'a UsedClusters,
    /// The piece of the spool that was read last, and its bytes.
    read: Option<usize>,
    bytes: Vec<u8>,
}

impl<'a> Recorded<'a> {
    pub(crate) const fn new(clusters: &'a UsedClusters) -> Self {
        Self {
            clusters,
            read: None,
            bytes: Vec::new(),
        }
    }

    /// Fills `bitmap` with what is used of `group`, which has so many `clusters`, if
    /// that is kept.
    pub(crate) fn load(
        &mut self,
        group: u32,
        clusters: usize,
        bitmap: &mut Bitmap,
    ) -> Result<bool, Error> {
        if group >= self.clusters.end {
            return Ok(false);
        }
        let pieces = &self.clusters.pieces;
        let after = pieces.partition_point(|piece| piece.first <= group);
        let index = after.saturating_sub(1);
        let Some(piece) = pieces.get(index) else {
            return Ok(false);
        };
        let mut bytes = match &piece.place {
            Place::Memory(bytes) => &**bytes,
            Place::Spool { offset, length } => self.read(index, *offset, *length)?,
        };
        // Whatever is not there is used.
        bitmap.fill(clusters);
        for _ in piece.first..group {
            _ = take_group(&mut bytes);
        }
        decode(take_group(&mut bytes), clusters, bitmap);
        Ok(true)
    }

    fn read(&mut self, index: usize, offset: u64, length: usize) -> Result<&[u8], Error> {
        if self.read != Some(index) {
            self.read = None;
            self.bytes.resize(length, 0);
            if let Some(spool) = &self.clusters.spool {
                let read = spool.read_at(offset, &mut self.bytes);
                read.map_err(Error::Spool)?;
            }
            self.read = Some(index);
        }
        Ok(&self.bytes)
    }
}

/// Adds to `bytes`, which are empty, what is used according to `bitmap`.
fn encode(bitmap: &Bitmap, bytes: &mut Vec<u8>) {
    bytes.push(RUNS);
    let mut at = 0;
    while let Some((run, used)) = bitmap.run_from(at) {
        if at == 0 && !used {
            put_number(bytes, 0);
        }
        put_number(bytes, run.len());
        at = run.end;
        if bytes.len() > bitmap.stored_bytes() {
            bytes.clear();
            bytes.push(BITMAP);
            bitmap.store(bytes);
            return;
        }
    }
}

/// Frees in `bitmap`, which is all used, what is not used according to `bytes`.
fn decode(bytes: &[u8], clusters: usize, bitmap: &mut Bitmap) {
    match bytes.split_first() {
        Some((&RUNS, mut lengths)) => {
            let mut at = 0usize;
            while let Some(used) = take_number(&mut lengths)
                && let Some(free) = take_number(&mut lengths)
            {
                let start = at.saturating_add(used);
                at = start.saturating_add(free);
                bitmap.free(start..at);
            }
        }
        Some((&BITMAP, bytes)) => bitmap.load(bytes, clusters),
        _ => {}
    }
}

/// The bytes of the group with which `bytes` begin, which go on after it.
fn take_group<'b>(bytes: &mut &'b [u8]) -> &'b [u8] {
    let length = take_number(bytes).unwrap_or_default();
    let (group, rest) = bytes.split_at_checked(length).unwrap_or_default();
    *bytes = rest;
    group
}

/// Adds `number`, seven bits a byte, the lowest ones first. All but the last byte have
/// the eighth bit.
fn put_number(bytes: &mut Vec<u8>, number: usize) {
    let mut rest = len_u64(number);
    loop {
        let [low, ..] = rest.to_le_bytes();
        rest >>= 7;
        if rest == 0 {
            bytes.push(low & 0x7f);
            return;
        }
        bytes.push(low | 0x80);
    }
}

/// The number with which `bytes` begin, which go on after it.
fn take_number(bytes: &mut &[u8]) -> Option<usize> {
    let mut number = 0u64;
    let mut shift = 0u32;
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        shift = shift.saturating_add(7);
        if byte & 0x80 == 0 {
            return Some(to_index(number));
        }
    }
}

#[cfg(test)]
mod tests;
