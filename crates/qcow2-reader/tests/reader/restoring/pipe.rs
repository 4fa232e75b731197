//! Images from a pipe: the same disk in one pass, or an error that says what to
//! do.

use std::io;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::sync::Mutex;

use crate::builder::{Builder, DEFLATE, ZSTD, compressed, mixed, words};
use crate::common::{FILE, L1, L2_FIRST, L2_SECOND, base, base_disk, chain, from_pipe, put64};
use blockio::{MemoryDisk, Progress, ReadAt, WriteAt, len_u64};
use hostdisk::StreamTarget;
use qcow2_reader::{Arrival, Error, ErrorKind, ImageStream, OpenOptions, UnpackOptions};

/// [`base`] without the cluster that is used twice.
fn ordered() -> (Vec<u8>, Vec<u8>) {
    let (mut image, mut disk) = (base(), base_disk());
    put64(&mut image, L2_FIRST + 63 * 8, 0);
    disk[32_256..32_768].fill(0);
    (image, disk)
}

/// Gives a few bytes at a time and an interruption now and then; fails at the
/// end, if it is told to.
struct Pipe<'b> {
    rest: &'b [u8],
    turn: usize,
    fail: bool,
}

impl<'b> Pipe<'b> {
    fn new(rest: &'b [u8]) -> Self {
        let (turn, fail) = (0, false);
        Self { rest, turn, fail }
    }
}

impl io::Read for Pipe<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.turn += 1;
        if self.turn.is_multiple_of(5) {
            return Err(io::ErrorKind::Interrupted.into());
        }
        if self.rest.is_empty() && self.fail {
            return Err(io::Error::other("injected"));
        }
        let length = buf.len().min(1 + self.turn * 7919 % 5000);
        io::Read::read(&mut self.rest, &mut buf[..length])
    }
}

fn options(threads: usize) -> UnpackOptions<'static> {
    let mut options = UnpackOptions::default();
    options.threads = NonZeroUsize::new(threads).unwrap();
    options
}

#[track_caller]
fn refuses(image: &[u8], kind: ErrorKind, message: &str) {
    let error = from_pipe(image).map(drop).unwrap_err();
    assert_eq!((error.kind(), chain(&error).as_str()), (kind, message));
}

#[test]
fn images_of_every_kind_arrive_and_are_read_to_their_end() {
    for bits in 9..=21 {
        for compression in [DEFLATE, ZSTD] {
            let (image, disk) = mixed(bits, compression, if bits < 13 { 100 } else { 10 });
            for threads in [1, 3] {
                let mut pipe = Pipe::new(&image);
                let spool = MemoryDisk::default();
                let stream = ImageStream::open(&mut pipe, spool, &OpenOptions::default()).unwrap();
                assert_eq!(stream.size(), len_u64(disk.len()));
                assert_eq!(stream.header().cluster_bits.bits(), bits);
                let target = StreamTarget::new(Vec::new());
                let report = stream.unpack(&target, &options(threads)).unwrap();
                assert_eq!(report.disk_bytes, len_u64(disk.len()));
                assert!(target.into_inner() == disk, "{bits} {compression}");
                assert!(pipe.rest.is_empty());
            }
        }
    }
}

#[test]
fn the_spool_holds_all_but_the_data() {
    let (image, disk) = ordered();
    let spool = MemoryDisk::default();
    let mut stream = ImageStream::open(&image[..], &spool, &OpenOptions::default()).unwrap();
    assert_eq!(stream.arrival(), Arrival::InOrder);
    stream.check_references();
    let target = MemoryDisk::default();
    stream.unpack(&target, &UnpackOptions::default()).unwrap();
    assert!(target.into_bytes() == disk);
    let mut want = image;
    for data in [0xc00..0x1000, 0x1200..0x1640] {
        want[data].fill(0);
    }
    assert!(spool.into_bytes() == want);
}

/// An image whose clusters are stored in the order of `places`, plain ones and
/// compressed ones.
fn scattered(places: &[usize]) -> (Vec<u8>, Vec<u8>) {
    let mut builder = Builder::new(12, 60 * 4096 - 10, DEFLATE);
    for &index in places {
        let bytes = words(index, 4096);
        if index % 3 == 0 {
            builder.plain(index, &bytes);
        } else {
            builder.stream(index, &compressed(DEFLATE, &bytes), &bytes);
        }
    }
    builder.finish()
}

