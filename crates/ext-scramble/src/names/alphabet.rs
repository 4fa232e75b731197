//! A keyed one-to-one map of the words of one alphabet, by their length.

use std::sync::OnceLock;

use aes::Aes256;
use fpe::ff1::{FF1, FlexibleNumeralString};

use crate::names::key::ScrambleKey;

/// Fewest words of one length for which FF1 is secure (NIST SP 800-38G,
/// revision 1). Fewer are permuted by a table.
const FF1_WORDS_MIN: u32 = 1_000_000;

/// Longest words that could be too few, in letters, for any alphabet of more
/// than 10 letters.
const TABLES: usize = 6;

/// Some bytes, and a secret order of all words made of them.
pub(crate) struct Alphabet {
    /// The bytes; the index of one is its numeral.
    letters: Vec<u8>,
    /// Numerals by byte; bytes that are no letters have none.
    numerals: [Option<u16>; 256],
    radix: u32,
    key: ScrambleKey,
    cipher: FF1<Aes256>,
    /// The order of the words of one letter, of two, and so on, each made when
    /// it is needed first.
    tables: [OnceLock<Vec<u32>>; TABLES],
}

impl Alphabet {
    /// The alphabet of the bytes that `is_letter`: more than ten.
    pub(crate) fn new(key: ScrambleKey, is_letter: impl Fn(u8) -> bool) -> Self {
        let letters: Vec<u8> = (0..=u8::MAX).filter(|byte| is_letter(*byte)).collect();
        let mut numerals = [None; 256];
        for (letter, numeral) in letters.iter().zip(0..) {
            if let Some(slot) = numerals.get_mut(usize::from(*letter)) {
                *slot = Some(numeral);
            }
        }
        let radix = letters
            .iter()
            .fold(0u32, |count, _| count.saturating_add(1));
        let cipher = FF1::new(key.bytes(), radix).expect("between 2 and 256 letters");
        Self {
            letters,
            numerals,
            radix,
            key,
            cipher,
            tables: [const { OnceLock::new() }; TABLES],
        }
    }

    /// The word that stands for `word`, as long as it. `None` where a byte is
    /// no letter.
    pub(crate) fn permute(&self, word: &[u8]) -> Option<Vec<u8>> {
        let numerals: Option<Vec<u16>> = word.iter().map(|byte| self.numeral(*byte)).collect();
        let numerals = numerals?;
        let permuted = match self.words(word.len()) {
            Some(words) => self.look_up(&numerals, words),
            None => self
                .cipher
                .encrypt(&[], &FlexibleNumeralString::from(numerals))
                .expect("numerals of this radix, as many as FF1 needs")
                .into(),
        };
        Some(
            permuted
                .into_iter()
                .map(|numeral| self.letter(numeral))
                .collect(),
        )
    }

    fn numeral(&self, byte: u8) -> Option<u16> {
        self.numerals.get(usize::from(byte)).copied().flatten()
    }

    fn letter(&self, numeral: u16) -> u8 {
        let letter = self.letters.get(usize::from(numeral));
        letter.copied().unwrap_or_default()
    }

    /// The number of words of `length` letters, where a table permutes them.
    fn words(&self, length: usize) -> Option<u32> {
        let length = u32::try_from(length).ok()?;
        let words = self.radix.checked_pow(length)?;
        (words < FF1_WORDS_MIN).then_some(words)
    }

    /// Permutes one of `words` words by a table.
    fn look_up(&self, numerals: &[u16], words: u32) -> Vec<u16> {
        let Some(table) = numerals
            .len()
            .checked_sub(1)
            .and_then(|n| self.tables.get(n))
        else {
            return Vec::new();
        };
        let order = table.get_or_init(|| {
            let purpose = format!("words of {} letters", numerals.len());
            self.key.derive(&purpose).permutation(words)
        });
        let number = numerals.iter().fold(0u32, |number, numeral| {
            let above = number.saturating_mul(self.radix);
            above.saturating_add(u32::from(*numeral))
        });
        let index = usize::try_from(number).unwrap_or(usize::MAX);
        let mut rest = order.get(index).copied().unwrap_or_default();
        let mut permuted = vec![0; numerals.len()];
        for numeral in permuted.iter_mut().rev() {
            *numeral = u16::try_from(rest.rem_euclid(self.radix)).unwrap_or_default();
            rest = rest.div_euclid(self.radix);
        }
        permuted
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn alphabet(letters: usize) -> Alphabet {
        let key = ScrambleKey::new([3; 32]);
        Alphabet::new(key, |byte| usize::from(byte) < letters)
    }

    #[test]
    fn short_words_are_permuted() {
        for (letters, length) in [(39, 1), (39, 3), (65, 2), (254, 1), (254, 2), (228, 2)] {
            let alphabet = alphabet(letters);
            let mut seen = BTreeSet::new();
            let mut word = vec![0; length];
            loop {
                assert!(seen.insert(alphabet.permute(&word).unwrap()), "{word:?}");
                let Some(at) = word.iter().rposition(|b| usize::from(*b) + 1 < letters) else {
                    break;
                };
                word[at] += 1;
                word[at + 1..].fill(0);
            }
            assert_eq!(seen.len(), letters.pow(u32::try_from(length).unwrap()));
        }
    }

    #[test]
    fn the_largest_and_the_smallest_word_of_every_length_have_an_image() {
        for letters in [39, 65, 228, 254] {
            let alphabet = alphabet(letters);
            let last = u8::try_from(letters - 1).unwrap();
            for length in 0..=255 {
                for letter in [0, last] {
                    let permuted = alphabet.permute(&vec![letter; length]).unwrap();
                    assert_eq!(permuted.len(), length);
                    assert!(permuted.iter().all(|byte| *byte <= last));
                }
            }
        }
    }

    #[test]
    fn what_is_no_letter_has_no_image() {
        assert_eq!(alphabet(39).permute(&[0, 39, 0, 0, 0]), None);
    }
}
