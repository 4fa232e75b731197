//! Reads with direct I/O, which bypasses the page cache.

use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use blockio::{Handle, ReadAt, len_u64};
use rustix::fs::{Mode, OFlags};

use crate::{Error, Identity};

/// Bytes that go through a buffer of our own at once.
const BOUNCE_BYTES: usize = 512 << 10;

/// Least alignment of memory: a page.
const PAGE_BYTES: usize = 4096;

/// Block size of storage that does not report one. No common storage has larger blocks.
const BLOCK_BYTES: usize = 4096;

/// The largest logical block that is accepted: the kernel's limit.
const BLOCK_BYTES_MAX: usize = 64 << 10;

/// A disk that is read from its storage, not from the page cache (`O_DIRECT`).
///
/// The page cache of a device in use differs from its storage: it holds changes of an
/// uncommitted transaction and lacks what was written through files. Any offset and
/// length can be read. If memory, offset and length are multiples of the storage's
/// block size, the read needs no copy.
pub struct Direct {
    file: File,
    size_bytes: u64,
    /// Alignment of offsets, lengths and addresses: a power of two.
    block_bytes: usize,
    /// Buffers that wait for their next use. As many exist as there were ever readers at
    /// the same time.
    buffers: Mutex<Vec<Vec<u8>>>,
}

impl Direct {
    /// Opens `path` again, which must have this `identity` and the size `size_bytes`.
    /// `sector_bytes` is the sector size of a device.
    pub(crate) fn open(
        path: &Path,
        identity: Identity,
        size_bytes: u64,
        sector_bytes: Option<u64>,
    ) -> Result<Self, Error> {
        let refused = Error::io(path, "opened for direct I/O");
        let flags = OFlags::RDONLY | OFlags::DIRECT | OFlags::CLOEXEC;
        let file = match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(error) => return Err(refused(error.into())),
        };
        let metadata = file.metadata().map_err(Error::io(path, "examined"))?;
        if Identity::of(&metadata) != identity {
            return Err(refused(io::Error::other(
                "it was replaced while it was being opened",
            )));
        }
        Ok(Self {
            block_bytes: block_bytes(sector_bytes, path)?,
            size_bytes,
            file,
            buffers: Mutex::default(),
        })
    }

    /// Returns whether the kernel can read into `buf` directly.
    fn is_aligned(&self, offset: u64, buf: &[u8]) -> bool {
        let block = len_u64(self.block_bytes);
        offset.is_multiple_of(block)
            && buf.size().is_multiple_of(block)
            && buf.as_ptr().align_offset(self.block_bytes) == 0
    }

    /// Reads into `buf` through an aligned buffer.
    fn bounce(&self, mut offset: u64, mut buf: &mut [u8]) -> io::Result<()> {
        let mut buffer = self.buffers().pop().unwrap_or_default();
        let alignment = self.block_bytes.max(PAGE_BYTES);
        buffer.resize(BOUNCE_BYTES + alignment, 0);
        let start = buffer.as_ptr().align_offset(alignment);
        let aligned = buffer
            .get_mut(start..start.saturating_add(BOUNCE_BYTES))
            .ok_or_else(|| io::Error::other("no aligned memory is available"))?;
        while !buf.is_empty() {
            let within = offset % len_u64(self.block_bytes);
            let skipped = usize::try_from(within).unwrap_or(0);
            let wanted = buf.len().min(BOUNCE_BYTES - skipped);
            let span = (skipped + wanted).next_multiple_of(self.block_bytes);
            let blocks = aligned.get_mut(..span).unwrap_or_default();
            self.fill(offset - within, blocks, skipped + wanted)?;
            let (part, rest) = buf.split_at_mut(wanted);
            let read = blocks.get(skipped..skipped + wanted);
            part.copy_from_slice(read.unwrap_or_default());
            buf = rest;
            offset += len_u64(wanted);
        }
        self.buffers().push(buffer);
        Ok(())
    }

    /// Reads whole blocks at `offset` into `blocks`. The first `needed` bytes must
    /// exist, since the last block of a file may be short.
    fn fill(&self, offset: u64, blocks: &mut [u8], needed: usize) -> io::Result<()> {
        let mut filled = 0;
        while filled < needed {
            let rest = blocks.get_mut(filled..).unwrap_or_default();
            let count = match self.file.read_at(rest, offset + len_u64(filled)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                result => result?,
            };
            if filled + count >= needed {
                return Ok(());
            }
            // The next read must start at a block again.
            let whole = count - count % self.block_bytes;
            if whole == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            filled += whole;
        }
        Ok(())
    }

    fn buffers(&self) -> MutexGuard<'_, Vec<Vec<u8>>> {
        self.buffers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the alignment of direct reads, for a device with such sectors or a file.
