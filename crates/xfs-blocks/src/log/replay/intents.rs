//! Intents: what a series of transactions will do, logged before, and done items, logged
//! when it was done. What is not done when the log ends is done by the kernel after the
//! replay. Until then, everything that an open intent names is in use.

use std::collections::HashMap;
use std::ops::Range;

use blockio::len_u64;

use super::super::fault::LogFault;
use super::super::transaction::Item;
use crate::bytes::{le32, le64, usize_of};
use crate::geometry::Geometry;

/// Most intents that are open at once, and most ranges that they name.
const OPEN_MAX: usize = 1 << 15;
const RANGES_MAX: usize = 1 << 18;

/// Bytes before the extents of an intent.
const HEADER_BYTES: usize = 16;
/// Bit of the flags of a mapping that is in the realtime section.
const REALTIME: u32 = 1 << 29;

/// What an intent names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Extents to be freed: padded to 16 bytes, or of 12.
    Extents,
    /// Extents whose owners change, of 32 bytes.
    Owners,
    /// Mappings of files, of 32 bytes.
    Mappings,
    /// Extents whose reference counts change, of 16 bytes.
    Counts,
    /// Files, but no blocks.
    Files,
}

/// What the types of intents name; the type of the done item is the next.
const INTENTS: [(u16, Form); 6] = [
    (0x1236, Form::Extents),
    (0x1240, Form::Owners),
    (0x1242, Form::Counts),
    (0x1244, Form::Mappings),
    (0x1246, Form::Files),
    (0x1248, Form::Files),
];

/// Whether a log item of type `kind` is an intent, or says that one is done.
pub(super) fn is_intent(kind: u16) -> bool {
    form_of(kind).is_some() || form_of(kind.wrapping_sub(1)).is_some()
}

fn form_of(kind: u16) -> Option<Form> {
    let found = INTENTS.iter().find(|(known, _)| *known == kind);
    found.map(|(_, form)| *form)
}

/// The intents that are open at some place of the log.
#[derive(Debug, Default)]
pub(super) struct Intents {
    /// Bytes of the disk that each names, by its type and its number.
    open: HashMap<(u16, u64), Vec<Range<u64>>>,
    ranges: usize,
}

impl Intents {
    /// Takes in `item`, which is an intent, or says that one is done.
    pub(super) fn take(&mut self, item: &Item<'_>, geometry: &Geometry) -> Result<(), LogFault> {
        let (kind, region) = (item.kind(), item.region(0));
        if region.len() < HEADER_BYTES {
            return Err(item.fault("a region of bytes", len_u64(region.len())));
        }
        let number = le64(region, 8);
        let Some(form) = form_of(kind) else {
            // One that is not open began before the tail of the log.
            let done = self.open.remove(&(kind.wrapping_sub(1), number));
            let ranges = done.map_or(0, |ranges| ranges.len());
            self.ranges = self.ranges.saturating_sub(ranges);
            return Ok(());
        };
        let ranges = named(form, item, geometry)?;
        self.ranges = self.ranges.saturating_add(ranges.len());
        if self.ranges > RANGES_MAX {
            return Err(LogFault::too_large("extents of open intents", RANGES_MAX));
        }
        if self.open.insert((kind, number), ranges).is_some() {
            return Err(item.fault("a number that is taken,", number));
        }
        if self.open.len() > OPEN_MAX {
            return Err(LogFault::too_large("open intents", OPEN_MAX));
        }
        Ok(())
    }

    /// How many are open.
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }

    /// The bytes of the disk that those that are open name, ascending; they may overlap.
    pub(super) fn into_ranges(self) -> Vec<Range<u64>> {
        let mut ranges: Vec<_> = self.open.into_values().flatten().collect();
        ranges.sort_unstable_by_key(|range| (range.start, range.end));
        ranges
    }
}

/// The bytes of the disk that the intent `item` names.
fn named(form: Form, item: &Item<'_>, geometry: &Geometry) -> Result<Vec<Range<u64>>, LogFault> {
    let region = item.region(0);
    let count = usize_of(u64::from(le32(region, 4)));
    let body = region.get(HEADER_BYTES..).unwrap_or_default();
    let is = |bytes: usize| count.checked_mul(bytes) == Some(body.len());
    // Bytes of an extent, and where its block and length are.
    let (bytes, block_at, length_at) = match form {
        Form::Files => return Ok(Vec::new()),
        Form::Extents if is(16) => (16, 0, 8),
        Form::Extents if is(12) => (12, 0, 8),
        Form::Owners | Form::Mappings if is(32) => (32, 8, 24),
        Form::Counts if is(16) => (16, 0, 8),
        _ => return Err(item.fault("extents", len_u64(count))),
    };
    let ranges = body.chunks_exact(bytes).map(|extent| {
        let (block, length) = (le64(extent, block_at), le32(extent, length_at));
        if form == Form::Mappings && le32(extent, 28) & REALTIME != 0 {
            return Err(item.fault("a realtime block", block));
        }
        let found = geometry.split(block).filter(|(ag, block)| {
            let end = block.checked_add(length);
            length > 0 && end.is_some_and(|end| end <= geometry.ag_length(*ag))
        });
        let (ag, block) = found.ok_or_else(|| item.fault("block", block))?;
        let start = geometry.byte_of(ag, block);
        let bytes = u64::from(length).saturating_mul(geometry.block_bytes());
        Ok(start..start.saturating_add(bytes))
    });
    ranges.collect()
}
