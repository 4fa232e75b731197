//! The blocks of the journal: those of one inode, by extent tree or by
//! indirect blocks.

use blockio::ReadAt;

use crate::damage::JournalDamage;
use crate::error::{Error, Structure, read};
use crate::geometry::to_index;
use crate::group::{GroupReader, Layout};
use crate::inode::{I_BLOCK_BYTES, Inode, read_inode};
use crate::runs::{BlockRun, Full, RunCollector};
use crate::superblock::{join, u16_at, u32_at};

/// Extents or block pointers that are followed. The largest journal mke2fs
/// makes has 10,240,000 blocks.
const ENTRIES_MAX: u64 = 1 << 24;

/// `eh_magic`.
const EXTENT_MAGIC: u16 = 0xf30a;

/// Size of the header of a node, and of each of its entries, in bytes.
const EXTENT_BYTES: usize = 12;

/// Deepest extent tree the kernel makes.
const DEPTH_MAX: u16 = 5;

/// Longest initialised extent, in blocks; a longer one is unwritten and this
/// much shorter.
const EXTENT_BLOCKS_MAX: u16 = 0x8000;

/// Block pointers in the inode that point at the journal's own blocks. The
/// three behind them point at one, two and three levels of indirect blocks.
const DIRECT_POINTERS: usize = 12;

/// Why a walk ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The map is damaged; what was found before is right.
    Damage(JournalDamage),
    /// The storage failed.
    Read(Error),
    /// More runs than are kept.
    Full,
}

impl From<JournalDamage> for Stop {
    fn from(damage: JournalDamage) -> Self {
        Self::Damage(damage)
    }
}

impl From<Error> for Stop {
    fn from(error: Error) -> Self {
        Self::Read(error)
    }
}

impl From<Full> for Stop {
    fn from(Full: Full) -> Self {
        Self::Full
    }
}

/// Adds to `runs` the blocks of the journal in inode `number`.
pub(crate) fn collect<R: ReadAt + ?Sized>(
    disk: &R,
    groups: &mut GroupReader<'_, R>,
    number: u32,
    runs: &mut RunCollector,
) -> Result<(), Stop> {
    let inode = read_inode(disk, groups, number)??;
    let Inode {
        i_mode,
        i_links_count,
        ..
    } = inode;
    if !inode.is_file_in_use() {
        return Err(JournalDamage::NotAFile {
            i_mode,
            i_links_count,
        }
        .into());
    }
    let mut walk = Walk {
        disk,
        layout: groups.layout(),
        inode: &inode,
        entries: 0,
        runs,
    };
    if inode.has_extents() {
        walk.extents()
    } else {
        walk.pointers()
    }
}

/// A block of the map that has not been read yet.
#[derive(Clone, Copy, Debug)]
struct Node {
    block: u64,
    /// Of an extent tree: `eh_depth`. Of indirect blocks: how many levels of
    /// pointers, from 1.
    depth: u16,
}

struct Walk<'a, R: ?Sized> {
    disk: &'a R,
    layout: &'a Layout,
    inode: &'a Inode,
    /// Extents and pointers there was room for in the nodes read so far.
    entries: u64,
    runs: &'a mut RunCollector,
}

