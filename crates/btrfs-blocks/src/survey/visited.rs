//! Blocks of trees that were met.

use std::collections::HashMap;

/// Bytes of the filesystem that a bit stands for, the smallest sector, and those of a page.
const UNIT_BYTES: u64 = 4096;
const PAGE_BYTES: u64 = UNIT_BYTES * 64 * WORDS_U64;
const WORDS: usize = 64;
const WORDS_U64: u64 = 64;

/// Blocks that were met, as pages of bits: one of 512 bytes for 16 MiB of the filesystem.
#[derive(Debug, Default)]
pub(super) struct Visited(HashMap<u64, Box<[u64; WORDS]>>);

impl Visited {
    /// Notes the block at `at`; returns whether it is new.
    pub(super) fn insert(&mut self, at: u64) -> bool {
        let page = self.0.entry(at / PAGE_BYTES);
        let page = page.or_insert_with(|| Box::new([0; WORDS]));
        let unit = at % PAGE_BYTES / UNIT_BYTES;
        let bit = 1u64 << (unit % 64);
        let word = usize::try_from(unit / 64).ok();
        let Some(word) = word.and_then(|word| page.get_mut(word)) else {
            return true;
        };
        let is_new = *word & bit == 0;
        *word |= bit;
        is_new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_new_once() {
        let mut visited = Visited::default();
        for at in [
            0,
            4096,
            16 << 20,
            (16 << 20) - 4096,
            u64::MAX - 4095,
            1 << 40,
        ] {
            assert!(visited.insert(at));
            assert!(!visited.insert(at));
        }
        assert_eq!(visited.0.len(), 4);
    }
}
