//! What of a filesystem changes whenever it is written to.

use blockio::ReadAt;
use ext_format::error::Error;
use ext_format::geometry::Geometry;
use ext_format::group::Layout;
use ext_format::superblock::check::check_superblock;
use ext_format::superblock::{JournalPlace, SUPERBLOCK_BYTES, read_superblock};

use crate::journal::{JOURNAL_SUPERBLOCK_BYTES, Journal};

/// A filesystem at one moment, to be held against another: the superblock, with
/// the time of the last write, and that of the journal. They tell of most writes
/// to a filesystem in use, and not of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    superblock: [u8; SUPERBLOCK_BYTES],
    journal: Option<[u8; JOURNAL_SUPERBLOCK_BYTES]>,
}

impl Moment {
    /// The moment that `disk` shows now, where it has an ext superblock.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] where the storage fails.
    pub fn of<R: ReadAt + ?Sized>(disk: &R) -> Result<Option<Self>, Error> {
        let Some((sb, superblock)) = read_superblock(disk)? else {
            return Ok(None);
        };
        let geometry = check_superblock(&sb, &superblock);
        let geometry = geometry.and_then(|()| Geometry::new(&sb, disk.size()));
        let journal = match (geometry, sb.journal_place()) {
            (Ok(geometry), JournalPlace::Inside(inode)) => {
                let layout = Layout::new(&sb, geometry, false);
                let found = Journal::find(disk, &layout, inode)?;
                found.ok().map(|journal| *journal.stored())
            }
            _ => None,
        };
        Ok(Some(Self {
            superblock,
            journal,
        }))
    }

    /// What is another in `later`: `None` where nothing is.
    #[must_use]
    pub fn change(&self, later: &Self) -> Option<&'static str> {
        if self.superblock != later.superblock {
            Some("its superblock is another one")
        } else if self.journal != later.journal {
            Some("its journal went on")
        } else {
            None
        }
    }
}
