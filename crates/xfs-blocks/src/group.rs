//! Which blocks of an allocation group are free, and everything in the group that must
//! agree with that.

pub(crate) mod headers;
mod rmap;
pub(crate) mod runs;
mod visits;

use blockio::ReadAt;

use crate::btree::{self, Root, Visit};
use crate::error::Halt;
use crate::finding::damage::{GroupDamage, User};
use crate::superblock::Superblock;
use crate::tree::Tree;

use headers::{Agf, Agi, Sectors};
use runs::{Run, overlapping};
use visits::{Blocks, ByBlock, BySize, ChunkBlocks, Chunks, Shared};

/// The free blocks of a group, proven.
#[derive(Debug, Default)]
pub(crate) struct Free {
    pub(crate) runs: Vec<Run>,
    /// What the group adds to `sb_fdblocks`.
    pub(crate) counted: u64,
    /// Blocks of the group's btrees.
    pub(crate) tree_blocks: Vec<u32>,
}

pub(crate) use visits::Chunk;

/// What ends the examination of a group.
pub(crate) type Stop = Halt<GroupDamage>;

impl From<GroupDamage> for Stop {
    fn from(damage: GroupDamage) -> Self {
        Self::Distrust(damage)
    }
}

/// What is examined.
pub(crate) struct Group<'a, R: ?Sized> {
    pub(crate) disk: &'a R,
    pub(crate) superblock: &'a Superblock,
    pub(crate) ag: u32,
}