impl<R: ReadAt + ?Sized> Walk<'_, R> {
    fn extents(&mut self) -> Result<(), Stop> {
        // Depth first: the stack holds at most the siblings of one path.
        let mut unread = Vec::new();
        let root = self.inode.i_block;
        let depth = u16_at(&root, 6);
        if depth > DEPTH_MAX {
            return Err(JournalDamage::ExtentTree { block: 0 }.into());
        }
        self.extent_node(&root, Node { block: 0, depth }, &mut unread)?;
        let mut bytes = Vec::new();
        while let Some(node) = unread.pop() {
            self.read_node(node.block, EXTENT_BYTES, &mut bytes)?;
            self.check_extent_block(&bytes, node.block)?;
            self.extent_node(&bytes, node, &mut unread)?;
        }
        Ok(())
    }

    /// Takes in the entries of one node of the extent tree.
    fn extent_node(
        &mut self,
        bytes: &[u8],
        node: Node,
        unread: &mut Vec<Node>,
    ) -> Result<(), Stop> {
        let damage = JournalDamage::ExtentTree { block: node.block };
        let entries = usize::from(u16_at(bytes, 2));
        let max = usize::from(u16_at(bytes, 4));
        // The header takes the room of one entry.
        let room = (bytes.len() / EXTENT_BYTES).saturating_sub(1);
        let sane = u16_at(bytes, 0) == EXTENT_MAGIC && entries <= max && max <= room;
        if !sane || u16_at(bytes, 6) != node.depth {
            return Err(damage.into());
        }
        for entry in bytes.chunks_exact(EXTENT_BYTES).skip(1).take(entries) {
            if let Some(depth) = node.depth.checked_sub(1) {
                let block = join(u32_at(entry, 4), u32::from(u16_at(entry, 8)));
                self.insert(BlockRun::new(block, 1))?;
                unread.push(Node { block, depth });
            } else {
                let start = join(u32_at(entry, 8), u32::from(u16_at(entry, 6)));
                let count = match u16_at(entry, 4) {
                    0 => return Err(damage.into()),
                    unwritten if unwritten > EXTENT_BLOCKS_MAX => {
                        unwritten.saturating_sub(EXTENT_BLOCKS_MAX)
                    }
                    count => count,
                };
                self.insert(BlockRun::new(start, u64::from(count)))?;
            }
        }
        Ok(())
    }

    /// Refuses a block of the extent tree whose checksum does not match.
    fn check_extent_block(&self, bytes: &[u8], block: u64) -> Result<(), Stop> {
        let max = usize::from(u16_at(bytes, 4));
        let end = max.saturating_add(1).saturating_mul(EXTENT_BYTES);
        let covered = bytes.get(..end).unwrap_or_default();
        let Inode {
            number,
            i_generation,
            ..
        } = *self.inode;
        let computed = self
            .layout
            .checksums
            .extent_block(number, i_generation, covered);
        if computed.is_some_and(|computed| computed != u32_at(bytes, end)) {
            return Err(JournalDamage::ExtentTree { block }.into());
        }
        Ok(())
    }

    fn pointers(&mut self) -> Result<(), Stop> {
        let mut unread = Vec::new();
        let (direct, indirect) = self.inode.i_block.split_at(4 * DIRECT_POINTERS);
        self.pointer_node(direct, 0, &mut unread)?;
        for (pointer, depth) in indirect.chunks_exact(4).zip(1..) {
            self.pointer_node(pointer, depth, &mut unread)?;
        }
        let mut bytes = Vec::new();
        while let Some(node) = unread.pop() {
            self.read_node(node.block, 4, &mut bytes)?;
            self.pointer_node(&bytes, node.depth.saturating_sub(1), &mut unread)?;
        }
        Ok(())
    }

    /// Takes in block pointers; each has `depth` levels of pointers below.
    fn pointer_node(
        &mut self,
        bytes: &[u8],
        depth: u16,
        unread: &mut Vec<Node>,
    ) -> Result<(), Stop> {
        for pointer in bytes.chunks_exact(4) {
            let block = u64::from(u32_at(pointer, 0));
            if block == 0 {
                continue;
            }
            self.insert(BlockRun::new(block, 1))?;
            if depth > 0 {
                unread.push(Node { block, depth });
            }
        }
        Ok(())
    }

    /// Reads the node in `block`, which has entries of `entry_bytes`.
    fn read_node(
        &mut self,
        block: u64,
        entry_bytes: usize,
        bytes: &mut Vec<u8>,
    ) -> Result<(), Stop> {
        let geometry = &self.layout.geometry;
        bytes.resize(to_index(geometry.block_bytes()), 0);
        let room = u64::try_from(bytes.chunks_exact(entry_bytes).len()).unwrap_or(u64::MAX);
        self.entries = self.entries.saturating_add(room);
        if self.entries > ENTRIES_MAX {
            return Err(JournalDamage::TooLarge { limit: ENTRIES_MAX }.into());
        }
        let at = geometry.byte_of(block);
        Ok(read(self.disk, Structure::MappingBlock, at, bytes)?)
    }

    /// Takes in blocks of the journal or of its map.
    fn insert(&mut self, run: BlockRun) -> Result<(), Stop> {
        if !self.layout.geometry.holds_all(run) {
            return Err(JournalDamage::OutOfRange {
                block: run.start,
                count: run.count(),
            }
            .into());
        }
        Ok(self.runs.insert(run)?)
    }
}

const _: () = assert!(I_BLOCK_BYTES == 4 * (DIRECT_POINTERS + 3));
