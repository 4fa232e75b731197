//! A directory whose names are scrambled, block by block or sorted again.

pub(crate) mod entries;
pub(crate) mod hash;
pub(crate) mod index;
mod outcome;
mod scrambler;
mod sort;

use crate::directory::index::{Hashes, Index};

pub(super) use outcome::Outcome;
pub use outcome::Unindexed;
pub(super) use scrambler::{Directory, Scrambler, Style};

impl Scrambler<'_> {
    /// Scrambles all blocks of the directory, which lie one after the other.
    /// Where the outcome has a reason, it has no index any more.
    pub(super) fn blocks(&self, blocks: &mut [u8]) -> Outcome {
        let index = if self.directory.is_indexed {
            Index::parse(blocks, self.shape())
        } else {
            None
        };
        let Some(index) = index else {
            let mut outcome = Outcome::default();
            for block in blocks.chunks_exact_mut(self.style.block_bytes) {
                outcome.add(self.block(block));
            }
            outcome.unindexed = self.directory.is_indexed.then_some(Unindexed::Damaged);
            return outcome;
        };
        let mut outcome = Outcome::default();
        for leaf in &index.leaves {
            if let Some(block) = self.block_mut(blocks, *leaf) {
                outcome.add(self.leaf(block));
            }
        }
        let errors: Vec<u32> = index
            .nodes
            .iter()
            .map(|node| self.node_error(blocks, node))
            .collect();
        let sorted = match index.hashes {
            _ if outcome.cleared_blocks > 0 => Err(Unindexed::Damaged),
            Hashes::Of(algorithm) => sort::sort(self, &index, algorithm, blocks),
            // Names do not move, for their hashes do not change.
            Hashes::Secret if self.format().has_hash => Ok(()),
            Hashes::Secret => Err(Unindexed::Damaged),
        };
        outcome.unindexed = sorted.err();
        for (node, wrong) in index.nodes.iter().zip(errors) {
            let Some(block) = self.block_mut(blocks, node.block) else {
                continue;
            };
            if outcome.unindexed.is_some() {
                self.flatten(block);
            } else {
                node.zero_slack(block);
                self.seal_node(block, node, wrong);
            }
        }
        outcome
    }
}

#[cfg(test)]
mod tests;
