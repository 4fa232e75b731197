//! Mounts and swap space, as the kernel lists them.

use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::{ffi::OsString, str};

use rustix::fs::{major, minor};

use crate::Identity;

/// A filesystem on a block device.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Mount {
    /// The number of the mount.
    pub(crate) id: u64,
    /// One of its mount points: the first writable one, if any is writable.
    pub(crate) on: PathBuf,
    /// Whether every mount is read-only.
    pub(super) read_only: bool,
}

/// Returns how the filesystem on the block device `device` is mounted, if it is mounted
/// in this mount namespace.
pub(super) fn of_device(device: u64) -> Option<Mount> {
    find(&fs::read("/proc/self/mountinfo").ok()?, device)
}

/// Returns all mounts of the filesystem on the block device `device` in this mount
/// namespace.
pub(crate) fn all_of(device: u64) -> Vec<Mount> {
    let mountinfo = fs::read("/proc/self/mountinfo").unwrap_or_default();
    of(&mountinfo, device).collect()
}

/// Returns the block device below the mount `id`, if its filesystem has a number of its
/// own instead, as btrfs has.
pub(crate) fn device_below(id: u64) -> Option<u64> {
    let mountinfo = fs::read("/proc/self/mountinfo").ok()?;
    lines(&mountinfo)
        .find(|line| line.id() == Some(id))
        .and_then(|line| line.named_device())
}

/// Returns how the filesystem in the file `identity` is mounted by a program in user space,
/// which needs no loop device for that.
pub(super) fn of_file(identity: Identity) -> Option<Mount> {
    find_file(&fs::read("/proc/self/mountinfo").ok()?, identity)
}

/// A line of proc(5)'s `mountinfo`.
struct Line<'a> {
    /// Up to the optional fields, and these.
    fields: Vec<&'a [u8]>,
    kind: &'a [u8],
    source: &'a [u8],
    /// Those of the filesystem. Those of this one mount, which may be read-only for
    /// itself, are among the fields.
    options: &'a [u8],
}

/// Returns the lines of the text of proc(5)'s `mountinfo`.
fn lines(mountinfo: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let lines = mountinfo.split(|&byte| byte == b'\n');
    lines.filter_map(|line| {
        // The separator that ends the optional fields; paths have no spaces.
        let separator = line.windows(3).position(|three| three == b" - ")?;
        let (fields, rest) = (line.get(..separator)?, line.get(separator..)?.get(3..)?);
        let mut rest = rest.split(|&byte| byte == b' ');
        Some(Line {
            fields: fields.split(|&byte| byte == b' ').collect(),
            kind: rest.next()?,
            source: rest.next()?,
            options: rest.next()?,
        })
    })
}

impl Line<'_> {
    fn id(&self) -> Option<u64> {
        str::from_utf8(self.fields.first()?).ok()?.parse().ok()
    }

    fn is_fuse(&self) -> bool {
        self.kind.starts_with(b"fuse")
    }

    fn mount(&self) -> Option<Mount> {
        let mut options = self.options.split(|&byte| byte == b',');
        Some(Mount {
            id: self.id()?,
            on: unescape(self.fields.get(4)?),
            read_only: options.any(|name| name == b"ro"),
        })
    }

    /// Whether its filesystem is on the block device `device`.
    fn is_of(&self, device: u64) -> bool {
        let number = format!("{}:{}", major(device), minor(device));
        self.fields.get(2) == Some(&number.as_bytes()) || self.named_device() == Some(device)
    }

    /// The block device that it names, if its filesystem has a number of its own
    /// instead. What a program in user space mounts may name any device.
    fn named_device(&self) -> Option<u64> {
        let has_its_own = self.fields.get(2)?.starts_with(b"0:");
        if !has_its_own || self.is_fuse() || !self.source.starts_with(b"/") {
            return None;
        }
        let device = fs::metadata(unescape(self.source)).ok()?;
        (device.file_type().is_block_device()).then(|| device.rdev())
    }
}

/// Looks for the file `identity` in the text of proc(5)'s `mountinfo`.
fn find_file(mountinfo: &[u8], identity: Identity) -> Option<Mount> {
    let mounts = lines(mountinfo).filter_map(|line| {
        if !line.is_fuse() || !line.source.starts_with(b"/") {
            return None;
        }
        let file = fs::metadata(unescape(line.source)).ok()?;
        (Identity::of(&file) == identity).then(|| line.mount())?
    });
    mounts.reduce(writable)
}

/// Looks for `device` in the text of proc(5)'s `mountinfo`.
fn find(mountinfo: &[u8], device: u64) -> Option<Mount> {
    of(mountinfo, device).reduce(writable)
}

/// The first of both that is writable, else the first.
fn writable(earlier: Mount, mount: Mount) -> Mount {
    if earlier.read_only && !mount.read_only {
        mount
    } else {
        earlier
    }
}

