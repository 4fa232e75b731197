//! Every byte of small images changed, and every length that they can be cut to.
//!
//! Other bytes than those of the disk may come out only where no table could tell:
//! where guest data is changed, or a field whose other value is another image.

use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;

use crate::builder::{DEFLATE, ZSTD, mixed_counted};
use crate::common::{L1, L2_FIRST, L2_SECOND, base, put, put32, put64};
use crate::{snapshots, subclusters};
use blockio::{MemoryDisk, ReadAt, len_u64};
use qcow2_reader::{
    BackingFormat, Error, Gate, Image, OpenOptions, Reference, ReferenceFault, UnpackOptions,
};

/// Disks above this are not restored into memory.
const MEMORY_MAX: u64 = 4 << 20;

/// All bits of a byte, and each of them.
const MASKS: [u8; 9] = [0xff, 1, 2, 4, 8, 16, 32, 64, 128];

/// The header field with the size of the disk.
const SIZE: Range<usize> = 24..32;
/// The low byte of the version: 2 has no features.
const VERSION: Range<usize> = 7..8;

/// The offset in an entry of a table.
const OFFSET: u64 = 0x00ff_ffff_ffff_fe00;

/// A file of which a byte is changed.
#[derive(Clone, Copy)]
struct Changed<'f> {
    file: &'f [u8],
    at: usize,
    mask: u8,
}

impl<'f> Changed<'f> {
    fn not(file: &'f [u8]) -> Self {
        Self {
            file,
            at: 0,
            mask: 0,
        }
    }
}

impl ReadAt for Changed<'_> {
    fn size(&self) -> u64 {
        len_u64(self.file.len())
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.file.get(start..start.saturating_add(buf.len()));
        buf.copy_from_slice(bytes.ok_or(io::ErrorKind::UnexpectedEof)?);
        let changed = self.at.checked_sub(start).and_then(|at| buf.get_mut(at));
        if let Some(byte) = changed {
            *byte ^= self.mask;
        }
        Ok(())
    }
}

/// Opens one file, by its name.
struct Below<'f>(Option<Changed<'f>>);

impl<'f> Gate<Changed<'f>> for Below<'f> {
    fn backing_file(
        &mut self,
        reference: &Reference<'_>,
    ) -> Result<(Changed<'f>, BackingFormat), ReferenceFault> {
        let file = self.0.filter(|_| reference.name == Some(b"below"));
        let file = file.ok_or(ReferenceFault::NotAllowed)?;
        Ok((file, BackingFormat::Qcow2))
    }

    fn data_file(&mut self, _: &Reference<'_>) -> Result<Changed<'f>, ReferenceFault> {
        Err(ReferenceFault::NotAllowed)
    }
}

/// An image, and its backing file.
struct Subject {
    name: &'static str,
    image: Vec<u8>,
    below: Option<Vec<u8>>,
    options: OpenOptions,
    /// Where guest data is in the image.
    data: Vec<Range<usize>>,
    /// L1 and L2 tables.
    tables: Vec<Range<usize>>,
    /// Bytes between those that are changed and cut at in a large image, outside of
    /// its header, tables and last bytes.
    stride: usize,
    /// Where a change may make another image.
    free: Vec<Range<usize>>,
}

impl Subject {
    fn new(name: &'static str, image: Vec<u8>) -> Self {
        Self {
            name,
            image,
            below: None,
            options: OpenOptions::default(),
            data: Vec::new(),
            tables: Vec::new(),
            stride: 1,
            free: vec![SIZE, VERSION],
        }
    }

    /// What the program makes of the image in `top`; of a large disk, nothing.
    fn disk(&self, top: Changed<'_>, below: Option<Changed<'_>>) -> Result<Vec<u8>, Error> {
        let image = Image::open_with(top, &self.options, &mut Below(below))?;
        image.check_references()?;
        image.extents().try_for_each(|extent| extent.map(drop))?;
        if image.size() > MEMORY_MAX {
            return Ok(Vec::new());
        }
        let mut disk = vec![0xee; usize::try_from(image.size()).unwrap()];
        let read = image.read_at(0, &mut disk);
        let unpacked = MemoryDisk::default();
        let options = UnpackOptions {
            threads: NonZeroUsize::MIN,
            ..UnpackOptions::default()
        };
        match image.unpack(&unpacked, &options) {
            Ok(_) => {
                read.unwrap();
                assert!(unpacked.into_bytes() == disk, "{}", self.name);
                Ok(disk)
            }
            Err(error) => {
                assert!(read.is_err(), "{}: {error}", self.name);
                Err(error)
            }
        }
    }

