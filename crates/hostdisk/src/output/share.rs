//! Shares blocks between files (reflink).

use std::fs::File;
use std::io;
use std::num::NonZeroU64;

use reflink_copy::ReflinkBlockBuilder;
use rustix::io::Errno;

/// Makes `length` bytes of `file` at `offset` share (reflink) the blocks of `source` at
/// `source_offset`.
///
/// The kernel accepts a range of any length, and checks all of it before it changes
/// anything.
pub(super) fn share_blocks(
    file: &File,
    offset: u64,
    source: &File,
    source_offset: u64,
    length: NonZeroU64,
) -> io::Result<()> {
    ReflinkBlockBuilder::new(source, file, length)
        .from_offset(source_offset)
        .to_offset(offset)
        .reflink_block()
        .map_err(told_apart)
}

/// Separates "cannot share these blocks" from other errors.
fn told_apart(error: io::Error) -> io::Error {
    match Errno::from_io_error(&error) {
        // In turn: no such filesystem, or no such call; two of them; not whole
        // blocks, or no regular files; swap space; forbidden to this process.
        Some(
            Errno::OPNOTSUPP
            | Errno::NOTTY
            | Errno::NOSYS
            | Errno::XDEV
            | Errno::INVAL
            | Errno::TXTBSY
            | Errno::PERM
            | Errno::ACCESS,
        ) => io::Error::new(io::ErrorKind::Unsupported, error),
        _ => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_shared_is_told_apart_from_a_failure() {
        for errno in [Errno::OPNOTSUPP, Errno::XDEV, Errno::INVAL, Errno::NOTTY] {
            let error = told_apart(errno.into());
            assert_eq!(error.kind(), io::ErrorKind::Unsupported);
            assert_eq!(error.to_string(), io::Error::from(errno).to_string());
        }
        for errno in [Errno::IO, Errno::NOSPC, Errno::DQUOT, Errno::BADF] {
            let error = told_apart(errno.into());
            assert_eq!(error.raw_os_error(), Some(errno.raw_os_error()));
        }
        assert_eq!(
            told_apart(io::ErrorKind::UnexpectedEof.into()).kind(),
            io::ErrorKind::UnexpectedEof
        );
    }

    #[test]
    fn no_blocks_are_shared_with_what_is_no_file() {
        let (file, pipe) = (
            tempfile::tempfile().unwrap(),
            File::open("/dev/zero").unwrap(),
        );
        let error = share_blocks(&file, 0, &pipe, 0, NonZeroU64::MIN).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::Unsupported);
        assert_eq!(file.metadata().unwrap().len(), 0);
    }
}
