//! Writes to a pipe.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::fs::{OFlags, SeekFrom, fcntl_getfl, seek};

use blockio::{WriteAt, len_u64};

/// Zeros written at once.
static ZEROS: [u8; 1 << 16] = [0; 1 << 16];

/// A pipe that is written by offset, in ascending order.
///
/// Ranges that are skipped become zeros, or holes if standard output is a new file.
#[derive(Debug)]
pub struct StreamTarget<W>(Mutex<Stream<W>>);

#[derive(Debug)]
struct Stream<W> {
    writer: W,
    /// Bytes written so far, which is the offset of the next byte.
    position: u64,
    /// The file that is written, if skipped ranges of it read as zeros. It shares its
    /// position with the writer.
    sparse: Option<File>,
}

impl StreamTarget<File> {
    /// Returns standard output without the buffer of [`io::stdout`], which is flushed at
    /// the end of the process without reporting errors.
    ///
    /// # Errors
    ///
    /// Any error of the system, if there is no standard output.
    pub fn stdout() -> io::Result<Self> {
        let stdout = File::from(io::stdout().as_fd().try_clone_to_owned()?);
        let sparse = is_new_file(&stdout)?.then(|| stdout.try_clone());
        Ok(Self(Mutex::new(Stream {
            sparse: sparse.transpose()?,
            writer: stdout,
            position: 0,
        })))
    }
}

/// Returns whether ranges skipped in `file` read as zeros: it is an empty regular file
/// at its start. In append mode nothing can be skipped.
fn is_new_file(file: &File) -> io::Result<bool> {
    let metadata = file.metadata()?;
    Ok(metadata.is_file()
        && metadata.len() == 0
        && seek(file, SeekFrom::Current(0))? == 0
        && !fcntl_getfl(file)?.contains(OFlags::APPEND))
}

impl<W: Write> StreamTarget<W> {
    /// Returns a stream whose first byte is the next one of `writer`. The writer
    /// should have no buffer: writes are as large as those of the caller.
    pub fn new(writer: W) -> Self {
        Self(Mutex::new(Stream {
            writer,
            position: 0,
            sparse: None,
        }))
    }

    /// Returns the writer, without flushing it.
    #[must_use]
    pub fn into_inner(self) -> W {
        let stream = self.0.into_inner();
        stream.unwrap_or_else(PoisonError::into_inner).writer
    }

    fn stream(&self) -> MutexGuard<'_, Stream<W>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W: Write> Stream<W> {
    /// Writes zeros up to `offset`, which must not be before the current position.
    fn advance_to(&mut self, offset: u64) -> io::Result<()> {
        let mut missing = offset.checked_sub(self.position).ok_or_else(|| {
            let message = format!(
                "a pipe cannot go back from byte {:#x} to {offset:#x}",
                self.position
            );
            io::Error::new(io::ErrorKind::Unsupported, message)
        })?;
        if let Some(file) = &self.sparse {
            let skipped = i64::try_from(missing).map_err(|_| io::ErrorKind::FileTooLarge)?;
            seek(file, SeekFrom::Current(skipped))?;
            self.position = offset;
            return Ok(());
        }
        while missing > 0 {
            let part = usize::try_from(missing).unwrap_or(usize::MAX);
            let zeros = ZEROS.get(..part).unwrap_or(&ZEROS);
            self.append(zeros)?;
            missing -= len_u64(zeros.len());
        }
        Ok(())
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.writer.write_all(bytes)?;
        self.position += len_u64(bytes.len());
        Ok(())
    }
}

impl<W: Write + Send> WriteAt for StreamTarget<W> {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let mut stream = self.stream();
        stream.advance_to(offset)?;
        stream.append(bytes)
    }

    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
        let end = offset
            .checked_add(length)
            .ok_or(io::ErrorKind::InvalidInput)?;
        if length == 0 {
            return Ok(());
        }
        let mut stream = self.stream();
        stream.advance_to(offset)?;
        stream.advance_to(end)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let mut stream = self.stream();
        stream.advance_to(size)?;
        stream
            .sparse
            .as_ref()
            .map_or(Ok(()), |file| file.set_len(size))
    }

    fn starts_zeroed(&self) -> bool {
        true
    }

    fn sync(&self) -> io::Result<()> {
        self.stream().writer.flush()
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use blockio::MemoryDisk;

    #[test]
    fn what_is_left_out_becomes_zeros() {
        let stream = StreamTarget::new(Vec::new());
        stream.write_at(2, b"ab").unwrap();
        stream.write_zeroes(5, 2).unwrap();
        stream.write_at(7, b"c").unwrap();
        stream.set_size(10).unwrap();
        assert_eq!(stream.into_inner(), b"\0\0ab\0\0\0c\0\0");
    }

    #[test]
    fn a_pipe_does_not_go_back() {
        let stream = StreamTarget::new(Vec::new());
        stream.write_at(0, b"abc").unwrap();
        for refused in [
            stream.write_at(2, b"x"),
            stream.write_zeroes(1, 4),
            stream.set_size(2),
        ] {
            let error = refused.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        }
        assert!(stream.write_zeroes(3, u64::MAX).is_err());
        assert_eq!(stream.into_inner(), b"abc");
    }

    #[test]
    fn a_failing_pipe_is_told() {
        let mut room = [0; 3];
        let stream = StreamTarget::new(room.as_mut_slice());
        stream.write_at(0, b"ab").unwrap();
        assert_eq!(
            stream.write_at(2, b"cd").unwrap_err().kind(),
            io::ErrorKind::WriteZero
        );
    }

    proptest! {
        #[test]
        fn ascending_writes_equal_those_to_a_disk(
            steps in vec((0u64..70_000, 0usize..300, any::<bool>()), 0..8),
            tail in 0u64..200_000,
        ) {
            let (stream, disk) = (StreamTarget::new(Vec::new()), MemoryDisk::default());
            let targets: [&dyn WriteAt; 2] = [&stream, &disk];
            let mut at = 0;
            for (gap, length, zero) in steps {
                at += gap;
                for target in targets {
                    if zero {
                        target.write_zeroes(at, len_u64(length)).unwrap();
                    } else {
                        target.write_at(at, &vec![0xa5; length]).unwrap();
                    }
                }
                at += len_u64(length);
            }
            for target in targets {
                target.set_size(at + tail).unwrap();
            }
            prop_assert_eq!(stream.into_inner(), disk.into_bytes());
        }
    }
}