fn block_bytes(sector_bytes: Option<u64>, path: &Path) -> Result<usize, Error> {
    let Some(told) = sector_bytes else {
        return Ok(BLOCK_BYTES);
    };
    let told = usize::try_from(told).unwrap_or(usize::MAX);
    if told.is_power_of_two() && told <= BLOCK_BYTES_MAX {
        return Ok(told);
    }
    let message = format!("its logical blocks of {told} bytes are not supported");
    Err(Error::io(path, "opened for direct I/O")(io::Error::other(
        message,
    )))
}

impl ReadAt for Direct {
    fn size(&self) -> u64 {
        self.size_bytes
    }

    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buf.size());
        if end.is_none_or(|end| end > self.size_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        if self.is_aligned(offset, buf) {
            return self.fill(offset, buf, buf.len());
        }
        self.bounce(offset, buf)
    }

    fn handle(&self) -> Option<&Handle> {
        Some(&self.file)
    }
}

impl fmt::Debug for Direct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Direct")
            .field("file", &self.file)
            .field("block_bytes", &self.block_bytes)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::thread;

    use proptest::prelude::*;
    use tempfile::TempDir;

    use super::*;
    use crate::Disk;

    /// A file of so many bytes, no two blocks alike, past the page cache; `None`
    /// where the folder for temporary files cannot be read so.
    fn opened(length: usize) -> Option<(TempDir, Vec<u8>, Direct)> {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("disk");
        let bytes: Vec<u8> = (0..length)
            .map(|at| (at ^ at >> 8 ^ at >> 16).to_le_bytes()[0])
            .collect();
        fs::write(&path, &bytes).unwrap();
        match Disk::open(&path).unwrap().direct() {
            Ok(direct) => Some((folder, bytes, direct)),
            Err(error) => {
                eprintln!("SKIPPED: direct reads: {error}");
                None
            }
        }
    }

    #[test]
    fn any_part_can_be_read_and_none_behind_the_end() {
        const LENGTH: usize = 2 * BOUNCE_BYTES + 777;
        let Some((_folder, bytes, direct)) = opened(LENGTH) else {
            return;
        };
        assert_eq!(direct.size(), len_u64(LENGTH));
        for (offset, length) in [
            (0, LENGTH),
            (1, LENGTH - 1),
            (LENGTH - 1, 1),
            (0, 0),
            (LENGTH, 0),
            (4095, 2),
            (BOUNCE_BYTES - 1, BOUNCE_BYTES + 2),
        ] {
            let mut read = vec![9; length];
            direct.read_at(len_u64(offset), &mut read).unwrap();
            assert!(read == bytes[offset..offset + length], "{offset} {length}");
        }
        for (offset, length) in [(LENGTH, 1), (LENGTH - 1, 2), (usize::MAX, 2)] {
            let error = direct.read_at(len_u64(offset), &mut vec![0; length]);
            let kind = error.unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn a_file_that_was_cut_is_an_end_and_not_zeros() {
        let Some((folder, _, direct)) = opened(100_000) else {
            return;
        };
        let file = File::options()
            .write(true)
            .open(folder.path().join("disk"))
            .unwrap();
        file.set_len(50_000).unwrap();
        direct.read_at(49_999, &mut [0]).unwrap();
        for (offset, length) in [(49_999, 2), (60_000, 1), (0, 100_000)] {
            let error = direct.read_at(offset, &mut vec![0; length]);
            let kind = error.unwrap_err().kind();
            assert_eq!(kind, io::ErrorKind::UnexpectedEof);
        }
    }

    #[test]
    fn buffers_are_used_again() {
        let Some((_folder, bytes, direct)) = opened(100_000) else {
            return;
        };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for offset in 0..200usize {
                        let mut read = [0; 999];
                        direct.read_at(len_u64(offset * 7), &mut read).unwrap();
                        assert_eq!(read[..], bytes[offset * 7..offset * 7 + 999]);
                    }
                });
            }
        });
        let waiting = direct.buffers().len();
        assert!((1..=4).contains(&waiting), "{waiting}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]
        #[test]
        fn what_is_read_is_what_is_there(
            offset in 0usize..90_000,
            length in 0usize..10_000,
            shift in 0usize..5000,
        ) {
            let Some((_folder, bytes, direct)) = opened(100_000) else {
                return Ok(());
            };
            let mut memory = vec![0; shift + length];
            direct.read_at(len_u64(offset), &mut memory[shift..]).unwrap();
            prop_assert!(memory[shift..] == bytes[offset..offset + length]);
        }
    }
}
