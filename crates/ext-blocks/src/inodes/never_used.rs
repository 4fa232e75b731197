//! Inodes that something names although they were never used. e2fsck reads
//! them to tell what is wrong.

use blockio::ReadAt;
use ext_format::error::{Error, Structure, read};
use ext_format::geometry::to_index;
use ext_format::group::{GroupReader, Layout};
use ext_format::runs::BlockRun;
use ext_format::superblock::{u16_at, u32_at};

/// Blocks of a directory read at a time, in bytes; at least one block is.
const PIECE_BYTES: u64 = 256 << 10;

/// Size of a directory entry without its name, in bytes.
const ENTRY_BYTES: usize = 8;

/// Largest block for which a directory entry stores its length as it is.
const PLAIN_LENGTHS_MAX: usize = 1 << 15;

/// A group with an inode that is named, and was never used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) group: u32,
    pub(crate) inode: u32,
    /// How many inodes of the group were used.
    pub(crate) held: u32,
}

/// Knows which inodes were never used, and finds those that are named. Memory:
/// four bytes a group.
#[derive(Debug)]
pub(crate) struct NeverUsed<'a, R: ?Sized> {
    disk: &'a R,
    layout: &'a Layout,
    /// How many inodes of a group were ever used, or all where that is known to
    /// be wrong. Empty where all were.
    held: Vec<u32>,
    named: Vec<Named>,
    bytes: Vec<u8>,
}

impl<'a, R: ReadAt + ?Sized> NeverUsed<'a, R> {
    pub(crate) fn new(disk: &'a R, layout: &'a Layout) -> Result<Self, Error> {
        let mut groups = GroupReader::new(disk, layout);
        let geometry = &layout.geometry;
        let inodes = geometry.inodes_per_group();
        let mut held = Vec::new();
        for group in 0..geometry.group_count() {
            let descriptor = groups.descriptor(group)?;
            held.push(descriptor.inodes_held(inodes).unwrap_or(inodes));
        }
        if held.iter().all(|held| *held == inodes) {
            held = Vec::new();
        }
        Ok(Self {
            disk,
            layout,
            held,
            named: Vec::new(),
            bytes: Vec::new(),
        })
    }

    /// A group with inodes that are named and were never used; each group once.
    pub(crate) fn take(&mut self) -> Option<Named> {
        self.named.pop()
    }

    /// Something names `inode`; 0 is none.
    pub(crate) fn name(&mut self, inode: u32) {
        let per_group = self.layout.geometry.inodes_per_group().max(1);
        let Some(index) = inode.checked_sub(1) else {
            return;
        };
        let group = index.div_euclid(per_group);
        let Some(held) = self.held.get_mut(to_index(u64::from(group))) else {
            return;
        };
        if index.rem_euclid(per_group) >= *held {
            let held = std::mem::replace(held, per_group);
            self.named.push(Named { group, inode, held });
        }
    }

    /// The entries in the directory blocks `run` name inodes.
    pub(crate) fn name_all_in(&mut self, run: BlockRun) -> Result<(), Error> {
        if self.held.is_empty() {
            return Ok(());
        }
        let geometry = &self.layout.geometry;
        let block_bytes = geometry.block_bytes();
        let most = (PIECE_BYTES >> block_bytes.trailing_zeros()).max(1);
        let mut bytes = std::mem::take(&mut self.bytes);
        let mut start = run.start;
        while start < run.end {
            let piece = BlockRun::new(start, most).intersection(run);
            start = piece.end;
            bytes.resize(to_index(geometry.byte_of(piece.count())), 0);
            let at = geometry.byte_of(piece.start);
            read(self.disk, Structure::Directory, at, &mut bytes)?;
            for block in bytes.chunks_exact(to_index(block_bytes)) {
                named_inodes(block).for_each(|inode| self.name(inode));
            }
        }
        self.bytes = bytes;
        Ok(())
    }
}

/// The inodes that the entries of a directory's `block` name, up to the first
/// that is none.
fn named_inodes(block: &[u8]) -> impl Iterator<Item = u32> {
    let mut rest = block;
    let entries = std::iter::from_fn(move || {
        let length = entry_length(u16_at(rest, 4), block.len());
        if length < ENTRY_BYTES || !length.is_multiple_of(4) {
            return None;
        }
        let (entry, after) = rest.split_at_checked(length)?;
        rest = after;
        Some(u32_at(entry, 0))
    });
    entries.filter(|inode| *inode != 0)
}

/// The length of an entry, stored as `rec_len`, in a block of `block_bytes`.
fn entry_length(rec_len: u16, block_bytes: usize) -> usize {
    let length = usize::from(rec_len);
    if block_bytes <= PLAIN_LENGTHS_MAX {
        length
    } else if length == 0 || rec_len == u16::MAX {
        block_bytes
    } else {
        (length & 0xfffc) | (length & 3) << 16
    }
}
