//! QEMU's image locks.
//!
//! A QEMU program that has a permission on an image holds a shared lock on one byte of
//! the file, at [`HELD`] plus the number of the permission. A program that does not
//! tolerate the permission in others locks the byte at [`NOT_SHARED`] plus that number.
//! The bytes need not exist.

use std::fs::File;
use std::io;

use nix::fcntl::{FcntlArg, fcntl};
use nix::libc;

use super::user::{InUse, Purpose};

/// Offset of the byte for permission 0 (to read what is consistent), held.
const HELD: i64 = 100;
/// Offset of the byte for permission 0, denied to others.
const NOT_SHARED: i64 = 200;
/// The number of the permission to write.
const WRITE: i64 = 1;
/// An upper bound on the number of permissions.
const PERMISSIONS: i64 = 64;

/// Returns what holds a lock that forbids the `purpose`.
pub(super) fn held(file: &File, purpose: Purpose) -> io::Result<Option<InUse>> {
    if is_locked(file, HELD + WRITE, 1)? {
        return Ok(Some(InUse::QemuWrites));
    }
    if purpose == Purpose::Read {
        // A program that forbids reading is in the middle of a change.
        return Ok(is_locked(file, NOT_SHARED, 1)?.then_some(InUse::QemuWrites));
    }
    let used = is_locked(file, HELD, PERMISSIONS)? || is_locked(file, NOT_SHARED, PERMISSIONS)?;
    Ok(used.then_some(InUse::QemuReads))
}

/// Locks `file` until it is closed, so that a program that honors QEMU's locks neither
/// reads nor writes it. Returns `false` if one has it open.
///
/// Two such locks exclude each other, which makes this an answer that no other program
/// can overtake.
pub(crate) fn take(file: &File) -> io::Result<bool> {
    let lock = exclusive(HELD, NOT_SHARED + PERMISSIONS - HELD)?;
    match fcntl(file, FcntlArg::F_OFD_SETLK(&lock)) {
        Ok(_) => Ok(true),
        Err(nix::Error::EAGAIN | nix::Error::EACCES) => Ok(false),
        Err(error) if has_none(error) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// Returns whether `error` means that the file system has no locks, so that none can be
/// held.
fn has_none(error: nix::Error) -> bool {
    use nix::Error as E;
    matches!(error, E::EINVAL | E::ENOLCK | E::EOPNOTSUPP | E::ENOSYS)
}

/// Returns the description of an exclusive lock on `length` bytes at `offset`.
fn exclusive(offset: i64, length: i64) -> io::Result<libc::flock> {
    let constant = |value| libc::c_short::try_from(value).map_err(io::Error::other);
    Ok(libc::flock {
        l_type: constant(libc::F_WRLCK)?,
        l_whence: constant(libc::SEEK_SET)?,
        l_start: offset,
        l_len: length,
        l_pid: 0,
    })
}

/// Returns whether another process holds a lock on one of `length` bytes at `offset`. A
/// shared lock on the whole file is not one of QEMU's.
fn is_locked(file: &File, offset: i64, length: i64) -> io::Result<bool> {
    let mut query = exclusive(offset, length)?;
    match fcntl(file, FcntlArg::F_OFD_GETLK(&mut query)) {
        Ok(_) => {}
        Err(error) if has_none(error) => return Ok(false),
        Err(error) => return Err(error.into()),
    }
    let is_shared = i32::from(query.l_type) == libc::F_RDLCK;
    let is_locked = i32::from(query.l_type) != libc::F_UNLCK;
    Ok(is_locked && !(is_shared && query.l_start < HELD))
}

#[cfg(test)]
mod tests {
    use tempfile::NamedTempFile;

    use super::*;

    /// A lock of type `kind` on `length` bytes at `offset`, held by another
    /// open file, and who is seen by a reader and by a writer.
    #[track_caller]
    fn seen(kind: i32, offset: i64, length: i64) -> (Option<InUse>, Option<InUse>) {
        let file = NamedTempFile::new().unwrap();
        let holder = file.reopen().unwrap();
        let lock = libc::flock {
            l_type: kind.try_into().unwrap(),
            l_whence: 0,
            l_start: offset,
            l_len: length,
            l_pid: 0,
        };
        fcntl(&holder, FcntlArg::F_OFD_SETLK(&lock)).unwrap();
        let file = file.as_file();
        (
            held(file, Purpose::Read).unwrap(),
            held(file, Purpose::Write).unwrap(),
        )
    }

    #[test]
    fn the_bytes_mean_what_they_mean_to_qemu() {
        let writes = || (Some(InUse::QemuWrites), Some(InUse::QemuWrites));
        let reads = (None, Some(InUse::QemuReads));
        assert_eq!(seen(libc::F_RDLCK, 100, 1), reads);
        assert_eq!(seen(libc::F_RDLCK, 101, 1), writes());
        assert_eq!(seen(libc::F_RDLCK, 100, 4), writes());
        // To read is shared by all but one who changes the content at once.
        assert_eq!(
            seen(libc::F_RDLCK, 200, 1),
            (Some(InUse::QemuWrites), Some(InUse::QemuReads))
        );
        assert_eq!(seen(libc::F_RDLCK, 201, 1), reads);
        assert_eq!(seen(libc::F_RDLCK, 0, 100), (None, None));
        // On the whole file: of a reader, and of a writer.
        assert_eq!(seen(libc::F_RDLCK, 0, 0), (None, None));
        assert_eq!(seen(libc::F_WRLCK, 0, 0), writes());
    }

    #[test]
    fn a_lock_excludes_others_and_is_taken_for_a_writer() {
        let file = NamedTempFile::new().unwrap();
        let other = file.reopen().unwrap();
        assert!(take(file.as_file()).unwrap());
        assert!(take(file.as_file()).unwrap(), "it is ours already");
        assert!(!take(&other).unwrap());
        for purpose in [Purpose::Read, Purpose::Write] {
            assert_eq!(held(file.as_file(), purpose).unwrap(), None);
            assert_eq!(held(&other, purpose).unwrap(), Some(InUse::QemuWrites));
        }
        drop(file);
        assert!(take(&other).unwrap());
    }

    #[test]
    fn our_own_locks_do_not_count() {
        let file = NamedTempFile::new().unwrap();
        let lock = libc::flock {
            l_type: libc::F_WRLCK.try_into().unwrap(),
            l_whence: 0,
            l_start: 0,
            l_len: 0,
            l_pid: 0,
        };
        fcntl(&file, FcntlArg::F_OFD_SETLK(&lock)).unwrap();
        assert_eq!(held(file.as_file(), Purpose::Write).unwrap(), None);
    }
}
