//! What a suite of crashes needs of the tools of a family.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use fixtures::{E2fs, FsTools, Mount, Outcome, Usage};

use crate::support::judge::Judge;

/// Tools whose filesystems can crash.
pub(super) trait Crashable: Judge {
    /// A replay writes nothing but what a journal holds: what is in use then was
    /// there before.
    const REPLAY_ADDS_NOTHING: bool;

    /// Makes a filesystem, as mkfs takes its options.
    fn make(&self, disk: &Path, size_bytes: u64, options: &[&str]) -> io::Result<()>;

    /// Mounts it.
    fn mount(&self, disk: &Path, folder: &Path, options: &str) -> io::Result<Mount>;

    /// What nobody needs, by what is at home on the disk.
    fn usage_before_replay(&self, disk: &Path) -> io::Result<Option<Usage>>;

    /// What the checker says once the kernel has replayed `disk`, if that is to be
    /// asked.
    fn check_replayed(&self, disk: &Path) -> io::Result<Option<Outcome>>;

    /// The smallest piece that is in use or free.
    fn block_bytes(&self, disk: &Path) -> io::Result<u64>;
}

impl Crashable for E2fs {
    const REPLAY_ADDS_NOTHING: bool = true;

    fn make(&self, disk: &Path, size_bytes: u64, options: &[&str]) -> io::Result<()> {
        self.make(disk, size_bytes, options)
    }

    fn mount(&self, disk: &Path, folder: &Path, options: &str) -> io::Result<Mount> {
        Mount::new(disk, folder, options)
    }

    fn usage_before_replay(&self, disk: &Path) -> io::Result<Option<Usage>> {
        self.usage_before_replay(disk)
    }

    fn check_replayed(&self, _disk: &Path) -> io::Result<Option<Outcome>> {
        // It repairs both copies, which says more.
        Ok(None)
    }

    fn block_bytes(&self, disk: &Path) -> io::Result<u64> {
        let mut s_log_block_size = [0; 4];
        File::open(disk)?.read_exact_at(&mut s_log_block_size, 1024 + 0x18)?;
        let shift = 10 + u32::from_le_bytes(s_log_block_size);
        1u64.checked_shl(shift)
            .ok_or_else(|| io::Error::other("no block size"))
    }
}

impl Crashable for FsTools {
    const REPLAY_ADDS_NOTHING: bool = false;

    fn make(&self, disk: &Path, size_bytes: u64, options: &[&str]) -> io::Result<()> {
        self.make(disk, size_bytes, options)
    }

    fn mount(&self, disk: &Path, folder: &Path, options: &str) -> io::Result<Mount> {
        self.mount(disk, folder, options)
    }

    fn usage_before_replay(&self, disk: &Path) -> io::Result<Option<Usage>> {
        self.usage(disk)
    }

    fn check_replayed(&self, disk: &Path) -> io::Result<Option<Outcome>> {
        self.check(disk).map(Some)
    }

    fn block_bytes(&self, _disk: &Path) -> io::Result<u64> {
        // No make here has larger ones, and smaller clusters of an image cost more.
        Ok(1024)
    }
}
