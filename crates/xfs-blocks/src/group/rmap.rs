//! The owners of blocks, which together with the free runs cover the group: no block is
//! both, and none neither.

use crate::btree::Visit;
use crate::bytes::be32;
use crate::finding::damage::{GroupDamage, TreeFault, User};
use crate::group::runs::Run;

/// How far owners and free runs have covered the group. Owners ascend by their first block,
/// and several may have a block.
pub(super) struct Owned<'a> {
    free: std::slice::Iter<'a, Run>,
    length: u32,
    /// The first block not covered yet.
    at: u32,
    fault: Option<GroupDamage>,
    pub(super) blocks: Vec<u32>,
}

impl<'a> Owned<'a> {
    pub(super) fn new(free: &'a [Run], length: u32) -> Self {
        Self {
            free: free.iter(),
            length,
            at: 0,
            fault: None,
            blocks: Vec::new(),
        }
    }

    /// The end of the group must be covered, too.
    pub(super) fn finish(mut self) -> Result<(), GroupDamage> {
        self.cover_to(self.length);
        if let Some(next) = self.free.next() {
            self.fault.get_or_insert(both(next.start));
        }
        self.fault.map_or(Ok(()), Err)
    }

    /// Covers what is before `block` with free runs.
    fn cover_to(&mut self, block: u32) {
        while self.at < block && self.fault.is_none() {
            match self.free.next() {
                Some(run) if run.start == self.at => self.at = run.end(),
                // It begins in what an owner has.
                Some(run) if run.start < self.at => self.fault = Some(both(run.start)),
                _ => self.fault = Some(GroupDamage::Neither { block: self.at }),
            }
        }
    }
}

const fn both(block: u32) -> GroupDamage {
    GroupDamage::Both {
        block,
        by: User::Owner,
    }
}

impl Visit for Owned<'_> {
    fn record(&mut self, record: &[u8]) -> Result<(), TreeFault> {
        let run = Run::new(be32(record, 0), be32(record, 4));
        if !run.is_within(self.length) {
            return Err(TreeFault::Record {
                start: run.start.into(),
                length: run.blocks.into(),
            });
        }
        let is_gap = self.at < run.start;
        self.cover_to(run.start);
        if self.fault.is_some() {
            return Ok(());
        }
        // The free run that ended the gap reaches into this.
        if is_gap && self.at > run.start {
            self.fault = Some(both(run.start));
            return Ok(());
        }
        self.at = self.at.max(run.end());
        Ok(())
    }

    fn block(&mut self, block: u32) {
        self.blocks.push(block);
    }
}
