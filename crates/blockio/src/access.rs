//! Exact reads and writes at an offset: no cursor, no short transfers.

use std::any::Any;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// An object of the system that holds some bytes, such as an open file.
///
/// Only code that knows the system can tell what it is; see [`ReadAt::handle`].
pub type Handle = dyn Any + Send + Sync;

/// Bytes addressed by offset.
pub trait ReadAt: Send + Sync {
    /// Length in bytes.
    fn size(&self) -> u64;

    /// Fills `buf` with the bytes at `offset`, or fails; never short.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] if the range passes the end, and
    /// whatever the storage below reports.
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()>;

    /// Returns the first run of bytes at or after `from` that may hold anything but
    /// zeros, or `None` if only zeros follow up to the end.
    ///
    /// This is a hint for speed that must err towards data: a range it leaves
    /// out reads as zeros. It may take time that grows with the length of the run, so
    /// code that walks through storage asks through [`Holes`](crate::Holes).
    ///
    /// # Errors
    ///
    /// Whatever the storage below reports.
    fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
        let end = self.size();
        Ok((from < end).then_some(from..end))
    }

    /// Returns the system's handle to these bytes, if it has one with the same
    /// offsets. Only [`WriteAt::share_at`] uses it.
    fn handle(&self) -> Option<&Handle> {
        None
    }
}

/// Storage to which bytes can be written by offset.
pub trait WriteAt: Send + Sync {
    /// Writes all of `bytes` at `offset`.
    ///
    /// # Errors
    ///
    /// Any error of the storage below; part of the bytes may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes `length` bytes at `offset` read as zeros, and frees their space if the
    /// storage can.
    ///
    /// # Errors
    ///
    /// Any error of the storage below; part of the bytes may have been zeroed.
    fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()>;

    /// Fails early if the storage cannot hold `size` bytes; changes nothing.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::StorageFull`] if the storage has a fixed size below
    /// `size`, such as a block device, [`io::ErrorKind::FileTooLarge`] if the
    /// file system, or a limit of this process, allows no file of that length.
    fn reserve(&self, size: u64) -> io::Result<()> {
        let _ = size;
        Ok(())
    }

    /// Makes `length` bytes at `offset` share (reflink) the blocks at `source_offset` of
    /// `source`, a [`ReadAt::handle`].
    ///
    /// Both share the blocks until one of them is written to. Nothing is copied.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Unsupported`], with nothing changed, if the two cannot share
    /// these blocks: the filesystem cannot share blocks, the files are on different
    /// filesystems, the range is not whole blocks, or the handle is of another kind. Any
    /// other error of the storage below.
    fn share_at(
        &self,
        offset: u64,
        source: &Handle,
        source_offset: u64,
        length: u64,
    ) -> io::Result<()> {
        let _ = (offset, source, source_offset, length);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Sets the length to `size` bytes. A longer file is truncated; a shorter one is
    /// extended with zeros.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::StorageFull`] if the storage has a fixed size below
    /// `size`, such as a block device.
    fn set_size(&self, size: u64) -> io::Result<()>;

    /// Returns whether every byte not yet written reads as zero, as in a new file. A
    /// block device or an existing file does not promise that.
    fn starts_zeroed(&self) -> bool;

    /// Waits until everything written would survive a loss of power.
    ///
    /// # Errors
    ///
    /// Any error of the storage below; then nothing is known to be stored.
    fn sync(&self) -> io::Result<()>;
}

/// Whether an output may share blocks (reflink) with its source.
///
/// This needs a filesystem that can share blocks, such as btrfs or XFS. Nothing is
/// copied, and writes to one file do not change the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Reflink {
    /// Never: copy everything.
    #[default]
    Never,
    /// If the filesystem can; otherwise copy.
    Auto,
    /// Whenever the format allows it; fail if the filesystem cannot.
    Always,
}

/// Converts a length in memory to a length on a disk.
#[must_use]
pub fn len_u64(length: usize) -> u64 {
    // Lossless: no address has more than 64 bits.
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// Storage that can be read back while it is written.
pub trait Store: ReadAt + WriteAt {}
impl<T: ReadAt + WriteAt + ?Sized> Store for T {}

/// Implements both traits for pointers to such storage.
macro_rules! by_pointer {
    ($($pointer:ty),*) => {$(
        impl<T: ReadAt + ?Sized> ReadAt for $pointer {
            fn size(&self) -> u64 {
                (**self).size()
            }
            fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
                (**self).read_at(offset, buf)
            }
            fn next_data(&self, from: u64) -> io::Result<Option<Range<u64>>> {
                (**self).next_data(from)
            }
            fn handle(&self) -> Option<&Handle> {
                (**self).handle()
            }
        }

        impl<T: WriteAt + ?Sized> WriteAt for $pointer {
            fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
                (**self).write_at(offset, bytes)
            }
            fn write_zeroes(&self, offset: u64, length: u64) -> io::Result<()> {
                (**self).write_zeroes(offset, length)
            }
            fn reserve(&self, size: u64) -> io::Result<()> {
                (**self).reserve(size)
            }
            fn share_at(
                &self,
                offset: u64,
                source: &Handle,
                source_offset: u64,
                length: u64,
            ) -> io::Result<()> {
                (**self).share_at(offset, source, source_offset, length)
            }
            fn set_size(&self, size: u64) -> io::Result<()> {
                (**self).set_size(size)
            }
            fn starts_zeroed(&self) -> bool {
                (**self).starts_zeroed()
            }
            fn sync(&self) -> io::Result<()> {
                (**self).sync()
            }
        }
    )*};
}

