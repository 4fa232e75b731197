//! Free space of filesystems.

use std::path::Path;

use crate::Error;

/// Returns how many bytes the filesystem at `path` has free for this process.
///
/// A filesystem that compresses or allocates late may hold more, and with quotas it may
/// hold less.
///
/// # Errors
///
/// [`Error::Io`] if the system refuses.
pub fn free_bytes(path: impl AsRef<Path>) -> Result<u64, Error> {
    let path = path.as_ref();
    let found =
        rustix::fs::statvfs(path).map_err(|errno| Error::io(path, "examined")(errno.into()))?;
    Ok(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_has_some_and_what_is_missing_is_told() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_bytes(folder.path()).unwrap() > 0);
        assert!(free_bytes(folder.path().join("missing")).is_err());
    }
}
