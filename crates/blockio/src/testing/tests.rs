use std::time::Instant;

use super::*;
use crate::MemoryDisk;

fn double() -> Double<MemoryDisk> {
    Double::new(MemoryDisk::new((0..100).collect()))
}

#[test]
fn what_is_asked_is_noted_and_done() {
    let disk = double();
    let mut bytes = [0; 3];
    disk.read_at(5, &mut bytes).unwrap();
    assert_eq!(bytes, [5, 6, 7]);
    disk.write_at(1, &[9, 9]).unwrap();
    disk.write_zeroes(2, 4).unwrap();
    disk.reserve(1000).unwrap();
    disk.set_size(50).unwrap();
    disk.sync().unwrap();
    assert_eq!(disk.next_data(7).unwrap(), Some(7..50));
    let unsupported = disk.share_at(3, &0, 4, 5).unwrap_err().kind();
    assert_eq!(unsupported, io::ErrorKind::Unsupported);
    assert_eq!(disk.read_bytes(), 3);
    let want = [
        Call::Read(5..8),
        Call::Write(1..3),
        Call::Zero(2..6),
        Call::Reserve(1000),
        Call::SetSize(50),
        Call::Sync,
        Call::NextData(7),
        Call::Share(3..8),
    ];
    assert_eq!(disk.calls(), want);
    assert_eq!(want.iter().filter(|call| call.is_change()).count(), 4);
    assert_eq!(disk.calls(), []);
    let bytes = disk.inner.into_bytes();
    assert_eq!((bytes.len(), &bytes[..7]), (50, &[0, 9, 0, 0, 0, 0, 6][..]));
}

#[test]
fn what_touches_a_bad_range_fails_as_often_as_it_is_told() {
    let disk = double().failing(10..20).failing_times(30..31, 2);
    let mut bytes = [1; 5];
    let error = disk.read_at(6, &mut bytes).unwrap_err();
    assert_eq!((error.to_string(), bytes), ("injected".into(), [0xee; 5]));
    disk.read_at(5, &mut bytes).unwrap();
    assert!(disk.write_at(19, &[0]).is_err());
    disk.write_at(20, &[0]).unwrap();
    for want in [false, false, true, true] {
        assert_eq!(disk.write_zeroes(29, 2).is_ok(), want);
    }
    disk.heal();
    disk.read_at(6, &mut bytes).unwrap();
}

#[test]
fn operations_fail_after_others() {
    let run = |disk: Double<MemoryDisk>| {
        let disk = disk.with_error(|| io::ErrorKind::StorageFull.into());
        let steps: [&dyn Fn() -> io::Result<()>; 4] = [
            &|| disk.write_at(0, &[1]),
            &|| disk.next_data(0).map(drop),
            &|| disk.sync(),
            &|| disk.read_at(0, &mut [0]),
        ];
        steps.map(|step| step().err().map(|error| error.kind()))
    };
    let full = Some(io::ErrorKind::StorageFull);
    assert_eq!(run(double().failing_after(2)), [None, None, full, full]);
    assert_eq!(
        run(double().failing_once_after(1)),
        [None, full, None, None]
    );
    assert_eq!(run(double().failing_after(4)), [None; 4]);
}

#[test]
fn what_it_says_of_itself_is_what_it_is_told() {
    let disk = double().with_data(&[2..4, 90..100]).starting_zeroed(true);
    let data = |from| disk.next_data(from).unwrap();
    assert_eq!(
        [data(0), data(3), data(4)],
        [Some(2..4), Some(3..4), Some(90..100)]
    );
    assert_eq!(data(100), None);
    disk.set_data(&[]);
    assert_eq!(data(0), None);
    let wrong = double().always_saying(9..9);
    assert_eq!(wrong.next_data(50).unwrap(), Some(9..9));
    assert!(disk.starts_zeroed());
    assert!(!double().starting_zeroed(false).starts_zeroed());
}

#[test]
fn what_may_not_be_written_can_be_read_and_synced() {
    let disk = double().read_only();
    let denied = io::ErrorKind::PermissionDenied;
    assert_eq!(disk.write_at(0, &[1]).unwrap_err().kind(), denied);
    assert_eq!(disk.write_zeroes(0, 1).unwrap_err().kind(), denied);
    assert_eq!(disk.set_size(1).unwrap_err().kind(), denied);
    disk.read_at(0, &mut [0]).unwrap();
    disk.sync().unwrap();
}

#[test]
fn slow_storage_takes_its_time() {
    let start = Instant::now();
    double().slow(Duration::from_millis(20)).sync().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn a_sparse_disk_is_zero_between_its_parts() {
    let disk = Sparse::new(1 << 60).with(1 << 50, [7; 4]).with(10, [1, 2]);
    let read = |offset| {
        let mut bytes = [9; 4];
        disk.read_at(offset, &mut bytes).map(|()| bytes)
    };
    assert_eq!(read(8).unwrap(), [0, 0, 1, 2]);
    assert_eq!(read(11).unwrap(), [2, 0, 0, 0]);
    assert_eq!(read((1 << 50) + 2).unwrap(), [7, 7, 0, 0]);
    assert_eq!(read((1 << 60) - 4).unwrap(), [0; 4]);
    let error = read((1 << 60) - 3).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    let data = |from| disk.next_data(from).unwrap();
    assert_eq!(data(0), Some(10..12));
    assert_eq!(data(12), Some(1 << 50..(1 << 50) + 4));
    assert_eq!(data((1 << 50) + 4), None);
}
