use super::*;

use blockio::MemoryDisk;
use pipeline::BufferPool;

fn piece(pool: &BufferPool, start: u64, length: usize) -> Piece<'_> {
    let mut bytes = pool.take(length);
    bytes.fill(7);
    Piece::of(start, bytes)
}

#[test]
fn a_piece_that_starts_before_what_is_done_is_refused_and_not_written() {
    let pool = BufferPool::new();
    for target in [MemoryDisk::default(), MemoryDisk::new(vec![0xaa; 100])] {
        let mut output = Output::new(&target, 100, false).unwrap();
        output.put(&piece(&pool, 10, 20)).unwrap();
        output.put(&piece(&pool, 30, 5)).unwrap();
        let error = output.put(&piece(&pool, 34, 20)).unwrap_err();
        assert!(matches!(
            error,
            Error::GoesBack {
                offset: 34,
                done: 35
            }
        ));
        assert_eq!(error.kind(), crate::ErrorKind::Internal);
        assert_eq!(
            error.to_string(),
            "internal error: a part of the disk starts at 0x22, but everything before 0x23 is done"
        );
        assert!(matches!(
            output.zero_to(34),
            Err(Error::GoesBack {
                offset: 34,
                done: 35
            })
        ));
        let file = tempfile::tempfile().unwrap();
        let shared = output.share(&(0..10), &file, HostOffset(0));
        assert!(matches!(
            shared,
            Err(Error::GoesBack {
                offset: 0,
                done: 35
            })
        ));
        output.zero_to(100).unwrap();
        output.finish(100).unwrap();
        let want = [&[0; 10][..], &[7; 25], &[0; 65]].concat();
        assert!(target.into_bytes() == want);
    }
}

fn run(guest: Range<u64>, mapping: Mapping) -> Result<Run, ImageError> {
    Ok(Run::empty(guest, mapping))
}

/// An output of 100 bytes in any order, of which 30 are to come.
fn anywhere(target: &MemoryDisk, only_allocated: bool) -> Output<'_, MemoryDisk> {
    let mut output = Output::new(target, 100, only_allocated).unwrap();
    let data = Mapping::Data {
        host: HostOffset(0),
    };
    let runs = [
        run(0..40, Mapping::Zero),
        run(40..60, data),
        run(60..70, Mapping::Unallocated),
        run(70..80, data),
        run(80..100, Mapping::Zero),
    ];
    let done = output.zero_all(runs.into_iter()).unwrap();
    assert_eq!(done, 70);
    output
}

#[test]
fn pieces_in_any_order_are_what_the_tables_name_and_no_more_or_less() {
    let pool = BufferPool::new();
    for only_allocated in [false, true] {
        let target = MemoryDisk::new(vec![0xaa; 100]);
        let mut output = anywhere(&target, only_allocated);
        output.put_anywhere(&piece(&pool, 70, 10)).unwrap();
        output.put_anywhere(&piece(&pool, 40, 20)).unwrap();
        output.finish(100).unwrap();
        let between = if only_allocated { 0xaa } else { 0 };
        let want = [&[0; 40][..], &[7; 20], &[between; 10], &[7; 10], &[0; 20]].concat();
        assert!(target.into_bytes() == want);

        let target = MemoryDisk::new(vec![0xaa; 100]);
        let mut output = anywhere(&target, only_allocated);
        output.put_anywhere(&piece(&pool, 40, 20)).unwrap();
        // A block that was rounded outward.
        let error = output.put_anywhere(&piece(&pool, 69, 11)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "internal error: 31 bytes of the disk came from the image, but its tables name 30"
        );
        let mut output = anywhere(&target, only_allocated);
        output.put_anywhere(&piece(&pool, 40, 20)).unwrap();
        let error = output.finish(100).unwrap_err();
        assert!(matches!(
            error,
            Error::Uneven {
                written: 20,
                expected: 30
            }
        ));
    }
}
