//! Attributes that a new file takes over from the file it replaces.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;

use rustix::fs::{XattrFlags, fremovexattr, fsetxattr, getxattr};
use rustix::io::Errno;

/// The extended attribute with the access control list of a file.
const ACL: &str = "system.posix_acl_access";

/// The largest extended attribute, `XATTR_SIZE_MAX` of the kernel.
const ACL_BYTES_MAX: usize = 1 << 16;

/// The owner and permissions of a file.
#[derive(Debug)]
pub(super) struct Attributes {
    uid: u32,
    gid: u32,
    /// Permissions with the set-id bits, without the file type.
    mode: u32,
    acl: Option<Vec<u8>>,
}

impl Attributes {
    /// Reads those of the file at `path`, which has `metadata`.
    pub(super) fn of(path: &Path, metadata: &Metadata) -> Self {
        let mut acl = vec![0; ACL_BYTES_MAX];
        let length = getxattr(path, ACL, acl.as_mut_slice());
        Self {
            uid: metadata.uid(),
            gid: metadata.gid(),
            mode: metadata.mode() & 0o7777,
            acl: length.ok().map(|length| {
                acl.truncate(length);
                acl
            }),
        }
    }

    /// Applies them to `file`, as far as the system allows. The result never grants more
    /// access than the replaced file did.
    pub(super) fn apply(&self, file: &File) -> io::Result<()> {
        let now = file.metadata()?;
        let group_kept = now.gid() == self.gid || fchown(file, None, Some(self.gid)).is_ok();
        let owner_kept = now.uid() == self.uid || fchown(file, Some(self.uid), None).is_ok();
        let mut mode = mode_for(self.mode, owner_kept, group_kept);
        match &self.acl {
            Some(acl) => {
                let all_kept = owner_kept && group_kept;
                if !all_kept || fsetxattr(file, ACL, acl, XattrFlags::empty()).is_err() {
                    // The group's bits were a mask, and the list may grant anything.
                    remove_acl(file)?;
                    mode &= 0o700;
                }
            }
            None => remove_acl(file)?,
        }
        if file.metadata()?.mode() & 0o7777 == mode {
            return Ok(());
        }
        file.set_permissions(PermissionsExt::from_mode(mode))
    }
}

/// Removes an access control list inherited from the folder.
fn remove_acl(file: &File) -> io::Result<()> {
    match fremovexattr(file, ACL) {
        Ok(()) | Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Reduces `mode` if the file has a different owner or group than intended: the
/// permissions of the next class then apply to the intended owner or group.
fn mode_for(mode: u32, owner_kept: bool, group_kept: bool) -> u32 {
    if owner_kept && group_kept {
        return mode;
    }
    let [owner, mut group, mut other] = [6, 3, 0].map(|shift| mode >> shift & 0o7);
    if !owner_kept {
        group &= owner;
        other &= owner;
    }
    if !group_kept {
        group &= other;
        other = group;
    }
    owner << 6 | group << 3 | other
}

#[cfg(test)]
mod tests {
    use super::mode_for;

    #[test]
    fn who_loses_his_class_gains_nothing() {
        assert_eq!(mode_for(0o4640, true, true), 0o4640);
        assert_eq!(mode_for(0o4640, false, true), 0o640);
        assert_eq!(mode_for(0o640, true, false), 0o600);
        assert_eq!(mode_for(0o644, true, false), 0o644);
        assert_eq!(mode_for(0o604, true, false), 0o600);
        assert_eq!(mode_for(0o466, false, true), 0o444);
        assert_eq!(mode_for(0o664, false, false), 0o644);
    }
}
