//! The label of a physical volume: who it is, and where its areas are.

use std::io;
use std::ops::Range;

use blockio::{ReadAt, len_u64};

use super::CRC;
use super::bytes::{array, le32, le64};
use super::doubt::Doubt;
use super::id::Id;

/// The label is in one of these sectors of 512 bytes.
const SECTORS: usize = 4;
const SECTOR: usize = 512;
const MAGIC: &[u8; 8] = b"LABELONE";
const TYPE: &[u8; 8] = b"LVM2 001";
/// The checksum covers the sector from here on.
const COVERED_FROM: usize = 20;
/// Bytes of the label before what it holds.
const LABEL_BYTES: usize = 32;
/// Versions of the header extension that are known.
const EXTENSION_MAX: u32 = 2;

const STRUCTURE: &str = "label";

/// A label whose checksum is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Label {
    pub(crate) id: Id,
    /// Bytes of the physical volume.
    pub(crate) device_bytes: u64,
    pub(crate) areas: Areas,
}

/// What lies where on a physical volume, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Areas {
    /// Where the extents begin.
    pub(crate) data_at: u64,
    pub(crate) metadata: Vec<Range<u64>>,
    /// Where boot loaders may be.
    pub(crate) boot: Vec<Range<u64>>,
}

/// Looks for the label of a physical volume on `disk`: `None` if there is none.
pub(crate) fn read(disk: &dyn ReadAt) -> io::Result<Option<Result<Label, Doubt>>> {
    let mut head = [0; SECTORS * SECTOR];
    let length = usize::try_from(disk.size()).map_or(head.len(), |size| size.min(head.len()));
    let Some(there) = head.get_mut(..length) else {
        return Ok(None);
    };
    disk.read_at(0, there)?;
    let sectors = head.chunks_exact(SECTOR).enumerate();
    let labels: Vec<_> = sectors
        .filter(|(_, bytes)| bytes.starts_with(MAGIC))
        .collect();
    Ok(match labels.as_slice() {
        [] => None,
        [(sector, bytes)] => Some(decode(len_u64(*sector), bytes, disk.size())),
        several => Some(Err(Doubt::Labels {
            count: several.len(),
        })),
    })
}

/// Reads the label in `sector`, on a volume of `size` bytes.
fn decode(sector: u64, bytes: &[u8], size: u64) -> Result<Label, Doubt> {
    let at = sector.saturating_mul(len_u64(SECTOR));
    let wrong = |field, found, allowed| Doubt::field(STRUCTURE, at, field, found, allowed);
    let computed = CRC.checksum(bytes.get(COVERED_FROM..).unwrap_or_default());
    let stored = le32(bytes, 16);
    if stored != computed {
        return Err(Doubt::Checksum {
            structure: STRUCTURE,
            at,
            stored,
            computed,
        });
    }
    let found = le64(bytes, 8);
    if found != sector {
        return Err(wrong("its sector", found, "the sector it is in"));
    }
    let found: [u8; 8] = array(bytes, 24);
    if found != *TYPE {
        let found = u64::from_be_bytes(found);
        return Err(wrong("its type", found, "0x4c564d3220303031"));
    }
    let found = le32(bytes, 20);
    if usize::try_from(found) != Ok(LABEL_BYTES) {
        return Err(wrong("the place of its content", found.into(), "0x20"));
    }
    let Some(id) = Id::new(array(bytes, LABEL_BYTES)) else {
        let found = u64::from_be_bytes(array(bytes, LABEL_BYTES));
        return Err(wrong("the volume's UUID", found, "letters and digits"));
    };
    let label = Label {
        id,
        device_bytes: le64(bytes, 64),
        areas: areas(at, bytes)?,
    };
    label.areas.check(at, size)?;
    Ok(label)
}

/// Reads the lists of areas of the label at `at`.
fn areas(at: u64, bytes: &[u8]) -> Result<Areas, Doubt> {
    let wrong = |field, found, allowed| Doubt::field(STRUCTURE, at, field, found, allowed);
    let mut lists = Lists {
        at,
        bytes,
        next: 72,
    };
    let data = lists.list()?;
    let metadata = lists.list()?;
    let version = le32(bytes, lists.next);
    if version > EXTENSION_MAX {
        let field = "the version of its extension";
        return Err(wrong(field, version.into(), "0 to 2"));
    }
    let mut boot = Vec::new();
    if version > 0 {
        // After the flags, which only say whether the volume is in a group.
        lists.next = lists.next.saturating_add(8);
        boot = lists.list()?;
    }
    let [data] = data.as_slice() else {
        let found = len_u64(data.len());
        return Err(wrong("the number of its data areas", found, "1"));
    };
    let data_at = data.start;
    if data_at < len_u64(SECTORS * SECTOR) {
        return Err(wrong("the place of its extents", data_at, "0x800 and more"));
    }
    Ok(Areas {
        data_at,
        metadata,
        boot,
    })
}

/// Lists of areas, each with an empty one at its end.
struct Lists<'b> {
    at: u64,
    bytes: &'b [u8],
    next: usize,
}

impl Lists<'_> {
    /// The next list. The length of an area may be 0: it ends with the volume.
    fn list(&mut self) -> Result<Vec<Range<u64>>, Doubt> {
        let mut areas = Vec::new();
        loop {
            let end = self.next.saturating_add(16);
            if end > self.bytes.len() {
                return Err(Doubt::EndlessLists { at: self.at });
            }
            let start = le64(self.bytes, self.next);
            let length = le64(self.bytes, self.next.saturating_add(8));
            self.next = end;
            if start == 0 {
                return Ok(areas);
            }
            areas.push(start..start.saturating_add(length));
        }
    }
}

impl Areas {
    /// Checks that the areas lie on a volume of `size` bytes, and apart.
    fn check(&self, at: u64, size: u64) -> Result<(), Doubt> {
        let end = at.saturating_add(len_u64(SECTOR));
        let mut before = Vec::from([(0, end)]);
        let metadata = self.metadata.iter().map(|area| ("a metadata area", area));
        let boot = self.boot.iter().map(|area| ("a boot loader area", area));
        for (what, Range { start, end }) in metadata.chain(boot) {
            let (start, end) = (*start, *end);
            if end > size || start >= end {
                return Err(Doubt::Outside {
                    what,
                    start,
                    end,
                    limit: size,
                });
            }
            let meets = |other: &(u64, u64)| start < other.1 && other.0 < end;
            if before.iter().any(meets) {
                return Err(Doubt::AreasMeet { what, start, end });
            }
            before.push((start, end));
        }
        Ok(())
    }
}
