//! Backing files and external data files, from a gate in memory.

use std::collections::HashMap;

use crate::common::{
    L2_FIRST, SIZE, base, base_disk, chain, from_pipe, open, put, put32, put64, unpacked,
};
use blockio::{ExtentKind, MemoryDisk, ReadAt, tiles};
use qcow2_format::HostOffset;
use qcow2_reader::ErrorKind::{Corrupt, Limit, Unsupported};
use qcow2_reader::{
    BackingFormat, Error, Gate, Image, OpenOptions, Reference, ReferenceFault, Stored,
    UnpackOptions,
};

/// Files by their names.
#[derive(Default)]
struct Files(HashMap<&'static str, (Vec<u8>, Option<BackingFormat>)>);

impl Files {
    fn with(mut self, name: &'static str, bytes: Vec<u8>, format: Option<BackingFormat>) -> Self {
        self.0.insert(name, (bytes, format));
        self
    }

    fn get(
        &self,
        reference: &Reference<'_>,
    ) -> Result<(Vec<u8>, Option<BackingFormat>), ReferenceFault> {
        let name = reference.name.ok_or(ReferenceFault::NoName)?;
        let name = std::str::from_utf8(name).unwrap();
        self.0.get(name).cloned().ok_or(ReferenceFault::NotAllowed)
    }
}

impl Gate<Vec<u8>> for Files {
    fn backing_file(
        &mut self,
        reference: &Reference<'_>,
    ) -> Result<(Vec<u8>, BackingFormat), ReferenceFault> {
        let (bytes, format) = self.get(reference)?;
        Ok((bytes, format.ok_or(ReferenceFault::NoFormat)?))
    }

    fn data_file(&mut self, reference: &Reference<'_>) -> Result<Vec<u8>, ReferenceFault> {
        Ok(self.get(reference)?.0)
    }
}

/// The image with a backing file of this name.
fn over(mut image: Vec<u8>, name: &str) -> Vec<u8> {
    put64(&mut image, 8, 128);
    put32(&mut image, 16, u32::try_from(name.len()).unwrap());
    put(&mut image, 128, name.as_bytes());
    image
}

fn open_with(image: Vec<u8>, mut files: Files) -> Result<Image<Vec<u8>>, Error> {
    Image::open_with(image, &OpenOptions::default(), &mut files)
}

fn raw(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from(at % 249).unwrap() + 1)
        .collect()
}

/// What [`base`] allocates, over these bytes.
fn base_over(below: &[u8]) -> Vec<u8> {
    let mut disk = below.to_vec();
    disk.resize(SIZE, 0);
    let base = base_disk();
    for range in [0..2048, 2560..3584, 32_256..32_768, 39_936..SIZE] {
        disk[range.clone()].copy_from_slice(&base[range]);
    }
    disk
}

#[track_caller]
fn holds(image: &Image<Vec<u8>>, disk: &[u8]) {
    assert!(unpacked(image).unwrap() == disk);
    let mut whole = vec![0xee; disk.len()];
    image.read_at(0, &mut whole).unwrap();
    assert!(whole == disk);
    for start in (0..disk.len()).step_by(777) {
        let mut part = vec![0xee; 1500.min(disk.len() - start)];
        image
            .read_at(u64::try_from(start).unwrap(), &mut part)
            .unwrap();
        assert!(part == disk[start..start + part.len()], "{start}");
    }
    let extents: Vec<_> = image.extents(0..u64::MAX).map(Result::unwrap).collect();
    assert!(extents.windows(2).all(|pair| pair[0].kind != pair[1].kind));
    assert!(tiles(extents, image.size()));
}

#[test]
fn what_is_unallocated_is_the_backing_files() {
    // Shorter, longer, and longer than the image.
    for length in [0, 100, 20_001, 39_000, 50_000] {
        let files = Files::default().with("below", raw(length), Some(BackingFormat::Raw));
        let image = open_with(over(base(), "below"), files).unwrap();
        holds(&image, &base_over(&raw(length.min(SIZE))));
    }
}

