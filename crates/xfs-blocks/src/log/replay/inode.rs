//! Inode items: the core of an inode, and its forks if they changed.

use blockio::{ReadAt, len_u64};

use super::super::fault::{LogFault, Step};
use super::super::transaction::Item;
use super::cancelled::Cancelled;
use super::core::{self, Core};
use super::fork;
use super::target::Target;
use crate::bytes::{be16, be64, byte, le32, le64, usize_of};

/// Bytes of the first region: on 64-bit machines, and without padding.
const FORMAT_BYTES: usize = 56;
const FORMAT_BYTES_PACKED: usize = 52;

/// Bits of `ilf_fields`.
const CORE: u32 = 0x001;
const DATA_LOCAL: u32 = 0x002;
const DATA_EXTENTS: u32 = 0x004;
const DATA_ROOT: u32 = 0x008;
const DEVICE: u32 = 0x010;
const ATTR_LOCAL: u32 = 0x040;
const ATTR_EXTENTS: u32 = 0x080;
const ATTR_ROOT: u32 = 0x100;
const DATA: u32 = DATA_LOCAL | DATA_EXTENTS | DATA_ROOT;
const ATTR: u32 = ATTR_LOCAL | ATTR_EXTENTS | ATTR_ROOT;
/// All but those that change the owner of the blocks of a fork.
const KNOWN: u32 = CORE | DATA | DEVICE | ATTR;

/// The greatest `di_flushiter`, after which it starts again.
const FLUSHES_MAX: u16 = 0xffff;

/// The first region of an inode item.
#[derive(Clone, Copy, Debug)]
struct Format {
    fields: u32,
    inode: u64,
    device: u32,
    /// The buffer that the inode lies in, in blocks of 512 bytes, and its byte there.
    block: i64,
    blocks: u32,
    byte: u32,
}

impl Format {
    fn new(item: &Item<'_>) -> Result<Self, LogFault> {
        let region = item.region(0);
        // What follows the padding lies 4 bytes earlier without.
        let packed = match region.len() {
            FORMAT_BYTES => 0,
            FORMAT_BYTES_PACKED => 4,
            found => return Err(item.fault("a first region of bytes", len_u64(found))),
        };
        let at = |offset: usize| offset.saturating_sub(packed);
        let format = Self {
            fields: le32(region, 4),
            inode: le64(region, at(16)),
            device: le32(region, at(24)),
            block: le64(region, at(40)).cast_signed(),
            blocks: le32(region, at(48)),
            byte: le32(region, at(52)),
        };
        if format.fields & !KNOWN != 0 || format.fields & CORE == 0 {
            return Err(item.fault("ilf_fields", format.fields));
        }
        Ok(format)
    }

    /// Regions that an item with these fields has.
    fn regions(&self) -> usize {
        let forks = [DATA, ATTR].iter().filter(|fork| self.fields & **fork != 0);
        forks.count().saturating_add(2)
    }
}

/// Replays the inode `item` of a transaction with log sequence number `lsn`.
pub(super) fn replay<R: ReadAt + ?Sized>(
    target: &mut Target<'_, R>,
    cancelled: &Cancelled,
    item: &Item<'_>,
    lsn: u64,
) -> Step<()> {
    let format = Format::new(item)?;
    let blocks = u16::try_from(format.blocks).unwrap_or(u16::MAX);
    if cancelled.has(format.block, blocks) {
        return Ok(());
    }
    let offset = place(target, item, &format)?;
    let inode_bytes = usize_of(target.geometry.inode_bytes());
    let mut inode = vec![0; inode_bytes];
    target.read(offset, &mut inode)?;
    let core = Core::new(item.region(1), target.geometry.has_crc);
    let core = core.map_err(|(field, found)| item.fault(field, found))?;
    if be16(&inode, 0) != core::MAGIC {
        return Err(item
            .fault("a place without inode: di_magic", be16(&inode, 0))
            .into());
    }
    if is_newer(&inode, &core, target.geometry.has_crc, lsn) {
        return Ok(());
    }
    if core.is_version3() && core.inode() != format.inode {
        return Err(item.fault("di_ino", core.inode()).into());
    }
    let regions = item.regions();
    if regions != format.regions() {
        return Err(item.fault("regions", len_u64(regions)).into());
    }
    core.store(&mut inode, lsn);
    put_forks(&mut inode, item, &format)?;
    target.write(offset, &inode)?;
    target.inode_changed(offset)?;
    Ok(())
}

