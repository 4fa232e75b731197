//! From a disk to a filesystem.

use blockio::ReadAt;

use crate::error::{Error, Structure, fill};
use crate::filesystem::info::Info;
use crate::filesystem::{Filesystem, Options};
use crate::finding::Distrust;
use crate::superblock::{self, Identity, SUPERBLOCK_BYTES, Superblock};

/// What [`find`] found.
#[derive(Debug)]
pub enum Sought {
    /// A superblock of XFS.
    Xfs(Box<Candidate>),
    /// None.
    Nothing,
}

/// A superblock of XFS, of which the groups were not looked at yet.
#[derive(Clone, Debug)]
pub struct Candidate {
    identity: Identity,
    superblock: Result<Superblock, Distrust>,
}

/// Looks for a superblock of XFS at the start of `disk`.
///
/// # Errors
///
/// [`Error::Read`] if the storage fails.
pub fn find<R: ReadAt + ?Sized>(disk: &R) -> Result<Sought, Error> {
    let size = disk.size();
    if size < blockio::len_u64(SUPERBLOCK_BYTES) {
        return Ok(Sought::Nothing);
    }
    let mut sector = vec![0; SUPERBLOCK_BYTES];
    fill(disk, Structure::Superblock, 0, &mut sector)?;
    if !superblock::is_mine(&sector) {
        return Ok(Sought::Nothing);
    }
    let identity = Identity::new(&sector);
    let bytes = superblock::sector_bytes(&sector);
    if blockio::len_u64(bytes) <= size {
        sector.resize(bytes, 0);
        fill(disk, Structure::Superblock, 0, &mut sector)?;
    }
    Ok(Sought::Xfs(Box::new(Candidate {
        identity,
        superblock: Superblock::new(&sector, size),
    })))
}

/// Looks for an XFS filesystem on `disk` and, if there is one, into it.
///
/// # Errors
///
/// [`Error::Read`] if the storage fails. Nothing that is wrong with a filesystem is an
/// error: see [`Filesystem::trust`].
pub fn detect<R: ReadAt>(disk: R, options: &Options<'_>) -> Result<Option<Filesystem<R>>, Error> {
    match find(&disk)? {
        Sought::Xfs(candidate) => candidate.open(disk, options).map(Some),
        Sought::Nothing => Ok(None),
    }
}

impl Candidate {
    /// Bytes of the filesystem from the start of the disk, with a realtime section that
    /// follows it; `None` if the superblock is not believed.
    #[must_use]
    pub fn filesystem_bytes(&self) -> Option<u64> {
        let superblock = self.superblock.as_ref().ok()?;
        Some(superblock.bytes_with_realtime())
    }

    /// What the filesystem says of itself.
    #[must_use]
    pub fn info(&self) -> Info {
        Info::new(&self.identity, self.superblock.as_ref().ok())
    }

    /// Looks into the filesystem on `disk`, on which this was found.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails.
    pub fn open<R: ReadAt>(&self, disk: R, options: &Options<'_>) -> Result<Filesystem<R>, Error> {
        Filesystem::open(disk, self.info(), self.superblock.clone(), options)
    }
}
