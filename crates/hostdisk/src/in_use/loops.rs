//! Loop devices, which present files as block devices.

use std::cell::LazyCell;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::{fs, iter};

use super::mounts;
use super::user::{InUse, Purpose};
use crate::{Identity, sysfs};

/// The suffix that the kernel adds to the path of a deleted file.
const DELETED: &[u8] = b" (deleted)";

/// The unit of a block device's `size` in sysfs, in bytes, whatever its sector size.
const SYSFS_SECTOR_BYTES: u64 = 512;

/// Returns a loop device over this file of `size_bytes`, or over this block device,
/// that forbids the `purpose`.
pub(super) fn over(identity: Identity, size_bytes: u64, purpose: Purpose) -> Option<InUse> {
    let roots = LazyCell::new(other_roots);
    fs::read_dir("/sys/block")
        .ok()?
        .flatten()
        .filter(|device| device.file_name().as_bytes().starts_with(b"loop"))
        .find_map(|device| {
            let folder = device.path();
            let backing = Backing::read(&folder)?;
            if purpose == Purpose::Read && only_read(&folder) {
                return None;
            }
            let roots = iter::once_with(|| roots.iter()).flatten();
            let found = backing.find(identity, roots.map(PathBuf::as_path));
            let device = device.file_name().to_string_lossy().into_owned();
            match (found, backing.deleted) {
                (Found::Same, false) => Some(InUse::Loop { device }),
                // Network filesystems lose track of names: "deleted" may be wrong.
                (Found::Same, true) | (Found::Nowhere, false) => {
                    shows(&folder, size_bytes).then_some(InUse::PerhapsLoop { device })
                }
                (Found::Nowhere, true) | (Found::Other, _) => None,
            }
        })
}

/// Returns another loop device over the file that is behind the loop device `device`:
/// what is written to one is not seen by the users of the other.
pub(super) fn beside(device: u64) -> Option<InUse> {
    let identity = backing(device)?;
    let own = sysfs::folder_of(device)?;
    let is_own = |name: &OsStr| own.components().any(|part| part.as_os_str() == name);
    let others = fs::read_dir("/sys/block").ok()?.flatten();
    others
        .map(|device| device.file_name())
        .filter(|name| name.as_bytes().starts_with(b"loop") && !is_own(name))
        .find(|name| {
            let folder = Path::new("/sys/block").join(name);
            Backing::read(&folder)
                .and_then(|backing| fs::metadata(backing.path).ok())
                .is_some_and(|file| Identity::of(&file) == identity)
        })
        .map(|name| InUse::Loop {
            device: name.to_string_lossy().into_owned(),
        })
}

/// Returns the file behind the block device `device`, if that is a loop device or a
/// partition of one.
pub(crate) fn backing(device: u64) -> Option<Identity> {
    fs::metadata(backing_path(device)?)
        .ok()
        .map(|file| Identity::of(&file))
}

/// Returns the path of that file, in the mount namespace where the device was set up.
pub(crate) fn backing_path(device: u64) -> Option<PathBuf> {
    let folder = sysfs::folder_of(device)?;
    let backing = Backing::read(&folder).or_else(|| Backing::read(folder.parent()?))?;
    Some(backing.path)
}

/// The file behind a loop device, as the kernel names it.
struct Backing {
    /// Absolute, in the mount namespace where the device was set up.
    path: PathBuf,
    /// Whether the kernel says that the file no longer has this name.
    deleted: bool,
}

/// What was found at a path.
enum Found {
    Same,
    Other,
    Nowhere,
}

impl Backing {
    /// Returns the file behind the loop device with the sysfs `folder`, if any is.
    fn read(folder: &Path) -> Option<Self> {
        let line = fs::read(folder.join("loop/backing_file")).ok()?;
        let path = line.strip_suffix(b"\n").unwrap_or(&line);
        let whole = Path::new(OsStr::from_bytes(path));
        Some(match path.strip_suffix(DELETED) {
            Some(path) if !whole.exists() => Self {
                path: OsStr::from_bytes(path).into(),
                deleted: true,
            },
            _ => Self {
                path: whole.into(),
                deleted: false,
            },
        })
    }

    /// Looks for the file under our root, then under the `others`.
    fn find<'r>(&self, identity: Identity, others: impl Iterator<Item = &'r Path>) -> Found {
        let relative = self.path.strip_prefix("/").unwrap_or(&self.path);
        let mut found = Found::Nowhere;
        for root in iter::once(Path::new("/")).chain(others) {
            match fs::metadata(root.join(relative)) {
                Ok(file) if Identity::of(&file) == identity => return Found::Same,
                Ok(_) => found = Found::Other,
                Err(_) => {}
            }
        }
        found
    }
}

