//! Disks that share blocks with the image they come from.

use std::fs::{self, File};
use std::io;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Mutex;

use crate::builder::{Builder, DEFLATE, mixed, words};
use crate::common::{base, base_disk, chain};
use blockio::{Handle, MemoryDisk, Reflink, WriteAt, len_u64};
use hostdisk::Disk;
use qcow2_reader::{ErrorKind, Image, ImageStream, OpenOptions, UnpackOptions, UnpackReport};

/// A target that shares blocks of 4 KiB by copying them, or refuses to.
struct Target {
    disk: MemoryDisk,
    zeroed: bool,
    refusal: Option<io::ErrorKind>,
    asked: Mutex<Vec<Range<u64>>>,
}

impl Target {
    fn new(size: usize, zeroed: bool, refusal: Option<io::ErrorKind>) -> Self {
        Self {
            disk: MemoryDisk::new(vec![if zeroed { 0 } else { 0xff }; size]),
            zeroed,
            refusal,
            asked: Mutex::default(),
        }
    }
}

impl WriteAt for Target {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.disk.write_at(offset, bytes)
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.disk.write_zeroes(offset, length)
    }
    fn share_at(&self, offset: u64, source: &Handle, from: u64, length: u64) -> io::Result<()> {
        self.asked.lock().unwrap().push(offset..offset + length);
        if let Some(refusal) = self.refusal {
            return Err(io::Error::new(refusal, "refused"));
        }
        assert!(
            [offset, from, length]
                .iter()
                .all(|at| at.is_multiple_of(4096))
        );
        let mut bytes = vec![0; usize::try_from(length).unwrap()];
        let source: &File = source.downcast_ref().unwrap();
        source.read_exact_at(&mut bytes, from)?;
        self.disk.write_at(offset, &bytes)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.disk.set_size(size)
    }
    fn starts_zeroed(&self) -> bool {
        self.zeroed
    }
    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

fn options(threads: usize, reflink: Reflink) -> UnpackOptions<'static> {
    let mut options = UnpackOptions::default();
    options.threads = NonZeroUsize::new(threads).unwrap();
    options.reflink = reflink;
    options
}

/// Unpacks `image` from a file, and asserts that it gives `disk`.
#[track_caller]
fn unpack(
    image: &[u8],
    disk: &[u8],
    target: Target,
    reflink: Reflink,
) -> (UnpackReport, Vec<Range<u64>>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.qcow2");
    fs::write(&path, image).unwrap();
    let image = Image::open(Disk::open(&path).unwrap(), &OpenOptions::default()).unwrap();
    let report = image.unpack(&target, &options(3, reflink)).unwrap();
    assert!(target.disk.into_bytes() == disk);
    let asked = target.asked.into_inner().unwrap();
    if target.refusal.is_none() {
        let shared: u64 = asked.iter().map(|range| range.end - range.start).sum();
        assert_eq!(report.shared_bytes, shared);
    }
    (report, asked)
}

#[test]
fn plain_clusters_are_shared_and_all_else_is_copied() {
    let (image, disk) = mixed(12, DEFLATE, 30);
    let zeroed = |zeroed| Target::new(disk.len(), zeroed, None);
    for reflink in [Reflink::Auto, Reflink::Always] {
        for target in [zeroed(true), zeroed(false)] {
            let (report, asked) = unpack(&image, &disk, target, reflink);
            let pairs = [2, 11, 20].map(|at: u64| at * 4096..(at + 2) * 4096);
            assert_eq!(asked, pairs);
            assert_eq!(report.shared_bytes, 6 * 4096);
            assert!(report.written_bytes > 0);
        }
    }
    let (report, asked) = unpack(&image, &disk, zeroed(true), Reflink::Never);
    assert_eq!((report.shared_bytes, asked), (0, vec![]));
}

