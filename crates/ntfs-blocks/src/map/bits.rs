//! One bit a cluster, for a window of the clusters.

use std::ops::Range;

use crate::bytes::usize_of;

const WORD_BITS: u64 = 64;

/// Bits, by number from 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    length: u64,
}

impl Bits {
    /// `length` bits, all clear. The caller has held `length` against a limit.
    pub(crate) fn new(length: u64) -> Self {
        let words = vec![0; usize_of(length.div_ceil(WORD_BITS))];
        Self { words, length }
    }

    /// The bits that are clear in `bytes`, least significant bit first, as set bits;
    /// missing bytes are set.
    pub(crate) fn clear_in(bytes: &[u8], length: u64) -> Self {
        let mut bits = Self::new(length);
        for (word, chunk) in bits.words.iter_mut().zip(bytes.chunks(8)) {
            let mut stored = [0xff; 8];
            if let Some(start) = stored.get_mut(..chunk.len()) {
                start.copy_from_slice(chunk);
            }
            *word = !u64::from_le_bytes(stored);
        }
        let past = bits.words.len();
        let used = length % WORD_BITS;
        if used > 0
            && let Some(last) = past.checked_sub(1).and_then(|at| bits.words.get_mut(at))
        {
            *last &= !(u64::MAX << used);
        }
        bits
    }

    pub(crate) const fn length(&self) -> u64 {
        self.length
    }

    pub(crate) fn get(&self, number: u64) -> bool {
        let word = self.words.get(usize_of(number / WORD_BITS));
        number < self.length && word.is_some_and(|word| word >> (number % WORD_BITS) & 1 == 1)
    }

    /// Makes the bits in `range` `value`.
    pub(crate) fn fill(&mut self, range: Range<u64>, value: bool) {
        for (index, mask) in masks(self.clip(range)) {
            if let Some(word) = self.words.get_mut(index) {
                *word = if value { *word | mask } else { *word & !mask };
            }
        }
    }

    /// The first set bit in `range`.
    pub(crate) fn first_set(&self, range: Range<u64>) -> Option<u64> {
        masks(self.clip(range)).find_map(|(index, mask)| {
            let found = self.words.get(index)? & mask;
            let start = blockio::len_u64(index).saturating_mul(WORD_BITS);
            (found != 0).then(|| start.saturating_add(u64::from(found.trailing_zeros())))
        })
    }

    /// The first bit at or after `from` that is not `value`; the end if there is none.
    pub(crate) fn end_of_run(&self, from: u64, value: bool) -> u64 {
        let flip = if value { u64::MAX } else { 0 };
        let range = self.clip(from..self.length);
        let other = masks(range).find_map(|(index, mask)| {
            let found = (self.words.get(index)? ^ flip) & mask;
            let start = blockio::len_u64(index).saturating_mul(WORD_BITS);
            (found != 0).then(|| start.saturating_add(u64::from(found.trailing_zeros())))
        });
        other.unwrap_or(self.length)
    }

    /// How many bits are set.
    pub(crate) fn count(&self) -> u64 {
        let ones = self.words.iter().map(|word| u64::from(word.count_ones()));
        ones.fold(0, u64::saturating_add)
    }

    /// How many bits are set here or in `other`.
    pub(crate) fn count_either(&self, other: &Self) -> u64 {
        let words = self.words.iter().zip(&other.words);
        let ones = words.map(|(one, other)| u64::from((one | other).count_ones()));
        ones.fold(0, u64::saturating_add)
    }

    fn clip(&self, range: Range<u64>) -> Range<u64> {
        range.start.min(self.length)..range.end.min(self.length)
    }
}

/// The words that `range` touches, with the bits of it in each.
fn masks(range: Range<u64>) -> impl Iterator<Item = (usize, u64)> {
    let words = range.start / WORD_BITS..range.end.div_ceil(WORD_BITS);
    let words = if range.is_empty() { 0..0 } else { words };
    words.map(move |word| {
        let start = word.saturating_mul(WORD_BITS);
        let skip = range.start.saturating_sub(start);
        let keep = range.end.saturating_sub(start).min(WORD_BITS);
        let low = u64::MAX << skip;
        let high = u64::MAX >> WORD_BITS.saturating_sub(keep);
        (usize_of(word), low & high)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_bits_change() {
        let mut bits = Bits::new(130);
        for range in [0..1, 63..66, 129..500] {
            bits.fill(range, true);
        }
        assert_eq!(bits.count(), 5);
        assert!(bits.get(129) && !bits.get(130) && !bits.get(1) && !bits.get(u64::MAX));
        let mut ends = vec![];
        let (mut at, mut value) = (0, true);
        while at < 130 {
            at = bits.end_of_run(at, value);
            value = !value;
            ends.push(at);
        }
        assert_eq!(ends, [1, 63, 66, 129, 130]);
        assert_eq!(bits.end_of_run(129, true), 130);
        assert_eq!(bits.first_set(1..63), None);
        assert_eq!(bits.first_set(1..64), Some(63));
        assert_eq!(bits.first_set(66..1000), Some(129));
        assert_eq!(bits.first_set(64..64), None);
        bits.fill(0..64, false);
        assert_eq!((bits.count(), bits.first_set(0..130)), (3, Some(64)));
        assert_eq!(Bits::new(0).end_of_run(0, false), 0);
    }

    #[test]
    fn what_is_clear_in_bytes_is_set() {
        let bits = Bits::clear_in(&[0b1111_1110, 0xff, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0], 71);
        assert_eq!(bits.count(), 1 + 8 + 7);
        assert!(bits.get(0) && !bits.get(1) && bits.get(16) && bits.get(70));
        // Bytes that are missing are in use.
        assert_eq!(Bits::clear_in(&[0], 100).count(), 8);
        let other = Bits::clear_in(&[0xff, 0], 71);
        assert_eq!(bits.count_either(&other), 16 + 8);
    }
}
