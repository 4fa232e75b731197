//! Finds zeros in a buffer.

use std::iter;
use std::ops::Range;

/// Bytes examined between two chances to stop: two cache lines, which the compiler
/// turns into a few vector registers.
const STRIDE_BYTES: usize = 128;

/// Returns whether every byte is zero. True for no bytes.
#[must_use]
pub fn is_zero(bytes: &[u8]) -> bool {
    let (strides, rest) = bytes.as_chunks::<STRIDE_BYTES>();
    strides.iter().all(|stride| any_bit(stride) == 0) && any_bit(rest) == 0
}

/// Returns the bitwise OR of all bytes.
fn any_bit(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |seen, byte| seen | byte)
}

/// Returns the maximal runs of granules that hold a byte other than zero, as ranges
/// within `bytes`.
///
/// Granules are `granule` bytes long (0 counts as 1) and start at the first of
/// `bytes`; the last may be shorter. Runs ascend and do not touch.
pub fn nonzero_runs(bytes: &[u8], granule: usize) -> impl Iterator<Item = Range<usize>> + '_ {
    let granule = granule.max(1);
    let mut granules = bytes.chunks(granule).enumerate();
    iter::from_fn(move || {
        let (first, _) = granules.find(|(_, chunk)| !is_zero(chunk))?;
        let end = granules
            .find(|(_, chunk)| is_zero(chunk))
            .map_or(bytes.len(), |(index, _)| index * granule);
        Some(first * granule..end)
    })
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_bit_anywhere_counts() {
        for length in [0, 1, 127, 128, 129, 4096] {
            let mut bytes = vec![0; length];
            assert!(is_zero(&bytes));
            for at in 0..length {
                bytes[at] = 0x80;
                assert!(!is_zero(&bytes), "byte {at} of {length}");
                bytes[at] = 0;
            }
        }
    }

    #[test]
    fn runs_are_maximal_and_the_last_may_be_cut() {
        let bytes = [0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 1];
        let runs: Vec<_> = nonzero_runs(&bytes, 2).collect();
        assert_eq!(runs, [2..6, 10..11]);
        assert_eq!(nonzero_runs(&bytes, 0).next(), Some(2..3));
        assert_eq!(nonzero_runs(&[], 2).next(), None);
        assert_eq!(nonzero_runs(&[0; 9], 4).next(), None);
        assert_eq!(nonzero_runs(&[1], usize::MAX).next(), Some(0..1));
    }

    proptest! {
        #[test]
        fn is_zero_says_what_a_look_at_each_byte_says(
            bytes in vec(prop_oneof![99 => Just(0u8), 1 => any::<u8>()], 0..700),
            skipped in 0usize..64,
        ) {
            let bytes = &bytes[skipped.min(bytes.len())..];
            prop_assert_eq!(is_zero(bytes), bytes.iter().all(|&byte| byte == 0));
        }

        #[test]
        fn a_granule_is_in_a_run_exactly_if_it_is_not_zero(
            bytes in vec(prop_oneof![9 => Just(0u8), 1 => any::<u8>()], 0..300),
            granule in 1usize..40,
        ) {
            let runs: Vec<_> = nonzero_runs(&bytes, granule).collect();
            for pair in runs.windows(2) {
                prop_assert!(pair[0].end < pair[1].start);
            }
            for run in &runs {
                prop_assert!(run.start < run.end && run.start % granule == 0);
                prop_assert!(run.end % granule == 0 || run.end == bytes.len());
            }
            for (index, chunk) in bytes.chunks(granule).enumerate() {
                let at = index * granule;
                let covered = runs.iter().any(|run| run.start <= at && at < run.end);
                prop_assert_eq!(covered, chunk.iter().any(|&byte| byte != 0));
            }
        }
    }
}
