//! A mounted filesystem that nobody can change for a while.

mod fault;
mod keeper;
mod storage;

use std::env;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use rustix::fs::FileType;

use crate::in_use::mounts_of;
use crate::output::place;
use crate::{Disk, Error};
use keeper::Keeper;
use storage::{device_of, rests_on};

pub use fault::{Thawed, Unfreezable};

/// How long a frozen filesystem may go without a sign of life; see
/// [`FreezeOptions::quiet_max`].
const QUIET_MAX: Duration = Duration::from_secs(300);

/// What is frozen now.
static LIVE: Mutex<Vec<Weak<Keeper>>> = Mutex::new(Vec::new());

/// How a filesystem is frozen.
#[derive(Clone, Debug)]
pub struct FreezeOptions {
    /// What is written to meanwhile, or made. It must not lie on the frozen
    /// filesystem: a write there would wait until it is thawed, which would wait
    /// for the write.
    pub outputs: Vec<PathBuf>,
    /// The filesystem is thawed when so much time has passed without a
    /// [`beat`](Freeze::beat), in whole seconds, at least one: whatever froze it
    /// is stuck.
    pub quiet_max: Duration,
}

impl Default for FreezeOptions {
    fn default() -> Self {
        Self {
            outputs: Vec::new(),
            quiet_max: QUIET_MAX,
        }
    }
}

/// The filesystem on a block device, frozen: all its changes are stored, and who
/// writes to it waits. It is thawed when this is dropped.
///
/// It is also thawed when the process ends in any other way, and when it does
/// nothing for a while: a process of its own sees to that. To kill that process
/// as well, with SIGKILL, leaves the filesystem frozen until `fsfreeze -u`.
#[derive(Debug)]
pub struct Freeze {
    device: PathBuf,
    on: PathBuf,
    keeper: Arc<Keeper>,
}

impl Freeze {
    /// Freezes the filesystem on the block device `disk`, once all its changes are
    /// stored.
    ///
    /// # Errors
    ///
    /// [`Error::Unfreezable`], and [`Error::Io`] if the system refuses to tell.
    pub fn start(disk: &Disk, options: &FreezeOptions) -> Result<Self, Error> {
        let unfreezable = |why| Error::Unfreezable {
            path: disk.path().into(),
            why,
        };
        let device = disk.identity().block_device();
        let device = device.ok_or_else(|| unfreezable(Unfreezable::NotMounted))?;
        let (on, folder) = mount_of(device).ok_or_else(|| unfreezable(Unfreezable::NotMounted))?;
        if let Some(path) = output_on(device, &options.outputs) {
            return Err(unfreezable(Unfreezable::Output { path }));
        }
        let keeper = Keeper::start(folder, options.quiet_max)
            .map_err(Error::io(&on, "frozen"))?
            .map_err(|said| unfreezable(Unfreezable::Refused { said }))?;
        let keeper = Arc::new(keeper);
        let mut live = LIVE.lock().unwrap_or_else(PoisonError::into_inner);
        live.retain(|keeper| keeper.strong_count() > 0);
        live.push(Arc::downgrade(&keeper));
        Ok(Self {
            device: disk.path().into(),
            on,
            keeper,
        })
    }

    /// Where the filesystem is mounted, or one of the places.
    #[must_use]
    pub fn on(&self) -> &Path {
        &self.on
    }

    /// A sign of life, to be given again and again.
    pub fn beat(&self) {
        self.keeper.beat();
    }

    /// Thaws the filesystem, if it is still frozen.
    ///
    /// # Errors
    ///
    /// [`Error::Thawed`] if it was not frozen up to this call, so that what was
    /// read of it may not be of one moment. Every call after the first gives the
    /// same.
    pub fn thaw(&self) -> Result<(), Error> {
        self.keeper.thaw().map_err(|why| Error::Thawed {
            path: self.device.clone(),
            why,
        })
    }
}

impl Drop for Freeze {
    fn drop(&mut self) {
        // Whoever wants to know has called it before.
        let _ = self.thaw();
    }
}

/// Thaws all that this process has frozen.
pub(crate) fn thaw_all() {
    let live = std::mem::take(&mut *LIVE.lock().unwrap_or_else(PoisonError::into_inner));
    for keeper in live.iter().filter_map(Weak::upgrade) {
        let _ = keeper.thaw();
    }
}

/// A place where the filesystem on `device` is mounted, open: another filesystem
/// may be mounted over the next.
fn mount_of(device: u64) -> Option<(PathBuf, File)> {
    mounts_of(device).into_iter().find_map(|on| {
        let folder = File::open(&on).ok()?;
        let opened = folder.metadata().ok()?;
        (opened.is_dir() && opened.dev() == device).then_some((on, folder))
    })
}

/// What of the outputs of this process lies on the filesystem on `device`, or on
/// devices that depend on it.
fn output_on(device: u64, outputs: &[PathBuf]) -> Option<PathBuf> {
    let temporary = env::temp_dir();
    let named = outputs.iter().find(|path| {
        let storage = storage_of(path);
        storage.into_iter().any(|found| rests_on(found, device))
    });
    if let Some(path) = named {
        return Some(path.clone());
    }
    if fs::metadata(&temporary).is_ok_and(|folder| rests_on(folder.dev(), device)) {
        return Some(temporary);
    }
    let streams = [
        ("standard output", file_system_of(io::stdout())),
        ("standard error", file_system_of(io::stderr())),
    ];
    let (name, _) = streams
        .into_iter()
        .find(|(_, found)| found.is_some_and(|found| rests_on(found, device)))?;
    Some(name.into())
}

/// Where a write to `path` ends, and where a file is made that replaces it.
fn storage_of(path: &Path) -> Vec<u64> {
    let place = fs::canonicalize(path).or_else(|_| place::of_missing(path));
    let existing = fs::metadata(path).ok();
    let folder = place
        .ok()
        .and_then(|place| fs::metadata(place.parent()?).ok());
    let file = existing.as_ref().map(device_of);
    file.into_iter()
        .chain(folder.as_ref().map(device_of))
        .collect()
}

/// The device that holds the regular file that is open as `stream`.
fn file_system_of(stream: impl AsFd) -> Option<u64> {
    let found = rustix::fs::fstat(stream).ok()?;
    let is_file = FileType::from_raw_mode(found.st_mode) == FileType::RegularFile;
    is_file.then_some(found.st_dev)
}
