//! What a replay changes: the metadata of a filesystem, in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use blockio::ReadAt;

use super::super::fault::{LogFault, Step};
use super::super::overlay::Sectors;
use super::super::ranges::Ranges;
use super::stamp;
use crate::bytes::usize_of;
use crate::checksum;
use crate::error::{Error, Structure};
use crate::geometry::{BASIC_BLOCK_BYTES, Geometry};
use crate::superblock::Superblock;

/// Most buffers, and most inodes, whose checksums are computed at the end.
const CHECKSUMS_MAX: usize = 1 << 19;
/// Most bytes over which checksums are computed at the end.
const CHECKSUM_BYTES_MAX: u64 = 2 << 30;

/// The filesystem as it is so far.
#[derive(Debug)]
pub(super) struct Target<'a, R: ?Sized> {
    disk: &'a R,
    /// As the superblock was before, or as the log has changed it.
    pub(super) geometry: Geometry,
    pub(super) sectors: Sectors,
    /// What the kernel reads or writes when it replays the log.
    pub(super) touched: Ranges,
    /// Buffers that were written by transactions of one log sequence number. They get it
    /// once the next comes, as they would be written back then.
    unstamped: Vec<Buffer>,
    /// Buffers and inodes whose checksums are to be computed: by where they begin, the
    /// bytes of a buffer, and its type.
    buffers: BTreeMap<u64, (u32, u8)>,
    inodes: BTreeSet<u64>,
}

/// A buffer of metadata: what the kernel reads and writes at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Buffer {
    /// Byte of the disk where it begins, and its length.
    pub(super) offset: u64,
    pub(super) bytes: u32,
    /// Its type, `xfs_blft`.
    pub(super) kind: u8,
}

impl<'a, R: ReadAt + ?Sized> Target<'a, R> {
    pub(super) fn new(disk: &'a R, geometry: Geometry) -> Self {
        Self {
            disk,
            geometry,
            sectors: Sectors::default(),
            touched: Ranges::default(),
            unstamped: Vec::new(),
            buffers: BTreeMap::new(),
            inodes: BTreeSet::new(),
        }
    }

    /// The bytes of `blocks` blocks of 512 bytes from `block` on, if the filesystem has
    /// them.
    pub(super) fn range(&self, block: i64, blocks: u32) -> Option<Range<u64>> {
        let start = u64::try_from(block).ok()?.checked_mul(BASIC_BLOCK_BYTES)?;
        let bytes = u64::from(blocks).saturating_mul(BASIC_BLOCK_BYTES);
        let end = start.checked_add(bytes)?;
        let all = self.geometry.bytes().min(self.disk.size());
        (end <= all && bytes > 0).then_some(start..end)
    }

    /// Fills `buf` with the bytes at `offset`, as they are so far.
    pub(super) fn read(&self, offset: u64, buf: &mut [u8]) -> Result<(), Error> {
        let read = self.sectors.read(self.disk, offset, buf);
        read.map_err(|source| Error::Read {
            structure: Structure::LoggedMetadata,
            offset,
            source,
        })
    }

    /// Puts `bytes` at `offset`.
    pub(super) fn write(&mut self, offset: u64, bytes: &[u8]) -> Step<()> {
        self.sectors.write(self.disk, offset, bytes)?;
        if let Some(limit) = self.sectors.are_too_many() {
            let what = "bytes of changed metadata";
            return Err(LogFault::too_large(what, limit).into());
        }
        Ok(())
    }

    /// Notes that `buffer` was changed.
    pub(super) fn changed(&mut self, buffer: Buffer) -> Result<(), LogFault> {
        if !self.geometry.has_crc {
            return Ok(());
        }
        self.unstamped.push(buffer);
        if self.unstamped.len() > CHECKSUMS_MAX {
            return Err(LogFault::too_large("changed buffers", CHECKSUMS_MAX));
        }
        Ok(())
    }

    /// Notes that the inode at `offset` was changed.
    pub(super) fn inode_changed(&mut self, offset: u64) -> Result<(), LogFault> {
        if !self.geometry.has_crc {
            return Ok(());
        }
        self.inodes.insert(offset);
        if self.inodes.len() > CHECKSUMS_MAX {
            return Err(LogFault::too_large("changed inodes", CHECKSUMS_MAX));
        }
        Ok(())
    }

    /// Puts `lsn` into the buffers that transactions with it have changed.
    pub(super) fn stamp(&mut self, lsn: u64) -> Step<()> {
        let mut start = [0; stamp::HEAD];
        for buffer in std::mem::take(&mut self.unstamped) {
            self.read(buffer.offset, &mut start)?;
            let Some(places) = stamp::places(buffer.kind, &start) else {
                continue;
            };
            let at = buffer.offset.saturating_add(places.lsn);
            self.write(at, &lsn.to_be_bytes())?;
            let entry = (buffer.bytes, buffer.kind);
            self.buffers.insert(buffer.offset, entry);
            if self.buffers.len() > CHECKSUMS_MAX {
                return Err(LogFault::too_large("changed buffers", CHECKSUMS_MAX).into());
            }
        }
        Ok(())
    }

    /// Computes the checksums of all that was changed.
    pub(super) fn finish(&mut self) -> Step<()> {
        let mut bytes = Vec::new();
        let mut summed = 0u64;
        for (offset, (length, kind)) in std::mem::take(&mut self.buffers) {
            summed = summed.saturating_add(u64::from(length));
            if summed > CHECKSUM_BYTES_MAX {
                let what = "bytes of changed buffers";
                let limit = CHECKSUM_BYTES_MAX;
                return Err(LogFault::TooLarge { what, limit }.into());
            }
            bytes.resize(usize_of(u64::from(length)), 0);
            self.read(offset, &mut bytes)?;
            // A buffer may have become one of another type.
            if let Some(places) = stamp::places(kind, &bytes) {
                self.put_checksum(offset, &bytes, places.checksum)?;
            }
        }
        bytes.resize(usize_of(self.geometry.inode_bytes()), 0);
        for offset in std::mem::take(&mut self.inodes) {
            self.read(offset, &mut bytes)?;
            if stamp::is_inode_with_checksum(&bytes) {
                self.put_checksum(offset, &bytes, stamp::INODE_CHECKSUM)?;
            }
        }
        Ok(())
    }

    fn put_checksum(&mut self, offset: u64, bytes: &[u8], at: u64) -> Step<()> {
        let sum = checksum::compute(bytes, usize_of(at));
        self.write(offset.saturating_add(at), &sum.to_le_bytes())
    }

    /// Takes in a superblock that the log has changed: the filesystem may have grown.
    pub(super) fn superblock_changed(&mut self) -> Step<()> {
        let mut sector = vec![0; usize_of(self.geometry.sector_bytes())];
        self.read(0, &mut sector)?;
        if self.geometry.has_crc {
            let sum = checksum::compute(&sector, crate::superblock::CHECKSUM_AT);
            let field = sector.get_mut(crate::superblock::CHECKSUM_AT..);
            if let Some(field) = field.and_then(<[u8]>::first_chunk_mut) {
                *field = sum.to_le_bytes();
            }
        }
        let new = Superblock::new(&sector, self.disk.size()).map_err(|_| LogFault::Superblock)?;
        let (old, new) = (self.geometry, new.geometry);
        // Nothing but the number of blocks can change.
        let same = Geometry {
            blocks: old.blocks,
            ag_count: old.ag_count,
            ..new
        };
        if same != old || new.blocks < old.blocks {
            return Err(LogFault::Superblock.into());
        }
        self.geometry = new;
        Ok(())
    }
}
