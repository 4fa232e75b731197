//! Outputs that appear whole or not at all.

mod attributes;
mod device;
mod limit;
mod naming;
mod options;
pub(crate) mod place;
mod publish;
mod regular;
mod share;
mod zeroes;

use std::fs::{self, Metadata};
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

pub use options::TargetOptions;
pub use publish::abandon_all;
pub(crate) use regular::FileStore;

use attributes::Attributes;
use device::DeviceStore;
use publish::Unpublished;

use blockio::{Handle, ReadAt, Store, WriteAt};

use crate::disk::check_type;
use crate::in_use::target_in_use;
use crate::{Error, Identity, Stamp, Uncached};

/// An output that appears at its path once it is committed.
///
/// It can be read while it is written. Until it is committed, a new file has no name,
/// or a temporary one if the filesystem needs one; if it is dropped without
/// [`commit`](Self::commit), it is gone. A block device, and a file rewritten in place,
/// keep what was written.
#[derive(Debug)]
pub struct Target {
    path: PathBuf,
    content: Content,
    sync: bool,
}

#[derive(Debug)]
enum Content {
    New(FileStore, Unpublished),
    InPlace(FileStore),
    Device(DeviceStore),
}

impl Target {
    /// Starts an output at `path`. Symbolic links are followed, and the target of a
    /// dangling one is created.
    ///
    /// A new file takes over the mode, owner and access control list of the file that
    /// it replaces. If the system does not allow that, the new file never grants more
    /// access than the old one did. Other names of the replaced file keep the old
    /// content.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if `options` do not allow overwriting what is there,
    /// [`Error::SameFile`] if that is one of the sources, [`Error::InUse`] if it is in
    /// use, [`Error::NotADisk`] for directories, pipes and the like,
    /// [`Error::NoDevice`] for a file in `/dev`, and [`Error::Io`].
    pub fn create(path: impl AsRef<Path>, options: &TargetOptions) -> Result<Self, Error> {
        let path = path.as_ref();
        let content = match fs::metadata(path) {
            Ok(existing) => Content::over(path, &existing, options)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let place = place::of_missing(path)?;
                place::check_is_for_files(&place, path)?;
                let (file, new) = Unpublished::create(place, None, options.sync)?;
                Content::New(FileStore::new(file, 0, true), new)
            }
            Err(error) => return Err(Error::io(path, "examined")(error)),
        };
        Ok(Self {
            path: path.into(),
            content,
            sync: options.sync,
        })
    }

    /// Returns the path as it was given.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The state of the output now, to be compared with that of another moment. To put it
    /// in its place changes neither its length nor the time of its last change.
    ///
    /// # Errors
    ///
    /// [`Error::Io`] if the system refuses.
    pub fn stamp(&self) -> Result<Stamp, Error> {
        match &self.content {
            Content::New(store, _) | Content::InPlace(store) => {
                let metadata = store.file().metadata();
                let metadata = metadata.map_err(Error::io(&self.path, "examined"))?;
                Ok(Stamp::of_file(&metadata))
            }
            Content::Device(store) => Ok(Stamp::of_device(store.size())),
        }
    }

    /// Makes the output appear at its path.
    ///
    /// # Errors
    ///
    /// [`Error::Exists`] if a file of that name has appeared in the meantime,
    /// [`Error::Abandoned`] after [`abandon_all`], and [`Error::Io`]. After an error the
    /// output is discarded.
    pub fn commit(self) -> Result<(), Error> {
        let Self {
            path,
            content,
            sync,
        } = self;
        match content {
            Content::New(store, new) => {
                if sync {
                    store.sync_all().map_err(Error::io(&path, "synced"))?;
                }
                new.publish(store.file(), &path)
            }
            Content::InPlace(store) if sync => store.sync_all().map_err(Error::io(&path, "synced")),
            Content::InPlace(_) => Ok(()),
            Content::Device(store) => store.commit(sync),
        }
    }

    /// Returns the same bytes, read from the storage and not from the page cache, and
    /// without trust in holes. What is not [synced](WriteAt::sync) may still come from
    /// the page cache.
    #[must_use]
    pub fn uncached(&self) -> Uncached<'_> {
        let file = match &self.content {
            Content::New(store, _) | Content::InPlace(store) => store.file(),
            Content::Device(store) => store.file(),
        };
        Uncached::new(self, file)
    }

    fn store(&self) -> &dyn Store {
        match &self.content {
            Content::New(store, _) | Content::InPlace(store) => store,
            Content::Device(store) => store,
        }
    }
}

impl Content {
    /// Starts an output that replaces or overwrites the `existing` file or device at
    /// `path`.
    fn over(path: &Path, existing: &Metadata, options: &TargetOptions) -> Result<Self, Error> {
        check_type(existing, path)?;
        let is_device = existing.file_type().is_block_device();
        let place = fs::canonicalize(path).map_err(Error::io(path, "examined"))?;
        if !is_device {
            place::check_is_for_files(&place, path)?;
        }
        if options.sources.contains(&Identity::of(existing)) {
            return Err(Error::SameFile { path: path.into() });
        }
        if !(options.force || options.in_place && !is_device) {
            return Err(Error::Exists { path: path.into() });
        }
        if let Some(by) = target_in_use(path)? {
            let path = path.into();
            return Err(Error::InUse { path, by });
        }
        if is_device {
            return Ok(Self::Device(DeviceStore::open(path, existing, options)?));
        }
        if options.in_place {
            let file = place::open_existing(path, existing, rustix::fs::OFlags::empty())?;
            return Ok(Self::InPlace(FileStore::new(file, existing.len(), false)));
        }
        let attributes = Attributes::of(&place, existing);
        let (file, new) = Unpublished::create(place, Some(&attributes), options.sync)?;
        Ok(Self::New(FileStore::new(file, 0, true), new))
    }
}

impl ReadAt for Target {
    fn size(&self) -> u64 {
        self.store().size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.store().read_at(offset, buf)
    }
    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.store().next_data(from)
    }
    fn handle(&self) -> Option<&Handle> {
        self.store().handle()
    }
}

impl WriteAt for Target {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.store().write_at(offset, bytes)
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.store().write_zeroes(offset, length)
    }
    fn reserve(&self, size: u64) -> io::Result<()> {
        self.store().reserve(size)
    }
    fn share_at(
        &self,
        offset: u64,
        source: &Handle,
        source_offset: u64,
        length: u64,
    ) -> io::Result<()> {
        self.store().share_at(offset, source, source_offset, length)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.store().set_size(size)
    }
    fn starts_zeroed(&self) -> bool {
        self.store().starts_zeroed()
    }
    /// Syncs as any target does, except that only [`Target::commit`] stores the head of a
    /// block device.
    fn sync(&self) -> io::Result<()> {
        self.store().sync()
    }
}

#[cfg(test)]
mod tests;
