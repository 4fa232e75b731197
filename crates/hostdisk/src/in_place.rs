//! A disk whose free blocks are given back to the storage, in place.

mod alone;
mod edited;
mod storage;

use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::{Disk, Error, Stamp};
use alone::open_alone;
use storage::Storage;

pub use edited::EditedFile;
pub use storage::GiveBack;

/// The unit in which the kernel counts the blocks of a file, in bytes.
const COUNTED_BYTES: u64 = 512;

/// A regular file or block device, opened so that no other program uses it, whose blocks
/// can be given back to the storage.
///
/// A device is opened exclusively. On a file, the locks are held that QEMU's programs
/// look for, so that they refuse to open it.
#[derive(Debug)]
pub struct InPlace {
    disk: Disk,
    storage: Storage,
    /// The state after the last change of ours.
    stamp: Mutex<Stamp>,
}

impl InPlace {
    /// Opens the file or device at `path`. Nothing is changed yet.
    ///
    /// # Errors
    ///
    /// [`Error::NotADisk`]; [`Error::InUse`] if anything else uses it, even only to read
    /// it; [`Error::CannotPunch`] if a device is known not to discard blocks;
    /// [`Error::Io`] if the system refuses.
    pub fn open(path: impl AsRef<Path>, give_back: GiveBack) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = open_alone(path)?;
        let disk = Disk::of(file, path)?;
        let storage = Storage::of(&disk, give_back)?;
        let stamp = disk.stamp()?.into();
        Ok(Self {
            disk,
            storage,
            stamp,
        })
    }

    /// Returns the disk, to read it.
    #[must_use]
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Returns the unit in bytes that the storage gives back. Parts of units are better
    /// left alone: the storage would zero them and keep the unit.
    #[must_use]
    pub const fn unit_bytes(&self) -> u64 {
        self.storage.unit_bytes()
    }

    /// Gives the bytes `range` back to the storage, and touches no other byte.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`] if something else changed the file since it was opened, with
    /// nothing changed; [`Error::CannotPunch`] if the storage cannot give blocks back,
    /// with nothing changed; [`Error::Punch`] if it fails: a part of the range may have
    /// been given back.
    pub fn punch(&self, range: &Range<u64>) -> Result<(), Error> {
        let mut stamp = self.stamp.lock().unwrap_or_else(PoisonError::into_inner);
        self.compare(*stamp)?;
        self.storage.punch(&self.disk, range)?;
        *stamp = self.disk.stamp()?;
        Ok(())
    }

    /// Checks that nothing else changed the file since it was opened. A block device
    /// does not record changes: only its size is compared.
    ///
    /// # Errors
    ///
    /// [`Error::Changed`]; [`Error::Io`] if the system refuses.
    pub fn check_unchanged(&self) -> Result<(), Error> {
        self.compare(*self.stamp.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn compare(&self, stamp: Stamp) -> Result<(), Error> {
        if self.disk.stamp()? == stamp {
            return Ok(());
        }
        Err(Error::Changed {
            path: self.disk.path().into(),
        })
    }

    /// Waits until everything that was given back would survive a loss of power.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system refuses.
    pub fn sync(&self) -> Result<(), Error> {
        let synced = self.disk.file().sync_all();
        synced.map_err(Error::io(self.disk.path(), "synced"))
    }
}

/// Returns how many bytes the storage of `disk` takes, or `None` if it is a block device.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses.
pub fn allocated_bytes(disk: &Disk) -> Result<Option<u64>, Error> {
    if disk.is_device() {
        return Ok(None);
    }
    let metadata = disk.file().metadata();
    let metadata = metadata.map_err(Error::io(disk.path(), "examined"))?;
    Ok(Some(metadata.blocks().saturating_mul(COUNTED_BYTES)))
}

/// Returns the unit in bytes that the storage of `disk` can give back, as
/// [`InPlace::unit_bytes`] does, for a disk that is only read.
///
/// # Errors
///
/// As [`InPlace::open`].
pub fn punch_unit_bytes(disk: &Disk, give_back: GiveBack) -> Result<u64, Error> {
    Storage::of(disk, give_back).map(|storage| storage.unit_bytes())
}

#[cfg(test)]
mod tests;
