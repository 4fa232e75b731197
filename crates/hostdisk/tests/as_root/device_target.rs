//! Outputs on block devices.

use std::error::Error as _;
use std::io;
use std::path::Path;

use crate::tools::{Loop, can_run, file_of_zeros};
use blockio::{ReadAt, WriteAt, len_u64};
use hostdisk::in_use::InUse;
use hostdisk::{Disk, Error, Target, TargetOptions};

const MIB: u64 = 1 << 20;
const HEAD: usize = 64 << 10;

fn options() -> TargetOptions {
    TargetOptions {
        force: true,
        ..TargetOptions::default()
    }
}

/// A device of 4 MiB whose bytes are all `0xee`.
fn used_device() -> (tempfile::TempDir, Loop) {
    let (folder, path) = file_of_zeros(0);
    std::fs::write(&path, vec![0xee; 4 << 20]).unwrap();
    (folder, Loop::over(&path, &["-P"]))
}

#[test]
fn the_head_is_zeroed_first_and_written_last() {
    if !can_run("deferred head", &[]) {
        return;
    }
    let (_folder, device) = used_device();
    let target = Target::create(&device.0, &options()).unwrap();
    assert!(!target.starts_zeroed());
    assert_eq!(target.size(), 4 * MIB);
    assert!(target.handle().is_none());
    assert_eq!(
        device.bytes(0, HEAD),
        vec![0xee; HEAD],
        "nothing is written yet"
    );

    // Across the end of the head.
    let text = vec![7; 2 * HEAD];
    target.write_at(100, &text).unwrap();
    target.sync().unwrap();
    assert_eq!(device.bytes(0, HEAD), vec![0; HEAD]);
    assert_eq!(device.bytes(len_u64(HEAD), HEAD + 100), vec![7; HEAD + 100]);
    let mut read = vec![0; 2 * HEAD];
    let uncached = target.uncached();
    let views: [&dyn ReadAt; 2] = [&target, &uncached];
    for view in views {
        view.read_at(100, &mut read).unwrap();
        assert_eq!(read, text);
        view.read_at(0, &mut read[..200]).unwrap();
        assert_eq!(read[..200], [[0; 100], [7; 100]].concat());
    }

    target.commit().unwrap();
    assert_eq!(device.bytes(0, 100), vec![0; 100]);
    assert_eq!(device.bytes(100, 2 * HEAD), text);
    assert_eq!(device.bytes(2 * len_u64(HEAD) + 100, 1), [0xee]);
}

#[test]
fn an_output_given_up_is_not_taken_for_a_whole_one() {
    if !can_run("output given up", &[]) {
        return;
    }
    let (_folder, device) = used_device();
    let target = Target::create(&device.0, &options()).unwrap();
    target.write_at(0, &[7; 4096]).unwrap();
    target.write_at(MIB, &[7; 4096]).unwrap();
    drop(target);
    assert_eq!(device.bytes(0, HEAD), vec![0; HEAD]);
    assert_eq!(device.bytes(MIB, 1), [7]);

    // Without a write, nothing is lost.
    let (_folder, device) = used_device();
    let target = Target::create(&device.0, &options()).unwrap();
    target.write_at(0, &[]).unwrap();
    target.write_zeroes(0, 0).unwrap();
    target.commit().unwrap();
    assert_eq!(device.bytes(0, HEAD), vec![0xee; HEAD]);
}

#[test]
fn a_small_disk_leaves_the_rest_of_the_device_alone() {
    if !can_run("small disk", &[]) {
        return;
    }
    let (_folder, device) = used_device();
    let target = Target::create(&device.0, &options()).unwrap();
    target.reserve(1000).unwrap();
    target.write_at(0, &[7; 500]).unwrap();
    target.write_zeroes(500, 500).unwrap();
    target.commit().unwrap();
    let expected = [vec![7; 500], vec![0; 500], vec![0xee; 3000]].concat();
    assert_eq!(device.bytes(0, 4000), expected);
}

