//! Names to names: a keyed one-to-one map for each length, so that names stay
//! as long and as different as they were.

mod alphabet;
pub(crate) mod key;

use crate::names::key::ScrambleKey;

use alphabet::Alphabet;

/// Longest file name, in bytes (`EXT4_NAME_LEN`). What is longer is mapped in
/// pieces: the cost of a map is quadratic in its length.
const NAME_BYTES_MAX: usize = 255;

/// Names that mean something, and stay.
const KEPT: [&[u8]; 3] = [b".", b"..", b"lost+found"];

/// Which names a directory takes for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Case {
    /// None: names are bytes.
    Sensitive,
    /// Those that differ in case alone.
    Folded,
}

/// How names are scrambled in one run.
///
/// Names of portable characters only (`A-Z a-z 0-9 . _ -`) map onto such names,
/// all others onto others, which may hold any byte but NUL and `/`. `.`, `..`
/// and `lost+found` stay, and nothing else becomes one of them.
///
/// In directories that ignore case, ASCII letters are lower-cased first, and
/// the images have no upper-case ones: what differs in more than case still
/// does. Images that hold other scripts are random bytes. That two of them are
/// valid UTF-8 and fold to the same is as unlikely as to guess a name, but for
/// names of two or three bytes: about 1 in 1000 for a directory with fifty.
pub(super) struct Names {
    sensitive: Classes,
    folded: Classes,
    /// Replaces what is not a name.
    values: ScrambleKey,
}

impl Names {
    pub(super) fn new(key: &ScrambleKey) -> Self {
        let not_upper = |byte: u8| !byte.is_ascii_uppercase();
        Self {
            sensitive: Classes::new(&key.derive("names"), |_| true),
            folded: Classes::new(&key.derive("folded names"), not_upper),
            values: key.derive("values"),
        }
    }

    /// The name that stands for `name`, as long as it. In what is not a name,
    /// each part between NULs and slashes is one.
    pub(super) fn map(&self, name: &[u8], case: Case) -> Vec<u8> {
        let mut mapped = Vec::new();
        for part in name.split_inclusive(|byte| is_separator(*byte)) {
            match part.split_last() {
                Some((end, part)) if is_separator(*end) => {
                    self.map_part(part, case, &mut mapped);
                    mapped.push(*end);
                }
                _ => self.map_part(part, case, &mut mapped),
            }
        }
        mapped
    }

    /// The path that stands for `path`: each component becomes what it becomes
    /// as a name.
    pub(super) fn map_path(&self, path: &[u8]) -> Vec<u8> {
        self.map(path, Case::Sensitive)
    }

    /// Fills `out` with what stands for `value`. Equal values stay equal.
    pub(super) fn replace(&self, value: &[u8], out: &mut [u8]) {
        self.values.replace(value, out);
    }

    fn map_part(&self, part: &[u8], case: Case, mapped: &mut Vec<u8>) {
        for name in part.chunks(NAME_BYTES_MAX) {
            if KEPT.contains(&name) {
                mapped.extend_from_slice(name);
            } else {
                mapped.append(&mut match case {
                    Case::Sensitive => self.sensitive.map(name),
                    Case::Folded => self.folded.map(&name.to_ascii_lowercase()),
                });
            }
        }
    }
}

const fn is_separator(byte: u8) -> bool {
    matches!(byte, 0 | b'/')
}

/// Whether `byte` is one of the 65 of POSIX's portable file names.
pub(super) const fn is_portable(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// The two classes of names, over the bytes that a name may have.
struct Classes {
    portable: Alphabet,
    /// Of all names. Those that are portable are walked past.
    any: Alphabet,
}

impl Classes {
    fn new(key: &ScrambleKey, allowed: impl Fn(u8) -> bool) -> Self {
        Self {
            portable: Alphabet::new(key.derive("portable"), |byte| {
                is_portable(byte) && allowed(byte)
            }),
            any: Alphabet::new(key.derive("any"), |byte| {
                !is_separator(byte) && allowed(byte)
            }),
        }
    }

    /// The image of `name`, whose bytes are allowed and which is not kept.
    fn map(&self, name: &[u8]) -> Vec<u8> {
        let class = |name: &[u8]| name.iter().all(|byte| is_portable(*byte));
        let portable = class(name);
        let alphabet = if portable { &self.portable } else { &self.any };
        // The alphabet permutes a larger set. Applied until it is back in the
        // class, it permutes the class; it comes back to `name` if to nothing
        // else.
        let mut image = name.to_vec();
        loop {
            image = match alphabet.permute(&image) {
                Some(image) => image,
                None => return vec![b'_'; name.len()],
            };
            if class(&image) == portable && !KEPT.contains(&image.as_slice()) {
                return image;
            }
        }
    }
}

#[cfg(test)]
mod tests;
