//! Checks how long a file can become, before anything is written.

use std::fs::File;
use std::io;

use rustix::fs::{SeekFrom, seek};
use rustix::process::{Resource, getrlimit};

/// The largest offset that the kernel knows.
const OFFSET_MAX: u64 = i64::MAX.unsigned_abs();

/// Why a file cannot become as long as it must.
#[derive(Debug, thiserror::Error)]
enum TooLong {
    #[error("the file system allows no file longer than {max} bytes")]
    FileSystem { max: u64 },
    #[error("this process may not write a file longer than {max} bytes (ulimit -f)")]
    Process { max: u64 },
}

/// Fails if `file` cannot become `size` bytes long; changes nothing.
///
/// The kernel refuses to seek past the end of the longest file of the file
/// system. Setting the length and resetting it would be as exact, but some file systems
/// without holes (FAT, exFAT) would write all the zeros. A file system in user
/// space does not report its limit, and fails when the length is set.
pub(super) fn check(file: &File, size: u64) -> io::Result<()> {
    let refused = |why: TooLong| io::Error::new(io::ErrorKind::FileTooLarge, why);
    if let Some(max) = getrlimit(Resource::Fsize).current
        && size > max
    {
        return Err(refused(TooLong::Process { max }));
    }
    if allows(file, size) {
        return Ok(());
    }
    let max = longest(file, size);
    Err(refused(TooLong::FileSystem { max }))
}

/// Returns whether the file system of `file` allows files of `size` bytes.
fn allows(file: &File, size: u64) -> bool {
    size <= OFFSET_MAX && seek(file, SeekFrom::Start(size)).is_ok()
}

/// Returns the longest that `file` can become, which is less than `size`.
fn longest(file: &File, size: u64) -> u64 {
    let (mut allowed, mut refused) = (0, size);
    while refused - allowed > 1 {
        let middle = allowed + (refused - allowed) / 2;
        if allows(file, middle) {
            allowed = middle;
        } else {
            refused = middle;
        }
    }
    allowed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_file_can_hold_is_refused_and_the_most_is_told() {
        let file = tempfile::tempfile().unwrap();
        check(&file, 0).unwrap();
        check(&file, 1 << 30).unwrap();
        let error = check(&file, u64::MAX).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        let max = longest(&file, u64::MAX);
        let said = format!("the file system allows no file longer than {max} bytes");
        assert_eq!(error.to_string(), said);
        check(&file, max).unwrap();
        assert!(check(&file, max + 1).is_err());
        // As exact as the length itself.
        assert!(file.set_len(max + 1).is_err());
        file.set_len(max).unwrap();
        assert_eq!(file.metadata().unwrap().len(), max);
    }
}