#[test]
fn zeros_are_written_where_they_are_asked_for_and_nowhere_else() {
    if !can_run("zeros", &[]) {
        return;
    }
    let (_folder, device) = used_device();
    let target = Target::create(&device.0, &options()).unwrap();
    let mut expected = vec![0xee; 4 << 20];
    expected[..HEAD].fill(0);
    for (offset, length) in [
        (HEAD - 100, 300),
        (200_001, 4095),
        (300_000, 1),
        (400_000, 0),
        (500_123, 1_000_000),
        (2 << 20, 1 << 20),
        ((4 << 20) - 4097, 4097),
    ] {
        target
            .write_zeroes(len_u64(offset), len_u64(length))
            .unwrap();
        expected[offset..offset + length].fill(0);
    }
    target.commit().unwrap();
    assert!(device.bytes(0, 4 << 20) == expected);
}

#[track_caller]
fn is_too_small(result: io::Result<()>, device: &Path, needed: u64) {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::StorageFull);
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    let Some(Error::TooSmall {
        path,
        device_bytes,
        needed_bytes,
    }) = inner
    else {
        panic!("{inner:?}");
    };
    assert_eq!(
        (path.as_path(), *device_bytes, *needed_bytes),
        (device, 4 * MIB, needed)
    );
    assert!(inner.unwrap().source().is_none());
}

#[test]
fn nothing_is_written_past_the_end() {
    if !can_run("too small", &[]) {
        return;
    }
    let (_folder, device) = used_device();
    let target = Target::create(&device.0, &options()).unwrap();
    is_too_small(target.set_size(4 * MIB + 1), &device.0, 4 * MIB + 1);
    is_too_small(target.write_at(4 * MIB - 1, b"ab"), &device.0, 4 * MIB + 1);
    is_too_small(target.write_zeroes(1, u64::MAX), &device.0, u64::MAX);
    assert_eq!(device.bytes(0, HEAD), vec![0xee; HEAD]);
    target.set_size(4 * MIB).unwrap();
    let past = target.read_at(4 * MIB - 1, &mut [0; 2]).unwrap_err();
    assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn a_device_is_overwritten_by_force_alone_and_by_one_at_a_time() {
    if !can_run("force", &[]) {
        return;
    }
    let (_folder, device) = used_device();
    for in_place in [false, true] {
        let unforced = TargetOptions {
            in_place,
            ..TargetOptions::default()
        };
        let error = Target::create(&device.0, &unforced).unwrap_err();
        assert!(matches!(error, Error::Exists { .. }), "{error:?}");
    }
    let first = Target::create(&device.0, &options()).unwrap();
    let error = Target::create(&device.0, &options()).unwrap_err();
    assert!(
        matches!(
            error,
            Error::InUse {
                by: InUse::Exclusive,
                ..
            }
        ),
        "{error:?}"
    );
    drop(first);
    Target::create(&device.0, &options()).unwrap();
}

#[test]
fn a_disk_and_its_partitions_share_their_bytes() {
    if !can_run("partitions as sources", &["addpart"]) {
        return;
    }
    let (_folder, device) = used_device();
    let [first, second] = [("1", "2048"), ("2", "4096")]
        .map(|(number, sector)| device.add_partition(number, sector, "1024"));
    for (target, source, is_same) in [
        (&device.0, &first.path, true),
        (&first.path, &device.0, true),
        (&first.path, &second.path, false),
    ] {
        let sources = vec![Disk::open(source).unwrap().identity()];
        let options = TargetOptions {
            sources,
            ..options()
        };
        match Target::create(target, &options) {
            Ok(_) => assert!(!is_same),
            Err(Error::SameFile { .. }) => assert!(is_same),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn a_device_that_shows_a_source_is_that_source() {
    if !can_run("loop over a source", &[]) {
        return;
    }
    let (_folder, path) = file_of_zeros(MIB);
    let device = Loop::over(&path, &[]);
    let over = |source: &Path| {
        let sources = vec![Disk::open(source).unwrap().identity()];
        let options = TargetOptions {
            sources,
            ..options()
        };
        Target::create(&device.0, &options)
    };
    for source in [&path, &device.0] {
        let error = over(source).unwrap_err();
        assert!(matches!(error, Error::SameFile { .. }), "{error:?}");
    }
    let disk = Disk::open(&device.0).unwrap();
    assert!(disk.is_device());
    assert_eq!(
        (disk.size(), disk.next_data(5).unwrap()),
        (MIB, Some(5..MIB))
    );
    assert_eq!(disk.stamp().unwrap(), disk.stamp().unwrap());
}
