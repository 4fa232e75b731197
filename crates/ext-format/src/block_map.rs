//! The map of an inode, by extent tree or by indirect blocks: which blocks
//! hold its contents, and which the map itself. This is the only walk over
//! maps there is.

mod extents;
mod form;
pub mod nodes;

use std::ops::Range;

use blockio::ReadAt;

use crate::error::{Error, Structure, read};
use crate::finding::InodeDamage;
use crate::geometry::to_index;
use crate::group::Layout;
use crate::inode::{I_BLOCK_BYTES, Inode};
use crate::runs::BlockRun;
use crate::superblock::u32_at;
pub use form::MapForm;
use nodes::{Entry, Node, NodesRead};

/// Nodes that are remembered, so that none is read twice: 28 MiB while the set
/// grows. That is the map of 7 TiB by indirect blocks of 4 KiB. Past it, as
/// many nodes are read as the filesystem has blocks.
const NODES_MAX: usize = 7 << 18;

/// Deepest extent tree the kernel makes.
const DEPTH_MAX: u16 = 5;

/// Deepest extent tree that is looked at. e2fsck sets no limit.
const DEPTH_READ_MAX: u16 = 31;

/// The logical blocks an extent tree can name.
const LOGICAL_BLOCKS: Range<u64> = 0..1 << 32;

/// Pointers in the inode that point at the contents. The three after them
/// point at one, two and three levels of indirect blocks.
const DIRECT_POINTERS: usize = 12;

/// What a walk over a map meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// A block of the extent tree, or an indirect block.
    Node {
        /// The block; what is below it follows.
        block: u64,
    },
    /// Blocks of the contents.
    Blocks {
        /// The first, counted from the start of the contents.
        logical: u64,
        /// Where they are.
        run: BlockRun,
        /// They were allocated, and nothing was written to them.
        unwritten: bool,
    },
    /// Something is wrong. Of the node or entry it is found in, the walk gives
    /// what can be told all the same, and goes on after it.
    Damage(InodeDamage),
}

/// Walks over the maps of inodes. Over all its walks, no node is read twice
/// from the same depth, so that cycles end.
#[derive(Debug)]
pub struct Mapper<'a, R: ?Sized> {
    disk: &'a R,
    layout: &'a Layout,
    read: NodesRead,
}

impl<'a, R: ReadAt + ?Sized> Mapper<'a, R> {
    /// Walks over the maps of inodes on `disk`.
    #[must_use]
    pub fn new(disk: &'a R, layout: &'a Layout) -> Self {
        Self::with_memory_of(NODES_MAX, disk, layout)
    }

    /// A mapper that remembers at most so many `nodes`.
    #[must_use]
    pub fn with_memory_of(nodes: usize, disk: &'a R, layout: &'a Layout) -> Self {
        Self {
            disk,
            layout,
            read: NodesRead::new(nodes),
        }
    }

    /// The nodes that were read.
    #[must_use]
    pub fn into_nodes_read(self) -> NodesRead {
        self.read
    }

    /// Gives `visit` the map of `inode`, which is of `form`, in the order of
    /// the contents. An error of `visit` ends the walk; the order holds up to
    /// the first damage.
    ///
    /// # Errors
    ///
    /// Those of `visit`, and [`Error::Read`] where the storage fails.
    pub fn walk<E: From<Error>>(
        &mut self,
        inode: &Inode,
        form: MapForm,
        visit: &mut impl FnMut(Item) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut walk = Walk {
            mapper: self,
            inode,
            visit,
            unread: Vec::new(),
        };
        match form {
            MapForm::Extents => walk.extents(),
            MapForm::Pointers => walk.pointers(),
        }
    }
}

struct Walk<'w, 'a, R: ?Sized, V> {
    mapper: &'w mut Mapper<'a, R>,
    inode: &'w Inode,
    visit: &'w mut V,
    /// The next one last: at most the siblings of the nodes of one path.
    unread: Vec<Node>,
}