by_pointer!(&T, Box<T>, Arc<T>);

impl ReadAt for [u8] {
    fn size(&self) -> u64 {
        len_u64(self.len())
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        let stored = usize::try_from(offset)
            .ok()
            .and_then(|at| self.get(at..)?.get(..buf.len()))
            .ok_or(io::ErrorKind::UnexpectedEof)?;
        buf.copy_from_slice(stored);
        Ok(())
    }
}

impl ReadAt for Vec<u8> {
    fn size(&self) -> u64 {
        self.as_slice().size()
    }
    fn read_at(&self, offset: u64, buf: &mut [u8]) -> io::Result<()> {
        self.as_slice().read_at(offset, buf)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// Storage that tells which of its methods were called.
    #[derive(Default)]
    struct Told(Mutex<Vec<&'static str>>);

    impl Told {
        fn note(&self, name: &'static str) {
            self.0.lock().unwrap().push(name);
        }
    }

    impl ReadAt for Told {
        fn size(&self) -> u64 {
            self.note("size");
            7
        }
        fn read_at(&self, _: u64, _: &mut [u8]) -> io::Result<()> {
            self.note("read_at");
            Ok(())
        }
        fn next_data(&self, _: u64) -> io::Result<Option<Range<u64>>> {
            self.note("next_data");
            Ok(Some(1..2))
        }
        fn handle(&self) -> Option<&Handle> {
            self.note("handle");
            Some(&7u8)
        }
    }

    impl WriteAt for Told {
        fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
            self.note("write_at");
            Ok(())
        }
        fn write_zeroes(&self, _: u64, _: u64) -> io::Result<()> {
            self.note("write_zeroes");
            Ok(())
        }
        fn reserve(&self, _: u64) -> io::Result<()> {
            self.note("reserve");
            Ok(())
        }
        fn share_at(&self, _: u64, _: &Handle, _: u64, _: u64) -> io::Result<()> {
            self.note("share_at");
            Ok(())
        }
        fn set_size(&self, _: u64) -> io::Result<()> {
            self.note("set_size");
            Ok(())
        }
        fn starts_zeroed(&self) -> bool {
            self.note("starts_zeroed");
            true
        }
        fn sync(&self) -> io::Result<()> {
            self.note("sync");
            Ok(())
        }
    }

    /// Calls all methods of `store`, and returns those that were told.
    fn all<S: Store>(store: &S, told: &Told) -> Vec<&'static str> {
        assert_eq!(ReadAt::size(store), 7);
        store.read_at(0, &mut []).unwrap();
        assert_eq!(store.next_data(0).unwrap(), Some(1..2));
        let handle = store.handle().unwrap();
        assert_eq!(handle.downcast_ref(), Some(&7u8));
        assert_eq!(handle.downcast_ref::<u16>(), None);
        store.share_at(0, handle, 0, 0).unwrap();
        store.write_at(0, &[]).unwrap();
        store.write_zeroes(0, 0).unwrap();
        store.reserve(0).unwrap();
        store.set_size(0).unwrap();
        assert!(store.starts_zeroed());
        store.sync().unwrap();
        std::mem::take(&mut *told.0.lock().unwrap())
    }

    #[test]
    fn what_points_to_storage_passes_everything_on() {
        let told = Arc::new(Told::default());
        let want = all(&*told, &told);
        assert_eq!(want.len(), 11);
        assert_eq!(all(&told, &told), want);
        assert_eq!(all(&&*told, &told), want);
        let boxed: Box<dyn Store> = Box::new(Arc::clone(&told));
        assert_eq!(all(&boxed, &told), want);
    }

    #[test]
    fn memory_shares_no_blocks() {
        let disk = crate::MemoryDisk::default();
        assert!(disk.handle().is_none());
        let refused = disk.share_at(0, &(), 0, 1).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::Unsupported);
    }
}
