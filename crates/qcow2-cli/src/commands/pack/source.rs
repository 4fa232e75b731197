//! The disk that is packed: who else uses it, and how it is read.

use std::error::Error;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};

use blockio::ReadAt;
use blockio::salvage::Lost;
use disk_layout::table::{self, Patch};
use ext_blocks::Fingerprint;
use ext_blocks::mmp::{Mmp, MmpDamage, read_mmp};
use hostdisk::in_use::{InUse, source_in_use};
use hostdisk::{Disk, Freeze, FreezeOptions, Identity, Salvage, Stamp};

use super::reader::{Reader, SalvagedImage};
use crate::args::{ContentArg, PackArgs, ReflinkArg};
use crate::commands::partition;
use crate::failure::Failure;
use crate::input::Spooled;
use crate::source::{self, Ask, ImageReport, Opened, Opening, SHORTER};
use crate::{containers, remedy};

/// What is better than to read a disk in use.
const SNAPSHOT: &str = "a snapshot (of LVM, btrfs or the storage) holds one moment";

/// The disk that is packed, open until all is read.
pub(super) struct Source<'a> {
    args: &'a PackArgs,
    view: View,
    /// The state of its files when they were opened.
    stamps: Vec<Stamp>,
    /// Who may write to it while it is read.
    in_use: Option<String>,
    /// What its filesystem was at first, of a disk in use.
    moment: Option<Fingerprint>,
    mmp_damage: Option<MmpDamage>,
    on_disk: Option<&'static str>,
    /// What of it was kept in a temporary file, if it came from a pipe.
    spooled: Option<Spooled>,
    /// What it is, if it is an image.
    image: Option<ImageReport>,
    /// The files that it is read from.
    files: Vec<Identity>,
}

/// How the data of a source is read.
enum View {
    Plain(Reader),
    Salvage(Salvage<Reader>),
    /// Those of an image.
    SalvagedImage(SalvagedImage),
}

impl View {
    /// Reads what can be read if `salvage`, and all of it or nothing if not.
    fn new(reader: Reader, salvage: bool) -> Result<Self, Failure> {
        if !salvage {
            return Ok(Self::Plain(reader));
        }
        let Some(disk) = reader.disk.raw() else {
            return Ok(Self::SalvagedImage(SalvagedImage::new(reader)));
        };
        let sector_bytes = NonZeroU64::new(disk.sector_bytes()?).unwrap_or(NonZeroU64::MIN);
        Ok(Self::Salvage(Salvage::new(reader, sector_bytes)))
    }
}

impl<'a> Source<'a> {
    /// Opens the source, freezes what is mounted of it if asked to, and refuses
    /// one that somebody uses unless that is allowed.
    pub(super) fn open(args: &'a PackArgs) -> Result<Self, Failure> {
        let name = args.source_name();
        let (input, quiet) = (&args.input, args.run.quiet);
        let meant = args.reading.source_format;
        let opened = Opened::open(&args.source, &ask(args), meant, input, quiet)?;
        let files = opened.identities();
        let Opened {
            disk,
            spooled,
            image,
            ..
        } = opened;
        check_reflink(args, &disk)?;
        let takes_all = args.filesystem.content == ContentArg::All;
        let sector_bytes = disk.sector_bytes()?;
        let place = partition::place(&disk, &args.reading, sector_bytes, takes_all, name)?;
        let part = (place.on(&disk)).ok_or_else(|| Failure::because(name, SHORTER))?;
        let (size, patches) = grow(args, &part)?;
        let on_disk = containers::on_disk(&part);
        let stamps = disk.stamps()?;
        // That an image is in use was found when it was opened.
        let system = disk.raw().map(source_in_use).transpose()?.flatten();
        let mmp = match &system {
            Some(_) => None,
            None => mmp(args, &part, sector_bytes)?,
        };
        let mmp_damage = mmp.as_ref().and_then(mmp_damage);
        let mmp = mmp.filter(Mmp::is_in_use).map(|mmp| mmp.to_string());
        let mut in_use = system.as_ref().map(InUse::to_string).or(mmp);
        if let Some(user) = in_use.as_ref().filter(|_| !args.allow_mounted) {
            let is_device = disk.raw().is_some_and(Disk::is_device);
            let remedy = remedy::for_pack(system.as_ref(), is_device);
            return Err(Failure::because(args.source_name(), user).with(remedy));
        }
        let direct = match disk.raw() {
            Some(disk) if disk.is_device() && (in_use.is_some() || args.salvage) => {
                Some(disk.direct()?)
            }
            _ => None,
        };
        let mut freeze = None;
        if args.freeze && in_use.is_some() {
            let Some(disk) = disk.raw() else {
                let message = "--freeze needs a raw disk, and this is an image";
                return Err(Failure::because(name, message));
            };
            freeze = Some(Freeze::start(disk, &freeze_options(args))?);
            in_use = None;
        }
        let reader = Reader {
            disk,
            place,
            size,
            patches,
            direct,
            freeze,
            released: AtomicBool::new(false),
        };
        let moment = in_use.as_ref().and_then(|_| reader.moment());
        let view = View::new(reader, args.salvage)?;
        Ok(Self {
            args,
            view,
            stamps,
            in_use,
            moment,
            mmp_damage,
            on_disk,
            spooled,
            image,
            files,
        })
    }