/// A target that held 0xff before.
#[derive(Debug)]
struct Used(MemoryDisk);

impl WriteAt for Used {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.0.write_zeroes(offset, length)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_size(size)
    }
    fn starts_zeroed(&self) -> bool {
        false
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

#[test]
fn data_in_another_order_is_put_in_its_place() {
    // 41 and 60 have no common factor.
    let places: Vec<usize> = (0..60)
        .map(|at| at * 41 % 60)
        .filter(|at| at % 7 != 0)
        .collect();
    let (image, disk) = scattered(&places);
    for threads in [1, 4] {
        let open = || {
            let spool = MemoryDisk::default();
            ImageStream::open(&image[..], spool, &OpenOptions::default()).unwrap()
        };
        let target = MemoryDisk::default();
        open().unpack(&target, &options(threads)).unwrap();
        assert!(target.into_bytes() == disk);
        let target = Used(MemoryDisk::new(vec![0xff; disk.len()]));
        open().unpack(&target, &options(threads)).unwrap();
        assert!(target.0.into_bytes() == disk);
        let mut ordered = open();
        ordered.write_in_order();
        let target = StreamTarget::new(Vec::new());
        ordered.unpack(&target, &options(threads)).unwrap();
        assert!(target.into_inner() == disk);
        let target = StreamTarget::new(Vec::new());
        let error = open().unpack(&target, &options(threads)).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io);
        assert!(chain(&error).contains(": a pipe cannot go back from byte "));
    }
}

#[test]
fn zeros_within_data_in_another_order_are_written_or_left() {
    let mut builder = Builder::new(16, 4 << 16, ZSTD);
    for index in [2, 0, 3] {
        let mut bytes = vec![0; 65_536];
        bytes[50_000] = 1;
        builder.stream(index, &compressed(ZSTD, &bytes), &bytes);
    }
    let (image, disk) = builder.finish();
    let spool = MemoryDisk::default();
    let stream = ImageStream::open(&image[..], spool, &OpenOptions::default()).unwrap();
    let target = Used(MemoryDisk::new(vec![0xff; disk.len()]));
    stream.unpack(&target, &options(2)).unwrap();
    assert!(target.0.into_bytes() == disk);
    assert!(from_pipe(&image).unwrap() == disk);
}

#[test]
fn progress_ascends_in_either_order() {
    for places in [[0, 1, 2, 4], [4, 0, 2, 1]] {
        let (image, disk) = scattered(&places);
        let seen = Mutex::new(Vec::new());
        let progress = |progress: Progress| {
            seen.lock().unwrap().push(progress.done_bytes);
            ControlFlow::Continue(())
        };
        let mut options = UnpackOptions::default();
        options.progress = Some(&progress);
        let spool = MemoryDisk::default();
        let stream = ImageStream::open(&image[..], spool, &OpenOptions::default()).unwrap();
        stream.unpack(&MemoryDisk::default(), &options).unwrap();
        let seen = seen.into_inner().unwrap();
        assert!(seen.len() > 1 && seen.is_sorted());
        assert_eq!(seen.last(), Some(&len_u64(disk.len())));
    }
}

#[test]
fn more_data_than_is_wanted_is_refused_in_either_order() {
    for places in [[0, 1, 2, 4], [4, 0, 2, 1]] {
        let (image, _) = scattered(&places);
        for (most, refused) in [(4 * 4096 - 1, true), (4 * 4096, false)] {
            let spool = MemoryDisk::default();
            let mut stream = ImageStream::open(&image[..], spool, &OpenOptions::default()).unwrap();
            stream.limit_data(most);
            let unpacked = stream.unpack(&MemoryDisk::default(), &UnpackOptions::default());
            assert_eq!(
                unpacked.is_err_and(|error| matches!(error, Error::TooMuchData { .. })),
                refused
            );
        }
    }
}

