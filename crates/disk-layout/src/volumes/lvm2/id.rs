//! What identifies volumes and groups.

use std::fmt;

/// Where the dashes are in the form with dashes.
const DASHES: [usize; 6] = [6, 11, 16, 21, 26, 31];

/// The 32 letters and digits that identify a physical volume or a group.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Id([u8; 32]);

impl Id {
    /// The one in these bytes, as a label has it.
    pub(super) fn new(bytes: [u8; 32]) -> Option<Self> {
        let is_known = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'!' | b'#');
        bytes.iter().all(is_known).then_some(Self(bytes))
    }

    /// The one in the form with dashes, as the text has it.
    pub(super) fn parse(text: &[u8]) -> Option<Self> {
        let is_dashed = |(at, byte): (usize, &u8)| (*byte == b'-') == DASHES.contains(&at);
        if text.len() != 38 || !text.iter().enumerate().all(is_dashed) {
            return None;
        }
        let letters = text.iter().copied().filter(|byte| *byte != b'-');
        let letters: Vec<u8> = letters.collect();
        Self::new(letters.try_into().ok()?)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest: &[u8] = &self.0;
        for length in [6, 4, 4, 4, 4, 4, 6] {
            let Some((part, after)) = rest.split_at_checked(length) else {
                return Ok(());
            };
            let dash = if after.is_empty() { "" } else { "-" };
            write!(f, "{}{dash}", String::from_utf8_lossy(part))?;
            rest = after;
        }
        Ok(())
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_one() {
        let text = "ggNba8-gaPT-Nz1z-xoQh-ZjxV-7ARU-qObrmh";
        let id = Id::new(*b"ggNba8gaPTNz1zxoQhZjxV7ARUqObrmh").unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(Id::parse(text.as_bytes()), Some(id));
        assert_eq!(Id::parse(&text.as_bytes()[1..]), None);
        assert_eq!(Id::parse(text.replace("8-", "-8").as_bytes()), None);
        assert_eq!(Id::new([b' '; 32]), None);
    }
}
