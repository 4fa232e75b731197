//! Zeroes bytes of a file or device.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, retry_on_intr};

use blockio::len_u64;

/// Zeros to write at once.
static ZEROS: [u8; 1 << 18] = [0; 1 << 18];

/// Calls fallocate with `flags` on `length` bytes at `offset`. Returns `false` if the
/// system does not support that.
pub(super) fn try_fallocate(
    file: &File,
    flags: FallocateFlags,
    offset: u64,
    length: u64,
) -> io::Result<bool> {
    match retry_on_intr(|| fallocate(file, flags, offset, length)) {
        Ok(()) => Ok(true),
        Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::NODEV | Errno::INVAL) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes `length` zeros at `offset`.
pub(super) fn write_zero_bytes(file: &File, mut offset: u64, mut length: u64) -> io::Result<()> {
    while length > 0 {
        let part = usize::try_from(length).unwrap_or(usize::MAX);
        let zeros = ZEROS.get(..part).unwrap_or(&ZEROS);
        file.write_all_at(zeros, offset)?;
        offset += len_u64(zeros.len());
        length -= len_u64(zeros.len());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_cannot_zero_is_told_apart_from_a_failure() {
        let device = File::options().write(true).open("/dev/null").unwrap();
        let punch = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        assert!(!try_fallocate(&device, punch, 0, 1).unwrap());
        let unwritable = File::open("/dev/null").unwrap();
        assert!(try_fallocate(&unwritable, punch, 0, 1).is_err());
    }

    #[test]
    fn written_zeros_are_as_many_as_asked_for() {
        let file = tempfile::tempfile().unwrap();
        let length = ZEROS.len() * 2 + 3;
        file.write_all_at(&vec![7; length + 2], 0).unwrap();
        write_zero_bytes(&file, 1, len_u64(length)).unwrap();
        write_zero_bytes(&file, 0, 0).unwrap();
        let mut bytes = vec![9; length + 2];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes == [&[7][..], &vec![0; length], &[7]].concat());
    }
}