#[test]
fn map_entries_say_which_layer_has_the_bytes() {
    let files = Files::default()
        .with("mid", over(base(), "deep"), Some(BackingFormat::Qcow2))
        .with("deep", raw(20_001), Some(BackingFormat::Raw));
    // On top nothing but one zero cluster, beside those of the layer below.
    let mut top = over(base(), "mid");
    top[L2_FIRST..L2_FIRST + 1024].fill(0);
    put64(&mut top, L2_FIRST + 8, 1);
    let image = open_with(top, files).unwrap();
    let entries: Vec<_> = image.map(0..0xb00).map(Result::unwrap).collect();
    let facts: Vec<_> = entries
        .into_iter()
        .map(|entry| (entry.guest, entry.stored, entry.depth, entry.file))
        .collect();
    let data = |host| Stored::Data {
        host: HostOffset(host),
    };
    assert_eq!(
        facts,
        [
            (0..0x200, data(0xc00), Some(1), Some(1)),
            (0x200..0x400, Stored::Zero, Some(0), None),
            (0x400..0x800, Stored::Zero, Some(1), None),
            (0x800..0xa00, data(0x800), Some(2), Some(2)),
            (0xa00..0xb00, data(0x1200), Some(1), Some(1)),
        ]
    );
    // The raw file ends before the disk does.
    let last = image
        .map(0x4000..0x7000)
        .map(Result::unwrap)
        .last()
        .unwrap();
    assert_eq!(
        (last.guest, last.stored, last.depth),
        (20_001..0x7000, Stored::Unallocated, None)
    );
}

#[test]
fn a_short_layer_hides_what_is_longer_below() {
    let mut short = over(base(), "deep");
    put64(&mut short, 24, 10_000);
    let files = || {
        Files::default()
            .with("mid", short.clone(), Some(BackingFormat::Qcow2))
            .with("deep", raw(30_000), Some(BackingFormat::Raw))
    };
    // On top nothing but one zero cluster.
    let mut top = over(base(), "mid");
    top[L2_FIRST..L2_FIRST + 1024].fill(0);
    put64(&mut top, L2_FIRST + 8 * 8, 1);
    let image = open_with(top.clone(), files()).unwrap();
    let mut disk = base_over(&raw(30_000))[..10_000].to_vec();
    disk[8 * 512..9 * 512].fill(0);
    disk.resize(SIZE, 0);
    holds(&image, &disk);
    assert_eq!(image.files().len(), 3);

    // The image itself has that one cluster, and nothing else is written.
    let own: Vec<_> = image
        .allocated_extents(0..u64::MAX)
        .map(Result::unwrap)
        .collect();
    let kinds: Vec<_> = own
        .iter()
        .map(|extent| (extent.kind, extent.length))
        .collect();
    assert_eq!(
        kinds,
        [
            (ExtentKind::Unallocated, 4096),
            (ExtentKind::Zero, 512),
            (ExtentKind::Unallocated, 40_000 - 4608)
        ]
    );
    let target = MemoryDisk::new(vec![0xaa; SIZE]);
    let mut options = UnpackOptions::default();
    options.only_allocated = true;
    image.unpack(&target, &options).unwrap();
    let mut want = vec![0xaa; SIZE];
    want[4096..4608].fill(0);
    assert!(target.into_bytes() == want);
}

#[test]
fn layers_may_have_other_clusters_and_compressions() {
    use crate::builder::{Builder, DEFLATE, ZSTD, compressed, words};
    let mut below = Builder::new(12, 40_000, DEFLATE);
    let mut top = Builder::new(9, 40_000, ZSTD);
    let mut disk = vec![0; 40_000];
    for index in [0, 1, 9] {
        let bytes = words(index, 4096);
        below.stream(index, &compressed(DEFLATE, &bytes), &bytes);
        let start = index * 4096;
        let end = (start + 4096).min(40_000);
        disk[start..end].copy_from_slice(&bytes[..end - start]);
    }
    for index in [1, 2, 20, 76, 78] {
        let bytes = words(100 + index, 512);
        top.stream(index, &compressed(ZSTD, &bytes), &bytes);
        let start = index * 512;
        let end = (start + 512).min(40_000);
        disk[start..end].copy_from_slice(&bytes[..end - start]);
    }
    let top = over(top.finish().0, "below");
    let files = Files::default().with("below", below.finish().0, Some(BackingFormat::Qcow2));
    holds(&open_with(top, files).unwrap(), &disk);
}