/// Returns the roots of other mount namespaces that this process may access.
fn other_roots() -> Vec<PathBuf> {
    let namespace = |process: &Path| fs::read_link(process.join("ns/mnt"));
    let mut known: BTreeSet<_> = namespace(Path::new("/proc/self")).into_iter().collect();
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes
        .map(|process| process.path())
        .filter(|process| namespace(process).is_ok_and(|found| known.insert(found)))
        .map(|process| process.join("root"))
        .collect()
}

/// Returns whether no writes are possible through the loop device with the sysfs
/// `folder`: it is read-only, or its only user is a filesystem mounted read-only.
fn only_read(folder: &Path) -> bool {
    let is_read_only = fs::read(folder.join("ro")).is_ok_and(|flag| flag == b"1\n");
    is_read_only
        || sysfs::number_of(folder)
            .and_then(mounts::of_device)
            .is_some_and(|mount| mount.read_only)
}

/// Returns whether the block device with the sysfs `folder` is as large as a file of
/// `size_bytes`.
fn shows(folder: &Path, size_bytes: u64) -> bool {
    let sectors = size_bytes / SYSFS_SECTOR_BYTES;
    let stored = fs::read_to_string(folder.join("size"));
    sectors > 0 && stored.is_ok_and(|stored| stored.trim_end().parse() == Ok(sectors))
}

#[cfg(test)]
mod tests {
    use rustix::fs::makedev;
    use tempfile::TempDir;

    use super::*;

    /// A folder as sysfs shows one for a loop device over `backing_file`.
    fn loop_folder(backing_file: &[u8]) -> TempDir {
        let folder = TempDir::new().unwrap();
        let write = |name: &str, text: &[u8]| fs::write(folder.path().join(name), text).unwrap();
        fs::create_dir(folder.path().join("loop")).unwrap();
        write("loop/backing_file", backing_file);
        write("dev", b"7:300\n");
        write("ro", b"0\n");
        write("size", b"2049\n");
        folder
    }

    #[track_caller]
    fn reads(backing_file: &[u8], path: &str, deleted: bool) {
        let folder = loop_folder(backing_file);
        let backing = Backing::read(folder.path()).unwrap();
        assert_eq!((backing.path, backing.deleted), (path.into(), deleted));
    }

    #[test]
    fn the_backing_file_is_named_as_it_is() {
        reads(b"/var/a b\n", "/var/a b", false);
        reads(b"/var/a\n\n", "/var/a\n", false);
        reads(b"/nowhere/a (deleted)\n", "/nowhere/a", true);

        let folder = TempDir::new().unwrap();
        let path = folder.path().join("a (deleted)");
        fs::write(&path, "").unwrap();
        let path = path.to_str().unwrap();
        reads(format!("{path}\n").as_bytes(), path, false);

        assert!(Backing::read(folder.path()).is_none());
    }

    #[test]
    fn the_numbers_of_a_device_are_read() {
        let folder = loop_folder(b"/a\n");
        assert_eq!(sysfs::number_of(folder.path()), Some(makedev(7, 300)));
        assert!(shows(folder.path(), 2049 * 512) && shows(folder.path(), 2049 * 512 + 511));
        assert!(!shows(folder.path(), 2048 * 512) && !shows(folder.path(), 0));
        assert!(!only_read(folder.path()));
        fs::write(folder.path().join("ro"), "1\n").unwrap();
        assert!(only_read(folder.path()));
    }

    #[test]
    fn other_roots_are_searched_after_ours() {
        let (root, folder) = (TempDir::new().unwrap(), TempDir::new().unwrap());
        let backing = |path: &str| Backing {
            path: path.into(),
            deleted: false,
        };
        let file = root.path().join("only there");
        fs::write(&file, "").unwrap();
        let identity = Identity::of(&fs::metadata(&file).unwrap());
        let others = || iter::once(root.path());
        let found = backing("/only there").find(identity, others());
        assert!(matches!(found, Found::Same));
        let found = backing("/only there").find(identity, iter::empty());
        assert!(matches!(found, Found::Nowhere));
        let other = folder.path().to_str().unwrap();
        let found = backing(other).find(identity, others());
        assert!(matches!(found, Found::Other));
    }
}
