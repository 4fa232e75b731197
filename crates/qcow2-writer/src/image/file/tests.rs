use super::*;
use blockio::{MemoryDisk, ReadAt, WriteAt};
use std::io;
use std::sync::Mutex;

/// A store that notes where it is written.
#[derive(Default)]
struct Noting {
    disk: MemoryDisk,
    starts_zeroed: bool,
    writes: Mutex<Vec<(u64, usize)>>,
}

impl ReadAt for Noting {
    fn size(&self) -> u64 {
        self.disk.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.disk.read_at(offset, buf)
    }
}

impl WriteAt for Noting {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.writes.lock().unwrap().push((offset, bytes.len()));
        self.disk.write_at(offset, bytes)
    }
    fn write_zeroes(&self, _: u64, _: u64) -> io::Result<()> {
        unreachable!()
    }
    fn set_size(&self, _: u64) -> io::Result<()> {
        unreachable!()
    }
    fn starts_zeroed(&self) -> bool {
        self.starts_zeroed
    }
    fn sync(&self) -> io::Result<()> {
        unreachable!()
    }
}

/// What a store, which `starts_zeroed` or not, sees of `job`.
fn writes(
    starts_zeroed: bool,
    job: impl Fn(&mut Gather, &ImageFile<&Noting>) -> Result<(), Error>,
) -> (Vec<(u64, usize)>, Vec<u8>) {
    let store = Noting {
        starts_zeroed,
        ..Noting::default()
    };
    let (mut gather, file) = (Gather::new("data"), ImageFile::new(&store));
    job(&mut gather, &file).unwrap();
    gather.flush(&file).unwrap();
    (store.writes.into_inner().unwrap(), store.disk.into_bytes())
}

#[test]
fn what_follows_is_written_at_once_in_large_pieces() {
    let (writes, bytes) = writes(true, |gather, file| {
        for index in 0..160 {
            gather.write(HostOffset(index * 7000), &[1; 7000], file)?;
        }
        Ok(())
    });
    assert!(bytes.iter().all(|byte| *byte == 1));
    let piece = 512 << 10;
    assert_eq!(
        writes,
        [
            (0, piece),
            (0x8_0000, piece),
            (0x10_0000, 160 * 7000 - 2 * piece)
        ]
    );
}

#[test]
fn what_is_gathered_can_be_changed() {
    let job = |gather: &mut Gather, file: &ImageFile<&Noting>| {
        gather.write(HostOffset(10), b"abc", file)?;
        gather.write_zeroes(HostOffset(13), 3, file)?;
        gather.write(HostOffset(16), b"def", file)?;
        gather.write(HostOffset(13), b"xy", file)?;
        gather.write(HostOffset(19), b"g", file)?;
        gather.flush(file)?;
        // Now it is too late.
        gather.write(HostOffset(15), b"z", file)?;
        gather.write(HostOffset(20), b"h", file)
    };
    let (writes, bytes) = writes(true, job);
    assert_eq!(bytes[10..], *b"abcxyzdefgh");
    assert_eq!(writes, [(10, 10), (15, 1), (20, 1)]);
}

#[test]
fn zeros_are_holes_where_nothing_else_can_be() {
    let job = |gather: &mut Gather, file: &ImageFile<&Noting>| {
        gather.write(HostOffset(512), b"a", file)?;
        gather.write_zeroes(HostOffset(513), 600 << 10, file)
    };
    let rest = (600 << 10) + 1 - (512 << 10);
    assert_eq!(writes(true, job).0, [(512, 4096)]);
    assert_eq!(writes(false, job).0, [(512, 512 << 10), (0x8_0200, rest)]);
}

#[test]
fn what_was_written_is_not_written_again() {
    let store = Noting::default();
    let (mut gather, file) = (Gather::new("data"), ImageFile::new(&store));
    gather.write(HostOffset(10), b"abc", &file).unwrap();
    gather.write_zeroes(HostOffset(13), 5, &file).unwrap();
    let refused = |result: Result<(), Error>, offset: u64| {
        let error = result.unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "internal error: data starts at host offset {offset:#x}, but everything before 0x12 is written"
            )
        );
    };
    refused(gather.write(HostOffset(12), b"x", &file), 12);
    refused(gather.write(HostOffset(12), b"xyz", &file), 12);
    refused(gather.write(HostOffset(16), b"xyz", &file), 16);
    refused(gather.write_zeroes(HostOffset(15), 9, &file), 15);
    gather.write(HostOffset(13), b"de", &file).unwrap();
    refused(gather.write(HostOffset(14), b"x", &file), 14);
    gather.write(HostOffset(15), b"f", &file).unwrap();
    gather.flush(&file).unwrap();
    assert!(store.disk.into_bytes() == b"\0\0\0\0\0\0\0\0\0\0abcdef\0\0");
}
