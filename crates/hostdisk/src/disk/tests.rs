use std::fs::OpenOptions;
use std::os::unix::net::UnixListener;
use std::time::{Duration, SystemTime};

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::{NamedTempFile, TempDir};

use super::*;

const MIB: u64 = 1 << 20;

fn file_of(bytes: &[u8]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    file
}

#[test]
fn reads_are_exact() {
    let file = file_of(b"0123456789");
    let disk = Disk::open(file.path()).unwrap();
    assert_eq!(disk.size(), 10);
    let mut bytes = [0; 4];
    disk.read_at(6, &mut bytes).unwrap();
    assert_eq!(&bytes, b"6789");
    disk.read_at(10, &mut []).unwrap();
    for past in [7, 10, 11, u64::MAX] {
        let error = disk.read_at(past, &mut bytes).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}

#[test]
fn the_size_is_that_of_the_opening() {
    let file = file_of(b"0123");
    let disk = Disk::open(file.path()).unwrap();
    file.as_file().set_len(9).unwrap();
    assert_eq!(disk.size(), 4);
    assert!(disk.read_at(4, &mut [0]).is_err());
    file.as_file().set_len(2).unwrap();
    let cut = disk.read_at(0, &mut [0; 4]).unwrap_err();
    assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
}

#[track_caller]
fn refuses(path: &Path, expected: &str) {
    match Disk::open(path) {
        Err(Error::NotADisk { path: named, found }) => {
            assert_eq!((named.as_path(), found), (path, expected));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn only_files_and_block_devices_are_opened() {
    let folder = TempDir::new().unwrap();
    refuses(folder.path(), "a directory");
    refuses(Path::new("/dev/null"), "a character device");

    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
    refuses(&pipe, "a pipe");

    let socket = folder.path().join("socket");
    let _listener = UnixListener::bind(&socket).unwrap();
    refuses(&socket, "a socket");

    let missing = folder.path().join("missing");
    let error = Disk::open(&missing).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Io);
    let message = format!("{} cannot be opened", missing.display());
    assert_eq!(error.to_string(), message);
}

#[test]
fn holes_are_left_out() {
    let file = NamedTempFile::new().unwrap();
    file.as_file().write_all_at(&[1; 4096], MIB).unwrap();
    file.as_file().write_all_at(&[1; 4096], 3 * MIB).unwrap();
    file.as_file().set_len(8 * MIB).unwrap();
    let disk = Disk::open(file.path()).unwrap();

    let (mut at, mut data) = (0, 0);
    let mut covered = Vec::new();
    while let Some(run) = disk.next_data(at).unwrap() {
        assert!(at <= run.start && run.start < run.end && run.end <= disk.size());
        (at, data) = (run.end, data + run.end - run.start);
        covered.push(run);
    }
    for needed in [MIB..MIB + 4096, 3 * MIB..3 * MIB + 4096] {
        assert!(
            covered
                .iter()
                .any(|run| run.start <= needed.start && needed.end <= run.end),
            "{needed:?} is not in {covered:?}"
        );
    }
    assert!(data < 8 * MIB, "the filesystem below keeps no holes");
    assert_eq!(disk.next_data(8 * MIB).unwrap(), None);
    assert_eq!(disk.next_data(u64::MAX).unwrap(), None);

    assert_eq!(disk.uncached().next_data(5).unwrap(), Some(5..8 * MIB));
}

#[test]
fn a_file_that_was_cut_does_not_read_as_zeros() {
    let file = file_of(&[1; 8192]);
    let disk = Disk::open(file.path()).unwrap();
    file.as_file().set_len(4096).unwrap();
    assert_eq!(disk.next_data(4096).unwrap(), Some(4096..8192));
}

#[test]
fn the_uncached_view_reads_the_same() {
    let bytes: Vec<u8> = (0..=250).cycle().take(100_000).collect();
    let file = file_of(&bytes);
    file.as_file().sync_all().unwrap();
    let disk = Disk::open(file.path()).unwrap();
    let view = disk.uncached();
    let mut read = vec![0; bytes.len()];
    view.read_at(0, &mut read).unwrap();
    assert_eq!(read, bytes);
    view.read_at(99_990, &mut read[..10]).unwrap();
    assert_eq!(read[..10], bytes[99_990..]);
    let error = view.read_at(99_991, &mut read[..10]).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
}

#[test]
fn all_names_of_a_file_are_one_identity() {
    let folder = TempDir::new().unwrap();
    let path = |name| folder.path().join(name);
    fs::write(path("a"), "1").unwrap();
    fs::write(path("other"), "1").unwrap();
    fs::hard_link(path("a"), path("hard")).unwrap();
    std::os::unix::fs::symlink("a", path("soft")).unwrap();
    let identity = |name| Disk::open(path(name)).unwrap().identity();
    assert_eq!(identity("a"), identity("hard"));
    assert_eq!(identity("a"), identity("soft"));
    assert_ne!(identity("a"), identity("other"));
}

#[test]
fn a_stamp_tells_every_change() {
    let file = file_of(b"0123");
    let disk = Disk::open(file.path()).unwrap();
    let before = disk.stamp().unwrap();
    assert_eq!(disk.stamp().unwrap(), before);

    // Times have the granularity of the kernel's clock tick.
    std::thread::sleep(Duration::from_millis(20));
    let writer = OpenOptions::new().write(true).open(file.path()).unwrap();
    writer.write_all_at(b"x", 0).unwrap();
    let written = disk.stamp().unwrap();
    assert_ne!(written, before);

    std::thread::sleep(Duration::from_millis(20));
    let modified = SystemTime::UNIX_EPOCH;
    writer.set_modified(modified).unwrap();
    assert_ne!(disk.stamp().unwrap(), written);
}
