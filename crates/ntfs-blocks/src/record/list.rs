//! Attribute lists: which record has which part of the attributes of a file that needs
//! more than one.

use super::Reference;
use crate::bytes::{byte, le16, le32, le64};
use crate::fault::{Fault, Kind};

/// Most bytes that an attribute list has.
pub(crate) const LIST_BYTES_MAX: u64 = 256 << 10;
/// Bytes of an entry without a name.
const ENTRY_BYTES: usize = 26;

/// A part of an attribute, and which record has it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    pub(crate) kind: Kind,
    pub(crate) name: &'a [u8],
    /// The first cluster of the attribute that the part has.
    pub(crate) lowest: u64,
    pub(crate) holder: Reference,
    pub(crate) instance: u16,
}

/// The entries of `list`; ends after the first error.
pub(crate) fn entries(list: &[u8]) -> impl Iterator<Item = Result<Entry<'_>, Fault>> {
    let mut rest = list;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (entry, length) = match entry(rest) {
            Ok((entry, length)) => (Ok(entry), length),
            Err(fault) => (Err(fault), rest.len()),
        };
        rest = rest.get(length..).unwrap_or_default();
        Some(entry)
    })
}

/// The first entry in `bytes`, and its length.
fn entry(bytes: &[u8]) -> Result<(Entry<'_>, usize), Fault> {
    let length = le16(bytes, 4);
    let field = "an entry of the length";
    let found = length.into();
    let wrong = Fault::Field { field, found };
    let own = bytes.get(..usize::from(length)).ok_or(wrong)?;
    if own.len() < ENTRY_BYTES || !length.is_multiple_of(8) {
        return Err(wrong);
    }
    let (name_length, name_at) = (byte(own, 6), byte(own, 7));
    let name_bytes = usize::from(name_length).saturating_mul(2);
    let name = own.get(usize::from(name_at)..);
    let name = name.and_then(|rest| rest.get(..name_bytes)).ok_or(wrong)?;
    let entry = Entry {
        kind: Kind(le32(own, 0)),
        name,
        lowest: le64(own, 8),
        holder: Reference::new(le64(own, 16)),
        instance: le16(own, 24),
    };
    Ok((entry, usize::from(length)))
}
