//! Recipes through the library, in this process.

use std::error::Error as _;
use std::ops::Range;
use std::path::PathBuf;

use blockio::{MemoryDisk, ReadAt, len_u64, tiles};
use fixtures::SplitMix;
use fixtures::recipes::{Content, Opening, References};
use hostdisk::Disk;
use qcow2_reader::{DiskGate, Error, Image, OpenOptions, Secret, UnpackOptions};

/// Reads of each image.
const READS: u64 = 60;
/// Most bytes of a read, as a power of two.
const READ_BITS_MAX: u64 = 17;
/// Disks up to this length are compared whole.
const WHOLE_BYTES_MAX: u64 = 16 << 20;
/// Larger ones in pieces.
const PIECE_BYTES: u64 = 1 << 20;

/// An image, and how it is opened.
pub(super) struct Subject<'r> {
    pub(super) name: &'r str,
    pub(super) path: PathBuf,
    pub(super) opening: &'r Opening,
}

impl Subject<'_> {
    fn open(&self, salvage: bool) -> Result<Image<Disk>, Error> {
        let disk = Disk::open(&self.path).unwrap();
        let Opening {
            snapshot, secret, ..
        } = self.opening.clone();
        let mut options = OpenOptions::default();
        options.snapshot = snapshot.map(String::into_bytes);
        options.secret = secret.map(|secret| Secret::new(secret.into()));
        options.salvage = salvage;
        let references = match self.opening.references {
            References::Refuse => qcow2_reader::References::Refuse,
            References::Beside => qcow2_reader::References::Beside,
            References::Any => qcow2_reader::References::Any,
        };
        let mut gate = DiskGate::new(&disk, references);
        Image::open_with(disk, &options, &mut gate)
    }

    /// Asserts that the image is sound and holds `disk`, whole and in parts.
    pub(super) fn reads(&self, disk: &Content) {
        let name = self.name;
        let image = self.open(false).unwrap();
        image.check_references().unwrap();
        let extents: Vec<_> = image.extents(0..image.size()).map(Result::unwrap).collect();
        assert!(tiles(extents, disk.size()), "{name}");
        same(name, &image, disk);
        in_places(name, &image, disk);
    }

    /// Asserts that a disk too large to be read whole holds `disk`.
    pub(super) fn reads_in_places(&self, disk: &Content) {
        let image = self.open(false).unwrap();
        image.check_references().unwrap();
        in_places(self.name, &image, disk);
    }

    /// Asserts that reading the image gives an error that says so.
    pub(super) fn refuses(&self, says: &str) {
        let refused = self.open(false).and_then(|image| {
            image.check_references()?;
            image
                .extents(0..image.size())
                .try_for_each(|extent| extent.map(drop))?;
            image.unpack(&MemoryDisk::default(), &UnpackOptions::default())
        });
        let error = chain(&refused.expect_err(self.name));
        assert!(error.contains(says), "{}: {says:?}: {error}", self.name);
    }

    /// Asserts that salvage gives `disk` and lists what is `lost`.
    pub(super) fn salvages(&self, lost: &[Range<u64>], disk: &Content) {
        let name = self.name;
        let image = self.open(true).unwrap();
        let extents: Vec<_> = image.extents(0..image.size()).map(Result::unwrap).collect();
        assert!(tiles(extents, disk.size()), "{name}");
        let target = MemoryDisk::default();
        let report = image.unpack(&target, &UnpackOptions::default()).unwrap();
        let found: Vec<_> = report.lost.ranges().collect();
        assert_eq!(found, lost, "{name}");
        same(name, &target, disk);
    }
}

/// Asserts that a disk holds `want` and nothing else.
pub(super) fn same(name: &str, disk: &impl ReadAt, want: &Content) {
    let size = want.size();
    assert_eq!(disk.size(), size, "{name}");
    if size <= WHOLE_BYTES_MAX {
        return same_range(name, disk, want, 0..size);
    }
    let mut at = 0;
    while let Some(data) = disk.next_data(at).unwrap() {
        at = data.end.min(data.start + PIECE_BYTES);
        same_range(name, disk, want, data.start..at);
    }
    for part in want.parts() {
        same_range(name, disk, want, part);
    }
}

fn same_range(name: &str, disk: &impl ReadAt, want: &Content, range: Range<u64>) {
    let want = want.read(range.clone());
    let mut bytes = vec![0xee; want.len()];
    disk.read_at(range.start, &mut bytes).unwrap();
    let differs = bytes
        .iter()
        .zip(&want)
        .position(|(ours, want)| ours != want);
    if let Some(at) = differs {
        let place = range.start + len_u64(at);
        panic!(
            "{name}: {:#x} at {place:#x}, not {:#x}",
            bytes[at], want[at]
        );
    }
}

/// Asserts that reads of any length at any place give what the disk has there.
fn in_places(name: &str, image: &Image<Disk>, want: &Content) {
    let size = want.size();
    assert_eq!(image.size(), size, "{name}");
    let mut random = SplitMix::new(size);
    for turn in 0..READS {
        let mut start = random.below(size + 1);
        if turn % 2 == 0 {
            // Where something is stored: most of a large disk is nothing.
            if let Some(data) = image.next_data(start).unwrap() {
                start = data.start + random.below(data.end - data.start);
            }
        }
        let bits = random.below(READ_BITS_MAX + 1);
        let length = random.below(1 << bits);
        same_range(name, image, want, start..size.min(start + length));
    }
}

/// The messages of an error and its causes.
fn chain(error: &Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
