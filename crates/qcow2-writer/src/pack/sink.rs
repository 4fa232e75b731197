//! A target for images that nobody wants, but for their length.

use std::io;

use blockio::{ReadAt, WriteAt};

/// A target that keeps nothing, and reads as zeros.
pub(crate) struct Sink;

impl ReadAt for Sink {
    fn size(&self) -> u64 {
        u64::MAX
    }

    fn read_at(&self, _: u64, buf: &mut [u8]) -> io::Result<()> {
        // What is read back are L2 tables, to count the streams in a cluster, which
        // changes no length.
        buf.fill(0);
        Ok(())
    }
}

impl WriteAt for Sink {
    fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
        Ok(())
    }

    fn write_zeroes(&self, _: u64, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn set_size(&self, _: u64) -> io::Result<()> {
        Ok(())
    }

    fn starts_zeroed(&self) -> bool {
        true
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}
