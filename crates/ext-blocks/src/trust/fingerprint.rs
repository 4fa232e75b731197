//! The parts of a filesystem that change on every write.

use blockio::ReadAt;
use ext_format::error::Error;
use ext_format::geometry::Geometry;
use ext_format::group::Layout;
use ext_format::superblock::check::check_superblock;
use ext_format::superblock::{JournalPlace, SUPERBLOCK_BYTES, read_superblock};

use crate::journal::{JOURNAL_SUPERBLOCK_BYTES, Journal};

/// The parts of a filesystem that change on every write: the superblock, with the time
/// of the last write, and that of the journal. Two of them differ after most writes to
/// a filesystem in use, not after all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fingerprint {
    superblock: [u8; SUPERBLOCK_BYTES],
    journal: Option<[u8; JOURNAL_SUPERBLOCK_BYTES]>,
}

impl Fingerprint {
    /// The fingerprint of `disk` as it is now, if it has an ext superblock.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails.
    pub fn of<R: ReadAt + ?Sized>(disk: &R) -> Result<Option<Self>, Error> {
        let Some((sb, superblock)) = read_superblock(disk)? else {
            return Ok(None);
        };
        let geometry = check_superblock(&sb, &superblock);
        let geometry = geometry.and_then(|()| Geometry::new(&sb, disk.size()));
        let journal = match (geometry, sb.journal_place()) {
            (Ok(geometry), JournalPlace::Inside(inode)) => {
                let layout = Layout::new(&sb, geometry, false);
                let found = Journal::find_sound(disk, &layout, inode)?;
                found.map(|journal| *journal.stored())
            }
            _ => None,
        };
        Ok(Some(Self {
            superblock,
            journal,
        }))
    }

    /// What differs in `later`: `None` if nothing does.
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
