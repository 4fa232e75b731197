//! Text that is safe to print: numbers of bytes, and what an image says itself.

use std::fmt::{self, Display};

use serde::{Serialize, Serializer};

/// A number of bytes for people: `2.9 GiB`.
pub(crate) struct Bytes(pub(crate) u64);

impl Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        let unit = self.0.checked_ilog2().unwrap_or(0) / 10;
        let name = UNITS.get(usize::try_from(unit).unwrap_or(0)).unwrap_or(&"");
        let whole = self.0 >> (unit * 10);
        if unit == 0 || whole >= 100 {
            return write!(f, "{whole} {name}");
        }
        // A hundredth is enough below 100, and trailing zeros say nothing.
        let hundredths = ((u128::from(self.0) * 100) >> (unit * 10)) % 100;
        match (hundredths / 10, hundredths % 10) {
            (0, 0) => write!(f, "{whole} {name}"),
            (tenths, 0) => write!(f, "{whole}.{tenths} {name}"),
            (tenths, rest) => write!(f, "{whole}.{tenths}{rest} {name}"),
        }
    }
}

/// Text out of an image or filesystem: escaped for people, and in JSON as it is.
#[derive(Clone, Debug)]
pub(crate) struct Foreign(Vec<u8>);

impl Foreign {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escaped(&self.0))
    }
}

impl Serialize for Foreign {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Text out of an image or filesystem, safe to print on a terminal.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if steers(character) || character == '\\' {
                out.extend(character.escape_default());
            } else {
                out.push(character);
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

/// A message that may have such text in it, safe to print on a terminal.
pub(crate) fn printable(message: &str) -> String {
    let mut out = String::new();
    for character in message.chars() {
        if steers(character) {
            out.extend(character.escape_default());
        } else {
            out.push(character);
        }
    }
    out
}

/// JSON with JSON's escapes for what steers a terminal. Those below a space it has
/// already, outside of strings line breaks alone.
pub(crate) fn harmless(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    for character in json.chars() {
        if character > ' ' && steers(character) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out.push_str(&format!("\\u{unit:04x}"));
            }
        } else {
            out.push(character);
        }
    }
    out
}

/// Whether a terminal obeys this character, or lets other text look as it is not:
/// control characters, and those that are invisible or turn the direction.
fn steers(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Returns the name of a file for people: `-` is the standard stream that is called
/// `stream`.
pub(crate) fn name_of<'a>(name: &'a str, stream: &'a str) -> &'a str {
    if name == "-" { stream } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_well() {
        let cases = [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            (65536, "64 KiB"),
            (1_073_741_824, "1 GiB"),
            (3_113_851_289, "2.89 GiB"),
            (107_911_053_312, "100 GiB"),
            (u64::MAX, "15.99 EiB"),
        ];
        for (bytes, text) in cases {
            assert_eq!(Bytes(bytes).to_string(), text);
        }
    }

    #[test]
    fn names_from_an_image_cannot_steer_a_terminal() {
        assert_eq!(escaped("grün".as_bytes()), "grün");
        assert_eq!(escaped(b"a\x1b[31m\n\\"), "a\\u{1b}[31m\\n\\\\");
        assert_eq!(escaped(b"a\xff\xfeb"), "a\\xff\\xfeb");
        assert_eq!(printable("a\x1b\n\\x"), "a\\u{1b}\\n\\x");
        assert_eq!(escaped("\u{202e}gpj".as_bytes()), "\\u{202e}gpj");
    }

    #[test]
    fn in_json_names_are_what_they_are() {
        let name = "gr\u{fc}n\n\u{1b}\u{9b}\u{202e}\u{e0041}";
        let json = serde_json::to_string_pretty(&[Foreign::new(name.as_bytes())]).unwrap();
        let json = harmless(&json);
        assert_eq!(
            json,
            "[\n  \"gr\u{fc}n\\n\\u001b\\u009b\\u202e\\udb40\\udc41\"\n]"
        );
        let read: Vec<String> = serde_json::from_str(&json).unwrap();
        assert_eq!(read, [name]);
    }
}
