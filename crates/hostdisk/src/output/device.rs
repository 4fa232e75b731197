//! An output that is a block device.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use blockio::{ReadAt, WriteAt, len_u64};
use rustix::fs::{FallocateFlags, OFlags};

use super::options::TargetOptions;
use super::zeroes::{try_fallocate, write_zero_bytes};
use super::{place, publish};
use crate::disk::{device_bytes, forget_cached, read_within};
use crate::in_use::loop_backing;
use crate::{Error, Identity, sysfs};

/// Alignment that a range needs for a device to zero it: a page, since logical blocks
/// are no larger on common kernels. If they are larger, the device refuses, and zeros
/// are written.
const ZERO_ALIGNMENT: u64 = 4096;

/// A block device, opened exclusively, whose first bytes are held back.
#[derive(Debug)]
pub(super) struct DeviceStore {
    file: File,
    path: PathBuf,
    size_bytes: u64,
    head: Mutex<Head>,
}

/// The first bytes of the device.
#[derive(Debug)]
enum Head {
    /// Nothing was written yet; this many bytes will be held back.
    Untouched(u64),
    /// The device holds zeros, and these bytes are written last.
    Held(Vec<u8>),
}

impl Head {
    /// Returns the bytes held back, possibly none.
    fn held(&mut self) -> &mut [u8] {
        match self {
            Self::Untouched(_) => &mut [],
            Self::Held(bytes) => bytes,
        }
    }
}

impl DeviceStore {
    /// Opens the device at `path`, which must still be the `existing` one.
    pub(super) fn open(
        path: &Path,
        existing: &Metadata,
        options: &TargetOptions,
    ) -> Result<Self, Error> {
        let mut sources = options.sources.iter();
        if sources.any(|source| shares_storage(existing.rdev(), *source)) {
            return Err(Error::SameFile { path: path.into() });
        }
        let file = place::open_existing(path, existing, OFlags::EXCL)?;
        forget_cached(&file).map_err(Error::io(path, "examined"))?;
        let size_bytes = device_bytes(&file).map_err(Error::io(path, "measured"))?;
        Ok(Self {
            file,
            path: path.into(),
            size_bytes,
            head: Mutex::new(Head::Untouched(options.head_bytes.min(size_bytes))),
        })
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    /// Writes the head after everything else is stored.
    pub(super) fn commit(self, sync: bool) -> Result<(), Error> {
        let synced = |file: &File| {
            if sync { file.sync_all() } else { Ok(()) }
        };
        let failed = |action| Error::io(&self.path, action);
        synced(&self.file).map_err(failed("synced"))?;
        publish::unless_abandoned(&self.path, |_| {
            let mut head = self.head();
            self.file
                .write_all_at(head.held(), 0)
                .map_err(failed("written"))?;
            synced(&self.file).map_err(failed("synced"))
        })
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes the part of the head that lies in `range_bytes` bytes at `offset`, and
    /// returns the length of that part.
    ///
    /// Before anything else is written, it zeroes the head on the device.
    fn change_head(
        &self,
        offset: u64,
        range_bytes: u64,
        change: impl FnOnce(&mut [u8]),
    ) -> io::Result<usize> {
        self.check_room(offset.saturating_add(range_bytes))?;
        let mut head = self.head();
        if let Head::Untouched(length) = *head
            && range_bytes > 0
        {
            let held = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
            write_zero_bytes(&self.file, 0, length)?;
            self.file.sync_data()?;
            *head = Head::Held(vec![0; held]);
        }
        let part = part_of(head.held(), offset, range_bytes);
        change(part);
        Ok(part.len())
    }

    fn check_room(&self, needed_bytes: u64) -> io::Result<()> {
        if needed_bytes <= self.size_bytes {
            return Ok(());
        }
        Err(io::Error::new(
            io::ErrorKind::StorageFull,
            Error::TooSmall {
                path: self.path.clone(),
                device_bytes: self.size_bytes,
                needed_bytes,
            },
        ))
    }
}

/// Returns whether the block device `device` is backed by the file `source`, is a
/// partition of it, or has it as a partition.
fn shares_storage(device: u64, source: Identity) -> bool {
    let is_part = |part, disk| sysfs::disk_of(part) == Some(disk);
    loop_backing(device) == Some(source)
        || source
            .block_device()
            .is_some_and(|source| is_part(source, device) || is_part(device, source))
}

/// Returns the part of `head` that lies in `length` bytes at `offset`.
fn part_of(head: &mut [u8], offset: u64, length: u64) -> &mut [u8] {
    let clip = |at: u64| usize::try_from(at).map_or(head.len(), |at| at.min(head.len()));
    let range = clip(offset)..clip(offset.saturating_add(length));
    head.get_mut(range).unwrap_or_default()
}

impl ReadAt for DeviceStore {
    fn size(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        read_within(&self.file, self.size_bytes, offset, buf)?;
        let mut head = self.head();
        let part = part_of(head.held(), offset, buf.size());
        if let Some(start) = buf.get_mut(..part.len()) {
            start.copy_from_slice(part);
        }
        Ok(())
    }
}

impl WriteAt for DeviceStore {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let held = self.change_head(offset, bytes.size(), |part| {
            part.copy_from_slice(bytes.get(..part.len()).unwrap_or_default());
        })?;
        let rest = bytes.get(held..).unwrap_or_default();
        self.file.write_all_at(rest, offset + len_u64(held))
    }

    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        let held = len_u64(self.change_head(offset, length, |part| part.fill(0))?);
        let (start, end) = (offset + held, offset + length);
        let aligned_start = start.next_multiple_of(ZERO_ALIGNMENT).min(end);
        let aligned_end = (end - end % ZERO_ALIGNMENT).max(aligned_start);
        write_zero_bytes(&self.file, start, aligned_start - start)?;
        zero_aligned(&self.file, aligned_start, aligned_end - aligned_start)?;
        write_zero_bytes(&self.file, aligned_end, end - aligned_end)
    }

    /// Checks the size, and limits the bytes held back to the first `size` bytes.
    fn reserve(&self, size: u64) -> io::Result<()> {
        self.set_size(size)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.check_room(size)?;
        if let Head::Untouched(length) = &mut *self.head() {
            *length = size.min(*length);
        }
        Ok(())
    }

    fn starts_zeroed(&self) -> bool {
        false
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Zeroes an aligned range with the device's own operations, or writes zeros. Unlike a
/// discard, both operations promise zeros.
fn zero_aligned(file: &File, offset: u64, length: u64) -> io::Result<()> {
    let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    let zero = FallocateFlags::ZERO_RANGE | FallocateFlags::KEEP_SIZE;
    if length == 0
        || try_fallocate(file, punch, offset, length)?
        || try_fallocate(file, zero, offset, length)?
    {
        return Ok(());
    }
    write_zero_bytes(file, offset, length)
}
