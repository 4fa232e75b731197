//! The superblock in the first sector, and what it says that can be held against itself
//! and the disk.

pub(crate) mod feature;

use crate::bytes::{array, be16, be32, be64, byte, usize_of};
use crate::checksum;
use crate::finding::Distrust;
use crate::geometry::{Geometry, LogGeometry};
use crate::superblock::feature::{
    Features, INCOMPAT_META_UUID, INCOMPAT_NREXT64, VERSION_LOGV2, VERSION_MASK, VERSION_SECTOR,
};

/// The first bytes of a superblock: "XFSB".
pub(crate) const MAGIC: u32 = 0x5846_5342;
/// Bytes of the longest sector that a superblock can be in.
pub(crate) const SECTOR_BYTES_MAX: usize = 32 << 10;
/// Byte of the checksum in a superblock.
pub(crate) const CHECKSUM_AT: usize = 224;
/// Bytes that all versions use.
pub(crate) const SUPERBLOCK_BYTES: usize = 512;

/// Fewest blocks of a group, and most bytes: Linux, `XFS_MIN_AG_BLOCKS` and
/// `XFS_MAX_AG_BYTES`.
const AG_BLOCKS_MIN: u32 = 64;
const AG_BYTES_MAX: u64 = 1 << 40;
/// Most groups that are looked at: 16 TiB in the smallest groups that Linux makes, 1 EiB in
/// the largest.
pub const GROUPS_MAX: u32 = 1 << 20;

/// A superblock that was checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Superblock {
    pub(crate) geometry: Geometry,
    pub(crate) features: Features,
    pub(crate) log: LogGeometry,
    pub(crate) uuid: [u8; 16],
    /// Group and block of the log, and its blocks.
    pub(crate) log_place: (u32, u32),
    pub(crate) log_blocks: u32,
    /// `sb_fdblocks`, the free blocks.
    pub(crate) free_blocks: u64,
    /// Blocks of the realtime section, and the block where it begins on this device: 0 if
    /// it is on another.
    pub(crate) realtime_blocks: u64,
    pub(crate) realtime_start: u64,
    /// Inodes that hold metadata as if it were a file's contents: bitmap and summary of
    /// the realtime section, and quotas.
    pub(crate) metadata_inodes: [u64; 5],
}

/// What a superblock says of itself that is told even if it is not believed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) uuid: [u8; 16],
    pub(crate) label: [u8; 12],
    pub(crate) version: u8,
}

/// Whether `sector` begins like a superblock.
pub(crate) fn is_mine(sector: &[u8]) -> bool {
    be32(sector, 0) == MAGIC
}

impl Identity {
    pub(crate) fn new(sector: &[u8]) -> Self {
        Self {
            uuid: array(sector, 32),
            label: array(sector, 108),
            version: byte(&(be16(sector, 100) & VERSION_MASK).to_be_bytes(), 1),
        }
    }
}

impl Superblock {
    /// Checks the superblock at the start of `sector`, which has at least as many bytes as
    /// the superblock says that a sector has, if that may be, on a disk of `disk_bytes`.
    pub(crate) fn new(sector: &[u8], disk_bytes: u64) -> Result<Self, Distrust> {
        let features = Features {
            version: be16(sector, 100),
            // Some kernels wrote it four bytes late; Linux takes what either says.
            features2: be32(sector, 200) | be32(sector, 204),
            ro_compat: be32(sector, 212),
            incompat: be32(sector, 216),
            log_incompat: be32(sector, 220),
        };
        match features.version & VERSION_MASK {
            4 => {}
            5 => check_sum(sector)?,
            _ => return Err(field("sb_versionnum", features.version)),
        }
        features.check(be32(sector, 208))?;
        let features = features.without_what_version4_lacks();
        if byte(sector, 126) != 0 {
            return Err(field("sb_inprogress", byte(sector, 126)));
        }
        let geometry = geometry(sector, &features)?;
        let (bytes, uuid) = (geometry.bytes(), array(sector, 32));
        if bytes > disk_bytes {
            return Err(Distrust::Cut { bytes, disk_bytes });
        }
        let (log_place, log) = log(sector, &geometry, &features)?;
        let superblock = Self {
            geometry,
            features,
            log,
            uuid,
            log_place,
            log_blocks: be32(sector, 96),
            free_blocks: be64(sector, 144),
            realtime_blocks: be64(sector, 16),
            realtime_start: if features.has_metadir() {
                be64(sector, 288)
            } else {
                0
            },
            metadata_inodes: [64, 72, 160, 168, 232].map(|at| be64(sector, at)),
        };
        superblock.check_realtime(disk_bytes)?;
        Ok(superblock)
    }

