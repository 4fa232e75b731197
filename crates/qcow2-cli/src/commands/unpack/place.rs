//! A part of a target, to which a disk is restored.

use std::io;
use std::ops::Range;

use blockio::{ReadAt, WriteAt, len_u64};

/// A part of a target as a target of its own. Its length cannot change.
pub(super) struct Place<T> {
    target: T,
    range: Range<u64>,
}

impl<T: ReadAt> Place<T> {
    /// Returns the `length` bytes at `start` of `target`, or why there are none.
    pub(super) fn new(target: T, start: u64, length: u64) -> Result<Self, String> {
        let size = target.size();
        match start.checked_add(length).filter(|end| *end <= size) {
            Some(end) => Ok(Self {
                target,
                range: start..end,
            }),
            None => Err(format!(
                "it is too short: it holds {size} bytes, and the disk has {length} from byte \
                 {start} on"
            )),
        }
    }
}

impl<T> Place<T> {
    /// Returns where in the target `length` bytes at `offset` are.
    fn at(&self, offset: u64, length: u64) -> io::Result<u64> {
        let start = self.range.start.checked_add(offset);
        let end = start.and_then(|start| start.checked_add(length));
        match (start, end) {
            (Some(start), Some(end)) if end <= self.range.end => Ok(start),
            _ => Err(io::Error::new(
                io::ErrorKind::StorageFull,
                "it passes the end of the disk",
            )),
        }
    }
}

impl<T: ReadAt> ReadAt for Place<T> {
    fn size(&self) -> u64 {
        self.range.end.saturating_sub(self.range.start)
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.target
            .read_at(self.at(offset, len_u64(buf.len()))?, buf)
    }
}

impl<T: WriteAt> WriteAt for Place<T> {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.target
            .write_at(self.at(offset, len_u64(bytes.len()))?, bytes)
    }

    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.target.write_zeroes(self.at(offset, length)?, length)
    }

    fn reserve(&self, size: u64) -> io::Result<()> {
        self.at(0, size).map(drop)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.at(0, size).map(drop)
    }

    fn starts_zeroed(&self) -> bool {
        false
    }

    fn sync(&self) -> io::Result<()> {
        self.target.sync()
    }
}

#[cfg(test)]
mod tests {
    use blockio::MemoryDisk;

    use super::*;

    #[test]
    fn nothing_outside_of_a_place_is_touched() {
        let disk = MemoryDisk::default();
        disk.write_at(0, &[7; 10]).unwrap();
        let place = Place::new(&disk, 3, 4).unwrap();
        place.set_size(4).unwrap();
        place.write_at(1, &[1, 2]).unwrap();
        place.write_zeroes(3, 1).unwrap();
        for (offset, bytes) in [(4, &[1][..]), (3, &[1, 2]), (u64::MAX, &[1])] {
            let refused = place.write_at(offset, bytes).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
            let refused = place.write_zeroes(offset, len_u64(bytes.len()));
            assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::StorageFull);
        }
        assert!(place.set_size(5).is_err());
        let mut bytes = [0; 10];
        disk.read_at(0, &mut bytes).unwrap();
        assert_eq!(bytes, [7, 7, 7, 7, 1, 2, 0, 7, 7, 7]);
    }

    #[test]
    fn a_place_lies_within_its_target() {
        let disk = vec![0; 10];
        assert!(Place::new(&disk, 10, 0).is_ok());
        for (start, length) in [(7, 4), (11, 0), (u64::MAX, 2)] {
            assert!(Place::new(&disk, start, length).is_err());
        }
    }
}
