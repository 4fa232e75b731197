//! Group descriptors, and the block bitmaps they point at, read in large
//! pieces in the order of the groups.

use std::ops::Range;

use blockio::ReadAt;

use crate::bitmap::Bitmap;
use crate::checksum::Checksums;
use crate::error::{Error, Structure, read};
use crate::geometry::{Geometry, to_index};
use crate::runs::BlockRun;
use crate::superblock::{Superblock, join, u16_at, u32_at};

/// Descriptors read at a time: 64 KiB of them in most filesystems, 1 MiB where
/// they are largest.
const PIECE_GROUPS: u32 = 1024;

/// Most bytes of adjacent block bitmaps read at a time: with `flex_bg` those
/// of 16 groups lie side by side.
const WINDOW_BYTES: u64 = 1 << 20;

/// Size of the fields that are there without the 64bit feature, in bytes.
const LOW_BYTES: usize = 32;

/// Flags of a group descriptor, `bg_flags`.
const INODE_UNINIT: u16 = 0x1;
const BLOCK_UNINIT: u16 = 0x2;

/// The shape of a filesystem and the checksums it keeps: what is needed to
/// find and check the metadata of its groups.
#[derive(Debug)]
pub struct Layout {
    /// The sizes, and where things lie.
    pub geometry: Geometry,
    /// Which checksums there are.
    pub checksums: Checksums,
    /// The superblock is a copy, which may be older than the groups.
    pub from_backup: bool,
}

impl Layout {
    /// What follows from the superblock `sb`, whose geometry was checked.
    #[must_use]
    pub fn new(sb: &Superblock, geometry: Geometry, from_backup: bool) -> Self {
        Self {
            geometry,
            checksums: Checksums::new(sb),
            from_backup,
        }
    }

    /// Whether the flags that say what was never initialised mean anything.
    #[must_use]
    pub const fn keeps_uninit_flags(&self) -> bool {
        !matches!(self.checksums, Checksums::None)
    }
}

/// A group descriptor. Block numbers may be any.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Descriptor {
    /// `bg_block_bitmap`: the block of the block bitmap.
    pub block_bitmap: u64,
    /// `bg_inode_bitmap`: the block of the inode bitmap.
    pub inode_bitmap: u64,
    /// `bg_inode_table`: the first block of the inode table.
    pub inode_table: u64,
    /// `bg_free_blocks_count`: free clusters, in fact.
    pub free_clusters: u32,
    /// `bg_free_inodes_count`.
    pub free_inodes: u32,
    /// `bg_itable_unused`: inodes at the end of the table that were never used.
    pub itable_unused: u32,
    /// `bg_block_bitmap_csum`.
    pub block_bitmap_checksum: u32,
    /// `bg_inode_bitmap_csum`.
    pub inode_bitmap_checksum: u32,
    /// The bits of the checksums of bitmaps that are stored.
    pub bitmap_checksum_mask: u32,
    /// As stored.
    pub checksum: u16,
    /// As it should be, where the filesystem keeps one.
    pub computed_checksum: Option<u16>,
    flags: u16,
}

impl Descriptor {
    /// The descriptor of `group`, stored as `bytes`.
    #[must_use]
    pub fn decode(bytes: &[u8], group: u32, checksums: &Checksums) -> Self {
        // The upper halves are there with the 64bit feature alone, and zero
        // past the end of the others.
        let wide = bytes.len() > LOW_BYTES;
        let block = |low, high| join(u32_at(bytes, low), u32_at(bytes, high));
        let count =
            |low, high| u32::from(u16_at(bytes, high)) << 16 | u32::from(u16_at(bytes, low));
        Self {
            block_bitmap: block(0x00, 0x20),
            inode_bitmap: block(0x04, 0x24),
            inode_table: block(0x08, 0x28),
            free_clusters: count(0x0c, 0x2c),
            free_inodes: count(0x0e, 0x2e),
            itable_unused: count(0x1c, 0x32),
            block_bitmap_checksum: count(0x18, 0x38),
            inode_bitmap_checksum: count(0x1a, 0x3a),
            bitmap_checksum_mask: if wide { u32::MAX } else { 0xffff },
            checksum: u16_at(bytes, 0x1e),
            computed_checksum: checksums.descriptor(group, bytes),
            flags: u16_at(bytes, 0x12),
        }
    }

    /// Whether the checksum is right, or the filesystem keeps none.
    #[must_use]
    pub fn verifies(&self) -> bool {
        self.computed_checksum
            .is_none_or(|computed| computed == self.checksum)
    }

    /// Whether the checksum is kept and right, so that the flags that say what
    /// was never initialised are believed.
    fn proves_uninit(&self) -> bool {
        self.computed_checksum == Some(self.checksum)
    }