    /// What is there, if it is not an ext filesystem.
    pub(super) fn on_disk(&self) -> Option<&'static str> {
        self.on_disk
    }

    /// Which file or device it is: of an image, that of its top layer.
    pub(super) fn identity(&self) -> Option<Identity> {
        self.files.first().copied()
    }

    /// Bytes of the sectors that an MBR on it counts in, if the storage says so.
    pub(super) fn sector_bytes(&self) -> Result<Option<u32>, Failure> {
        self.reader().disk.sector_bytes()
    }

    /// Whether it is an image.
    pub(super) fn is_image(&self) -> bool {
        self.image.is_some()
    }

    /// Which files and devices it is read from.
    pub(super) fn identities(&self) -> Vec<Identity> {
        self.files.clone()
    }

    /// What can be done about a partition table on a disk that became longer.
    pub(super) fn grown_hint(&self) -> Option<&'static str> {
        let Reader { size, place, .. } = self.reader();
        let is_same = *size == place.bytes();
        if is_same || self.args.move_gpt_backup {
            return None;
        }
        let table = table::read(self.metadata(), &table::Options::default()).ok()?;
        (table.kind == table::Kind::Gpt).then_some(
            "the disk is longer, and the backup of its GPT is no longer at its end; \
             --move-gpt-backup moves it",
        )
    }

    /// The name of its format.
    pub(super) fn format(&self) -> &'static str {
        self.reader().disk.format()
    }

    /// What it is, if it is an image.
    pub(super) fn image(&self) -> Option<&ImageReport> {
        self.image.as_ref()
    }

    /// Why it would be refused without `--salvage`, if it is an image.
    pub(super) fn image_damage(&self) -> Option<String> {
        self.reader().disk.image()?.damage.clone()
    }

    /// The failure that `error` is, of the source.
    pub(super) fn failure(&self, error: &(dyn Error + 'static)) -> Failure {
        source::failure(&ask(self.args), error)
    }

    /// Who may write to it while it is read.
    pub(super) fn in_use(&self) -> Option<&str> {
        self.in_use.as_deref()
    }

    /// What of it was kept in a temporary file.
    pub(super) fn spooled(&self) -> Option<&Spooled> {
        self.spooled.as_ref()
    }

    /// What is wrong with the multiple mount protection.
    pub(super) fn mmp_damage(&self) -> Option<&MmpDamage> {
        self.mmp_damage.as_ref()
    }

    /// Where the filesystem is mounted that was frozen.
    pub(super) fn frozen_on(&self) -> Option<String> {
        let freeze = self.reader().freeze.as_ref()?;
        Some(freeze.on().display().to_string())
    }

    /// The bytes that decide what is kept. They are never salvaged: zeros in the
    /// place of a bitmap would prove that all is free.
    pub(super) fn metadata(&self) -> &dyn ReadAt {
        self.reader()
    }

    /// The bytes that are stored.
    pub(super) fn data(&self) -> &dyn ReadAt {
        match &self.view {
            View::Plain(reader) => reader,
            View::Salvage(salvage) => salvage,
            View::SalvagedImage(salvage) => salvage,
        }
    }

    /// The bytes that were stored, read once more from the storage.
    pub(super) fn again(&self) -> Result<Box<dyn ReadAt + '_>, Failure> {
        let reader = self.reader();
        let shorter = |error| Failure::about(self.args.source_name(), &error);
        let again: Box<dyn ReadAt + '_> = match (&reader.disk, &reader.direct) {
            (Opening::Raw(_), Some(_)) => Box::new(reader),
            (Opening::Raw(disk), None) => {
                Box::new(reader.part_of(disk.uncached()).map_err(shorter)?)
            }
            (Opening::Image(chain), _) => {
                let image = chain.again(self.args.source_name())?;
                return Ok(match &self.view {
                    View::SalvagedImage(salvage) => Box::new(reader.grown(salvage.again(image))),
                    View::Plain(_) | View::Salvage(_) => {
                        Box::new(reader.part_of(image).map_err(shorter)?)
                    }
                });
            }
        };
        Ok(match &self.view {
            View::Salvage(salvage) => Box::new(salvage.again(again)),
            View::Plain(_) | View::SalvagedImage(_) => again,
        })
    }

    /// What could not be read.
    pub(super) fn lost(&self) -> Option<Lost> {
        match &self.view {
            View::Plain(_) => None,
            View::Salvage(salvage) => Some(salvage.lost()),
            View::SalvagedImage(salvage) => Some(salvage.lost()),
        }
    }

    /// Lets others write again: all is read. Fails where they could before.
    pub(super) fn release(&self) -> Result<(), Failure> {
        let reader = self.reader();
        match &reader.freeze {
            Some(freeze) => {
                reader.released.store(true, Ordering::Release);
                Ok(freeze.thaw()?)
            }
            None => Ok(()),
        }
    }

    /// Whether the source is still what it was when it was opened, after all was
    /// read: fails where it must be, and tells what a disk in use may have become.
    pub(super) fn changes(&self) -> Result<Option<String>, Failure> {
        let reader = self.reader();
        let mut is_stamped = true;
        for (file, stamp) in reader.disk.files().iter().zip(&self.stamps) {
            is_stamped &= file.stamp()? == *stamp;
        }
        if self.in_use.is_none() {
            return if is_stamped {
                Ok(None)
            } else {
                let message = "the source changed while it was read";
                Err(Failure::because(self.args.source_name(), message))
            };
        }
        let moments = self.moment.zip(reader.moment());
        let change = moments.and_then(|(first, last)| first.change(&last));
        let seen = match change {
            Some(change) => format!("it changed while it was read, {change}"),
            None if !is_stamped => "it changed while it was read".to_owned(),
            None => "it may have changed while it was read".to_owned(),
        };
        Ok(Some(format!("{seen}: {SNAPSHOT}")))
    }

    fn reader(&self) -> &Reader {
        match &self.view {
            View::Plain(reader) => reader,
            View::Salvage(salvage) => salvage.inner(),
            View::SalvagedImage(salvage) => &salvage.reader,
        }
    }
}