/// Returns the mounts of `device` in the text of proc(5)'s `mountinfo`.
fn of(mountinfo: &[u8], device: u64) -> impl Iterator<Item = Mount> + '_ {
    lines(mountinfo)
        .filter(move |line| line.is_of(device))
        .filter_map(|line| line.mount())
}

/// Returns whether this is a swap file or a swap partition.
pub(super) fn is_swap(identity: Identity) -> bool {
    let Ok(swaps) = fs::read("/proc/swaps") else {
        return false;
    };
    let mut lines = swaps.split(|&byte| byte == b'\n').skip(1);
    lines.any(|line| {
        let path = line.split(|&byte| byte == b' ' || byte == b'\t').next();
        path.and_then(|path| fs::metadata(unescape(path)).ok())
            .is_some_and(|found| Identity::of(&found) == identity)
    })
}

/// Decodes a path in which the kernel wrote some bytes as `\` and three octal digits.
fn unescape(mut escaped: &[u8]) -> PathBuf {
    let mut path = Vec::with_capacity(escaped.len());
    while let Some((&byte, rest)) = escaped.split_first() {
        let code = rest.get(..3).filter(|_| byte == b'\\').and_then(octal);
        path.push(code.unwrap_or(byte));
        escaped = match code {
            Some(_) => rest.get(3..).unwrap_or_default(),
            None => rest,
        };
    }
    OsString::from_vec(path).into()
}

fn octal(digits: &[u8]) -> Option<u8> {
    u8::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use rustix::fs::makedev;

    use super::*;

    const MOUNTINFO: &[u8] = b"\
22 1 8:2 / / rw,relatime shared:1 - ext4 /dev/sda2 rw,discard
30 22 8:17 / /mnt/a\\040b ro,relatime shared:7 master:2 - ext4 /dev/sdb1 ro,errors=remount-ro
31 22 8:17 /sub /mnt/c rw,relatime - ext4 /dev/sdb1 ro,errors=remount-ro
32 22 8:33 / /mnt/d ro,relatime - ext4 /dev/sdc1 rw,errors=remount-ro
33 22 0:44 / /mnt/e rw - tmpfs  rw,size=4k
";

    #[track_caller]
    fn finds(major: u32, minor: u32, want: Option<(u64, &str, bool)>) {
        let found = find(MOUNTINFO, makedev(major, minor));
        let want = want.map(|(id, on, read_only)| Mount {
            id,
            on: on.into(),
            read_only,
        });
        assert_eq!(found, want);
    }

    #[test]
    fn the_filesystem_counts_and_not_the_mount() {
        finds(8, 2, Some((22, "/", false)));
        finds(8, 17, Some((30, "/mnt/a b", true)));
        finds(8, 33, Some((32, "/mnt/d", false)));
        finds(0, 44, Some((33, "/mnt/e", false)));
        finds(8, 1, None);
    }

    #[test]
    fn one_writable_mount_is_enough() {
        let mixed = b"\
1 0 8:1 / /a ro - ext4 /dev/sda1 ro
2 0 8:1 / /b rw - ext4 /dev/sda1 rw
3 0 8:1 / /c ro - ext4 /dev/sda1 ro
";
        let mount = find(mixed, makedev(8, 1)).unwrap_or_else(|| panic!("it is mounted"));
        assert_eq!(mount.on, Path::new("/b"));
        assert!(!mount.read_only);
    }

    #[test]
    fn files_are_mounted_by_programs_in_user_space() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let identity = Identity::of(&file.as_file().metadata().unwrap());
        let path = file.path().display();
        let finds = |kind: &str, source: &str, options: &str| {
            let line = format!("9 1 0:52 / /mnt/a\\040b rw shared:1 - {kind} {source} {options}");
            find_file(line.as_bytes(), identity).map(|mount| (mount.on, mount.read_only))
        };
        let on = |read_only| Some((PathBuf::from("/mnt/a b"), read_only));
        let path = path.to_string();
        assert_eq!(finds("fuse", &path, "rw,user_id=0"), on(false));
        assert_eq!(finds("fuse.ext4", &path, "ro,user_id=0"), on(true));
        assert_eq!(finds("fuse", "/proc/self/mountinfo", "rw"), None);
        assert_eq!(finds("fuse", "no-path", "rw"), None);
        assert_eq!(finds("ext4", &path, "rw"), None);
        assert_eq!(find_file(MOUNTINFO, identity), None);
        assert_eq!(find_file(b" - fuse", identity), None);
    }

    #[test]
    fn octal_escapes_are_undone() {
        assert_eq!(unescape(b"/a\\040\\134b\\012"), Path::new("/a \\b\n"));
        assert_eq!(unescape(b"/a\\04"), Path::new("/a\\04"));
        assert_eq!(unescape(b"/a\\999"), Path::new("/a\\999"));
    }
}
