use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use blockio::ReadAt;
use tempfile::NamedTempFile;

use super::*;
use crate::in_use::{self, InUse};

const UNIT: u64 = 4096;

/// A file of eight units without a hole, as its file system stores it.
fn full() -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(&[7; 8 * 4096]).unwrap();
    file.as_file().sync_all().unwrap();
    file
}

#[test]
fn a_range_is_given_back_and_nothing_else() {
    let file = full();
    let in_place = InPlace::open(file.path(), GiveBack::Zeroed).unwrap();
    assert!(in_place.unit_bytes().is_power_of_two());
    let before = allocated_bytes(in_place.disk()).unwrap().unwrap();
    in_place.punch(&(2 * UNIT..6 * UNIT)).unwrap();
    in_place.punch(&(UNIT..UNIT)).unwrap();
    in_place.check_unchanged().unwrap();
    in_place.sync().unwrap();
    let mut want = vec![7; 8 * 4096];
    want[2 * 4096..6 * 4096].fill(0);
    assert!(fs::read(file.path()).unwrap() == want);
    assert_eq!(in_place.disk().size(), 8 * UNIT);
    let after = allocated_bytes(in_place.disk()).unwrap().unwrap();
    assert!(after <= before, "{before} {after}");
    if in_place.unit_bytes() == UNIT {
        assert_eq!(before - after, 4 * UNIT);
    }

    // A part of a unit is exact, too.
    in_place.punch(&(10..20)).unwrap();
    want[10..20].fill(0);
    assert!(fs::read(file.path()).unwrap() == want);
}

#[test]
fn what_passes_the_end_is_refused() {
    let file = full();
    let in_place = InPlace::open(file.path(), GiveBack::Zeroed).unwrap();
    let error = in_place.punch(&(7 * UNIT..9 * UNIT)).unwrap_err();
    let want = format!(
        "{}: the 8192 bytes at 28672 cannot be given back",
        file.path().display()
    );
    assert_eq!(error.to_string(), want);
    assert_eq!(error.kind(), crate::ErrorKind::Io);
    assert!(fs::read(file.path()).unwrap() == vec![7; 8 * 4096]);
}

#[test]
fn no_other_program_may_have_it_open() {
    let file = full();
    let first = InPlace::open(file.path(), GiveBack::Zeroed).unwrap();
    let second = InPlace::open(file.path(), GiveBack::Zeroed).unwrap_err();
    assert!(matches!(
        second,
        Error::InUse {
            by: InUse::QemuWrites,
            ..
        }
    ));
    // Nor does it count as unused for who only reads.
    let reader = Disk::open(file.path()).unwrap();
    assert_eq!(
        in_use::source_in_use(&reader).unwrap(),
        Some(InUse::QemuWrites)
    );
    drop(first);
    InPlace::open(file.path(), GiveBack::Zeroed).unwrap();
}

#[test]
fn a_file_that_something_else_changes_is_left_alone() {
    let file = full();
    let in_place = InPlace::open(file.path(), GiveBack::Zeroed).unwrap();
    in_place.punch(&(0..UNIT)).unwrap();
    // The times of some file systems move by a few milliseconds.
    thread::sleep(Duration::from_millis(30));
    let other = OpenOptions::new().write(true).open(file.path()).unwrap();
    other.write_all_at(&[9], 5 * UNIT).unwrap();
    let path = file.path().display();
    for error in [
        in_place.punch(&(2 * UNIT..3 * UNIT)).unwrap_err(),
        in_place.check_unchanged().unwrap_err(),
    ] {
        assert_eq!(
            error.to_string(),
            format!("{path} was changed by something else")
        );
    }
    let bytes = fs::read(file.path()).unwrap();
    assert_eq!(bytes[2 * 4096..3 * 4096], [7; 4096]);
}

#[test]
fn what_cannot_be_opened_says_why() {
    let folder = tempfile::tempdir().unwrap();
    let error = InPlace::open(folder.path(), GiveBack::Zeroed).unwrap_err();
    assert!(matches!(error, Error::NotADisk { .. }));
    let missing = InPlace::open(folder.path().join("a"), GiveBack::Zeroed);
    assert!(matches!(
        missing.unwrap_err(),
        Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound
    ));
}

#[test]
fn the_unit_is_the_same_for_a_disk_that_is_only_read() {
    let file = full();
    let disk = Disk::open(file.path()).unwrap();
    let unit = punch_unit_bytes(&disk, GiveBack::Zeroed).unwrap();
    let in_place = InPlace::open(file.path(), GiveBack::Zeroed).unwrap();
    assert_eq!(in_place.unit_bytes(), unit);
}

#[test]
fn a_file_is_edited_in_place_and_by_no_one_else() {
    use blockio::WriteAt;

    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), b"old bytes").unwrap();
    let edited = EditedFile::open(file.path()).unwrap();
    assert_eq!(edited.path(), file.path());
    let refused = EditedFile::open(file.path()).unwrap_err();
    assert!(matches!(refused, Error::InUse { .. }), "{refused}");
    edited.write_at(0, b"new").unwrap();
    edited.write_at(10, b"!").unwrap();
    edited.write_zeroes(4, 2).unwrap();
    edited.sync().unwrap();
    assert_eq!(fs::read(file.path()).unwrap(), b"new \0\0tes\0!");
    edited.set_size(3).unwrap();
    assert_eq!((edited.size(), edited.starts_zeroed()), (3, false));
    drop(edited);
    assert_eq!(EditedFile::open(file.path()).unwrap().size(), 3);
}
