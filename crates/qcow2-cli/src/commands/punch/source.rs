//! The disk whose free blocks are given back.

use std::ops::Range;

use blockio::ReadAt;
use ext_blocks::Fingerprint;
use ext_blocks::mmp::{Mmp, read_mmp};
use hostdisk::in_use::target_in_use;
use hostdisk::{Disk, Error, InPlace, Stamp, punch_unit_bytes};

use crate::args::{PunchArgs, RawFormatArg};
use crate::containers::{self, Start};
use crate::failure::Failure;
use crate::source::mmp;

/// The disk, open until everything is given back.
pub(super) struct Source<'a> {
    args: &'a PunchArgs,
    opened: Opened,
    unit_bytes: u64,
    /// What its filesystem was at first.
    moment: Option<Fingerprint>,
    /// What is wrong with the multiple mount protection.
    mmp_damage: Option<String>,
    on_disk: Option<&'static str>,
}

/// How the disk is open.
enum Opened {
    /// It cannot be changed.
    ToRead(Disk, Stamp),
    ToPunch(InPlace),
}

impl<'a> Source<'a> {
    /// Opens the source, and refuses one that anything else uses.
    pub(super) fn open(args: &'a PunchArgs) -> Result<Self, Failure> {
        let path = &args.source;
        let opened = if args.dry_run {
            let disk = Disk::open(path)?;
            if let Some(by) = target_in_use(path)? {
                let path = path.clone();
                return Err(Error::InUse { path, by }.into());
            }
            let stamp = disk.stamp()?;
            Opened::ToRead(disk, stamp)
        } else {
            Opened::ToPunch(InPlace::open(path, args.give_back())?)
        };
        let disk = opened.disk();
        refuse_containers(args, disk)?;
        let read = |part: &dyn ReadAt| read_mmp(part).map_err(|error| Failure::about(path, &error));
        let sectors = u32::try_from(disk.sector_bytes()?).ok();
        let mmp = mmp(disk, sectors, read)?;
        let mmp_damage = match mmp {
            Some(mmp) if mmp.is_in_use() => return Err(Failure::because(path, mmp)),
            Some(Mmp::Damaged(damage)) => Some(damage.to_string()),
            _ => None,
        };
        Ok(Self {
            args,
            unit_bytes: punch_unit_bytes(disk, args.give_back())?,
            moment: moment(disk),
            mmp_damage,
            on_disk: containers::on_disk(disk),
            opened,
        })
    }

    /// The disk, to read it.
    pub(super) fn disk(&self) -> &Disk {
        self.opened.disk()
    }

    /// The unit in bytes that the storage gives back.
    pub(super) const fn unit_bytes(&self) -> u64 {
        self.unit_bytes
    }

    /// What is there, if it is not an ext filesystem.
    pub(super) const fn on_disk(&self) -> Option<&'static str> {
        self.on_disk
    }

    /// What is wrong with the multiple mount protection.
    pub(super) fn mmp_damage(&self) -> Option<&str> {
        self.mmp_damage.as_deref()
    }

    /// Gives `range` back, unless the source is open to be read only.
    pub(super) fn punch(&self, range: &Range<u64>) -> Result<(), Failure> {
        match &self.opened {
            Opened::ToRead(..) => Ok(()),
            Opened::ToPunch(in_place) => Ok(in_place.punch(range)?),
        }
    }

    /// Checks that nothing else changed the source since it was opened.
    pub(super) fn check_unchanged(&self) -> Result<(), Failure> {
        let path = || self.args.source.clone();
        match &self.opened {
            Opened::ToRead(disk, stamp) if disk.stamp()? != *stamp => {
                return Err(Error::Changed { path: path() }.into());
            }
            Opened::ToRead(..) => {}
            Opened::ToPunch(in_place) => in_place.check_unchanged()?,
        }
        if moment(self.disk()) == self.moment {
            return Ok(());
        }
        Err(Error::Changed { path: path() }.into())
    }

    /// Waits until everything that was given back is so for good, if asked to.
    pub(super) fn sync(&self) -> Result<(), Failure> {
        match &self.opened {
            Opened::ToPunch(in_place) if !self.args.no_sync => Ok(in_place.sync()?),
            _ => Ok(()),
        }
    }
}

impl Opened {
    fn disk(&self) -> &Disk {
        match self {
            Self::ToRead(disk, _) => disk,
            Self::ToPunch(in_place) => in_place.disk(),
        }
    }
}

/// What changes whenever the filesystem on `disk` is written to, if there is one.
fn moment(disk: &Disk) -> Option<Fingerprint> {
    Fingerprint::of(disk).ok().flatten()
}

/// Refuses a file that contains a disk instead of being one.
fn refuse_containers(args: &PunchArgs, disk: &Disk) -> Result<(), Failure> {
    if args.source_format == RawFormatArg::Raw {
        return Ok(());
    }
    match containers::start_of(disk) {
        Start::Qcow2 => Err(Failure::because(
            &args.source,
            "it looks like a qcow2 image, and only a raw disk can give blocks back: pack makes a \
             smaller image, and --source-format raw uses the file itself as the disk",
        )),
        Start::Container(found) => Err(containers::refused(&args.source, &found)),
        Start::Unknown | Start::Unreadable => Ok(()),
    }
}
