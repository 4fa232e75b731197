//! Freezes a mounted filesystem, so that it does not change for a while.

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

use crate::in_use::mounts_of;
use crate::output::place;
use crate::{Disk, Error};
use keeper::Keeper;
use storage::{device_of, device_of_open, mount_of, rests_on};

pub use fault::{Thawed, Unfreezable};

/// How long a frozen filesystem may stay without a heartbeat; see
/// [`FreezeOptions::quiet_max`].
const QUIET_MAX: Duration = Duration::from_secs(300);

/// The filesystems that are frozen now.
static LIVE: Mutex<Vec<Weak<Keeper>>> = Mutex::new(Vec::new());

/// How to freeze a filesystem.
#[derive(Clone, Debug)]
pub struct FreezeOptions {
    /// Paths that are written or created while it is frozen. They must not be on the
    /// frozen filesystem: a write there would wait for the thaw, and the thaw would wait
    /// for the write.
    pub outputs: Vec<PathBuf>,
    /// Time without a [`beat`](Freeze::beat) after which the filesystem is thawed, since
    /// the program that froze it must be stuck. In whole seconds, at least one.
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

/// A frozen filesystem on a block device.
///
/// All its changes are stored, and programs that write to it wait. It is thawed when
/// this is dropped. A separate process also thaws it when this process ends in any
/// other way, or does nothing for a while. If that process, too, is killed with SIGKILL,
/// the filesystem stays frozen until `fsfreeze -u`.
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
    /// [`Error::Unfreezable`], and [`Error::Io`] if the system refuses.
    pub fn start(disk: &Disk, options: &FreezeOptions) -> Result<Self, Error> {
        let unfreezable = |why| Error::Unfreezable {
            path: disk.path().into(),
            why,
        };
        let device = disk.identity().block_device();
        let device = device.ok_or_else(|| unfreezable(Unfreezable::NotMounted))?;
        let (on, folder) =
            open_mount(device).ok_or_else(|| unfreezable(Unfreezable::NotMounted))?;
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

    /// Returns one of the mount points of the filesystem.
    #[must_use]
    pub fn on(&self) -> &Path {
        &self.on
    }

    /// Sends a heartbeat. Call this regularly while the filesystem is frozen.
    pub fn beat(&self) {
        self.keeper.beat();
    }

    /// Thaws the filesystem, if it is still frozen.
    ///
    /// # Errors
    ///
    /// [`Error::Thawed`] if it did not stay frozen until this call, so that what was
    /// read may mix several states. Every later call returns the same result.
    pub fn thaw(&self) -> Result<(), Error> {
        self.keeper.thaw().map_err(|why| Error::Thawed {
            path: self.device.clone(),
            why,
        })
    }
}

impl Drop for Freeze {
    fn drop(&mut self) {
        // A caller that needs the result has called `thaw` before.
        let _ = self.thaw();
    }
}

/// Thaws every filesystem that this process has frozen.
pub(crate) fn thaw_all() {
    let live = std::mem::take(&mut *LIVE.lock().unwrap_or_else(PoisonError::into_inner));
    for keeper in live.iter().filter_map(Weak::upgrade) {
        let _ = keeper.thaw();
    }
}

/// Returns a mount point of the filesystem on `device`, opened. Mount points that
/// another filesystem covers are skipped.
fn open_mount(device: u64) -> Option<(PathBuf, File)> {
    mounts_of(device).into_iter().find_map(|mount| {
        let folder = File::open(&mount.on).ok()?;
        let opened = folder.metadata().ok()?;
        // Before Linux 5.8 the number of the mount is not told.
        let is_it = match mount_of(&folder) {
            Some(id) => id == mount.id,
            None => opened.dev() == device,
        };
        (opened.is_dir() && is_it).then_some((mount.on, folder))
    })
}

/// Returns an output of this process that is on the filesystem on `device`, or on a
/// device that depends on it.
fn output_on(device: u64, outputs: &[PathBuf]) -> Option<PathBuf> {
    let temporary = env::temp_dir();
    let named = outputs.iter().find(|path| {
        let storage = storage_of(path);
        storage.into_iter().any(|found| rests_on(found, device))
    });
    if let Some(path) = named {
        return Some(path.clone());
    }
    if device_of(&temporary).is_some_and(|found| rests_on(found, device)) {
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

/// Returns the devices that a write to `path`, or a file that replaces it, ends on.
fn storage_of(path: &Path) -> Vec<u64> {
    let place = fs::canonicalize(path).or_else(|_| place::of_missing(path));
    let folder = place.ok().and_then(|place| device_of(place.parent()?));
    device_of(path).into_iter().chain(folder).collect()
}

/// Returns the device that holds the regular file open as `stream`, if it is one.
fn file_system_of(stream: impl AsFd) -> Option<u64> {
    let file = File::from(stream.as_fd().try_clone_to_owned().ok()?);
    let metadata = file.metadata().ok()?;
    metadata.is_file().then(|| device_of_open(&file, &metadata))
}
