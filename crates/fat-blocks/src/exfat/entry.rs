//! Directory entries of exFAT, of 32 bytes each, in sets that begin with a primary one.

use crate::bytes::{array, byte, le16, le32, le64};
use crate::finding::{Distrust, Step};

pub(super) const ENTRY_BYTES: usize = 32;

/// Set in the type of an entry in use.
const IN_USE: u8 = 0x80;
/// Set in the type of an entry that continues a set.
const SECONDARY: u8 = 0x40;

const BITMAP: u8 = 0x81;
const UPCASE: u8 = 0x82;
const LABEL: u8 = 0x83;
const FILE: u8 = 0x85;
const VOLUME_GUID: u8 = 0xa0;
/// TexFAT's padding, which has no clusters.
const PADDING: u8 = 0xa1;
const STREAM: u8 = 0xc0;
const NAME: u8 = 0xc1;
/// What vendors add: the second may have clusters.
const VENDOR: u8 = 0xe0;
const VENDOR_ALLOCATION: u8 = 0xe1;

/// Flags of a stream: clusters are possible, and they are in one piece.
const ALLOCATION_POSSIBLE: u8 = 1;
const NO_FAT_CHAIN: u8 = 2;
const DIRECTORY: u16 = 0x10;

/// Clusters of something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Allocation {
    pub(super) first: u32,
    pub(super) bytes: u64,
    /// Whether the clusters follow each other, without a chain in the FAT.
    pub(super) is_run: bool,
}

impl Allocation {
    fn chain(entry: &[u8]) -> Self {
        Self {
            first: le32(entry, 20),
            bytes: le64(entry, 24),
            is_run: false,
        }
    }

    /// As in an entry with flags; `None` if it cannot have clusters.
    fn stream(entry: &[u8]) -> Option<Self> {
        let flags = byte(entry, 1);
        (flags & ALLOCATION_POSSIBLE != 0).then_some(Self {
            is_run: flags & NO_FAT_CHAIN != 0,
            ..Self::chain(entry)
        })
    }
}

/// What a directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Bitmap(Allocation),
    Label(Vec<u8>),
    /// A file, the table of capital letters, or what a vendor adds to a file.
    File(Allocation),
    Directory(Allocation),
}

/// Reads entries one by one; sets may go over from one cluster to the next.
#[derive(Debug, Default)]
pub(super) struct Reader {
    pub(super) is_over: bool,
    set: Option<Set>,
}

/// A set that is not complete.
#[derive(Debug)]
struct Set {
    /// Entries that are missing.
    left: u8,
    stored: u16,
    computed: u16,
    is_directory: bool,
    /// The first is that of the file itself.
    items: Vec<Item>,
    has_stream: bool,
}

impl Reader {
    /// Takes in the next entry, and calls `each` with what is complete by it.
    pub(super) fn take(
        &mut self,
        entry: &[u8; ENTRY_BYTES],
        each: &mut impl FnMut(Item) -> Step<()>,
    ) -> Step<()> {
        let [kind, ..] = *entry;
        if let Some(mut set) = self.set.take() {
            set.add(entry)?;
            if set.left > 0 {
                self.set = Some(set);
                return Ok(());
            }
            return set.finish()?.into_iter().try_for_each(each);
        }
        match kind {
            0 => self.is_over = true,
            // Not in use.
            _ if kind & IN_USE == 0 => {}
            BITMAP => each(Item::Bitmap(Allocation::chain(entry)))?,
            UPCASE => each(Item::File(Allocation::chain(entry)))?,
            LABEL => each(Item::Label(label(entry)))?,
            FILE => self.set = Some(Set::new(entry)?),
            VOLUME_GUID | PADDING => {}
            _ => return Err(Distrust::EntryType { kind }.into()),
        }
        Ok(())
    }

    /// Fails if the directory ends within a set.
    pub(super) fn finish(self) -> Step<()> {
        match self.set {
            Some(_) => Err(Distrust::EntryType { kind: FILE }.into()),
            None => Ok(()),
        }
    }
}

impl Set {
    fn new(entry: &[u8; ENTRY_BYTES]) -> Step<Self> {
        let left = byte(entry, 1);
        // A stream and a name at least.
        if left < 2 {
            return Err(Distrust::EntryType { kind: FILE }.into());
        }
        let before = entry.get(..2).unwrap_or_default();
        let after = entry.get(4..).unwrap_or_default();
        Ok(Self {
            left,
            stored: le16(entry, 2),
            computed: checksum(checksum(0, before), after),
            is_directory: le16(entry, 4) & DIRECTORY != 0,
            items: Vec::new(),
            has_stream: false,
        })
    }

    fn add(&mut self, entry: &[u8; ENTRY_BYTES]) -> Step<()> {
        let [kind, ..] = *entry;
        self.left = self.left.saturating_sub(1);
        self.computed = checksum(self.computed, entry);
        if kind & (IN_USE | SECONDARY) != IN_USE | SECONDARY {
            return Err(Distrust::EntryType { kind }.into());
        }
        match (kind, self.has_stream) {
            (STREAM, false) => {
                self.has_stream = true;
                let allocation = Allocation::stream(entry);
                let item = |allocation| {
                    if self.is_directory {
                        Item::Directory(allocation)
                    } else {
                        Item::File(allocation)
                    }
                };
                self.items.extend(allocation.map(item));
            }
            (NAME | VENDOR, true) => {}
            (VENDOR_ALLOCATION, true) => {
                let allocation = Allocation::stream(entry);
                self.items.extend(allocation.map(Item::File));
            }
            _ => return Err(Distrust::EntryType { kind }.into()),
        }
        Ok(())
    }

    fn finish(self) -> Step<Vec<Item>> {
        let (stored, computed) = (self.stored, self.computed);
        if stored != computed {
            return Err(Distrust::EntryChecksum { stored, computed }.into());
        }
        Ok(self.items)
    }
}

fn checksum(before: u16, bytes: &[u8]) -> u16 {
    bytes.iter().fold(before, |sum, byte| {
        sum.rotate_right(1).wrapping_add(u16::from(*byte))
    })
}

/// The label of the volume, as UTF-8.
fn label(entry: &[u8; ENTRY_BYTES]) -> Vec<u8> {
    let units: [u8; 22] = array(entry, 2);
    let (units, _) = units.as_chunks();
    let units = units.iter().take(usize::from(byte(entry, 1)));
    let units = units.map(|unit| u16::from_le_bytes(*unit));
    let label: String = char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .collect();
    label.into_bytes()
}
