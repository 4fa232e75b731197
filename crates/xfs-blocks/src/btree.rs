//! A walk through a btree of an allocation group, from its root.
//!
//! Nothing stored makes the walk longer than the tree is: every level is the one below that
//! of its parent, and the records ascend from the first leaf to the last, so no leaf is met
//! twice.

mod block;

use blockio::ReadAt;

use crate::error::{Error, Halt, Structure, fill};
use crate::finding::damage::TreeFault;
use crate::geometry::Geometry;
use crate::tree::{Order, Tree};

pub(crate) use block::{Block, Owner, Place, children};

/// Most levels of a tree. Linux allows 9 for most, and for the rmapbt what a group may need.
pub(crate) const LEVELS_MAX: u32 = 16;

/// A tree of a group.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Root {
    pub(crate) tree: Tree,
    pub(crate) ag: u32,
    pub(crate) block: u32,
    pub(crate) levels: u32,
}

/// What ends a walk: the block that is damaged, and how.
pub(crate) type Stop = Halt<(u32, TreeFault)>;

/// What a walk gives.
pub(crate) trait Visit {
    /// A record, in order.
    fn record(&mut self, record: &[u8]) -> Result<(), TreeFault>;
    /// A block of the tree itself.
    fn block(&mut self, block: u32);
}

/// Walks through the tree of `root` on `disk`.
pub(crate) fn walk<R: ReadAt + ?Sized>(
    disk: &R,
    geometry: &Geometry,
    root: Root,
    visit: &mut impl Visit,
) -> Result<(), Stop> {
    let Some(top) = root
        .levels
        .checked_sub(1)
        .filter(|_| root.levels <= LEVELS_MAX)
    else {
        let fault = TreeFault::Levels { found: root.levels };
        return Err(Halt::Distrust((root.block, fault)));
    };
    let mut walker = Walker {
        disk,
        geometry,
        root,
        bytes: Vec::new(),
        siblings: vec![None; usize::try_from(root.levels).unwrap_or(0)],
        last: None,
    };
    let mut nodes: Vec<Node> = Vec::new();
    let mut next = Some(Child {
        block: root.block,
        low: None,
    });
    while let Some(child) = next {
        let depth = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        let level = top.saturating_sub(depth);
        match walker.read(child, level, visit) {
            Ok(Some(node)) => nodes.push(node),
            Ok(None) => {}
            Err(Halt::Distrust(fault)) => return Err(Halt::Distrust((child.block, fault))),
            Err(Halt::Read(error)) => return Err(Halt::Read(error)),
        }
        next = following(&mut nodes);
    }
    walker.finish()
}

/// A node whose children are walked through.
struct Node {
    children: std::vec::IntoIter<Child>,
}

/// A child of a node, and the first record below it as its key says.
#[derive(Clone, Copy)]
struct Child {
    block: u32,
    low: Option<Order>,
}

/// The next child of the lowest of `nodes` that has one left.
fn following(nodes: &mut Vec<Node>) -> Option<Child> {
    while let Some(node) = nodes.last_mut() {
        if let Some(child) = node.children.next() {
            return Some(child);
        }
        nodes.pop();
    }
    None
}

struct Walker<'a, R: ?Sized> {
    disk: &'a R,
    geometry: &'a Geometry,
    root: Root,
    bytes: Vec<u8>,
    /// For each level the last block met, and the one that it says is to its right.
    siblings: Vec<Option<(u32, u32)>>,
    /// The last record met.
    last: Option<Order>,
}

/// The number of no block.
const NO_BLOCK: u32 = u32::MAX;

impl<R: ReadAt + ?Sized> Walker<'_, R> {
    /// Reads a block at `level`, and visits it. A node is returned with its children.
    fn read(
        &mut self,
        child: Child,
        level: u32,
        visit: &mut impl Visit,
    ) -> Result<Option<Node>, Halt<TreeFault>> {
        let Root { tree, ag, .. } = self.root;
        if child.block >= self.geometry.ag_length(ag) {
            return Err(Halt::Distrust(TreeFault::Outside {
                block: child.block.into(),
            }));
        }
        self.load(ag, child.block)?;
        let place = Place {
            basic_block: self.geometry.basic_block_of(ag, child.block),
            owner: Owner::Group(ag),
        };
        let block = Block::new(&self.bytes, tree, self.geometry, place, level);
        let block = block.map_err(Halt::Distrust)?;
        check_siblings(&mut self.siblings, level, child.block, &block).map_err(Halt::Distrust)?;
        visit.block(child.block);
        if level > 0 {
            let children = block.children().map(|(low, block)| Child {
                // Short trees have 32-bit pointers.
                block: u32::try_from(block).unwrap_or(NO_BLOCK),
                low: Some(low),
            });
            let children: Vec<_> = children.collect();
            if children.is_empty() {
                return Err(Halt::Distrust(TreeFault::Empty));
            }
            if child.low.is_some() && children.first().and_then(|first| first.low) != child.low {
                return Err(Halt::Distrust(TreeFault::Key));
            }
            let children = children.into_iter();
            return Ok(Some(Node { children }));
        }
        records(&block, tree, child.low, &mut self.last, visit).map_err(Halt::Distrust)?;
        Ok(None)
    }

    fn load(&mut self, ag: u32, block: u32) -> Result<(), Error> {
        let length = usize::try_from(self.geometry.block_bytes()).unwrap_or(0);
        self.bytes.resize(length, 0);
        let at = self.geometry.byte_of(ag, block);
        fill(self.disk, Structure::BtreeBlock, at, &mut self.bytes)
    }

    /// The last block of each level has none to its right.
    fn finish(&self) -> Result<(), Stop> {
        for (block, right) in self.siblings.iter().flatten() {
            if *right != NO_BLOCK {
                let fault = TreeFault::Sibling { found: *right };
                return Err(Halt::Distrust((*block, fault)));
            }
        }
        Ok(())
    }
}

/// Holds the neighbours of `block` at `level` against the block met before.
fn check_siblings(
    siblings: &mut [Option<(u32, u32)>],
    level: u32,
    number: u32,
    block: &Block<'_>,
) -> Result<(), TreeFault> {
    let sibling = |found: u64| u32::try_from(found).unwrap_or(NO_BLOCK);
    let (left, right) = (sibling(block.left()), sibling(block.right()));
    let index = usize::try_from(level).unwrap_or(usize::MAX);
    let Some(before) = siblings.get_mut(index) else {
        return Err(TreeFault::Levels { found: level });
    };
    let (want, said) = before.map_or((NO_BLOCK, number), |(last, right)| (last, right));
    if left != want {
        return Err(TreeFault::Sibling { found: left });
    }
    if said != number {
        return Err(TreeFault::Sibling { found: said });
    }
    *before = Some((number, right));
    Ok(())
}

/// Visits the records of a leaf, which ascend after `last`; the first is `low`.
fn records(
    block: &Block<'_>,
    tree: Tree,
    low: Option<Order>,
    last: &mut Option<Order>,
    visit: &mut impl Visit,
) -> Result<(), TreeFault> {
    let mut low = low;
    // Only a root may have none.
    if low.is_some() && block.records().next().is_none() {
        return Err(TreeFault::Empty);
    }
    for record in block.records() {
        let order = tree.order(record);
        if low.take().is_some_and(|low| low != order) {
            return Err(TreeFault::Key);
        }
        if last.is_some_and(|last| last >= order) {
            return Err(TreeFault::Order);
        }
        *last = Some(order);
        visit.record(record)?;
    }
    Ok(())
}