#[test]
fn streams_that_are_used_twice_in_a_row_are_served() {
    let mut builder = Builder::new(12, 3 * 4096, DEFLATE);
    let (bytes, host) = (words(7, 4096), builder.file.len());
    builder.stream(0, &compressed(DEFLATE, &bytes), &bytes);
    let more_sectors = (builder.file.len() - host - 1) / 512;
    builder.describe(2, host, more_sectors);
    builder.disk[8192..].copy_from_slice(&bytes);
    let (image, disk) = builder.finish();
    assert!(from_pipe(&image).unwrap() == disk);
}

#[test]
fn more_sectors_than_a_stream_has_do_no_harm() {
    let mut builder = Builder::new(12, 4 * 4096, ZSTD);
    for index in 0..3 {
        let bytes = words(index, 4096);
        let host = builder.file.len();
        builder.stream(index, &compressed(ZSTD, &bytes), &bytes);
        builder.describe(index, host, 15);
    }
    builder.plain(3, &words(3, 4096));
    let (image, disk) = builder.finish();
    assert!(from_pipe(&image).unwrap() == disk);
}

#[test]
fn every_length_of_a_cut_stream_gives_an_error_or_the_disk() {
    let (plain, plain_disk) = ordered();
    let (streams, streams_disk) = mixed(9, DEFLATE, 20);
    for (image, disk, needed) in [
        (plain, plain_disk, FILE),
        // The last stream's last bytes end its last block.
        (streams.clone(), streams_disk, streams.len() - 1024),
    ] {
        for length in 0..image.len() {
            match from_pipe(&image[..length]) {
                Ok(found) => assert!(length > needed - 512 && found == disk),
                Err(error) => assert_eq!(error.kind(), ErrorKind::Corrupt, "{length}: {error}"),
            }
        }
    }
    refuses(
        &ordered().0[..FILE - 1],
        ErrorKind::Corrupt,
        "data at host offset 0x1600, for guest bytes 0x9c00..0x9c40, ends at 0x1640, past the end of the file at 0x163f: the image is truncated",
    );
    refuses(
        &ordered().0[..L2_SECOND + 8],
        ErrorKind::Corrupt,
        "data at host offset 0xc00, for guest bytes 0x0..0x200, ends at 0xe00, past the end of the file at 0xa08: the image is truncated",
    );
}

#[test]
fn a_wrong_table_is_found_before_anything_is_written() {
    let (mut image, _) = ordered();
    put64(&mut image, L2_SECOND + 14 * 8, 1 << 62 | 1 << 60);
    let spool = MemoryDisk::default();
    let stream = ImageStream::open(&image[..], spool, &OpenOptions::default()).unwrap();
    let target = MemoryDisk::default();
    assert!(stream.unpack(&target, &UnpackOptions::default()).is_err());
    assert_eq!(target.size(), 0);
}

#[test]
fn failures_of_the_pipe_and_the_spool_are_told() {
    let (image, _) = ordered();
    for length in [10, 300, L1 + 3, L2_SECOND + 3, FILE - 3, FILE] {
        let mut pipe = Pipe::new(&image[..length]);
        pipe.fail = true;
        let error = ImageStream::open(pipe, MemoryDisk::default(), &OpenOptions::default())
            .and_then(|stream| stream.unpack(&MemoryDisk::default(), &UnpackOptions::default()))
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Io, "{length}");
        assert!(chain(&error).ends_with(": injected"), "{error}");
    }
    struct Full(MemoryDisk);
    impl ReadAt for Full {
        fn size(&self) -> u64 {
            self.0.size()
        }
        fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
            self.0.read_at(offset, buf)
        }
    }
    impl WriteAt for Full {
        fn write_at(&self, _offset: u64, _bytes: &[u8]) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn write_zeroes(&self, _offset: u64, _length: u64) -> io::Result<()> {
            Err(io::ErrorKind::StorageFull.into())
        }
        fn set_size(&self, size: u64) -> io::Result<()> {
            self.0.set_size(size)
        }
        fn starts_zeroed(&self) -> bool {
            true
        }
        fn sync(&self) -> io::Result<()> {
            Ok(())
        }
    }
    let full = Full(MemoryDisk::default());
    let error = ImageStream::open(&image[..], full, &OpenOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Spool { .. }), "{error}");
}
