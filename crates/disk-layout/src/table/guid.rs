//! GUIDs as GPT stores them.

use std::fmt;

use super::bytes::{array, le16, le32};

/// A GUID, in the 16 bytes that are stored: the first three fields are little-endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Guid(pub [u8; 16]);

impl Guid {
    /// Whether all bytes are zero: the type of an entry that is not in use.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        self.0 == [0; 16]
    }
}

impl fmt::Display for Guid {
    /// As in `C12A7328-F81F-11D2-BA4B-00A0C93EC93B`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = &self.0;
        let (first, second, third) = (le32(bytes, 0), le16(bytes, 4), le16(bytes, 6));
        let fourth = u16::from_be_bytes(array(bytes, 8));
        let [a, b, c, d, e, g] = array(bytes, 10);
        write!(f, "{first:08X}-{second:04X}-{third:04X}-{fourth:04X}-")?;
        write!(f, "{a:02X}{b:02X}{c:02X}{d:02X}{e:02X}{g:02X}")
    }
}
