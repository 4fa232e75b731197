//! A disk as it would be after its journal was replayed. The disk itself is
//! never written.

use std::io;
use std::ops::Range;
use std::sync::Arc;

use blockio::{Holes, ReadAt, len_u64};
use ext_format::geometry::to_index;

use super::block::MAGIC;
use super::blocks::JournalBlocks;
use super::log::Copied;

/// The bytes of a disk, with the blocks that replaying a log gives in place of
/// its own. Without a log they are the disk's.
#[derive(Debug)]
pub(crate) struct Overlay<R: ?Sized> {
    /// The disk's own: there may be many copies before its next data.
    holes: Holes,
    log: Option<Arc<LogCopies>>,
    disk: R,
}

/// The copies of blocks in a log.
#[derive(Debug)]
pub(crate) struct LogCopies {
    journal: JournalBlocks,
    /// By block, and of a block in the order of the log.
    copies: Vec<Copied>,
}

impl LogCopies {
    /// `copies` of the blocks of a filesystem, in `journal`; they ascend by block.
    pub(crate) const fn new(journal: JournalBlocks, copies: Vec<Copied>) -> Self {
        Self { journal, copies }
    }

    /// The copies of `blocks`.
    pub(crate) fn of(&self, blocks: Range<u64>) -> &[Copied] {
        let from = self
            .copies
            .partition_point(|copy| copy.block < blocks.start);
        let rest = self.copies.get(from..).unwrap_or_default();
        let count = rest.partition_point(|copy| copy.block < blocks.end);
        rest.get(..count).unwrap_or_default()
    }

    /// All copies.
    pub(crate) fn all(&self) -> &[Copied] {
        &self.copies
    }

    /// Reads `copy` from `disk` as the block of the filesystem that it is.
    pub(crate) fn read<R: ReadAt + ?Sized>(
        &self,
        disk: &R,
        copy: &Copied,
        bytes: &mut Vec<u8>,
    ) -> io::Result<()> {
        bytes.clear();
        bytes.resize(to_index(self.journal.block_bytes()), 0);
        let place = self.journal.place(copy.log_block);
        let (at, _) = place.ok_or(io::ErrorKind::UnexpectedEof)?;
        disk.read_at(at, bytes)?;
        if copy.escaped
            && let Some(head) = bytes.first_chunk_mut()
        {
            *head = MAGIC.to_be_bytes();
        }
        Ok(())
    }
}

impl<R: ReadAt> Overlay<R> {
    /// The disk as it is.
    pub(crate) const fn none(disk: R) -> Self {
        Self {
            holes: Holes::new(),
            log: None,
            disk,
        }
    }

    /// Puts the copies of `log` that win in their places.
    pub(crate) fn replay(&mut self, log: LogCopies) {
        self.log = Some(Arc::new(log));
    }

    /// The same over the disk by reference.
    pub(crate) fn by_ref(&self) -> Overlay<&R> {
        Overlay {
            holes: Holes::new(),
            log: self.log.clone(),
            disk: &self.disk,
        }
    }
}

impl<R: ?Sized> Overlay<R> {
    /// The disk below.
    pub(crate) const fn disk(&self) -> &R {
        &self.disk
    }

    pub(crate) fn log(&self) -> Option<&LogCopies> {
        self.log.as_deref()
    }
}

impl<R: ReadAt + ?Sized> ReadAt for Overlay<R> {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buf)?;
        let Some(log) = &self.log else {
            return Ok(());
        };
        let end = offset.saturating_add(len_u64(buf.len()));
        let blocks = log.journal.blocks_of(offset..end);
        let mut bytes = Vec::new();
        for copy in log.of(blocks).iter().filter(|copy| copy.wins) {
            log.read(&self.disk, copy, &mut bytes)?;
            patch(offset, buf, log.journal.byte_of(copy.block), &bytes);
        }
        Ok(())
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let below = self.holes.next_data(&self.disk, from)?;
        let Some(log) = &self.log else {
            return Ok(below);
        };
        let after = log.of(log.journal.blocks_of(from..u64::MAX));
        let Some(first) = after.iter().find(|copy| copy.wins) else {
            return Ok(below);
        };
        let start = log.journal.byte_of(first.block);
        let end = start.saturating_add(log.journal.block_bytes());
        let own = start.max(from)..end.min(self.size());
        Ok(match below {
            // The disk's own data comes first, and may go on after the block.
            Some(below) if below.start <= own.start => Some(below),
            _ => Some(own),
        })
    }
}

/// Bytes in place of those of a disk.
#[derive(Debug)]
pub(crate) struct Patch {
    /// Offset on the disk in bytes.
    pub(crate) offset: u64,
    pub(crate) bytes: Vec<u8>,
}

impl Patch {
    /// Changes its part within `buf`, which was read at `offset`.
    pub(crate) fn apply(&self, offset: u64, buf: &mut [u8]) {
        patch(offset, buf, self.offset, &self.bytes);
    }
}

/// Copies the part of `bytes`, which lie at `at`, that is within `buf`, which lies at
/// `offset`.
fn patch(offset: u64, buf: &mut [u8], at: u64, bytes: &[u8]) {
    let start = at.max(offset);
    let end = at
        .saturating_add(len_u64(bytes.len()))
        .min(offset.saturating_add(len_u64(buf.len())));
    if start >= end {
        return;
    }
    let into = to_index(start.saturating_sub(offset))..to_index(end.saturating_sub(offset));
    let from = to_index(start.saturating_sub(at))..to_index(end.saturating_sub(at));
    if let (Some(into), Some(from)) = (buf.get_mut(into), bytes.get(from)) {
        into.copy_from_slice(from);
    }
}