impl<R: ReadAt + ?Sized> Group<'_, R> {
    /// The free blocks, if everything agrees with them.
    pub(crate) fn examine(&self) -> Result<Free, Stop> {
        let mut sectors = Sectors::default();
        let geometry = &self.superblock.geometry;
        sectors.read(self.disk, geometry, self.ag)?;
        sectors.check_superblock(geometry)?;
        let agf = sectors.agf(geometry, self.ag)?;
        let agi = sectors.agi(geometry, self.ag)?;
        let list = sectors.free_list(geometry, self.ag, &agf)?;
        let (runs, tree_blocks) = self.free_trees(&agf)?;
        let mut free = Free {
            runs,
            tree_blocks,
            ..Free::default()
        };
        let mapped = blockio::len_u64(free.tree_blocks.len());
        // Roots do not count.
        let mut beside = mapped.saturating_sub(2);
        if self.superblock.features.has_rmapbt() {
            let before = free.tree_blocks.len();
            self.reverse_map(&agf, &mut free)?;
            let own = free.tree_blocks.len().saturating_sub(before);
            let own = blockio::len_u64(own);
            beside = beside.saturating_add(own.saturating_sub(1));
        }
        self.check_counts(&agf, &free.runs, beside)?;
        free.counted = runs::blocks(&free.runs)
            .saturating_add(agf.free_list_count.into())
            .saturating_add(beside);
        self.other_trees(&agf, &agi, &mut free)?;
        self.check_places(&free, &list)?;
        Ok(free)
    }

    /// The runs of the bnobt alone, for a group that changes were not written to yet.
    pub(crate) fn by_block_only(&self) -> Result<Vec<Run>, Stop> {
        let mut sectors = Sectors::default();
        let geometry = &self.superblock.geometry;
        sectors.read(self.disk, geometry, self.ag)?;
        let agf = sectors.agf(geometry, self.ag)?;
        let mut by_block = ByBlock::new(geometry.ag_length(self.ag));
        self.walk(Tree::FreeByBlock, agf.by_block, &mut by_block)?;
        Ok(by_block.finish()?)
    }

    /// The chunks of inodes, of which at most `room` may be.
    pub(crate) fn chunks(&self, room: usize) -> Result<Vec<Chunk>, Stop> {
        let mut sectors = Sectors::default();
        let geometry = &self.superblock.geometry;
        sectors.read(self.disk, geometry, self.ag)?;
        let agi = sectors.agi(geometry, self.ag)?;
        let mut chunks = Chunks::new(self.superblock, self.ag, &[], room);
        self.walk(Tree::Inodes, agi.inodes, &mut chunks)?;
        if chunks.is_full {
            let limit = blockio::len_u64(room);
            return Err(GroupDamage::TooManyChunks { limit }.into());
        }
        Ok(chunks.found)
    }

    /// Calls `visit` with the blocks of all trees of the group, and with those that hold
    /// inodes.
    pub(crate) fn metadata(&self, visit: &mut dyn FnMut(Run)) -> Result<(), Stop> {
        let superblock = self.superblock;
        let mut sectors = Sectors::default();
        sectors.read(self.disk, &superblock.geometry, self.ag)?;
        let agf = sectors.agf(&superblock.geometry, self.ag)?;
        let agi = sectors.agi(&superblock.geometry, self.ag)?;
        let features = &superblock.features;
        let trees = [
            (Tree::FreeByBlock, agf.by_block, true),
            (Tree::FreeBySize, agf.by_size, true),
            (Tree::ReverseMap, agf.reverse, features.has_rmapbt()),
            (Tree::RefCounts, agf.shared, features.has_reflink()),
            (Tree::FreeInodes, agi.free_inodes, features.has_finobt()),
        ];
        for (tree, root, _) in trees.into_iter().filter(|(_, _, is_there)| *is_there) {
            self.walk(tree, root, &mut Blocks(visit))?;
        }
        let mut chunks = ChunkBlocks {
            chunks: Chunks::new(superblock, self.ag, &[], 1),
            visit,
        };
        self.walk(Tree::Inodes, agi.inodes, &mut chunks)
    }

    /// The runs that both trees of free space have, and the blocks of the trees.
    fn free_trees(&self, agf: &Agf) -> Result<(Vec<Run>, Vec<u32>), Stop> {
        let length = self.superblock.geometry.ag_length(self.ag);
        let mut by_block = ByBlock::new(length);
        self.walk(Tree::FreeByBlock, agf.by_block, &mut by_block)?;
        let mut blocks = std::mem::take(&mut by_block.blocks);
        let runs = by_block.finish()?;
        let mut by_size = BySize::new(&runs);
        self.walk(Tree::FreeBySize, agf.by_size, &mut by_size)?;
        blocks.append(&mut by_size.blocks);
        let found = by_size.count;
        if found != runs.len() {
            return Err(GroupDamage::TreesDiffer {
                by_block: blockio::len_u64(runs.len()),
                by_size: blockio::len_u64(found),
            }
            .into());
        }
        Ok((runs, blocks))
    }

    /// Holds the free runs against the owners of all other blocks.
    fn reverse_map(&self, agf: &Agf, free: &mut Free) -> Result<(), Stop> {
        let length = self.superblock.geometry.ag_length(self.ag);
        let mut owned = rmap::Owned::new(&free.runs, length);
        self.walk(Tree::ReverseMap, agf.reverse, &mut owned)?;
        let mut blocks = std::mem::take(&mut owned.blocks);
        owned.finish()?;
        free.tree_blocks.append(&mut blocks);
        Ok(())
    }

    /// Trees of which only the place matters, and what they say is in use.
    fn other_trees(&self, agf: &Agf, agi: &Agi, free: &mut Free) -> Result<(), Stop> {
        let superblock = self.superblock;
        let mut chunks = Chunks::new(superblock, self.ag, &free.runs, 0);
        self.walk(Tree::Inodes, agi.inodes, &mut chunks)?;
        chunks.check()?;
        let mut blocks = chunks.blocks;
        if superblock.features.has_finobt() {
            let mut again = Chunks::new(superblock, self.ag, &free.runs, 0);
            self.walk(Tree::FreeInodes, agi.free_inodes, &mut again)?;
            again.check()?;
            blocks.append(&mut again.blocks);
        }
        if superblock.features.has_reflink() {
            let length = superblock.geometry.ag_length(self.ag);
            let mut shared = Shared::new(length, &free.runs);
            self.walk(Tree::RefCounts, agf.shared, &mut shared)?;
            shared.check()?;
            blocks.append(&mut shared.blocks);
        }
        free.tree_blocks.append(&mut blocks);
        Ok(())
    }

    fn walk(&self, tree: Tree, root: (u32, u32), visit: &mut impl Visit) -> Result<(), Stop> {
        let root = Root {
            tree,
            ag: self.ag,
            block: root.0,
            levels: root.1,
        };
        btree::walk(self.disk, &self.superblock.geometry, root, visit).map_err(|halt| match halt {
            Halt::Distrust((block, fault)) => GroupDamage::Tree { tree, block, fault }.into(),
            Halt::Read(error) => Halt::Read(error),
        })
    }

    /// The counts in the AGF. `beside` are the blocks of the trees besides their roots.
    fn check_counts(&self, agf: &Agf, free: &[Run], beside: u64) -> Result<(), GroupDamage> {
        let longest = free.iter().map(|run| run.blocks).max().unwrap_or(0);
        let counts = [
            ("agf_freeblks", agf.free_blocks, runs::blocks(free)),
            ("agf_longest", agf.longest, longest.into()),
            ("agf_btreeblks", agf.tree_blocks, beside),
        ];
        // Without lazy counts nothing keeps the last one.
        let kept = if self.superblock.features.has_lazy_counts() {
            3
        } else {
            2
        };
        for (field, stored, found) in counts.into_iter().take(kept) {
            let stored = u64::from(stored);
            if stored != found {
                return Err(GroupDamage::Count {
                    field,
                    stored,
                    found,
                });
            }
        }
        Ok(())
    }

    /// What has its place by itself must not be free.
    fn check_places(&self, free: &Free, list: &[u32]) -> Result<(), GroupDamage> {
        let superblock = self.superblock;
        let headers = headers::blocks(&superblock.geometry);
        Self::used(&free.runs, Run::new(0, headers), User::Headers)?;
        let (log_ag, log_block) = superblock.log_place;
        if log_ag == self.ag {
            let log = Run::new(log_block, superblock.log_blocks);
            Self::used(&free.runs, log, User::Log)?;
        }
        for block in list {
            Self::used(&free.runs, Run::new(*block, 1), User::FreeList)?;
        }
        for block in &free.tree_blocks {
            Self::used(&free.runs, Run::new(*block, 1), User::Btree)?;
        }
        Ok(())
    }

    fn used(free: &[Run], run: Run, by: User) -> Result<(), GroupDamage> {
        match overlapping(free, run) {
            None => Ok(()),
            Some(found) => Err(GroupDamage::Both {
                block: found.start.max(run.start),
                by,
            }),
        }
    }
}
