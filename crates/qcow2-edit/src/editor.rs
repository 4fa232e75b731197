//! An image that is changed.

use std::fmt;
use std::io;
use std::ops::Range;

use blockio::Store;
use qcow2_format::Header;
use qcow2_format::bitmap::BitmapDirectoryEntry;
use qcow2_format::snapshot::Snapshot;

use crate::amend::{self, Amendment};
use crate::bitmap::{self, NewBitmap};
use crate::error::Error;
use crate::image::state::State;
use crate::repair;
use crate::report::{Changed, Repaired};
use crate::resize::{self, Resize};
use crate::snapshot::{self, NewSnapshot};
use crate::write::{self, DiskWrite};

/// An image that can be changed in place. Nobody else may use the storage meanwhile.
///
/// Each change is done whole or not at all: if it is interrupted, the image is the old
/// one or the new one. An image that does not agree with itself is refused.
pub struct Editor<S> {
    storage: S,
}

impl<S: Store> Editor<S> {
    /// Opens the image in `storage`.
    ///
    /// # Errors
    ///
    /// [`Error::Map`] if the header, the snapshot table or the bitmap directory is wrong,
    /// or the image needs an unknown feature.
    pub fn open(storage: S) -> Result<Self, Error> {
        State::read(&storage)?;
        Ok(Self { storage })
    }

