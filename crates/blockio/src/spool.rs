//! Scratch space that is too large for memory.

use std::fs::File;
use std::io;
use std::ops::Range;

use crate::target::FileStore;
use crate::{ReadAt, WriteAt};

/// A file without a name in the system's folder for temporary files, which the
/// environment may choose as `TMPDIR`. It starts empty, takes no room where
/// nothing was written, and is gone when it is dropped.
#[derive(Debug)]
pub struct Spool(FileStore);

impl Spool {
    /// An empty spool.
    ///
    /// # Errors
    ///
    /// Whatever the system reports where no file can be made.
    pub fn new() -> io::Result<Self> {
        Ok(Self(FileStore::new(tempfile::tempfile()?, 0, true)))
    }
}

impl ReadAt for Spool {
    fn size(&self) -> u64 {
        self.0.size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.0.read_at(offset, buf)
    }
    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        self.0.next_data(from)
    }
    fn as_file(&self) -> Option<&File> {
        self.0.as_file()
    }
}

impl WriteAt for Spool {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.0.write_at(offset, bytes)
    }
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        self.0.write_zeroes(offset, length)
    }
    fn share_at(
        &self,
        offset: u64,
        source: &File,
        source_offset: u64,
        length: u64,
    ) -> io::Result<()> {
        self.0.share_at(offset, source, source_offset, length)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.0.set_size(size)
    }
    fn starts_zeroed(&self) -> bool {
        self.0.starts_zeroed()
    }
    fn sync(&self) -> io::Result<()> {
        self.0.sync()
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_spool_starts_empty_and_takes_what_is_written() {
        let spool = Spool::new().unwrap();
        assert_eq!((spool.size(), spool.starts_zeroed()), (0, true));
        assert_eq!(spool.as_file().unwrap().metadata().unwrap().nlink(), 0);
        let far = 1 << 40;
        spool.write_at(far, b"far").unwrap();
        let mut read = [9; 5];
        spool.read_at(far - 2, &mut read).unwrap();
        assert_eq!((&read, spool.size()), (b"\0\0far", far + 3));
        spool.write_zeroes(far, 1).unwrap();
        spool.read_at(far - 2, &mut read).unwrap();
        assert_eq!(&read, b"\0\0\0ar");
        let data = spool.next_data(0).unwrap().unwrap();
        assert!(data.start > 0 && data.end == spool.size(), "{data:?}");
        spool.set_size(1).unwrap();
        assert_eq!(spool.size(), 1);
        spool.sync().unwrap();
    }
}