    /// Whether the block bitmap was never written and must be computed.
    #[must_use]
    pub fn block_uninit(&self) -> bool {
        self.proves_uninit() && self.flags & BLOCK_UNINIT != 0
    }

    /// Whether the inode bitmap was never written: no inode was ever used.
    #[must_use]
    pub fn inode_uninit(&self) -> bool {
        self.proves_uninit() && self.flags & INODE_UNINIT != 0
    }

    /// How many inodes at the start of the table may ever have been used.
    /// `None` where the descriptor says that more were unused than there are.
    #[must_use]
    pub fn inodes_held(&self, inodes_per_group: u32) -> Option<u32> {
        if !self.proves_uninit() {
            return Some(inodes_per_group);
        }
        let held = inodes_per_group.checked_sub(self.itable_unused)?;
        Some(if self.inode_uninit() { 0 } else { held })
    }

    /// The blocks of both bitmaps and of the inode table, wherever they are.
    #[must_use]
    pub fn metadata(&self, geometry: &Geometry) -> [BlockRun; 3] {
        [
            BlockRun::new(self.block_bitmap, 1),
            BlockRun::new(self.inode_bitmap, 1),
            BlockRun::new(self.inode_table, geometry.table_blocks()),
        ]
    }

    /// Marks what is used of `group`, whose descriptor this is, where its bitmap
    /// was never written.
    pub fn mark_own_metadata(&self, group: u32, geometry: &Geometry, bitmap: &mut Bitmap) {
        bitmap.mark(geometry.bits_of(group, geometry.base_metadata(group)));
        for run in self.metadata(geometry) {
            bitmap.mark(geometry.bits_of(group, run));
        }
    }
}

/// How the clusters of a group are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Verdict {
    /// They are not: all of them are used.
    AllUsed,
    /// From where the group's metadata lies: its bitmap was never written.
    Computed,
    /// From its bitmap.
    Stored,
}

/// Reads descriptors and bitmaps, best in the order of the groups.
#[derive(Debug)]
pub struct GroupReader<'a, R: ?Sized> {
    disk: &'a R,
    layout: &'a Layout,
    piece_groups: u32,
    piece_first: u32,
    piece: Vec<Descriptor>,
    window: BlockRun,
    window_bytes: Vec<u8>,
}

impl<'a, R: ReadAt + ?Sized> GroupReader<'a, R> {
    /// Reads what `layout` describes, on `disk`.
    #[must_use]
    pub const fn new(disk: &'a R, layout: &'a Layout) -> Self {
        Self::with_piece_of(PIECE_GROUPS, disk, layout)
    }

    /// Reads nothing beside what is asked for, for groups in any order.
    #[must_use]
    pub const fn one_by_one(disk: &'a R, layout: &'a Layout) -> Self {
        Self::with_piece_of(1, disk, layout)
    }

    const fn with_piece_of(piece_groups: u32, disk: &'a R, layout: &'a Layout) -> Self {
        Self {
            disk,
            layout,
            piece_groups,
            piece_first: 0,
            piece: Vec::new(),
            window: BlockRun { start: 0, end: 0 },
            window_bytes: Vec::new(),
        }
    }