    /// A realtime section on this device lies between the groups and its end.
    fn check_realtime(&self, disk_bytes: u64) -> Result<(), Distrust> {
        let start = self.realtime_start;
        if start != 0 && start < self.geometry.blocks {
            return Err(field("sb_rtstart", start));
        }
        let bytes = self.bytes_with_realtime();
        if bytes > disk_bytes {
            return Err(Distrust::Cut { bytes, disk_bytes });
        }
        Ok(())
    }

    /// Bytes of the filesystem and, if it is on this device, of its realtime section.
    pub(crate) fn bytes_with_realtime(&self) -> u64 {
        let realtime = match self.realtime_start {
            0 => 0,
            start => start.saturating_add(self.realtime_blocks),
        };
        let realtime = realtime.saturating_mul(self.geometry.block_bytes());
        self.geometry.bytes().max(realtime)
    }
}

impl Features {
    /// Version 4 has no field from `sb_features_compat` on, and `sb_features2` only with
    /// another bit.
    const fn without_what_version4_lacks(self) -> Self {
        if self.has_crc() {
            return self;
        }
        let has_more = self.version & 0x8000 != 0;
        Self {
            version: self.version,
            features2: if has_more { self.features2 } else { 0 },
            ro_compat: 0,
            incompat: 0,
            log_incompat: 0,
        }
    }
}

/// The checksum of version 5, over the sector.
fn check_sum(sector: &[u8]) -> Result<(), Distrust> {
    let bytes = be16(sector, 102);
    let whole = sector.get(..usize::from(bytes));
    let Some(whole) = whole.filter(|_| (512..=1 << 15).contains(&bytes)) else {
        return Err(field("sb_sectsize", bytes));
    };
    checksum::check(whole, CHECKSUM_AT).map_err(|found| Distrust::Checksum {
        stored: found.stored,
        computed: found.computed,
    })
}

fn geometry(sector: &[u8], features: &Features) -> Result<Geometry, Distrust> {
    let block_log = log2("sb_blocksize", be32(sector, 4), 9..=16)?;
    same("sb_blocklog", byte(sector, 120), block_log)?;
    let sector_log = log2("sb_sectsize", u32::from(be16(sector, 102)), 9..=15)?;
    same("sb_sectlog", byte(sector, 121), sector_log)?;
    let inode_log = log2("sb_inodesize", u32::from(be16(sector, 104)), 8..=11)?;
    same("sb_inodelog", byte(sector, 122), inode_log)?;
    let is_long = if features.has_crc() {
        inode_log >= 9
    } else {
        true
    };
    if inode_log > block_log || sector_log > block_log || !is_long {
        return Err(field("sb_inodesize", be16(sector, 104)));
    }
    let per_block = block_log.saturating_sub(inode_log);
    same("sb_inopblog", byte(sector, 123), per_block)?;
    if be16(sector, 106) != 1 << per_block {
        return Err(field("sb_inopblock", be16(sector, 106)));
    }
    let dir_block_log = byte(sector, 192);
    if dir_block_log > 16u8.saturating_sub(block_log) {
        return Err(field("sb_dirblklog", dir_block_log));
    }
    let (ag_blocks, ag_count) = (be32(sector, 84), be32(sector, 88));
    let ag_bytes = u64::from(ag_blocks) << block_log;
    if ag_blocks < AG_BLOCKS_MIN || ag_bytes > AG_BYTES_MAX {
        return Err(field("sb_agblocks", ag_blocks));
    }
    let ag_block_log = 32u32.saturating_sub(ag_blocks.saturating_sub(1).leading_zeros());
    let ag_block_log = u8::try_from(ag_block_log).unwrap_or(32);
    same("sb_agblklog", byte(sector, 124), ag_block_log)?;
    if ag_count == 0 {
        return Err(field("sb_agcount", 0u32));
    }
    if ag_count > GROUPS_MAX {
        return Err(Distrust::TooManyGroups { found: ag_count });
    }
    let blocks = be64(sector, 8);
    let all = u64::from(ag_blocks).saturating_mul(u64::from(ag_count));
    let before_last = all.saturating_sub(u64::from(ag_blocks));
    let fewest = before_last.saturating_add(u64::from(AG_BLOCKS_MIN));
    if !(fewest..=all).contains(&blocks) {
        return Err(field("sb_dblocks", blocks));
    }
    let has_meta_uuid = features.incompat & INCOMPAT_META_UUID != 0;
    Ok(Geometry {
        block_log,
        sector_log,
        inode_log,
        ag_block_log,
        ag_blocks,
        ag_count,
        blocks,
        has_crc: features.has_crc(),
        meta_uuid: array(sector, if has_meta_uuid { 248 } else { 32 }),
    })
}