#[test]
fn files_that_are_not_opened_are_told_with_their_names() {
    let refuses = |image: Vec<u8>, files: Files, kind, message: &str| {
        let error = open_with(image, files).unwrap_err();
        assert_eq!((error.kind(), &*chain(&error)), (kind, message));
    };
    refuses(
        over(base(), "b\x1b"),
        Files::default(),
        Unsupported,
        "the image needs the backing file \"b\\u{1b}\": files that an image names are opened only if that is allowed",
    );
    refuses(
        over(base(), "mid"),
        Files::default().with("mid", over(base(), "deep"), Some(BackingFormat::Qcow2)),
        Unsupported,
        "backing file 1: the image needs the backing file \"deep\": files that an image names are opened only if that is allowed",
    );
    refuses(
        over(base(), "mid"),
        Files::default().with("mid", over(base(), "deep"), None),
        Unsupported,
        "the image needs the backing file \"mid\": the image does not name its format, which is never guessed",
    );
    refuses(
        over(base(), "self"),
        Files::default().with("self", over(base(), "self"), Some(BackingFormat::Qcow2)),
        Limit,
        "backing file 63: the image needs the backing file \"self\": there are more than 64 layers",
    );
    refuses(
        over(base(), "mid"),
        Files::default().with("mid", vec![1; 1000], Some(BackingFormat::Qcow2)),
        Corrupt,
        "backing file 1: not a qcow2 image (it begins with 01010101, a qcow2 image with 514649fb)",
    );
    let error = from_pipe(&over(base(), "below")).unwrap_err();
    assert_eq!(
        chain(&error),
        "the image needs the backing file \"below\": save it to a file and unpack that"
    );
}

#[test]
fn damage_in_a_layer_names_the_layer() {
    let mut below = base();
    put64(&mut below, L2_FIRST + 4 * 8, 0x200);
    let files = Files::default().with("below", below, Some(BackingFormat::Qcow2));
    let image = open_with(over(base(), "below"), files).unwrap();
    let error = unpacked(&image).unwrap_err();
    assert_eq!(
        (error.kind(), &*chain(&error)),
        (
            Corrupt,
            "backing file 1: data of guest offset 0x800 lies at host offset 0x200, inside the refcount table at 0x200..0x400"
        )
    );
}

/// [`base`] with its data in a file "data", and one zero cluster over stale data.
fn external() -> Vec<u8> {
    let mut image = base();
    image[79] = 4;
    image[L2_FIRST..L2_FIRST + 1024].fill(0);
    put64(&mut image, L2_FIRST, 1 << 63);
    put64(&mut image, L2_FIRST + 5 * 8, (1 << 63) | (5 * 512));
    put64(&mut image, L2_FIRST + 6 * 8, (1 << 63) | (6 * 512) | 1);
    put32(&mut image, 104, 0x4441_5441);
    put32(&mut image, 108, 4);
    put(&mut image, 112, b"data");
    image
}

#[test]
fn guest_data_may_be_in_another_file() {
    let files = |bytes| Files::default().with("data", bytes, None);
    let image = open_with(external(), files(raw(SIZE))).unwrap();
    let mut disk = vec![0; SIZE];
    for range in [0..512, 5 * 512..6 * 512] {
        disk[range.clone()].copy_from_slice(&raw(SIZE)[range]);
    }
    holds(&image, &disk);

    let refuses = |image: Vec<u8>, bytes, message: &str| {
        let error = unpacked(&open_with(image, files(bytes)).unwrap()).unwrap_err();
        assert_eq!((error.kind(), &*chain(&error)), (Corrupt, message));
    };
    refuses(
        external(),
        raw(3000),
        "data in the external data file at host offset 0xa00, for guest bytes 0xa00..0xc00, ends at 0xc00, past the end of the file at 0xbb8: the image is truncated",
    );
    let mut moved = external();
    put64(&mut moved, L2_FIRST + 5 * 8, (1 << 63) | (9 * 512));
    refuses(
        moved,
        raw(SIZE),
        "data of guest offset 0xa00 lies at offset 0x1200 of the external data file, must be at the guest offset",
    );
    let mut packed = external();
    put64(&mut packed, L2_FIRST + 5 * 8, 1 << 62 | 0x1200);
    let error = unpacked(&open_with(packed, files(raw(SIZE))).unwrap()).unwrap_err();
    assert!(chain(&error).contains("compressed"), "{}", chain(&error));

    let mut unnamed = external();
    put32(&mut unnamed, 104, 0);
    let error = open_with(unnamed, files(raw(SIZE))).unwrap_err();
    assert_eq!(
        chain(&error),
        "the image needs a data file: the image does not name it"
    );
    assert!(open(external()).is_err());
}