    /// Where things lie.
    #[must_use]
    pub const fn layout(&self) -> &'a Layout {
        self.layout
    }

    /// The descriptor of `group`, which the filesystem has.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails.
    pub fn descriptor(&mut self, group: u32) -> Result<Descriptor, Error> {
        if self.in_piece(group).is_none() {
            let end = group
                .saturating_add(self.piece_groups)
                .min(self.layout.geometry.group_count());
            self.piece = read_descriptors(self.disk, self.layout, group..end)?;
            self.piece_first = group;
        }
        // It is there: the piece starts with it, or had it already.
        Ok(self.in_piece(group).copied().unwrap_or_default())
    }

    fn in_piece(&self, group: u32) -> Option<&Descriptor> {
        let index = group.checked_sub(self.piece_first)?;
        self.piece.get(to_index(u64::from(index)))
    }

    /// Fills `bitmap` with the clusters of `group` according to its verdict.
    /// `verdicts` has all groups, so that adjacent bitmaps are read at once.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails.
    pub fn load(
        &mut self,
        group: u32,
        verdicts: &[Verdict],
        bitmap: &mut Bitmap,
    ) -> Result<(), Error> {
        let geometry = &self.layout.geometry;
        let clusters = geometry.clusters_in(group);
        match verdict_of(verdicts, group) {
            Verdict::AllUsed => bitmap.fill(clusters),
            Verdict::Computed => {
                let descriptor = self.descriptor(group)?;
                bitmap.clear(clusters);
                descriptor.mark_own_metadata(group, geometry, bitmap);
            }
            Verdict::Stored => bitmap.load(self.block_bitmap(group, verdicts)?, clusters),
        }
        Ok(())
    }

    /// The block bitmap of `group` as it is stored, a block.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails.
    pub fn block_bitmap(&mut self, group: u32, verdicts: &[Verdict]) -> Result<&[u8], Error> {
        self.bitmap(Structure::BlockBitmap, group, |group, descriptor| {
            (verdict_of(verdicts, group) == Verdict::Stored).then_some(descriptor.block_bitmap)
        })
    }

    /// The block bitmap of `group` as it is stored, whatever it holds; `None`
    /// where the descriptor puts it outside the filesystem.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails.
    pub fn raw_block_bitmap(&mut self, group: u32) -> Result<Option<&[u8]>, Error> {
        let geometry = &self.layout.geometry;
        let inside = |descriptor: &Descriptor| {
            let block = descriptor.block_bitmap;
            geometry.holds(block).then_some(block)
        };
        if inside(&self.descriptor(group)?).is_none() {
            return Ok(None);
        }
        self.bitmap(Structure::BlockBitmap, group, |_, descriptor| {
            inside(descriptor)
        })
        .map(Some)
    }

    /// The inode bitmap of `group` as it is stored, a block. The group has one,
    /// and inodes that were never used.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails.
    pub fn inode_bitmap(&mut self, group: u32) -> Result<&[u8], Error> {
        self.bitmap(Structure::InodeBitmap, group, |_, descriptor| {
            let wanted = !descriptor.inode_uninit() && descriptor.itable_unused > 0;
            wanted.then_some(descriptor.inode_bitmap)
        })
    }

    /// The bitmap of `group`, which lies at `place`. Those of the next groups
    /// are read with it if they lie side by side.
    fn bitmap(
        &mut self,
        structure: Structure,
        group: u32,
        place: impl Fn(u32, &Descriptor) -> Option<u64>,
    ) -> Result<&[u8], Error> {
        let descriptor = self.descriptor(group)?;
        let block = place(group, &descriptor).unwrap_or_default();
        let geometry = &self.layout.geometry;
        let block_bytes = geometry.block_bytes();
        if block < self.window.start || block >= self.window.end {
            let most = to_index(WINDOW_BYTES >> block_bytes.trailing_zeros());
            let adjacent = (group..)
                .zip(block..)
                .take_while(|&(group, block)| {
                    let descriptor = self.in_piece(group);
                    descriptor.and_then(|descriptor| place(group, descriptor)) == Some(block)
                })
                .take(most)
                .count();
            let count = u64::try_from(adjacent).unwrap_or(u64::MAX).max(1);
            self.window = BlockRun::new(block, 0);
            self.window_bytes
                .resize(to_index(geometry.byte_of(count)), 0);
            let at = geometry.byte_of(block);
            read(self.disk, structure, at, &mut self.window_bytes)?;
            self.window = BlockRun::new(block, count);
        }
        let within = geometry.byte_of(block.saturating_sub(self.window.start));
        let start = to_index(within);
        let end = to_index(within.saturating_add(block_bytes));
        Ok(self.window_bytes.get(start..end).unwrap_or_default())
    }
}

/// The verdict of `group`; a group without one is used.
#[must_use]
pub fn verdict_of(verdicts: &[Verdict], group: u32) -> Verdict {
    let verdict = verdicts.get(to_index(u64::from(group)));
    verdict.copied().unwrap_or(Verdict::AllUsed)
}

/// Reads the descriptors of `groups`, in as few reads as their blocks allow.
fn read_descriptors<R: ReadAt + ?Sized>(
    disk: &R,
    layout: &Layout,
    groups: Range<u32>,
) -> Result<Vec<Descriptor>, Error> {
    let geometry = &layout.geometry;
    let per_block = geometry.descriptors_per_block();
    let descriptor_bytes = to_index(u64::from(geometry.descriptor_bytes()));
    let mut descriptors = Vec::new();
    let mut bytes = Vec::new();
    let mut next = groups.start;
    while next < groups.end {
        let first = u64::from(next).div_euclid(per_block);
        let last = u64::from(groups.end.saturating_sub(1)).div_euclid(per_block);
        let block = geometry.descriptor_block(first);
        let adjacent = (first..=last)
            .zip(block..)
            .take_while(|&(index, block)| geometry.descriptor_block(index) == block)
            .fold(0u64, |count, _| count.saturating_add(1));
        let length = adjacent.saturating_mul(geometry.block_bytes());
        bytes.resize(to_index(length), 0);
        let at = geometry.byte_of(block);
        read(disk, Structure::Descriptors, at, &mut bytes)?;
        let skipped = u64::from(next).rem_euclid(per_block);
        let stored = bytes.chunks_exact(descriptor_bytes).skip(to_index(skipped));
        for (group, bytes) in (next..groups.end).zip(stored) {
            descriptors.push(Descriptor::decode(bytes, group, &layout.checksums));
            next = group.saturating_add(1);
        }
    }
    Ok(descriptors)
}
