//! Opens files named by another file, but nothing outside its folder.

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::path::{Component, Path, PathBuf};

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use rustix::io::Errno;

use crate::disk::check_type;
use crate::{Disk, Error};

/// Opens the file or device `name`, which must stay below `folder`.
///
/// The path must be relative and must not go up, and neither must any symbolic link on
/// the way. An empty `folder` is that of the process.
///
/// # Errors
///
/// [`Error::Outside`] if the path does not stay below `folder`, and the errors of
/// [`Disk::open`]. Linux 5.6 or later is needed.
pub fn open_beneath(folder: impl AsRef<Path>, name: impl AsRef<Path>) -> Result<Disk, Error> {
    let (folder, name) = (folder.as_ref(), name.as_ref());
    let path = folder.join(name);
    let outside = || Error::Outside {
        path: path.clone(),
        folder: folder.into(),
    };
    if !goes_down(name) {
        return Err(outside());
    }
    let here = folder.as_os_str().is_empty();
    let inside = File::open(if here { Path::new(".") } else { folder });
    let inside = inside.map_err(Error::io(folder, "opened"))?;
    // Only a handle: opening the file itself may wait or have side effects.
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_MAGICLINKS;
    let handle = match openat2(&inside, name, flags, Mode::empty(), resolve) {
        Ok(handle) => File::from(handle),
        Err(Errno::XDEV | Errno::LOOP) => return Err(outside()),
        Err(errno) => return Err(Error::io(&path, "opened")(errno.into())),
    };
    let metadata = handle.metadata().map_err(Error::io(&path, "examined"))?;
    check_type(&metadata, &path)?;
    let shown = PathBuf::from(format!("/proc/self/fd/{}", handle.as_raw_fd()));
    let file = File::open(shown).map_err(Error::io(&path, "opened"))?;
    let opened = Disk::of(file, &path)?;
    if opened.identity() != crate::Identity::of(&metadata) {
        let message = "it was replaced while it was being opened";
        return Err(Error::io(&path, "opened")(io::Error::other(message)));
    }
    Ok(opened)
}

/// Returns whether a path consists of plain names only.
fn goes_down(name: &Path) -> bool {
    let mut parts = name.components();
    parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
        && !name.as_os_str().is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use blockio::ReadAt;
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn what_lies_beneath_is_opened() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("images");
        fs::create_dir_all(folder.join("sub")).unwrap();
        fs::write(folder.join("sub/base"), "12345").unwrap();
        symlink("sub/base", folder.join("link")).unwrap();
        for name in ["sub/base", "./sub/./base", "link"] {
            let disk = open_beneath(&folder, name).unwrap();
            assert_eq!(disk.size(), 5, "{name}");
            let same = Disk::open(folder.join("sub/base")).unwrap();
            assert_eq!(disk.identity(), same.identity());
        }
    }

    #[test]
    fn what_does_not_is_not() {
        let top = tempfile::tempdir().unwrap();
        let folder = top.path().join("images");
        fs::create_dir_all(folder.join("sub")).unwrap();
        fs::write(top.path().join("secret"), "12345").unwrap();
        fs::write(folder.join("inside"), "12345").unwrap();
        symlink("../secret", folder.join("link")).unwrap();
        symlink("..", folder.join("up")).unwrap();
        symlink(top.path(), folder.join("absolute")).unwrap();
        symlink("around", folder.join("around")).unwrap();
        let secret = top.path().join("secret");
        for name in [
            secret.to_str().unwrap(),
            "../secret",
            "sub/../inside",
            "link",
            "up/secret",
            "absolute/secret",
            "around",
            "/proc/self/fd/0",
            "",
        ] {
            let error = open_beneath(&folder, name).unwrap_err();
            assert!(matches!(error, Error::Outside { .. }), "{name}: {error}");
        }
        let error = open_beneath(&folder, "sub").unwrap_err();
        assert!(matches!(error, Error::NotADisk { .. }), "{error}");
        let error = open_beneath(&folder, "missing").unwrap_err();
        assert!(matches!(error, Error::Io { .. }), "{error}");
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let top = tempfile::tempdir().unwrap();
        let pipe = top.path().join("pipe");
        rustix::fs::mknodat(
            rustix::fs::CWD,
            &pipe,
            rustix::fs::FileType::Fifo,
            Mode::from_raw_mode(0o600),
            0,
        )
        .unwrap();
        let error = open_beneath(top.path(), "pipe").unwrap_err();
        assert!(matches!(
            error,
            Error::NotADisk {
                found: "a pipe",
                ..
            }
        ));
    }
}
