//! A metadata area: a header, and a ring that the texts go round in.

use std::ops::Range;

use blockio::{ReadAt, len_u64};

use super::CRC;
use super::bytes::{array, le32, le64};
use super::doubt::{Doubt, Halt};

/// Bytes of the header, after which the ring begins.
const HEADER_BYTES: usize = 512;
const MAGIC: &[u8; 16] = b"\x20LVM2\x20x[5A%r0N*>";
const VERSION: u32 = 1;
/// The checksum covers the header from here on.
const COVERED_FROM: usize = 4;
/// Where the locations of the texts are: the one that counts, and the one to be.
const LOCATIONS_AT: usize = 40;
const LOCATION_BYTES: usize = 24;
/// The area is not written to any more: its text is old.
const IGNORED: u32 = 1;
/// The longest text that is read, in bytes. Ten thousand volumes take about five million.
pub(crate) const TEXT_BYTES_MAX: usize = 16 << 20;
const STRUCTURE: &str = "metadata area";

/// What a metadata area holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Held {
    /// No text: the volume is in no group.
    Nothing,
    /// The area is ignored, and what it holds is old.
    Ignored,
    /// A text whose checksum is right, without the NUL at its end.
    Text(Vec<u8>),
}

/// Where a text is.
struct Location {
    /// From the start of the area.
    offset: u64,
    bytes: u64,
    checksum: u32,
    flags: u32,
}

impl Location {
    fn new(header: &[u8], index: usize) -> Self {
        let at = index.saturating_mul(LOCATION_BYTES);
        let at = at.saturating_add(LOCATIONS_AT);
        Self {
            offset: le64(header, at),
            bytes: le64(header, at.saturating_add(8)),
            checksum: le32(header, at.saturating_add(16)),
            flags: le32(header, at.saturating_add(20)),
        }
    }

    const fn is_none(&self) -> bool {
        self.offset == 0 && self.bytes == 0
    }
}

/// Reads what the metadata area `area` of `disk` holds. The area lies on the disk. At most
/// `budget` bytes of text are read, which become less.
pub(crate) fn read(disk: &dyn ReadAt, area: &Range<u64>, budget: &mut usize) -> Result<Held, Halt> {
    let size = area.end.saturating_sub(area.start);
    let at = area.start;
    let wrong = |field, found, allowed| Doubt::field(STRUCTURE, at, field, found, allowed);
    if size <= len_u64(HEADER_BYTES) {
        return Err(wrong("its length", size, "more than 0x200").into());
    }
    let mut header = [0; HEADER_BYTES];
    disk.read_at(at, &mut header)?;
    check(&header, at, size)?;
    let [now, next, more] = [0, 1, 2].map(|index| Location::new(&header, index));
    if now.flags & !IGNORED != 0 {
        let found = now.flags.into();
        return Err(wrong("the flags of the text's place", found, "0 and 1").into());
    }
    if now.flags == IGNORED {
        return Ok(Held::Ignored);
    }
    if !next.is_none() || !more.is_none() {
        return Err(Doubt::Unfinished { at }.into());
    }
    if now.is_none() {
        return Ok(Held::Nothing);
    }
    text(disk, area, &now, budget).map(Held::Text)
}

/// Checks all of the header but the locations.
fn check(header: &[u8], at: u64, size: u64) -> Result<(), Doubt> {
    let computed = CRC.checksum(header.get(COVERED_FROM..).unwrap_or_default());
    let stored = le32(header, 0);
    if stored != computed {
        return Err(Doubt::Checksum {
            structure: STRUCTURE,
            at,
            stored,
            computed,
        });
    }
    let magic: [u8; 16] = array(header, 4);
    let start = u64::from_be_bytes(array(header, 4));
    let (version, place, length) = (le32(header, 20), le64(header, 24), le64(header, 32));
    let fields = [
        (magic == *MAGIC, "its magic", start, "\" LVM2 x[5A%r0N*>\""),
        (version == VERSION, "its version", version.into(), "1"),
        (place == at, "its place", place, "the place it is in"),
        (length == size, "its length", length, "what the label says"),
    ];
    for (is_right, field, found, allowed) in fields {
        if !is_right {
            return Err(Doubt::field(STRUCTURE, at, field, found, allowed));
        }
    }
    Ok(())
}

/// Reads the text at `location`, which may go on at the start of the ring.
fn text(
    disk: &dyn ReadAt,
    area: &Range<u64>,
    location: &Location,
    budget: &mut usize,
) -> Result<Vec<u8>, Halt> {
    let at = area.start;
    let size = area.end.saturating_sub(at);
    let wrong = |field, found, allowed| Doubt::field(STRUCTURE, at, field, found, allowed);
    let ring = len_u64(HEADER_BYTES);
    let Location { offset, bytes, .. } = *location;
    if offset < ring || offset >= size {
        return Err(wrong("the place of the text", offset, "within the ring").into());
    }
    let length = usize::try_from(bytes).ok();
    let length = length.filter(|length| *length > 0 && *length <= TEXT_BYTES_MAX);
    let (Some(length), true) = (length, bytes <= size.saturating_sub(ring)) else {
        let allowed = "1 to 0x1000000, and at most the ring";
        return Err(wrong("the length of the text", bytes, allowed).into());
    };
    let left = budget.checked_sub(length);
    *budget = left.ok_or(Doubt::TooMuchText)?;
    let mut text = vec![0; length];
    let before_end = usize::try_from(size.saturating_sub(offset)).unwrap_or(usize::MAX);
    let (first, second) = text.split_at_mut(before_end.min(length));
    disk.read_at(at.saturating_add(offset), first)?;
    if !second.is_empty() {
        disk.read_at(at.saturating_add(ring), second)?;
    }
    let computed = CRC.checksum(&text);
    if computed != location.checksum {
        return Err(Halt::Doubt(Doubt::Checksum {
            structure: "metadata text",
            at: at.saturating_add(offset),
            stored: location.checksum,
            computed,
        }));
    }
    let end = text.iter().rposition(|byte| *byte != 0);
    text.truncate(end.map_or(0, |end| end.saturating_add(1)));
    Ok(text)
}