/// Where the log is, which has to be in one group of this device.
fn log(
    sector: &[u8],
    geometry: &Geometry,
    features: &Features,
) -> Result<((u32, u32), LogGeometry), Distrust> {
    let (start, blocks) = (be64(sector, 48), be32(sector, 96));
    if start == 0 {
        return Err(Distrust::ExternalLog);
    }
    let Some((ag, block)) = geometry.split(start) else {
        return Err(field("sb_logstart", start));
    };
    let room = geometry.ag_length(ag).saturating_sub(block);
    if blocks == 0 || blocks > room {
        return Err(field("sb_logblocks", blocks));
    }
    let has_sectors = features.version & VERSION_SECTOR != 0;
    let sector_bytes = match be16(sector, 194) {
        0 => 512,
        _ if !has_sectors => 512,
        found => found,
    };
    log2("sb_logsectsize", u32::from(sector_bytes), 9..=15)?;
    Ok((
        (ag, block),
        LogGeometry {
            filesystem: *geometry,
            start: geometry.byte_of(ag, block),
            bytes: u64::from(blocks).saturating_mul(geometry.block_bytes()),
            is_version2: features.version & VERSION_LOGV2 != 0,
            sector_bytes: u32::from(sector_bytes),
            stripe_unit: be32(sector, 196),
            uuid: array(sector, 32),
            has_nrext64: features.incompat & INCOMPAT_NREXT64 != 0,
            log_incompat: features.log_incompat,
            lsn: if features.has_crc() {
                be64(sector, 240)
            } else {
                0
            },
        },
    ))
}

/// The binary logarithm of `value`, which must be in `allowed`.
fn log2(
    name: &'static str,
    value: u32,
    allowed: std::ops::RangeInclusive<u8>,
) -> Result<u8, Distrust> {
    let log = u8::try_from(value.trailing_zeros()).unwrap_or(u8::MAX);
    if value.is_power_of_two() && allowed.contains(&log) {
        return Ok(log);
    }
    Err(field(name, value))
}

fn same(name: &'static str, found: u8, wanted: u8) -> Result<(), Distrust> {
    if found == wanted {
        return Ok(());
    }
    Err(field(name, found))
}

fn field(field: &'static str, found: impl Into<u64>) -> Distrust {
    let found = found.into();
    Distrust::Field { field, found }
}

/// How many bytes of the first sector are needed to check a superblock.
pub(crate) fn sector_bytes(start: &[u8]) -> usize {
    usize_of(u64::from(be16(start, 102))).clamp(SUPERBLOCK_BYTES, SECTOR_BYTES_MAX)
}
