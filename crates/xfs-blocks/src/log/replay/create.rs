//! Items that create inodes: what they say in 28 bytes stands for blocks full of free
//! inodes.

use blockio::{ReadAt, len_u64};

use super::super::fault::Step;
use super::super::transaction::Item;
use super::cancelled::Cancelled;
use super::core;
use super::target::Target;
use crate::bytes::{be32, usize_of};
use crate::checksum;
use crate::geometry::BASIC_BLOCK_BYTES;

/// Bytes of the only region.
const FORMAT_BYTES: usize = 28;
/// Inodes that are created at once.
const INODES: u32 = 64;

/// `di_next_unlinked` of an inode that is in no list.
const NO_INODE: u32 = u32::MAX;

/// Replays the inode creation `item`.
pub(super) fn replay<R: ReadAt + ?Sized>(
    target: &mut Target<'_, R>,
    cancelled: &Cancelled,
    item: &Item<'_>,
) -> Step<()> {
    let geometry = target.geometry;
    let region = item.region(0);
    if region.len() != FORMAT_BYTES || item.regions() != 1 {
        return Err(item
            .fault("a region of bytes", len_u64(region.len()))
            .into());
    }
    let [ag, block, count, size, length, generation] =
        [4, 8, 12, 16, 20, 24].map(|at| be32(region, at));
    let end = block.checked_add(length);
    let is_within = end.is_some_and(|end| end <= geometry.ag_length(ag));
    if ag >= geometry.ag_count || block == 0 || !is_within || length == 0 {
        return Err(item.fault("icl_agbno", block).into());
    }
    if u64::from(size) != geometry.inode_bytes() {
        return Err(item.fault("icl_isize", size).into());
    }
    let per_block = geometry.inodes_per_block_log();
    // A chunk, less of it, or, if a block has more inodes than that, a block.
    let most = INODES.max(1u32.checked_shl(u32::from(per_block)).unwrap_or(0));
    let held = u64::from(length).checked_shl(u32::from(per_block));
    if count == 0 || count > most || held != Some(u64::from(count)) {
        return Err(item.fault("icl_count", count).into());
    }
    let first = geometry.basic_block_of(ag, block);
    let start = geometry.byte_of(ag, block);
    let bytes = u64::from(length).saturating_mul(geometry.block_bytes());
    let blocks = bytes / BASIC_BLOCK_BYTES;
    let range = |block: u64| i64::try_from(block).unwrap_or(i64::MAX);
    if cancelled.has_any(range(first)..range(first.saturating_add(blocks))) {
        // The inodes were freed later, and something else may be in their place.
        return Ok(());
    }
    let end = start.saturating_add(bytes);
    target.touched.add(start..end)?;
    let shift = u32::from(geometry.ag_block_log).saturating_add(u32::from(per_block));
    let number = u64::from(block)
        .checked_shl(u32::from(per_block))
        .unwrap_or(0);
    let number = number | u64::from(ag).checked_shl(shift).unwrap_or(0);
    for index in 0..u64::from(count) {
        let inode = new_inode(target, generation, number.saturating_add(index));
        let by = index.saturating_mul(geometry.inode_bytes());
        target.write(start.saturating_add(by), &inode)?;
    }
    Ok(())
}

/// The bytes of the free inode `number`.
fn new_inode<R: ReadAt + ?Sized>(target: &Target<'_, R>, generation: u32, number: u64) -> Vec<u8> {
    let geometry = &target.geometry;
    let mut inode = vec![0; usize_of(geometry.inode_bytes())];
    let mut put = |at: usize, bytes: &[u8]| {
        let end = at.saturating_add(bytes.len());
        if let Some(place) = inode.get_mut(at..end) {
            place.copy_from_slice(bytes);
        }
    };
    put(0, &core::MAGIC.to_be_bytes());
    put(4, &[if geometry.has_crc { 3 } else { 2 }]);
    put(92, &generation.to_be_bytes());
    put(96, &NO_INODE.to_be_bytes());
    if geometry.has_crc {
        put(152, &number.to_be_bytes());
        put(160, &geometry.meta_uuid);
        let sum = checksum::compute(&inode, 100);
        if let Some(place) = inode.get_mut(100..104) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
    }
    inode
}