impl<R, V, E> Walk<'_, '_, R, V>
where
    R: ReadAt + ?Sized,
    V: FnMut(Item) -> Result<(), E>,
    E: From<Error>,
{
    fn extents(&mut self) -> Result<(), E> {
        let depth = extents::depth_of(&self.inode.i_block);
        let root = Node {
            block: 0,
            depth,
            logical: LOGICAL_BLOCKS,
        };
        let bytes = self.inode.i_block;
        let is_root = extents::is_node(&bytes, depth);
        if depth > DEPTH_MAX || !is_root {
            self.damage(InodeDamage::ExtentTree { block: 0 })?;
        }
        if depth > DEPTH_READ_MAX || !is_root {
            return Ok(());
        }
        self.extent_node(&bytes, &root)?;
        let mut bytes = Vec::new();
        while let Some(node) = self.unread.pop() {
            if !self.enter(&node, MapForm::Extents, &mut bytes)? {
                continue;
            }
            let damage = InodeDamage::ExtentTree { block: node.block };
            if !extents::is_node(&bytes, node.depth) {
                self.damage(damage)?;
                continue;
            }
            if !self.extent_block_verifies(&bytes) {
                self.damage(damage)?;
            }
            self.extent_node(&bytes, &node)?;
        }
        Ok(())
    }

    /// Takes in the entries of one node of the extent tree.
    fn extent_node(&mut self, bytes: &[u8], node: &Node) -> Result<(), E> {
        let siblings = self.unread.len();
        let mut in_order = true;
        let mut next = node.logical.start;
        let mut entries = extents::entries(bytes).peekable();
        while let Some(entry) = entries.next() {
            let logical = extents::logical(entry);
            let extent = (node.depth == 0).then(|| extents::extent(entry));
            let end = match (&extent, entries.peek()) {
                (Some((run, _)), _) => logical.saturating_add(run.count()),
                (None, Some(following)) => extents::logical(following),
                (None, None) => node.logical.end,
            };
            let fits = next <= logical && logical < end && end <= node.logical.end;
            if in_order && !fits {
                in_order = false;
                self.damage(InodeDamage::ExtentTree { block: node.block })?;
            }
            next = end;
            match extent {
                Some((run, unwritten)) => self.blocks(logical, run, unwritten)?,
                None => self.unread.push(Node {
                    block: extents::child(entry),
                    depth: node.depth.saturating_sub(1),
                    logical: logical..end,
                }),
            }
        }
        self.reverse_from(siblings);
        Ok(())
    }

    /// Whether the checksum of a block of the extent tree is right.
    fn extent_block_verifies(&self, bytes: &[u8]) -> bool {
        let (covered, stored) = extents::covered(bytes);
        let (number, generation) = (self.inode.number, self.inode.i_generation);
        let checksums = &self.mapper.layout.checksums;
        let computed = checksums.extent_block(number, generation, covered);
        computed.is_none_or(|computed| computed == stored)
    }

    fn pointers(&mut self) -> Result<(), E> {
        let bytes = self.inode.i_block;
        let (direct, indirect) = bytes.split_at(4 * DIRECT_POINTERS);
        let mut logical = self.pointer_node(direct, 0, 0)?;
        for (pointer, depth) in indirect.chunks_exact(4).zip(1..) {
            let end = logical.saturating_add(self.blocks_below(depth));
            self.push(u64::from(u32_at(pointer, 0)), depth, logical..end);
            logical = end;
        }
        self.unread.reverse();
        let mut bytes = Vec::new();
        while let Some(node) = self.unread.pop() {
            if self.enter(&node, MapForm::Pointers, &mut bytes)? {
                let below = node.depth.saturating_sub(1);
                self.pointer_node(&bytes, below, node.logical.start)?;
            }
        }
        Ok(())
    }

    /// Takes in block pointers, for the contents from `logical` on; each has
    /// `depth` levels of pointers below. Returns where the contents go on.
    fn pointer_node(&mut self, bytes: &[u8], depth: u16, mut logical: u64) -> Result<u64, E> {
        let siblings = self.unread.len();
        let span = self.blocks_below(depth);
        let mut held: Option<(u64, BlockRun)> = None;
        for pointer in bytes.chunks_exact(4) {
            let block = u64::from(u32_at(pointer, 0));
            let end = logical.saturating_add(span);
            if depth > 0 {
                self.push(block, depth, logical..end);
            } else {
                held = self.pointer(block, logical, held)?;
            }
            logical = end;
        }
        if let Some((first, run)) = held {
            self.blocks(first, run, false)?;
        }
        self.reverse_from(siblings);
        Ok(logical)
    }

    /// Takes in a pointer at the contents. Neighbours are `held`, to be visited
    /// at once, and returned so.
    fn pointer(
        &mut self,
        block: u64,
        logical: u64,
        held: Option<(u64, BlockRun)>,
    ) -> Result<Option<(u64, BlockRun)>, E> {
        let next = BlockRun::new(block, 1);
        let inside = self.mapper.layout.geometry.holds(block);
        match held {
            // A hole in the contents ends a run, so this one has none.
            Some((first, run)) if inside && run.end == block => {
                let end = next.end;
                return Ok(Some((first, BlockRun { end, ..run })));
            }
            Some((first, run)) => self.blocks(first, run, false)?,
            None => {}
        }
        if block != 0 && !inside {
            self.blocks(logical, next, false)?;
        }
        Ok(inside.then_some((logical, next)))
    }

    /// Blocks of the contents below a pointer with `depth` levels below it.
    fn blocks_below(&self, depth: u16) -> u64 {
        let pointers = self.mapper.layout.geometry.block_bytes() / 4;
        pointers.saturating_pow(u32::from(depth))
    }

    /// Has the node in `block` read later, unless it is a hole.
    fn push(&mut self, block: u64, depth: u16, logical: Range<u64>) {
        if block != 0 {
            self.unread.push(Node {
                block,
                depth,
                logical,
            });
        }
    }

    /// Reads the siblings from `first` on in their order.
    fn reverse_from(&mut self, first: usize) {
        if let Some(siblings) = self.unread.get_mut(first..) {
            siblings.reverse();
        }
    }

    /// Reads `node`, unless that is of no use.
    fn enter(&mut self, node: &Node, form: MapForm, bytes: &mut Vec<u8>) -> Result<bool, E> {
        let Mapper { disk, layout, .. } = *self.mapper;
        let geometry = &layout.geometry;
        let block = node.block;
        if !geometry.holds(block) {
            self.damage(InodeDamage::OutOfRange { block, count: 1 })?;
            return Ok(false);
        }
        (self.visit)(Item::Node { block })?;
        let limit = geometry.block_count();
        match self.mapper.read.insert(node.key(form), limit) {
            Entry::First => {}
            Entry::Again => {
                self.damage(InodeDamage::Repeated { block })?;
                return Ok(false);
            }
            Entry::TooMany => {
                self.damage(InodeDamage::TooLarge { limit })?;
                return Ok(false);
            }
        }
        bytes.resize(to_index(geometry.block_bytes()), 0);
        read(
            disk,
            Structure::MappingBlock,
            geometry.byte_of(block),
            bytes,
        )?;
        Ok(true)
    }

    fn blocks(&mut self, logical: u64, run: BlockRun, unwritten: bool) -> Result<(), E> {
        if run.is_empty() {
            return Ok(());
        }
        if !self.mapper.layout.geometry.holds_all(run) {
            return self.damage(InodeDamage::OutOfRange {
                block: run.start,
                count: run.count(),
            });
        }
        (self.visit)(Item::Blocks {
            logical,
            run,
            unwritten,
        })
    }

    fn damage(&mut self, damage: InodeDamage) -> Result<(), E> {
        (self.visit)(Item::Damage(damage))
    }
}

const _: () = assert!(I_BLOCK_BYTES == 4 * (DIRECT_POINTERS + 3));

#[cfg(test)]
mod tests;