/// Where the inode lies: its number and the buffer say the same.
fn place<R: ReadAt + ?Sized>(
    target: &mut Target<'_, R>,
    item: &Item<'_>,
    format: &Format,
) -> Step<u64> {
    let geometry = target.geometry;
    let buffer = target.range(format.block, format.blocks);
    let buffer = buffer.ok_or_else(|| item.fault("ilf_blkno", format.block.cast_unsigned()))?;
    let offset = buffer.start.saturating_add(u64::from(format.byte));
    let end = offset.saturating_add(geometry.inode_bytes());
    let numbered = geometry.split_inode(format.inode).map(|(ag, inode)| {
        let per_block = geometry.inodes_per_block_log();
        let block = inode.checked_shr(u32::from(per_block)).unwrap_or(0);
        let within = u64::from(inode) & crate::geometry::low_bits(per_block);
        let start = geometry.byte_of(ag, block);
        start.saturating_add(within.saturating_mul(geometry.inode_bytes()))
    });
    if end > buffer.end || numbered != Some(offset) {
        return Err(item.fault("ilf_ino", format.inode).into());
    }
    target.touched.add(buffer)?;
    Ok(offset)
}

/// Whether the stored `inode` is newer than what is logged.
fn is_newer(inode: &[u8], core: &Core<'_>, has_crc: bool, lsn: u64) -> bool {
    if byte(inode, 4) >= 3 {
        let stored = be64(inode, core::LSN_AT);
        if stored != 0 && stored != u64::MAX && stored > lsn {
            return true;
        }
    }
    if has_crc {
        return false;
    }
    let (logged, stored) = (core.flushes(), be16(inode, core::FLUSHES_AT));
    let wrapped = stored == FLUSHES_MAX && logged < FLUSHES_MAX >> 1;
    logged < stored && !wrapped
}

/// Puts what is logged of the forks into `inode`, whose core is there.
fn put_forks(inode: &mut [u8], item: &Item<'_>, format: &Format) -> Result<(), LogFault> {
    let (start, attr_start) = fork::starts(inode);
    let end = inode.len();
    let attr_start = attr_start.unwrap_or(end);
    if attr_start > end || attr_start < start {
        return Err(item.fault("di_forkoff", len_u64(attr_start)));
    }
    let has_crc = byte(inode, 4) >= 3;
    if format.fields & DEVICE != 0 {
        let field = inode.get_mut(start..).and_then(<[u8]>::first_chunk_mut);
        let field = field.ok_or_else(|| item.fault("di_forkoff", len_u64(attr_start)))?;
        *field = format.device.to_be_bytes();
    }
    let mut region = 2;
    let forks = [
        (DATA, DATA_ROOT, start..attr_start, byte(inode, 5)),
        (ATTR, ATTR_ROOT, attr_start..end, byte(inode, 83)),
    ];
    for (any, root, place, form) in forks {
        let logged = format.fields & any;
        if logged == 0 {
            continue;
        }
        let bytes = item.region(region);
        region = region.saturating_add(1);
        let room = inode.get_mut(place).unwrap_or_default();
        let is_put = if logged == root {
            // Btrees of the realtime section have roots of another shape.
            form == fork::FORM_BTREE && fork::put_root(room, bytes, has_crc)
        } else {
            logged.is_power_of_two() && fork::put(room, bytes)
        };
        if !is_put {
            return Err(item.fault("a fork of bytes", len_u64(bytes.len())));
        }
    }
    Ok(())
}
