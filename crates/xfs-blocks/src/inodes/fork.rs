//! The blocks of a fork: a list of extents, or a tree of them.

use std::collections::HashSet;

use blockio::ReadAt;

use crate::btree::{Block, LEVELS_MAX, Owner, Place, children};
use crate::bytes::{be16, be64, usize_of};
use crate::error::{Error, Halt, Structure, fill};
use crate::finding::damage::InodeFault;
use crate::geometry::{Geometry, low_bits};
use crate::group::runs::Run;
use crate::inodes::core::Fork;
use crate::tree::{Order, Tree};

/// Most blocks of trees of extents: those of 500 million extents.
const NODES_MAX: usize = 2 << 20;

/// A part of what a fork has.
#[derive(Clone, Copy, Debug)]
pub(super) enum Part {
    /// A block of the tree of extents.
    Node { ag: u32, block: u32 },
    /// Blocks with contents.
    Blocks { ag: u32, run: Run },
}

type Stop = Halt<InodeFault>;
type Visit<'v> = &'v mut dyn FnMut(Part) -> Result<(), Error>;

impl From<InodeFault> for Stop {
    fn from(fault: InodeFault) -> Self {
        Self::Distrust(fault)
    }
}

/// Walks through the forks of all inodes.
pub(super) struct Forks<'a, R: ?Sized> {
    disk: &'a R,
    geometry: Geometry,
    /// Blocks of trees that were met: none has two owners, so that no walk is longer than
    /// the filesystem is.
    nodes: HashSet<u64>,
    /// Extents name blocks of the realtime section.
    pub(super) are_elsewhere: bool,
    bytes: Vec<u8>,
}

/// A block that is to be read, and what its parent says of it.
struct Child {
    block: u64,
    level: u32,
    low: Order,
}

impl<'a, R: ReadAt + ?Sized> Forks<'a, R> {
    pub(super) fn new(disk: &'a R, geometry: Geometry) -> Self {
        Self {
            disk,
            geometry,
            nodes: HashSet::new(),
            are_elsewhere: false,
            bytes: Vec::new(),
        }
    }

    /// Calls `visit` with the parts of `fork` of inode `inode`.
    pub(super) fn walk(
        &mut self,
        inode: u64,
        fork: Fork<'_>,
        visit: Visit<'_>,
    ) -> Result<(), Stop> {
        let mut end = 0;
        match fork {
            Fork::Inside => Ok(()),
            Fork::Extents(_) if self.are_elsewhere => Ok(()),
            Fork::Extents(list) => {
                for record in list.chunks_exact(16) {
                    extent(&self.geometry, record, &mut end, visit)?;
                }
                Ok(())
            }
            Fork::Tree(root) => self.tree(inode, root, &mut end, visit),
        }
    }

    /// Walks through the tree with `root` in the inode. Every level is the one below that of
    /// its parent.
    fn tree(
        &mut self,
        inode: u64,
        root: &[u8],
        end: &mut u64,
        visit: Visit<'_>,
    ) -> Result<(), Stop> {
        let (level, count) = (u32::from(be16(root, 0)), usize::from(be16(root, 2)));
        let body = root.get(4..).unwrap_or_default();
        let room = body.len() / 16;
        if level == 0 || level >= LEVELS_MAX {
            return Err(field("bb_level", level));
        }
        if count == 0 || count > room {
            return Err(field("bb_numrecs", u32::from(be16(root, 2))));
        }
        let below = level.saturating_sub(1);
        let mut stack = Vec::new();
        push(&mut stack, children(Tree::File, body, room, count), below);
        while let Some(child) = stack.pop() {
            self.node(inode, &child, end, visit, &mut stack)?;
        }
        Ok(())
    }

    /// Reads a block of the tree; puts its children onto `stack`.
    fn node(
        &mut self,
        inode: u64,
        child: &Child,
        end: &mut u64,
        visit: Visit<'_>,
        stack: &mut Vec<Child>,
    ) -> Result<(), Stop> {
        let number = child.block;
        let Some((ag, block)) = self.geometry.split(number) else {
            return Err(InodeFault::Extent {
                start: number,
                length: 1,
            }
            .into());
        };
        if !self.nodes.insert(number) {
            return Err(InodeFault::MetTwice { block: number }.into());
        }
        if self.nodes.len() > NODES_MAX {
            let limit = blockio::len_u64(NODES_MAX);
            return Err(InodeFault::TooManyNodes { limit }.into());
        }
        visit(Part::Node { ag, block })?;
        self.bytes.resize(usize_of(self.geometry.block_bytes()), 0);
        let at = self.geometry.byte_of(ag, block);
        fill(self.disk, Structure::BtreeBlock, at, &mut self.bytes)?;
        let place = Place {
            basic_block: self.geometry.basic_block_of(ag, block),
            owner: Owner::Inode(inode),
        };
        let level = child.level;
        let node = Block::new(&self.bytes, Tree::File, &self.geometry, place, level);
        let node = node.map_err(|fault| InodeFault::Tree {
            block: number,
            fault,
        })?;
        let first = if level == 0 {
            node.records().next().map(|record| Tree::File.order(record))
        } else {
            node.children().next().map(|(low, _)| low)
        };
        if first != Some(child.low) {
            return Err(InodeFault::Order.into());
        }
        if level > 0 {
            push(stack, node.children(), level.saturating_sub(1));
            return Ok(());
        }
        for record in node.records().filter(|_| !self.are_elsewhere) {
            extent(&self.geometry, record, end, visit)?;
        }
        Ok(())
    }
}

/// Puts the children of a node onto `stack`, so that the first is taken first.
fn push(stack: &mut Vec<Child>, children: impl Iterator<Item = (Order, u64)>, level: u32) {
    let before = stack.len();
    stack.extend(children.map(|(low, block)| Child { block, level, low }));
    if let Some(added) = stack.get_mut(before..) {
        added.reverse();
    }
}

/// Takes in an extent, which begins at or after the block `end` of the file.
fn extent(geometry: &Geometry, record: &[u8], end: &mut u64, visit: Visit<'_>) -> Result<(), Stop> {
    let (high, low) = (be64(record, 0), be64(record, 8));
    // From the top: one bit if it is unwritten, 54 of the offset, 52 of the block, 21 of the
    // length.
    let [offset, ..] = Tree::File.order(record);
    let start = (high & low_bits(9)) << 43 | low >> 21;
    let length = low & low_bits(21);
    if offset < *end || length == 0 {
        return Err(InodeFault::Order.into());
    }
    *end = offset.saturating_add(length);
    let fault = InodeFault::Extent { start, length };
    let Some((ag, block)) = geometry.split(start) else {
        return Err(fault.into());
    };
    let run = Run::new(block, u32::try_from(length).unwrap_or(u32::MAX));
    if !run.is_within(geometry.ag_length(ag)) {
        return Err(fault.into());
    }
    visit(Part::Blocks { ag, run })?;
    Ok(())
}

fn field(field: &'static str, found: u32) -> Stop {
    let found = found.into();
    InodeFault::Field { field, found }.into()
}
