//! The bytes of a header, as they are stored.

use blockio::{ReadAt, len_u64};

use crate::error::{Error, Fault};

/// Bytes of the header with its key slots.
pub(crate) const HEADER_BYTES: usize = 592;
const MAGIC: &[u8] = b"LUKS\xba\xbe";
const SLOTS: usize = 8;
const SLOT_BYTES: usize = 48;
pub(crate) const SLOT_ACTIVE: u32 = 0x00ac_71f3;

/// Reads the header and its key slots, as they are stored.
pub(crate) fn read_header<S: ReadAt + ?Sized>(
    storage: &S,
    at: u64,
) -> Result<[u8; HEADER_BYTES], Error> {
    let mut bytes = [0; HEADER_BYTES];
    read(storage, at, &mut bytes)?;
    Ok(bytes)
}

/// Refuses anything but a header of version 1.
pub(crate) fn check_version(bytes: &[u8; HEADER_BYTES]) -> Result<(), Fault> {
    if !bytes.starts_with(MAGIC) {
        return Err(Fault::Magic);
    }
    match u16::from_be_bytes([bytes[6], bytes[7]]) {
        1 => Ok(()),
        found => Err(Fault::Version { found }),
    }
}

/// Returns all key slots in a header.
pub(crate) fn slots(bytes: &[u8; HEADER_BYTES]) -> impl Iterator<Item = &[u8]> {
    let slots = (0..SLOTS).map(|index| 208 + index * SLOT_BYTES);
    slots.map(|at| &bytes[at..at + SLOT_BYTES])
}

/// Reads `bytes` at `at`, all of which must exist.
pub(crate) fn read<S: ReadAt + ?Sized>(
    storage: &S,
    at: u64,
    bytes: &mut [u8],
) -> Result<(), Error> {
    let end = at.saturating_add(len_u64(bytes.len()));
    if end > storage.size() {
        return Err(Error::Truncated {
            at,
            end,
            file_bytes: storage.size(),
        });
    }
    storage
        .read_at(at, bytes)
        .map_err(|source| Error::Read { at, source })
}

/// Returns the text in a field, up to its first zero byte.
pub(crate) fn text(field: &[u8]) -> String {
    let end = field.iter().position(|byte| *byte == 0);
    let text = field.get(..end.unwrap_or(field.len())).unwrap_or_default();
    String::from_utf8_lossy(text).into_owned()
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    let word = bytes.get(at..).and_then(<[u8]>::first_chunk);
    u32::from_be_bytes(*word.unwrap_or(&[0; 4]))
}
