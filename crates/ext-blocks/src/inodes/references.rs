//! The blocks that inodes refer to. The first damage ends the walk: what lies
//! after it cannot be known.

use blockio::ReadAt;
use ext_format::block_map::nodes::NodesRead;
use ext_format::block_map::{Item, MapForm, Mapper};
use ext_format::error::Halt;
use ext_format::finding::{InodeDamage, WalkDamage};
use ext_format::group::{GroupReader, Layout};
use ext_format::inode::{BAD_BLOCKS_INODE, Inode};
use ext_format::reserved::Reserved;
use ext_format::runs::{BlockRun, WIDE_RUNS_MAX, WideCollector};

use crate::inodes::tables::{InodeTables, Met, Scan, first_unusable};

/// Why a walk ended early.
pub(crate) type Stop = Halt<WalkDamage>;

/// The blocks that any inode on `disk` refers to: ascending, disjoint, perhaps
/// with some that lie between. They hold contents, maps and attributes; what
/// the superblock and the group descriptors place is not among them.
///
/// `scan` is [`Scan::Held`] only where the descriptors of a clean or recovered
/// filesystem tell which inodes were never used. [`Halt::Refused`] is why no
/// such set is known.
pub(crate) fn used_by_inodes<R: ReadAt + ?Sized>(
    disk: &R,
    layout: &Layout,
    reserved: &Reserved,
    scan: Scan,
) -> Result<Vec<BlockRun>, Stop> {
    let mut used = WideCollector::new(WIDE_RUNS_MAX);
    walk(disk, layout, reserved, scan, &mut |reference| {
        used.insert(reference.run);
        Ok(())
    })?;
    Ok(used.finish())
}

/// Blocks that an inode refers to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reference {
    /// The inode.
    pub(crate) inode: u32,
    pub(crate) run: BlockRun,
    pub(crate) holds: Holds,
}

/// What blocks hold that an inode refers to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Holds {
    /// Its attributes or a part of its map.
    Metadata,
    /// Its contents.
    Contents,
    /// Nothing: they are of a user's file, and were never written.
    Nothing,
}

/// Calls `visit` with all blocks that inodes refer to. An error of `visit` ends the
/// walk.
pub(crate) fn walk<R: ReadAt + ?Sized>(
    disk: &R,
    layout: &Layout,
    reserved: &Reserved,
    scan: Scan,
    visit: &mut impl FnMut(Reference) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let mut walker = Walker::new(layout, reserved, Mapper::new(disk, layout), visit);
    let mut groups = GroupReader::new(disk, layout);
    if let Some(group) = first_unusable(&mut groups)? {
        return Err(Stop::Refused(WalkDamage::Descriptor { group }));
    }
    InodeTables::new(disk, layout, groups, scan).walk(&mut |met| walker.met(&met))
}

/// Gives to `visit` what the inodes that it meets refer to.
pub(crate) struct Walker<'w, 'a, R: ?Sized, V> {
    layout: &'a Layout,
    reserved: &'w Reserved,
    mapper: Mapper<'a, R>,
    visit: &'w mut V,
}

impl<'w, 'a, R, V> Walker<'w, 'a, R, V>
where
    R: ReadAt + ?Sized,
    V: FnMut(Reference) -> Result<(), Stop>,
{
    pub(crate) const fn new(
        layout: &'a Layout,
        reserved: &'w Reserved,
        mapper: Mapper<'a, R>,
        visit: &'w mut V,
    ) -> Self {
        Self {
            layout,
            reserved,
            mapper,
            visit,
        }
    }

    /// The nodes of maps that were read.
    pub(crate) fn into_nodes_read(self) -> NodesRead {
        self.mapper.into_nodes_read()
    }

    /// Takes in an inode. The first damage is an error: what follows it cannot be
    /// known.
    pub(crate) fn met(&mut self, met: &Met<'_>) -> Result<(), Stop> {
        match met.damage {
            // What was never used may be anything, and is an inode all the same
            // where its checksum says so.
            Some(_) if !met.held => Ok(()),
            Some(damage) => Err(stop(met.inode, damage)),
            None => self.inode(met.inode),
        }
    }

    fn inode(&mut self, inode: &Inode) -> Result<(), Stop> {
        let geometry = &self.layout.geometry;
        let translator = if self.reserved.translators {
            u64::from(inode.translator)
        } else {
            0
        };
        for block in [inode.i_file_acl, translator] {
            if block == 0 {
                continue;
            }
            if !geometry.holds(block) {
                return Err(stop(inode, InodeDamage::AttributeBlock { block }));
            }
            (self.visit)(Reference {
                inode: inode.number,
                run: BlockRun::new(block, 1),
                holds: Holds::Metadata,
            })?;
        }
        if !inode.has_map() && inode.number != BAD_BLOCKS_INODE {
            return Ok(());
        }
        let users = inode.is_regular() && !self.reserved.holds_metadata(inode);
        let visit = &mut *self.visit;
        let form = MapForm::of(inode);
        self.mapper.walk(inode, form, &mut |item| {
            let (run, holds) = match item {
                Item::Node { block } => (BlockRun::new(block, 1), Holds::Metadata),
                Item::Blocks { run, unwritten, .. } if unwritten && users => (run, Holds::Nothing),
                Item::Blocks { run, .. } => (run, Holds::Contents),
                Item::Damage(damage) => return Err(stop(inode, damage)),
            };
            visit(Reference {
                inode: inode.number,
                run,
                holds,
            })
        })
    }
}

fn stop(inode: &Inode, damage: InodeDamage) -> Stop {
    let inode = inode.number;
    Stop::Refused(WalkDamage::Inode { inode, damage })
}

#[cfg(test)]
mod tests;
