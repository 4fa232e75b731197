//! A file record of the MFT.

pub(crate) mod attribute;
pub(crate) mod fixup;
pub(crate) mod list;
pub(crate) mod runs;

use crate::bytes::{array, le16, le32, le64};
use crate::fault::Fault;

use attribute::{Attribute, Attributes};

/// The bytes that a file record begins with.
pub(crate) const SIGNATURE: [u8; 4] = *b"FILE";
const IN_USE: u16 = 1;
/// Update sequences from this byte on leave room for the number of the record, which NTFS
/// 3.1 stores.
const WITH_NUMBER: u16 = 0x30;
/// Bits of a reference that are the number of a record; the others are its sequence number.
const NUMBER_BITS: u32 = 48;

/// A reference to a record: its number, and how often it was reused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reference {
    pub(crate) number: u64,
    pub(crate) sequence: u16,
}

impl Reference {
    pub(crate) fn new(stored: u64) -> Self {
        let sequence = u16::try_from(stored >> NUMBER_BITS).unwrap_or(u16::MAX);
        Self {
            number: stored & !(u64::MAX << NUMBER_BITS),
            sequence,
        }
    }
}

/// A file record of which the update sequence was checked and undone.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Record<'a> {
    bytes: &'a [u8],
    pub(crate) own: Reference,
    pub(crate) is_in_use: bool,
    /// The file whose attributes it holds, if that has another record.
    pub(crate) base: Option<Reference>,
    attributes: usize,
    used: usize,
}

impl<'a> Record<'a> {
    /// Checks the record `number` in `bytes`, as they are stored, and undoes its update
    /// sequence.
    pub(crate) fn new(bytes: &'a mut [u8], number: u64) -> Result<Self, Fault> {
        fixup::undo(bytes, SIGNATURE)?;
        let bytes = &*bytes;
        let sequence_end = fixup::end(bytes);
        let stored = u64::from(le32(bytes, 44));
        if le16(bytes, 4) >= WITH_NUMBER && stored != number & u64::from(u32::MAX) {
            return Err(Fault::Number { found: stored });
        }
        let used = size("a length of", le32(bytes, 24), bytes.len())?;
        let allocated = size("an allocated length of", le32(bytes, 28), bytes.len())?;
        if allocated != bytes.len() {
            let found = blockio::len_u64(allocated);
            let field = "an allocated length of";
            return Err(Fault::Field { field, found });
        }
        let attributes = le16(bytes, 20);
        if usize::from(attributes) < sequence_end || !attributes.is_multiple_of(8) {
            return Err(Fault::Field {
                field: "its first attribute at byte",
                found: attributes.into(),
            });
        }
        let base = Reference::new(le64(bytes, 32));
        Ok(Self {
            bytes,
            own: Reference {
                number,
                sequence: le16(bytes, 16),
            },
            is_in_use: le16(bytes, 22) & IN_USE != 0,
            base: (base != Reference::default()).then_some(base),
            attributes: attributes.into(),
            used,
        })
    }

    /// The attributes, in the order in which they are stored; ends after the first error.
    pub(crate) fn attributes(&self) -> Attributes<'a> {
        Attributes::new(
            self.bytes.get(..self.used).unwrap_or_default(),
            self.attributes,
        )
    }

    /// The attributes that are `wanted`.
    pub(crate) fn find(
        &self,
        mut wanted: impl FnMut(&Attribute<'a>) -> bool,
    ) -> Result<Option<Attribute<'a>>, (crate::fault::Kind, Fault)> {
        for attribute in self.attributes() {
            let attribute = attribute?;
            if wanted(&attribute) {
                return Ok(Some(attribute));
            }
        }
        Ok(None)
    }

    /// The bytes in use.
    pub(crate) fn used(&self) -> &'a [u8] {
        self.bytes.get(..self.used).unwrap_or_default()
    }
}

/// Whether `bytes` begin as a file record does.
pub(crate) fn is_record(bytes: &[u8]) -> bool {
    array::<4>(bytes, 0) == SIGNATURE
}

/// A length that must not pass `limit`.
fn size(field: &'static str, found: u32, limit: usize) -> Result<usize, Fault> {
    let length = usize::try_from(found).ok().filter(|found| *found <= limit);
    let found = found.into();
    length.ok_or(Fault::Field { field, found })
}