    /// Returns the header as it is now.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn header(&self) -> Result<Header, Error> {
        Ok(State::read(&self.storage)?.header)
    }

    /// Returns the snapshots, in the order of their table.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn snapshots(&self) -> Result<Vec<Snapshot>, Error> {
        Ok(State::read(&self.storage)?.snapshots)
    }

    /// Returns the bitmaps, in the order of their directory.
    ///
    /// # Errors
    ///
    /// As [`Self::open`].
    pub fn bitmaps(&self) -> Result<Vec<BitmapDirectoryEntry>, Error> {
        Ok(State::read(&self.storage)?.bitmaps)
    }

    /// Takes an internal snapshot of the disk, without VM state.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`]; [`Error::Unsupported`] for images with an external data file;
    /// [`Error::Fault`]; [`Error::RefcountWidth`]; and if the storage fails.
    pub fn create_snapshot(&self, wanted: &NewSnapshot) -> Result<Changed, Error> {
        snapshot::create(&self.storage, wanted)
    }

    /// Makes the disk what it was when the snapshot with the ID `wanted`, or else with
    /// that name, was taken: its size too. VM state stays in the snapshot.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Unsupported`] if the image has bitmaps, as with QEMU;
    /// [`Error::Fault`]; and if the storage fails.
    pub fn apply_snapshot(&self, wanted: &[u8]) -> Result<Changed, Error> {
        snapshot::apply(&self.storage, wanted)
    }

    /// Deletes the snapshot with the ID `wanted`, or else with that name.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Fault`]; and if the storage fails.
    pub fn delete_snapshot(&self, wanted: &[u8]) -> Result<Changed, Error> {
        snapshot::delete(&self.storage, wanted)
    }

    /// Changes the size of the disk. Snapshots keep theirs, and bitmaps follow: no bit is
    /// set for what is new.
    ///
    /// # Errors
    ///
    /// [`Error::WouldShrink`] unless that is allowed; [`Error::BitmapInUse`];
    /// [`Error::Unsupported`] for images with an external data file, and if the backing
    /// file is needed and not there; [`Error::Limit`]; [`Error::Fault`]; and if the
    /// storage fails.
    pub fn resize(&self, wanted: &Resize<'_>) -> Result<Changed, Error> {
        resize::resize(&self.storage, wanted)
    }

    /// Changes the version, the backing file, or options of the image.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] if the version does not have what the image needs;
    /// [`Error::HeaderTooLarge`]; [`Error::Limit`]; [`Error::Fault`]; and if the storage
    /// fails.
    pub fn amend(&self, wanted: &Amendment) -> Result<Changed, Error> {
        amend::amend(&self.storage, wanted)
    }

    /// Makes the disk hold in `ranges`, which ascend, what another one holds. Bitmaps that
    /// follow writes have the bits of these ranges set, unless only what is unallocated
    /// is written: then what the disk holds is to stay the same.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for images with an external data file and for encrypted
    /// ones; [`Error::Source`]; [`Error::HeaderTooLarge`]; [`Error::Limit`];
    /// [`Error::Damaged`]; and if the storage fails.
    pub fn write(
        &self,
        wanted: &DiskWrite<'_>,
        ranges: impl IntoIterator<Item = io::Result<Range<u64>>>,
    ) -> Result<Changed, Error> {
        write::write(&self.storage, wanted, ranges)
    }

    /// Forgets what the image holds: the disk is what its backing file has. Snapshots
    /// stay.
    ///
    /// # Errors
    ///
    /// [`Error::Unsupported`] for images with an external data file;
    /// [`Error::Damaged`]; and if the storage fails.
    pub fn empty(&self) -> Result<Changed, Error> {
        write::empty(&self.storage)
    }

    /// What a change reports that changes nothing.
    #[must_use]
    pub fn unchanged(&self) -> Changed {
        Changed {
            file_bytes_before: self.storage.size(),
            file_bytes: self.storage.size(),
            ..Changed::default()
        }
    }

    /// Adds a bitmap in which no bit is set.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`]; [`Error::Unsupported`] for images of version 2;
    /// [`Error::Limit`]; [`Error::Fault`]; and if the storage fails.
    pub fn add_bitmap(&self, wanted: &NewBitmap) -> Result<Changed, Error> {
        bitmap::add(&self.storage, wanted)
    }

    /// Removes a bitmap, even one that may have missed writes.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::Fault`]; and if the storage fails.
    pub fn remove_bitmap(&self, name: &[u8]) -> Result<Changed, Error> {
        bitmap::remove(&self.storage, name)
    }

    /// Clears all bits of a bitmap.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; [`Error::BitmapInUse`]; [`Error::Fault`]; and if the storage
    /// fails.
    pub fn clear_bitmap(&self, name: &[u8]) -> Result<Changed, Error> {
        bitmap::clear(&self.storage, name)
    }

    /// Makes a bitmap follow the writes to the disk from now on, or not.
    ///
    /// # Errors
    ///
    /// As [`Self::clear_bitmap`].
    pub fn enable_bitmap(&self, name: &[u8], enabled: bool) -> Result<Changed, Error> {
        bitmap::enable(&self.storage, name, enabled)
    }

    /// Sets the bits of the bitmap `name` for all bytes of the disk that the bitmap
    /// `source` has set.
    ///
    /// # Errors
    ///
    /// As [`Self::clear_bitmap`].
    pub fn merge_bitmap(&self, name: &[u8], source: &[u8]) -> Result<Changed, Error> {
        bitmap::merge(&self.storage, name, source)
    }

    /// Gives back the clusters that have a refcount and no use, and makes all refcounts
    /// exact: those of an image that was not closed properly, too.
    ///
    /// # Errors
    ///
    /// [`Error::Fault`] if more is wrong than that; and if the storage fails.
    pub fn drop_leaks(&self) -> Result<Changed, Error> {
        repair::drop_leaks(&self.storage)
    }

    /// Repairs refcounts, the flags that say that a cluster has the refcount one, bits that
    /// must be clear, and the marks of an image that was not closed properly or is
    /// corrupt. Data that shares a cluster with something else without a refcount for
    /// that gets a copy of its own, and [`Repaired::doubtful`] lists both owners.
    ///
    /// An image with other damage is refused: what it refers to may be in use, and nobody
    /// can tell.
    ///
    /// # Errors
    ///
    /// [`Error::Fault`] and [`Error::Damaged`] for other damage; and if the storage fails.
    pub fn repair(&self) -> Result<Repaired, Error> {
        repair::all(&self.storage)
    }
}

impl<S> fmt::Debug for Editor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Editor").finish_non_exhaustive()
    }
}