/// Refuses to share blocks with an image: they are not those of its disk.
fn check_reflink(args: &PackArgs, disk: &Opening) -> Result<(), Failure> {
    if disk.image().is_none() || args.reflink == ReflinkArg::Never {
        return Ok(());
    }
    let message = "--reflink shares blocks with a raw disk, and this is an image";
    Err(Failure::because(args.source_name(), message))
}

/// Returns the length of the disk that is packed, and what replaces bytes of it.
fn grow(args: &PackArgs, part: &impl ReadAt) -> Result<(u64, Vec<Patch>), Failure> {
    let size = args.grow.unwrap_or(part.size());
    let refused = |message: String| Failure::because(args.source_name(), message);
    if size < part.size() {
        let there = part.size();
        return Err(refused(format!(
            "--grow {size} is less than the {there} bytes of the disk"
        )));
    }
    if !args.move_gpt_backup {
        return Ok((size, Vec::new()));
    }
    if !size.is_multiple_of(512) {
        let message =
            format!("--move-gpt-backup needs whole sectors of 512 bytes, not --grow {size}");
        return Err(refused(message));
    }
    let patches = table::moved_backup(part, size);
    let patches = patches.map_err(|error| refused(format!("--move-gpt-backup: {error}")))?;
    Ok((size, patches))
}

/// What is asked of the source, if it is an image.
fn ask(args: &PackArgs) -> Ask<'_> {
    Ask {
        args: &args.reading.image,
        name: args.source_name(),
        salvage: Some(args.salvage),
        has_base: args.base.base.is_some(),
    }
}

/// What is wrong with the multiple mount protection. That the place is wrong is found
/// with all other places.
fn mmp_damage(mmp: &Mmp) -> Option<MmpDamage> {
    match mmp {
        Mmp::Damaged(damage) if !matches!(damage, MmpDamage::Place { .. }) => Some(*damage),
        _ => None,
    }
}

/// What the filesystem says of who uses it. Where that cannot be read, nobody can
/// use it.
fn mmp(
    args: &PackArgs,
    disk: &dyn ReadAt,
    sector_bytes: Option<u32>,
) -> Result<Option<Mmp>, Failure> {
    let read = |part: &dyn ReadAt| match read_mmp(part) {
        Err(_) if args.salvage => Ok(None),
        result => result.map_err(|error| source::failure(&ask(args), &error)),
    };
    source::mmp(disk, sector_bytes, read)
}

fn freeze_options(args: &PackArgs) -> FreezeOptions {
    let image = (!args.to_stdout()).then(|| args.image.clone());
    FreezeOptions {
        outputs: (image.into_iter())
            .chain(args.lost.clone())
            .chain(args.input.spool.clone())
            .collect(),
        ..FreezeOptions::default()
    }
}
