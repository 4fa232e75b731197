//! What hangs on groups besides inode tables: descriptors and bitmaps. They
//! hold no names where they are what they are taken for.

use blockio::ReadAt;
use ext_format::bitmap::Bitmap;
use ext_format::error::{Error, Structure};
use ext_format::geometry::base::BaseBlock;
use ext_format::geometry::to_index;
use ext_format::group::{Descriptor, GroupReader, Layout};
use ext_format::runs::BlockRun;

use crate::map::clean_pointers;
use crate::pass::{Pass, parts};
use crate::text::clear_text;

/// Bytes of text that a descriptor which leads out of the filesystem, and a
/// bitmap which nothing proves, may not hold.
const DESCRIPTOR_TEXT_MIN: usize = 4;
const BITMAP_TEXT_MIN: usize = 8;

/// A bitmap of a group.
struct Stored {
    block: u64,
    /// Bits that count, and bytes that a checksum covers.
    bits: usize,
    covered: usize,
    checksum: u32,
    free: u32,
    structure: Structure,
}

impl<R: ReadAt + ?Sized> Pass<'_, R> {
    /// Shows the blocks at the starts of groups, but for superblocks.
    pub(super) fn base(&mut self, layout: &Layout, shown: &[BlockRun]) -> Result<(), Error> {
        let geometry = &layout.geometry;
        for group in 0..geometry.group_count() {
            for run in parts(shown, geometry.base_metadata(group)) {
                for block in run.start..run.end {
                    let role = geometry.base_block(group, block);
                    if role != BaseBlock::Superblock && !self.patches.contains(block)? {
                        self.base_block(group, block, role)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn base_block(&mut self, group: u32, block: u64, role: BaseBlock) -> Result<(), Error> {
        let mut bytes = self.zeroes();
        self.read(Structure::Descriptors, block, &mut bytes)?;
        let read = bytes.clone();
        let geometry = &self.layout.geometry;
        match role {
            BaseBlock::Descriptors(index) => {
                let first = index.saturating_mul(geometry.descriptors_per_block());
                let first = u32::try_from(first).unwrap_or(u32::MAX);
                let descriptor_bytes = to_index(u64::from(geometry.descriptor_bytes()));
                for (group, bytes) in (first..).zip(bytes.chunks_mut(descriptor_bytes)) {
                    if group >= geometry.group_count() {
                        bytes.fill(0);
                        continue;
                    }
                    let descriptor = Descriptor::decode(bytes, group, &self.layout.checksums);
                    let mut metadata = descriptor.metadata(geometry).into_iter();
                    if !metadata.all(|run| geometry.holds_all(run)) {
                        clear_text(bytes, DESCRIPTOR_TEXT_MIN);
                    }
                }
            }
            // In the first group they are a part of the map of the inode that
            // holds them all; elsewhere they were never written.
            BaseBlock::Reserved if group == 0 => {
                clean_pointers(&mut bytes, |block| block < geometry.block_count());
            }
            BaseBlock::Reserved | BaseBlock::Superblock => bytes.fill(0),
        }
        self.show(block, &read, &bytes)
    }

    /// Shows the bitmaps of all groups.
    pub(super) fn bitmaps(&mut self, layout: &Layout, shown: &[BlockRun]) -> Result<(), Error> {
        let geometry = &layout.geometry;
        let mut groups = GroupReader::new(self.disk, layout);
        for group in 0..geometry.group_count() {
            let descriptor = groups.descriptor(group)?;
            let bitmaps = [
                Stored {
                    block: descriptor.block_bitmap,
                    bits: geometry.clusters_in(group),
                    covered: geometry.block_bitmap_bytes(),
                    checksum: descriptor.block_bitmap_checksum,
                    free: descriptor.free_clusters,
                    structure: Structure::BlockBitmap,
                },
                Stored {
                    block: descriptor.inode_bitmap,
                    bits: to_index(u64::from(geometry.inodes_per_group())),
                    covered: geometry.inode_bitmap_bytes(),
                    checksum: descriptor.inode_bitmap_checksum,
                    free: descriptor.free_inodes,
                    structure: Structure::InodeBitmap,
                },
            ];
            for bitmap in bitmaps {
                let run = BlockRun::new(bitmap.block, 1);
                let is_shown = geometry.holds_all(run) && parts(shown, run).next().is_some();
                if is_shown && !self.patches.contains(bitmap.block)? {
                    self.bitmap(&bitmap, descriptor.bitmap_checksum_mask)?;
                }
            }
        }
        Ok(())
    }

    fn bitmap(&mut self, stored: &Stored, checksum_mask: u32) -> Result<(), Error> {
        let mut bytes = self.zeroes();
        self.read(stored.structure, stored.block, &mut bytes)?;
        let read = bytes.clone();
        let (covered, padding) = bytes.split_at_mut(stored.covered.min(read.len()));
        let is_proven = match self.layout.checksums.bitmap(covered) {
            Some(checksum) => checksum & checksum_mask == stored.checksum,
            None => {
                let mut bitmap = Bitmap::default();
                bitmap.load(covered, stored.bits);
                u32::try_from(bitmap.free_count()) == Ok(stored.free)
            }
        };
        if !is_proven && clear_text(covered, BITMAP_TEXT_MIN) {
            self.report.cleared = self.report.cleared.saturating_add(1);
        }
        for byte in padding {
            if *byte != u8::MAX {
                *byte = 0;
            }
        }
        self.show(stored.block, &read, &bytes)
    }
}
