//! The disk that is packed: who else uses it, and how it is read.

use std::io;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

use blockio::salvage::Lost;
use blockio::{Handle, ReadAt, Window};
use disk_layout::table;
use ext_blocks::Fingerprint;
use ext_blocks::mmp::{Mmp, MmpDamage, read_mmp};
use hostdisk::in_use::{InUse, source_in_use};
use hostdisk::{Direct, Disk, Freeze, FreezeOptions, Identity, Salvage, Stamp};

use crate::args::PackArgs;
use crate::failure::Failure;
use crate::input::{Input, Spooled, Unasked, Whole};
use crate::{containers, remedy};

/// What is better than to read a disk in use.
const SNAPSHOT: &str = "a snapshot (of LVM, btrfs or the storage) holds one moment";

/// The disk that is packed, open until all is read.
pub(super) struct Source<'a> {
    args: &'a PackArgs,
    view: View,
    stamp: Stamp,
    /// Who may write to it while it is read.
    in_use: Option<String>,
    /// What its filesystem was at first, of a disk in use.
    moment: Option<Fingerprint>,
    mmp_damage: Option<MmpDamage>,
    on_disk: Option<&'static str>,
    /// What of it was kept in a temporary file, if it came from a pipe.
    spooled: Option<Spooled>,
    /// The file that it was read from.
    file: Identity,
}

/// How the data of a source is read.
enum View {
    Plain(Reader),
    Salvage(Salvage<Reader>),
}

impl<'a> Source<'a> {
    /// Opens the source, freezes what is mounted of it if asked to, and refuses
    /// one that somebody uses unless that is allowed.
    pub(super) fn open(args: &'a PackArgs) -> Result<Self, Failure> {
        let unasked = Unasked::of_source(args.format.source_format);
        let input = Input::open(&args.source, &args.input, unasked)?;
        let Whole { disk, file, spool } = input.into_disk(&args.input, args.run.quiet)?;
        containers::refuse(args.format.source_format, args.source_name(), &disk)?;
        let on_disk = containers::on_disk(&disk);
        let stamp = disk.stamp()?;
        let system = source_in_use(&disk)?;
        let mmp = match &system {
            Some(_) => None,
            None => mmp(args, &disk)?,
        };
        let mmp_damage = match &mmp {
            // That the place is wrong is found with all other places.
            Some(Mmp::Damaged(damage)) if !matches!(damage, MmpDamage::Place { .. }) => {
                Some(*damage)
            }
            _ => None,
        };
        let mmp = mmp.filter(Mmp::is_in_use).map(|mmp| mmp.to_string());
        let mut in_use = system.as_ref().map(InUse::to_string).or(mmp);
        if let Some(user) = in_use.as_ref().filter(|_| !args.allow_mounted) {
            let remedy = remedy::for_pack(system.as_ref(), disk.is_device());
            return Err(Failure::because(args.source_name(), user).with(remedy));
        }
        let direct = if disk.is_device() && (in_use.is_some() || args.salvage) {
            Some(disk.direct()?)
        } else {
            None
        };
        let mut freeze = None;
        if args.freeze && in_use.is_some() {
            freeze = Some(Freeze::start(&disk, &freeze_options(args))?);
            in_use = None;
        }
        let sector_bytes = NonZeroU64::new(disk.sector_bytes()?).unwrap_or(NonZeroU64::MIN);
        let reader = Reader {
            disk,
            direct,
            freeze,
            released: AtomicBool::new(false),
        };
        let moment = in_use.as_ref().and_then(|_| reader.moment());
        let view = if args.salvage {
            View::Salvage(Salvage::new(reader, sector_bytes))
        } else {
            View::Plain(reader)
        };
        Ok(Self {
            args,
            view,
            stamp,
            in_use,
            moment,
            mmp_damage,
            on_disk,
            spooled: spool,
            file,
        })
    }

    /// What is there, if it is not an ext filesystem.
    pub(super) fn on_disk(&self) -> Option<&'static str> {
        self.on_disk
    }

    /// Which file or device it is.
    pub(super) fn identity(&self) -> Identity {
        self.file
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
        }
    }

    /// The bytes that were stored, read once more from the storage.
    pub(super) fn again(&self) -> Box<dyn ReadAt + '_> {
        let reader = self.reader();
        match (&self.view, &reader.direct) {
            (View::Plain(_), Some(_)) => Box::new(reader),
            (View::Plain(_), None) => Box::new(reader.disk.uncached()),
            (View::Salvage(salvage), Some(_)) => Box::new(salvage.again(reader)),
            (View::Salvage(salvage), None) => Box::new(salvage.again(reader.disk.uncached())),
        }
    }

    /// What could not be read.
    pub(super) fn lost(&self) -> Option<Lost> {
        match &self.view {
            View::Plain(_) => None,
            View::Salvage(salvage) => Some(salvage.lost()),
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
        let is_stamped = reader.disk.stamp()? == self.stamp;
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
        }
    }
}

/// What the filesystem says of who uses it. Where that cannot be read, nobody can
/// use it.
fn mmp(args: &PackArgs, disk: &Disk) -> Result<Option<Mmp>, Failure> {
    let read = |part: &dyn ReadAt| match read_mmp(part) {
        Err(_) if args.salvage => Ok(None),
        result => result.map_err(|error| Failure::about(args.source_name(), &error)),
    };
    let whole = read(disk)?;
    if whole.as_ref().is_some_and(Mmp::is_in_use) {
        return Ok(whole);
    }
    // A table that cannot be read is told of where it matters.
    let table = table::read(disk, &table::Options::default());
    let partitions = table.map_or_else(|_| Vec::new(), |table| table.partitions);
    for partition in partitions.iter().filter(|one| !one.is_extended) {
        let window = Window::new(disk, partition.range.clone());
        let own = window.map(|window| read(&window)).transpose()?.flatten();
        if own.as_ref().is_some_and(Mmp::is_in_use) {
            return Ok(own);
        }
    }
    Ok(whole)
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

/// The disk itself.
struct Reader {
    disk: Disk,
    /// It is read past the page cache.
    direct: Option<Direct>,
    freeze: Option<Freeze>,
    /// What was frozen may change again.
    released: AtomicBool,
}

impl Reader {
    fn bytes(&self) -> &dyn ReadAt {
        match &self.direct {
            Some(direct) => direct,
            None => &self.disk,
        }
    }

    /// What its filesystem is now; nothing where that cannot be read.
    fn moment(&self) -> Option<Fingerprint> {
        Fingerprint::of(self).ok().flatten()
    }
}

impl ReadAt for Reader {
    fn size(&self) -> u64 {
        self.disk.size()
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        if let Some(freeze) = &self.freeze {
            if self.released.load(Ordering::Acquire) {
                return Err(io::Error::other("the filesystem is no longer frozen"));
            }
            freeze.beat();
        }
        self.bytes().read_at(offset, buf)
    }

    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.bytes().next_data(from)
    }

    fn handle(&self) -> Option<&Handle> {
        self.bytes().handle()
    }
}
