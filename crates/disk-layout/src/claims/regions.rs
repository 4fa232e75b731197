//! Both ends of a disk, read at once.

use std::io;

use blockio::ReadAt;

/// Bytes read from the start: the first two labels of ZFS, and all but a few
/// signatures.
const HEAD_BYTES: u64 = 512 << 10;

/// Bytes read from the end: the last two labels of ZFS, of 256 KiB each, end at a
/// multiple of 256 KiB.
const TAIL_BYTES: u64 = 768 << 10;

/// A place that cannot be read.
#[derive(Debug)]
pub(super) struct Unreadable {
    /// In bytes from the start of the disk.
    pub(super) offset: u64,
    pub(super) source: io::Error,
}

/// A disk of which both ends are in memory. Where an end cannot be read as a
/// whole, and between the ends, each place is read when it is asked for: a bad
/// sector matters only if a signature may lie there.
pub(super) struct Regions<'d, R: ?Sized> {
    disk: &'d R,
    ends: [Option<(u64, Vec<u8>)>; 2],
}

impl<'d, R: ReadAt + ?Sized> Regions<'d, R> {
    pub(super) fn read(disk: &'d R) -> Self {
        let head = Some((0, disk.size().min(HEAD_BYTES)));
        let from = disk.size().saturating_sub(TAIL_BYTES).max(HEAD_BYTES);
        let length = disk.size().saturating_sub(from);
        let tail = (length > 0).then_some((from, length));
        let read = |(from, length): (u64, u64)| {
            let mut bytes = vec![0; usize::try_from(length).ok()?];
            disk.read_at(from, &mut bytes).ok()?;
            Some((from, bytes))
        };
        Self {
            disk,
            ends: [head.and_then(read), tail.and_then(read)],
        }
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        self.disk.size()
    }

    /// Fills `buf` with the bytes at `at`, and with zeros from the end of the disk
    /// on.
    pub(super) fn fill(&self, at: u64, buf: &mut [u8]) -> Result<(), Unreadable> {
        buf.fill(0);
        let left = self.disk.size().saturating_sub(at);
        let length = usize::try_from(left).map_or(buf.len(), |left| left.min(buf.len()));
        let Some(buf) = buf.get_mut(..length).filter(|buf| !buf.is_empty()) else {
            return Ok(());
        };
        for (from, bytes) in self.ends.iter().flatten() {
            let inside = at
                .checked_sub(*from)
                .and_then(|at| usize::try_from(at).ok());
            if let Some(found) = inside.and_then(|at| bytes.get(at..)?.get(..length)) {
                buf.copy_from_slice(found);
                return Ok(());
            }
        }
        self.disk
            .read_at(at, buf)
            .map_err(|source| Unreadable { offset: at, source })
    }
}