#[test]
fn runs_are_shared_whole_but_for_the_end_of_the_disk() {
    let mut builder = Builder::new(16, 70 * 65_536 - 4096, DEFLATE);
    for index in 0..70 {
        builder.plain(index, &words(index, 65_536));
    }
    let (image, disk) = builder.finish();
    let target = Target::new(0, true, None);
    let (report, asked) = unpack(&image, &disk, target, Reflink::Always);
    assert_eq!(asked, [(0, 69 * 65_536)].map(|(start, end)| start..end));
    assert_eq!(report.written_bytes, 65_536 - 4096);
}

#[test]
fn small_clusters_are_shared_where_they_make_blocks() {
    // Clusters of 512 bytes whose data begins at 0x3200: in step from there.
    let mut builder = Builder::new(9, 100 * 512, DEFLATE);
    let first = builder.file.len() / 512;
    for index in 0..100 {
        let from_step = index + first % 8;
        if from_step < 100 {
            builder.plain(from_step, &words(from_step, 512));
        }
    }
    let (image, disk) = builder.finish();
    let target = Target::new(disk.len(), true, None);
    let (report, asked) = unpack(&image, &disk, target, Reflink::Always);
    assert_eq!(asked.len(), 1);
    assert!(asked[0].start < 8192 && asked[0].end == 100 * 512 / 4096 * 4096);
    assert_eq!(report.disk_bytes, 51_200);
    // Out of step, nothing can be shared, and that is no error.
    let (_, asked) = unpack(
        &base(),
        &base_disk(),
        Target::new(0, true, None),
        Reflink::Always,
    );
    assert_eq!(asked, []);
}

#[test]
fn a_target_that_cannot_share_gets_copies_and_is_soon_asked_no_more() {
    let (image, disk) = mixed(12, DEFLATE, 3000);
    let target = Target::new(disk.len(), false, Some(io::ErrorKind::Unsupported));
    let (report, asked) = unpack(&image, &disk, target, Reflink::Auto);
    assert_eq!(report.shared_bytes, 0);
    assert_eq!(asked.len(), 1);
}

#[test]
fn a_target_that_must_share_and_cannot_is_an_error() {
    let (image, _) = mixed(12, DEFLATE, 30);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("image.qcow2");
    fs::write(&path, &image).unwrap();
    let image = Image::open(Disk::open(&path).unwrap(), &OpenOptions::default()).unwrap();
    for (refusal, reflink) in [
        (io::ErrorKind::Unsupported, Reflink::Always),
        (io::ErrorKind::StorageFull, Reflink::Always),
        (io::ErrorKind::StorageFull, Reflink::Auto),
    ] {
        let target = Target::new(0, true, Some(refusal));
        let error = image.unpack(&target, &options(2, reflink)).unwrap_err();
        assert_eq!(
            (error.kind(), chain(&error).as_str()),
            (
                ErrorKind::Io,
                "sharing (reflink) 8192 bytes at host offset 0x3000 with the disk at 0x2000: refused"
            )
        );
        assert_eq!(io::Error::from(error).kind(), refusal);
    }
}

#[test]
fn an_image_that_is_not_in_a_file_cannot_be_shared() {
    let (image, disk) = mixed(12, DEFLATE, 30);
    let message = "sharing (reflink) 0 bytes at host offset 0x0 with the disk at 0x0: the image is not in a file that can be shared";
    let in_memory = || Image::open(&image, &OpenOptions::default()).unwrap();
    let piped = || {
        let spool = MemoryDisk::default();
        ImageStream::open(&image[..], spool, &OpenOptions::default()).unwrap()
    };
    let always = options(2, Reflink::Always);
    for error in [
        in_memory().unpack(&MemoryDisk::default(), &always),
        piped().unpack(&MemoryDisk::default(), &always),
    ] {
        assert_eq!(chain(&error.unwrap_err()), message);
    }
    let auto = options(2, Reflink::Auto);
    for piped_in in [false, true] {
        let target = MemoryDisk::default();
        let report = if piped_in {
            piped().unpack(&target, &auto)
        } else {
            in_memory().unpack(&target, &auto)
        };
        assert_eq!(report.unwrap().disk_bytes, len_u64(disk.len()));
        assert!(target.into_bytes() == disk);
    }
}
