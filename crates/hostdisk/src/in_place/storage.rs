//! The ways in which storage takes blocks back.

use std::io;
use std::ops::Range;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};

use blockio::ReadAt;
use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
use rustix::io::{Errno, retry_on_intr};

use crate::{Disk, Error, sysfs};

/// The smallest unit worth giving back: a page, which is also what most file systems and
/// devices allocate.
const UNIT_BYTES_MIN: u64 = 4096;

/// The largest unit of a file system that is believed: network file systems report the
/// size of a transfer.
const UNIT_BYTES_MAX: u64 = 64 << 10;

/// Why a file does not give blocks back.
const NO_HOLES: &str = "its file system does not support holes in files";
/// Why a device does not.
const NO_ZEROING: &str = "the device does not zero blocks without storing the zeros";
/// Why a device does not, if it is to discard them.
const NO_DISCARD: &str = "the device does not support discard";

/// How a block device gives blocks back. Files always have holes punched.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum GiveBack {
    /// The blocks read as zeros afterwards, or nothing is changed: the device zeroes
    /// them without storing the zeros.
    #[default]
    Zeroed,
    /// The blocks hold anything afterwards: they are discarded, by the program
    /// `blkdiscard`.
    Discarded,
}

/// Storage that takes blocks back.
#[derive(Debug)]
pub(super) struct Storage {
    way: Way,
    unit_bytes: u64,
}

#[derive(Clone, Copy, Debug)]
enum Way {
    /// Punches a hole in a file.
    Hole,
    /// Makes a device zero blocks without storing the zeros.
    Zeroing,
    /// Makes a device discard blocks.
    Discard,
}

impl Storage {
    /// Returns the storage of `disk`.
    pub(super) fn of(disk: &Disk, give_back: GiveBack) -> Result<Self, Error> {
        let examined = || Error::io(disk.path(), "examined");
        if !disk.is_device() {
            let found = fstatvfs(disk.file()).map_err(|errno| examined()(errno.into()))?;
            let unit_bytes = found.f_frsize.clamp(UNIT_BYTES_MIN, UNIT_BYTES_MAX);
            return Ok(Self {
                way: Way::Hole,
                unit_bytes,
            });
        }
        let unit_bytes = disk.sector_bytes()?.max(UNIT_BYTES_MIN);
        if give_back == GiveBack::Zeroed {
            return Ok(Self {
                way: Way::Zeroing,
                unit_bytes,
            });
        }
        let device = disk.file().metadata().map_err(examined())?.rdev();
        match discard_granularity(device) {
            Some(0) => Err(cannot(disk.path(), NO_DISCARD)),
            granularity => Ok(Self {
                way: Way::Discard,
                unit_bytes: unit_bytes.max(granularity.unwrap_or(0)),
            }),
        }
    }

    pub(super) const fn unit_bytes(&self) -> u64 {
        self.unit_bytes
    }

    /// Gives `range` of `disk` back.
    pub(super) fn punch(&self, disk: &Disk, range: &Range<u64>) -> Result<(), Error> {
        let length = range.end.saturating_sub(range.start);
        if length == 0 {
            return Ok(());
        }
        let given_back = if range.end > disk.size() {
            Err(io::ErrorKind::InvalidInput.into())
        } else if matches!(self.way, Way::Discard) {
            discard(disk.path(), range.start, length)
        } else {
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let punch = || fallocate(disk.file(), flags, range.start, length);
            retry_on_intr(punch).map_err(io::Error::from)
        };
        given_back.map_err(|source| match Errno::from_io_error(&source) {
            Some(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV) => {
                cannot(disk.path(), self.why_not())
            }
            _ => Error::Punch {
                path: disk.path().into(),
                offset: range.start,
                length,
                source,
            },
        })
    }

    const fn why_not(&self) -> &'static str {
        match self.way {
            Way::Hole => NO_HOLES,
            Way::Zeroing => NO_ZEROING,
            Way::Discard => NO_DISCARD,
        }
    }
}

fn cannot(path: &Path, why: &'static str) -> Error {
    Error::CannotPunch {
        path: path.into(),
        why,
    }
}

/// Returns the unit in bytes in which a block device discards, 0 if it does not, or
/// `None` if the kernel does not tell. A partition has the unit of its disk.
fn discard_granularity(device: u64) -> Option<u64> {
    let folder = sysfs::folder_of(device)?;
    let read = |folder: &Path| std::fs::read_to_string(folder.join("queue/discard_granularity"));
    let text = read(&folder).or_else(|_| read(folder.parent().unwrap_or(&folder)));
    text.ok()?.trim_end().parse().ok()
}

/// Discards `length` bytes at `offset` of the device at `path`.
///
/// `blkdiscard` does it, because no well-kept crate makes that call without `unsafe`. It
/// is forced, since it would otherwise open the device exclusively, as we do.
fn discard(path: &Path, offset: u64, length: u64) -> io::Result<()> {
    let output = Command::new("blkdiscard")
        .arg("--force")
        .args(["--offset", &offset.to_string()])
        .args(["--length", &length.to_string()])
        .arg(path)
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| io::Error::new(error.kind(), format!("blkdiscard: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    // Its own words: it passes the error on as text only.
    if complaint.contains("Operation not supported") {
        return Err(Errno::OPNOTSUPP.into());
    }
    Err(io::Error::other(format!(
        "blkdiscard: {}",
        complaint.trim()
    )))
}
