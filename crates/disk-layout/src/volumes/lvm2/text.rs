//! The text that describes a volume group, as a tree: names with numbers, texts in
//! quotes, lists of both, and sections in braces.
//!
//! It is the text that the tools write; what they would read besides (other quotes, paths
//! for names, sections that are there twice) is refused.

use super::doubt::Doubt;

/// How deep sections lie in each other; the tools write five.
const DEPTH_MAX: usize = 8;
/// Values of a text, those in lists too. A volume has about twenty.
const VALUES_MAX: usize = 1 << 20;
/// Bytes of a name; the tools allow 127.
const NAME_BYTES_MAX: usize = 128;

/// Names and values, in the order of the text; no name is there twice.
#[derive(Debug, Default)]
pub(crate) struct Section<'t> {
    entries: Vec<(&'t [u8], Value<'t>)>,
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Value<'t> {
    /// A whole number that is not negative, without zeros before it.
    Number(u64),
    /// Any other number.
    Odd,
    /// A text, with its escapes as they are.
    Text(&'t [u8]),
    List(Vec<Self>),
    Section(Section<'t>),
}

impl<'t> Section<'t> {
    /// Reads `text`.
    pub(crate) fn parse(text: &'t [u8]) -> Result<Self, Doubt> {
        let mut parser = Parser {
            text,
            at: 0,
            values: 0,
        };
        parser.section(0)
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value<'t>> {
        let mut entries = self.entries.iter();
        let found = entries.find(|(own, _)| *own == name.as_bytes());
        found.map(|(_, value)| value)
    }

    pub(crate) fn number(&self, name: &str) -> Option<u64> {
        match self.get(name)? {
            Value::Number(number) => Some(*number),
            _ => None,
        }
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'t [u8]> {
        match self.get(name)? {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn section(&self, name: &str) -> Option<&Self> {
        match self.get(name)? {
            Value::Section(section) => Some(section),
            _ => None,
        }
    }

    /// The texts of a list, if there is nothing else in it.
    pub(crate) fn texts(&self, name: &str) -> Option<Vec<&'t [u8]>> {
        let texts = self.list(name)?.iter().map(|value| match value {
            Value::Text(text) => Some(*text),
            _ => None,
        });
        texts.collect()
    }

    pub(crate) fn list(&self, name: &str) -> Option<&[Value<'t>]> {
        match self.get(name)? {
            Value::List(values) => Some(values),
            _ => None,
        }
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = (&'t [u8], &Value<'t>)> {
        self.entries.iter().map(|(name, value)| (*name, value))
    }

    /// The sections in it, each with its name.
    pub(crate) fn sections(&self) -> impl Iterator<Item = (&'t [u8], &Self)> {
        self.entries().filter_map(|(name, value)| match value {
            Value::Section(section) => Some((name, section)),
            _ => None,
        })
    }
}

struct Parser<'t> {
    text: &'t [u8],
    at: usize,
    values: usize,
}

impl<'t> Parser<'t> {
    /// Reads entries up to the brace that closes the section, or to the end of the text.
    fn section(&mut self, depth: usize) -> Result<Section<'t>, Doubt> {
        let mut entries: Vec<(&'t [u8], Value<'t>)> = Vec::new();
        loop {
            self.skip();
            match self.peek() {
                None if depth == 0 => break,
                None => return Err(self.wrong("a section has no end")),
                Some(b'}') if depth > 0 => {
                    self.step();
                    break;
                }
                Some(_) => {
                    let name = self.word("a name is missing")?;
                    self.skip();
                    entries.push((name, self.entry(depth)?));
                }
            }
        }
        let mut names: Vec<_> = entries.iter().map(|(name, _)| *name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(self.wrong("a name is there twice before here"));
        }
        Ok(Section { entries })
    }

    /// Reads what follows a name.
    fn entry(&mut self, depth: usize) -> Result<Value<'t>, Doubt> {
        match self.peek() {
            Some(b'{') => {
                let depth = depth.saturating_add(1);
                if depth > DEPTH_MAX {
                    return Err(self.wrong("sections lie too deep in each other"));
                }
                self.count()?;
                self.step();
                self.section(depth).map(Value::Section)
            }
            Some(b'=') => {
                self.step();
                self.skip();
                match self.peek() {
                    Some(b'[') => self.list().map(Value::List),
                    _ => self.scalar(),
                }
            }
            _ => Err(self.wrong("neither a value nor a section follows a name")),
        }
    }

    fn list(&mut self) -> Result<Vec<Value<'t>>, Doubt> {
        self.count()?;
        self.step();
        let mut values = Vec::new();
        loop {
            self.skip();
            match self.peek() {
                Some(b']') => {
                    self.step();
                    return Ok(values);
                }
                Some(b',') if !values.is_empty() => self.step(),
                _ if values.is_empty() => {}
                _ => return Err(self.wrong("a list has no end")),
            }
            self.skip();
            values.push(self.scalar()?);
        }
    }

    /// Reads a number or a text.
    fn scalar(&mut self) -> Result<Value<'t>, Doubt> {
        self.count()?;
        if self.peek() == Some(b'"') {
            return self.quoted().map(Value::Text);
        }
        let word = self.word("a value is missing")?;
        let is_number = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'-' | b'+' | b'.');
        if !word.iter().all(is_number) {
            return Err(self.wrong("a value is neither a number nor in quotes"));
        }
        let is_plain = word.iter().all(u8::is_ascii_digit);
        let is_plain = is_plain && (word.len() == 1 || !word.starts_with(b"0"));
        let text = std::str::from_utf8(word).ok().filter(|_| is_plain);
        let number = text.and_then(|text| text.parse().ok());
        Ok(number.map_or(Value::Odd, Value::Number))
    }

    fn quoted(&mut self) -> Result<&'t [u8], Doubt> {
        self.step();
        let start = self.at;
        loop {
            match self.peek() {
                Some(b'"') => {
                    let text = self.text.get(start..self.at).unwrap_or_default();
                    self.step();
                    return Ok(text);
                }
                Some(b'\\') => {
                    self.step();
                    self.step();
                }
                Some(byte) if byte != 0 => self.step(),
                _ => return Err(self.wrong("a text has no end")),
            }
        }
    }

    /// Reads a name or a number.
    fn word(&mut self, missing: &'static str) -> Result<&'t [u8], Doubt> {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_in =
            |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'+' | b'-');
        let length = rest.iter().position(|byte| !is_in(byte));
        let word = rest.get(..length.unwrap_or(rest.len())).unwrap_or_default();
        if word.is_empty() {
            return Err(self.wrong(missing));
        }
        if word.len() > NAME_BYTES_MAX {
            return Err(self.wrong("a name is too long"));
        }
        self.at = self.at.saturating_add(word.len());
        Ok(word)
    }

    /// Passes space and comments.
    fn skip(&mut self) {
        let mut is_comment = false;
        while let Some(byte) = self.peek() {
            is_comment = match byte {
                b'\n' => false,
                b'#' => true,
                _ => is_comment,
            };
            if !is_comment && !byte.is_ascii_whitespace() {
                return;
            }
            self.step();
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn step(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    /// Counts one more value.
    fn count(&mut self) -> Result<(), Doubt> {
        self.values = self.values.saturating_add(1);
        if self.values > VALUES_MAX {
            return Err(self.wrong("there are too many values"));
        }
        Ok(())
    }

    fn wrong(&self, what: &'static str) -> Doubt {
        Doubt::Syntax { at: self.at, what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (usize, &'static str) {
        match Section::parse(text.as_bytes()) {
            Err(Doubt::Syntax { at, what }) => (at, what),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_text_is_a_tree() {
        let text = "vg {\n\tid = \"a-\\\"b\"  # a } comment\nn = 12 odd=-1 zero = 0 oct = 010\n\
                    list = [ \"x\", 7 ]\nnone = []\nlv.0+_- {a { b = 1.5\n} }\n}\nversion = 1";
        let root = Section::parse(text.as_bytes()).unwrap();
        assert_eq!(root.number("version"), Some(1));
        let vg = root.section("vg").unwrap();
        assert_eq!(vg.text("id"), Some(&b"a-\\\"b"[..]));
        assert_eq!((vg.number("n"), vg.number("zero")), (Some(12), Some(0)));
        assert_eq!((vg.number("odd"), vg.number("oct")), (None, None));
        assert!(matches!(
            vg.list("list"),
            Some([Value::Text(b"x"), Value::Number(7)])
        ));
        assert_eq!((vg.texts("list"), vg.texts("none")), (None, Some(vec![])));
        let inner = vg.section("lv.0+_-").unwrap().section("a").unwrap();
        assert!(matches!(inner.get("b"), Some(Value::Odd)));
        assert_eq!(vg.sections().count(), 1);
    }

    #[test]
    fn what_the_tools_do_not_write_is_refused() {
        assert_eq!(refused("a {"), (3, "a section has no end"));
        assert_eq!(refused("}"), (0, "a name is missing"));
        assert_eq!(
            refused("a = 1 a = 2"),
            (11, "a name is there twice before here")
        );
        assert_eq!(
            refused("a 1"),
            (2, "neither a value nor a section follows a name")
        );
        assert_eq!(refused("a ="), (3, "a value is missing"));
        assert_eq!(
            refused("a = b"),
            (5, "a value is neither a number nor in quotes")
        );
        assert_eq!(refused("a = \"b"), (6, "a text has no end"));
        assert_eq!(refused("a = \"\\"), (7, "a text has no end"));
        assert_eq!(refused("a = [1 2]"), (7, "a list has no end"));
        assert_eq!(refused("a = [1,]"), (7, "a value is missing"));
        assert_eq!(refused("a = 'b'"), (4, "a value is missing"));
        let long = "n".repeat(NAME_BYTES_MAX + 1);
        assert_eq!(refused(&long), (0, "a name is too long"));
        let deep = "a{".repeat(DEPTH_MAX + 1);
        assert_eq!(refused(&deep).1, "sections lie too deep in each other");
        let many = format!("a=[{}0]", "0,".repeat(VALUES_MAX));
        assert_eq!(refused(&many).1, "there are too many values");
    }
}
