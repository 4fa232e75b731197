//! From a disk to a volume.

use blockio::ReadAt;

use crate::boot::{self, Boot};
use crate::error::Error;
use crate::filesystem::{Evidence, Filesystem, Info, Options};
use crate::finding::{Damage, Distrust, Step, Stop};
use crate::map::Map;
use crate::mft::Mft;
use crate::references;
use crate::state::{self, Identity};

/// A boot sector of NTFS, which may be believed.
#[derive(Clone, Debug)]
pub struct Candidate {
    boot: Result<Boot, Distrust>,
}

/// Looks for the boot sector of an NTFS volume on `disk`; `None` if there is none.
///
/// # Errors
///
/// [`Error::Read`] if the storage fails.
pub fn find<R: ReadAt + ?Sized>(disk: &R) -> Result<Option<Candidate>, Error> {
    let sector = boot::read(disk)?;
    Ok(sector.map(|sector| Candidate {
        boot: Boot::new(&sector, disk.size()),
    }))
}

impl Candidate {
    /// What the boot sector says: of the rest of the volume, nothing is known yet.
    #[must_use]
    pub fn info(&self) -> Info {
        let mut info = Info::default();
        if let Ok(boot) = &self.boot {
            info.serial = boot.serial;
            info.bytes = boot.bytes;
            info.sector_bytes = boot.sector_bytes;
            info.cluster_bytes = boot.cluster_bytes;
            info.clusters = boot.clusters;
            info.record_bytes = boot.record_bytes;
        }
        info
    }

    /// Why the boot sector is not believed, if it is not.
    #[must_use]
    pub fn distrust(&self) -> Option<Distrust> {
        self.boot.err()
    }

    /// Reads from `disk`, on which the candidate was found, which clusters are free.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails. Nothing that is wrong with a volume is an
    /// error: see [`Filesystem::trust`].
    pub fn open<R: ReadAt>(self, disk: R, options: &Options) -> Result<Filesystem<R>, Error> {
        let mut info = self.info();
        let mut damage = Damage::default();
        let surveyed = match self.boot {
            Ok(boot) => survey(&disk, boot, options, &mut info, &mut damage),
            Err(distrust) => Err(distrust.into()),
        };
        info.used_bytes = disk.size().saturating_sub(info.free_bytes);
        let map = match surveyed {
            Ok(map) => Ok(map),
            Err(Stop::Distrust(distrust)) => Err(distrust),
            Err(Stop::Read(error)) => return Err(error),
        };
        if map.is_err() {
            damage = Damage::default();
        }
        Ok(Filesystem {
            disk,
            info,
            damage,
            evidence: options.evidence,
            map,
        })
    }
}

/// Reads which clusters are free, and holds that against the files.
fn survey<R: ReadAt>(
    disk: &R,
    boot: Boot,
    options: &Options,
    info: &mut Info,
    damage: &mut Damage,
) -> Step<Map> {
    let mft = Mft::open(disk, boot)?;
    let mut identity = Identity::default();
    let state = state::check(&mft, &mut identity);
    info.label = identity.label;
    info.version = identity.version;
    state?;
    let mut map = Map::open(&mft)?;
    let free = match options.evidence {
        Evidence::Bitmap => map.count_free(disk)?,
        Evidence::Records => references::check(&mft, &mut map, damage)?,
    };
    info.free_bytes = free.saturating_mul(boot.cluster_bytes);
    Ok(map)
}