    fn examine(&self) {
        let below = self.below.as_deref().map(Changed::not);
        let want = self.disk(Changed::not(&self.image), below).unwrap();
        assert!(want.iter().any(|&byte| byte != 0), "{}", self.name);
        for length in self.places() {
            let cut = Changed::not(&self.image[..length]);
            if let Ok(disk) = self.disk(cut, below) {
                assert!(disk == want, "{} cut to {length:#x}", self.name);
            }
        }
        let mut wrong = Vec::new();
        for at in self.places() {
            let is_data = among(&self.data, at);
            for mask in MASKS
                .into_iter()
                .take(if is_data { 2 } else { MASKS.len() })
            {
                let file = &self.image;
                let Ok(disk) = self.disk(Changed { file, at, mask }, below) else {
                    continue;
                };
                if disk != want && !is_data && !self.is_another_image(at, mask) {
                    wrong.push(format!("{at:#x}^{mask:#x}"));
                }
            }
        }
        assert!(wrong.is_empty(), "{}: {}", self.name, wrong.join(" "));
    }

    fn places(&self) -> impl Iterator<Item = usize> {
        let length = self.image.len();
        let near = move |at| at < 512 || length - at < 1024 || among(&self.tables, at);
        (0..length).filter(move |at| at % self.stride == 0 || near(*at))
    }

    /// Whether no table is wrong in itself or disagrees with another where this byte
    /// is changed. Reserved bits say nothing, as to QEMU.
    fn is_another_image(&self, at: usize, mask: u8) -> bool {
        if !among(&self.tables, at) {
            return among(&self.free, at);
        }
        let word = |at: usize| u64::from_be_bytes(self.image[at..at + 8].try_into().unwrap());
        let before = word(at / 8 * 8);
        let after = before ^ u64::from(mask) << (56 - at % 8 * 8);
        let is_compressed = |entry: u64| entry >> 62 & 1 == 1;
        let is_nowhere = after & OFFSET == 0 && !is_compressed(after);
        let reads_as_zeros = (before ^ after) & 1 == 1;
        let was_stream = is_compressed(before) && !is_compressed(after);
        is_nowhere || reads_as_zeros || was_stream || among(&self.free, at)
    }
}

fn among(ranges: &[Range<usize>], at: usize) -> bool {
    ranges.iter().any(|range| range.contains(&at))
}

/// The bitmaps of `count` extended entries.
fn bitmaps(table: usize, count: usize) -> impl Iterator<Item = Range<usize>> {
    (0..count).map(move |index| table + index * 16 + 8..table + index * 16 + 16)
}

#[test]
fn of_subclusters() {
    let mut subject = Subject::new("extended L2", subclusters::image());
    subject.data.push(subclusters::FIRST..subject.image.len());
    subject.tables = vec![0xc000..0xc010, subclusters::L2..subclusters::L2 + 0x60];
    subject.free.extend(bitmaps(subclusters::L2, 5));
    subject.stride = 61;
    subject.examine();
}

#[test]
fn of_streams() {
    for (name, compression) in [("zlib", DEFLATE), ("zstd", ZSTD)] {
        let (image, data) = mixed_counted(9, compression, 12);
        let mut subject = Subject::new(name, image);
        subject.tables.push(0x200..data.start);
        subject.data.push(data);
        subject.examine();
    }
}

#[test]
fn of_snapshots() {
    for snapshot in [None, Some(b"two".to_vec())] {
        let mut subject = Subject::new("snapshot", snapshots::counted());
        subject.tables = vec![L1..0xc00, 0x1a00..0x2000];
        subject.data.push(0xc00..0x1640);
        if snapshot.is_some() {
            subject.free.extend(snapshots::SIZE_OF_SECOND);
        }
        subject.options.snapshot = snapshot;
        subject.examine();
    }
}

#[test]
fn of_a_chain() {
    let mut top = base();
    put64(&mut top, 8, 128);
    put32(&mut top, 16, 5);
    put(&mut top, 128, b"below");
    let mut below = base();
    for (at, byte) in below.iter_mut().enumerate().skip(0xc00) {
        *byte = if at % 3 == 0 { 1 } else { 2 };
    }
    put64(&mut below, L2_FIRST + 7 * 8, 0x8000_0000_0000_0c00);
    put64(&mut below, L2_FIRST, 0);
    put64(&mut below, L2_SECOND, 0x8000_0000_0000_1600);
    put64(&mut below, L2_SECOND + 14 * 8, 0);
    below.resize(0x1800, 3);
    let mut subject = Subject::new("top", top);
    subject.below = Some(below);
    subject.tables.push(L1..0xc00);
    subject.data.push(0xc00..subject.image.len());
    // Without an offset there is no backing file, and the length of its name is
    // undefined.
    subject.free.push(15..16);
    subject.examine();
}
