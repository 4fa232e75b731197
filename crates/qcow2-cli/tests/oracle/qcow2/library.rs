//! Images through the library, in this process.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use blockio::ReadAt;
use fixtures::SplitMix;
use fixtures::memory::{forget_peak, peak_bytes};
use hostdisk::Disk;
use qcow2_reader::{DiskGate, Error, Image, OpenOptions, References, Secret};

use super::digest::sparse_digest_of_extents;
use crate::support::verdict::Verdict;

/// Reads of each image.
const READS: u64 = 300;

/// Most bytes of a read, as a power of two.
const READ_BITS_MAX: u64 = 18;

/// What no disk takes, however large it is: that much memory, and longer.
const MEMORY_BYTES: u64 = 96 << 20;
const TIME: Duration = Duration::from_secs(5);

/// An image, or a snapshot in one.
pub(super) struct Subject {
    pub(super) path: PathBuf,
    pub(super) snapshot: Option<String>,
    pub(super) secret: Option<&'static str>,
}

impl Subject {
    fn open(&self) -> io::Result<Image<Disk>> {
        let disk = Disk::open(&self.path).map_err(io::Error::other)?;
        let mut options = OpenOptions::default();
        options.snapshot = self.snapshot.clone().map(String::into_bytes);
        options.secret = self.secret.map(|secret| Secret::new(secret.into()));
        let mut gate = DiskGate::new(&disk, References::Beside);
        let opened = Image::open_with(disk, &options, &mut gate);
        opened.map_err(Error::into)
    }

    /// Whether reads of any length at any place give what the restored disk has.
    pub(super) fn read_in_places(&self, restored: &Path) -> io::Result<Verdict> {
        let image = self.open()?;
        let restored = Disk::open(restored).map_err(io::Error::other)?;
        let size = image.size();
        let mut random = SplitMix::new(size);
        for turn in 0..READS {
            let mut start = random.below(size.saturating_add(1));
            if turn % 2 == 0 {
                // Where something is stored: most of a large disk is nothing.
                if let Some(data) = image.next_data(start)? {
                    start = data.start + random.below(data.end - data.start);
                }
            }
            let bits = random.below(READ_BITS_MAX + 1);
            let length = random.below(1 << bits);
            let length = usize::try_from(length.min(size - start)).unwrap_or(usize::MAX);
            let (mut ours, mut want) = (vec![0xee; length], vec![0; length]);
            image.read_at(start, &mut ours)?;
            restored.read_at(start, &mut want)?;
            if ours != want {
                let text = format!("{length} bytes at {start} are not those that were restored");
                return Ok(Verdict::wrong(text));
            }
        }
        Ok(Verdict::good())
    }

    /// Whether what a disk of any size has, has this digest; in little time and
    /// memory.
    pub(super) fn hold_against(&self, want: &str) -> io::Result<Verdict> {
        forget_peak()?;
        let start = Instant::now();
        let image = self.open()?;
        image.check_references()?;
        let found = sparse_digest_of_extents(&image)?;
        let (time, peak_bytes) = (start.elapsed(), peak_bytes()?);
        println!("note {}: {time:.2?}, {} KiB", self.name(), peak_bytes >> 10);
        Ok(if found != want {
            Verdict::wrong(format!("the disk has {found}, not {want}"))
        } else if peak_bytes >= MEMORY_BYTES || time > TIME {
            let peak_mib = peak_bytes >> 20;
            let max_mib = MEMORY_BYTES >> 20;
            Verdict::wrong(format!(
                "{time:.1?} and {peak_mib} MiB, allowed are {TIME:?} and less than {max_mib}"
            ))
        } else {
            Verdict::good()
        })
    }

    fn name(&self) -> String {
        self.path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into()
    }
}
