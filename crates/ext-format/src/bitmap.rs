//! The block or inode bitmap of one group: a set bit is a used cluster, or an
//! inode in use.

use std::ops::Range;

use bitvec::order::Lsb0;
use bitvec::slice::BitSlice;
use bitvec::view::BitView;
use byteorder::{ByteOrder, LittleEndian};

const WORD_BITS: usize = 64;

/// The bits of one group. Its memory is used again for the next group.
#[derive(Clone, Debug, Default)]
pub struct Bitmap {
    /// Bit `n` of the bitmap is bit `n % 64` of word `n / 64`: words, so that
    /// runs are found 64 bits at a time.
    words: Vec<u64>,
    clusters: usize,
}

impl Bitmap {
    /// Takes the first `clusters` bits of `bytes`; those past its end are set.
    pub fn load(&mut self, bytes: &[u8], clusters: usize) {
        self.fill(clusters);
        for (word, bytes) in self.words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word = LittleEndian::read_u64(bytes);
        }
    }

    /// Makes the clusters used whose bits are set in `bytes`.
    pub fn join(&mut self, bytes: &[u8]) {
        for (word, bytes) in self.words.iter_mut().zip(bytes.chunks_exact(8)) {
            *word |= LittleEndian::read_u64(bytes);
        }
    }

    /// Makes all of `clusters` used.
    pub fn fill(&mut self, clusters: usize) {
        self.reset(clusters, u64::MAX);
    }

    /// Makes all of `clusters` free.
    pub fn clear(&mut self, clusters: usize) {
        self.reset(clusters, 0);
    }

    fn reset(&mut self, clusters: usize, word: u64) {
        self.words.clear();
        self.words.resize(clusters.div_ceil(64), word);
        self.clusters = clusters;
    }

    /// Makes the clusters of `run` used.
    pub fn mark(&mut self, run: Range<usize>) {
        self.set(run, true);
    }

    /// Makes the clusters of `run` free.
    pub fn free(&mut self, run: Range<usize>) {
        self.set(run, false);
    }

    fn set(&mut self, run: Range<usize>, used: bool) {
        let clusters = self.clusters;
        let bits = self.words.view_bits_mut::<Lsb0>();
        if let Some(run) = bits.get_mut(run.start..run.end.min(clusters)) {
            run.fill(used);
        }
    }

    /// How many bytes [`store`](Self::store) adds.
    #[must_use]
    pub const fn stored_bytes(&self) -> usize {
        self.words.len().saturating_mul(8)
    }

    /// Adds to `bytes` what [`load`](Self::load) takes: a bit for each cluster, in
    /// whole words of 64 bits.
    pub fn store(&self, bytes: &mut Vec<u8>) {
        bytes.extend(self.words.iter().flat_map(|word| word.to_le_bytes()));
    }

    /// Free clusters.
    #[must_use]
    pub fn free_count(&self) -> usize {
        // Of a large disk, most groups hold nothing: no need to count.
        if self.first_used(0).is_none() {
            return self.clusters;
        }
        self.bits().count_zeros()
    }

    /// The first used cluster from `from` on. Words without one are passed as
    /// such, which is several times as fast as to look for a bit.
    fn first_used(&self, from: usize) -> Option<usize> {
        let bits = self.bits();
        let word = from.div_ceil(WORD_BITS);
        let head_end = word.saturating_mul(WORD_BITS).min(bits.len());
        if let Some(found) = bits.get(from..head_end).and_then(BitSlice::first_one) {
            return from.checked_add(found);
        }
        let words = self.words.get(word..)?;
        let free_words = words.iter().take_while(|word| **word == 0).count();
        let start = word.saturating_add(free_words).saturating_mul(WORD_BITS);
        start.checked_add(bits.get(start..)?.first_one()?)
    }

    /// The first free cluster of `run`.
    #[must_use]
    pub fn first_free(&self, run: Range<usize>) -> Option<usize> {
        let found = self.bits().get(run.clone())?.first_zero()?;
        run.start.checked_add(found)
    }

    /// Whether the last cluster is free.
    #[must_use]
    pub fn last_is_free(&self) -> bool {
        self.bits().last().is_some_and(|used| !*used)
    }

    /// The longest run from cluster `from` on that is all used or all free,
    /// and whether it is used. `None` at the end.
    #[must_use]
    pub fn run_from(&self, from: usize) -> Option<(Range<usize>, bool)> {
        let rest = self.bits().get(from..)?;
        let used = *rest.first()?;
        let end = if used {
            rest.first_zero()
                .and_then(|length| from.checked_add(length))
        } else {
            self.first_used(from)
        };
        Some((from..end.unwrap_or(self.clusters), used))
    }

    fn bits(&self) -> &BitSlice<u64, Lsb0> {
        let bits = self.words.view_bits::<Lsb0>();
        bits.get(..self.clusters).unwrap_or(bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn runs(bitmap: &Bitmap) -> Vec<(Range<usize>, bool)> {
        let next = |at: usize| bitmap.run_from(at);
        std::iter::successors(next(0), |(run, _)| next(run.end)).collect()
    }

    #[test]
    fn bit_n_is_bit_n_mod_8_of_byte_n_div_8() {
        let mut bitmap = Bitmap::default();
        bitmap.load(&[0b0000_0110, 0x80, 0, 0, 0, 0, 0, 0xff], 60);
        let expected = [
            (0..1, false),
            (1..3, true),
            (3..15, false),
            (15..16, true),
            (16..56, false),
            (56..60, true),
        ];
        assert_eq!(runs(&bitmap), expected);
        assert_eq!(bitmap.free_count(), 53);
        assert_eq!(bitmap.first_free(56..60), None);
        assert_eq!(bitmap.first_free(15..60), Some(16));
        assert!(!bitmap.last_is_free());
    }

    #[test]
    fn bits_behind_the_bytes_are_used() {
        let mut bitmap = Bitmap::default();
        bitmap.load(&[0; 8], 100);
        assert_eq!(runs(&bitmap), [(0..64, false), (64..100, true)]);
    }

    proptest! {
        #[test]
        fn runs_equal_the_bits(bytes in prop::collection::vec(0u8.., 64), clusters in 1usize..=512) {
            let mut bitmap = Bitmap::default();
            bitmap.load(&bytes, clusters);
            let mut bits = Vec::new();
            for (run, used) in runs(&bitmap) {
                prop_assert_eq!(run.start, bits.len());
                bits.resize(run.end, used);
            }
            let expected: Vec<_> = (0..clusters).map(|n| bytes[n / 8] >> (n % 8) & 1 == 1).collect();
            prop_assert_eq!(bitmap.free_count(), expected.iter().filter(|used| !**used).count());
            prop_assert_eq!(bits, expected);
        }

        #[test]
        fn what_is_stored_is_loaded_again(words in proptest::collection::vec(any::<u64>(), 0..5), less in 0usize..64) {
            let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
            let clusters = (words.len() * 64).saturating_sub(less);
            let (mut bitmap, mut again) = (Bitmap::default(), Bitmap::default());
            bitmap.load(&bytes, clusters);
            let mut stored = vec![7];
            bitmap.store(&mut stored);
            prop_assert_eq!(&stored[1..], &bytes[..clusters.div_ceil(64) * 8]);
            again.load(&stored[1..], clusters);
            prop_assert_eq!(runs(&again), runs(&bitmap));
        }

        #[test]
        fn freeing_clears_the_run(start in 0usize..300, length in 0usize..300) {
            let mut bitmap = Bitmap::default();
            bitmap.fill(250);
            bitmap.free(start..start + length);
            for (run, used) in runs(&bitmap) {
                for n in run {
                    prop_assert_eq!(!used, (start..start + length).contains(&n));
                }
            }
        }

        #[test]
        fn marking_sets_the_run(start in 0usize..300, length in 0usize..300) {
            let mut bitmap = Bitmap::default();
            bitmap.clear(256);
            bitmap.mark(start..start + length);
            for (run, used) in runs(&bitmap) {
                for n in run {
                    prop_assert_eq!(used, (start..start + length).contains(&n));
                }
            }
        }
    }
}
