//! One bit a cluster.

use crate::bytes::usize_of;

/// Bits, by number from 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bits {
    words: Vec<u64>,
    length: u64,
}

impl Bits {
    /// `length` bits, all clear. The caller has held `length` against a limit.
    pub(crate) fn new(length: u64) -> Self {
        let words = vec![0; usize_of(length.div_ceil(64))];
        Self { words, length }
    }

    pub(crate) fn get(&self, number: u64) -> bool {
        let word = self.words.get(usize_of(number / 64));
        number < self.length && word.is_some_and(|word| word >> (number % 64) & 1 == 1)
    }

    /// Sets a bit.
    pub(crate) fn set(&mut self, number: u64) {
        if number < self.length
            && let Some(word) = self.words.get_mut(usize_of(number / 64))
        {
            *word |= 1 << (number % 64);
        }
    }

    /// The first bit at or after `from` that is not `value`; the end if there is none.
    pub(crate) fn end_of_run(&self, from: u64, value: bool) -> u64 {
        let flip = if value { u64::MAX } else { 0 };
        let first = usize_of(from / 64);
        let mut skip = from % 64;
        let words = self.words.iter().enumerate().skip(first);
        for (index, word) in words {
            let other = (word ^ flip) >> skip << skip;
            skip = 0;
            if other != 0 {
                let start = blockio::len_u64(index).saturating_mul(64);
                let at = start.saturating_add(u64::from(other.trailing_zeros()));
                return at.min(self.length);
            }
        }
        self.length
    }

    /// How many bits are set.
    pub(crate) fn count(&self) -> u64 {
        let ones = self.words.iter().map(|word| u64::from(word.count_ones()));
        ones.fold(0, u64::saturating_add)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_end_where_bits_change() {
        let mut bits = Bits::new(130);
        for number in [0, 63, 64, 65, 129, 130, 500] {
            bits.set(number);
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
        assert_eq!(Bits::new(0).end_of_run(0, false), 0);
    }
}
