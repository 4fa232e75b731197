mod content;

use std::fs::File;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::{env, thread};

use blockio::MemoryDisk;
use proptest::collection::vec;
use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, XattrFlags, mknodat};
use tempfile::TempDir;

use super::*;
use crate::in_use::InUse;
use crate::{Disk, ErrorKind};

fn force() -> TargetOptions {
    TargetOptions {
        force: true,
        ..TargetOptions::default()
    }
}

fn in_place() -> TargetOptions {
    TargetOptions {
        in_place: true,
        ..TargetOptions::default()
    }
}

/// As [`Target::create`] if the filesystem knows no unnamed files.
fn create_named(path: &Path, replaced: Option<&Attributes>) -> Target {
    let (file, new) = Unpublished::create_named(path.into(), replaced, true).unwrap();
    Target {
        path: path.into(),
        content: Content::New(FileStore::new(file, 0, true), new),
        sync: true,
    }
}

/// Both ways to make a new file.
const WAYS: [fn(&Path) -> Target; 2] = [
    |path| Target::create(path, &TargetOptions::default()).unwrap(),
    |path| create_named(path, None),
];

fn names_in(folder: &TempDir) -> Vec<String> {
    let entries = fs::read_dir(folder.path()).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o7777
}

#[test]
fn a_new_file_appears_when_it_is_committed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new");
    let target = Target::create(&path, &TargetOptions::default()).unwrap();
    assert!(target.starts_zeroed());
    target.write_at(3, b"abc").unwrap();
    let mut read = [9; 6];
    target.read_at(0, &mut read).unwrap();
    assert_eq!((&read, target.size()), (b"\0\0\0abc", 6));
    assert!(!path.exists());
    target.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"\0\0\0abc");
    assert_eq!(names_in(&folder), ["new"]);
}

#[test]
fn without_unnamed_files_a_temporary_name_is_used() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("new");
    let target = create_named(&path, None);
    target.write_at(0, b"abc").unwrap();
    let names = names_in(&folder);
    assert!(
        names.len() == 1 && names[0].starts_with(".new."),
        "{names:?}"
    );
    target.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"abc");
    assert_eq!(names_in(&folder), ["new"]);
}

#[test]
fn a_dropped_output_leaves_nothing() {
    for way in WAYS {
        let folder = TempDir::new().unwrap();
        let target = way(&folder.path().join("new"));
        target.write_at(0, b"abc").unwrap();
        drop(target);
        assert!(names_in(&folder).is_empty());
    }
}

#[test]
fn a_new_file_has_the_mode_of_any_new_file() {
    for way in WAYS {
        let folder = TempDir::new().unwrap();
        let (path, plain) = (folder.path().join("new"), folder.path().join("plain"));
        way(&path).commit().unwrap();
        File::create(&plain).unwrap();
        assert_eq!(mode_of(&path), mode_of(&plain));
    }
}

#[test]
fn the_longest_name_can_be_made() {
    for way in WAYS {
        let folder = TempDir::new().unwrap();
        let name = "n".repeat(255);
        way(&folder.path().join(&name)).commit().unwrap();
        assert_eq!(names_in(&folder), [name]);
    }
}

#[test]
fn what_appears_meanwhile_is_not_overwritten() {
    for way in WAYS {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("new");
        let target = way(&path);
        fs::write(&path, "theirs").unwrap();
        let error = target.commit().unwrap_err();
        assert!(
            matches!(&error, Error::Exists { path: at } if *at == path),
            "{error:?}"
        );
        assert_eq!(fs::read(&path).unwrap(), b"theirs");
        assert_eq!(names_in(&folder), ["new"]);
    }
}

#[test]
fn an_existing_file_is_replaced_by_force_alone() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("old");
    fs::write(&path, "old").unwrap();
    fs::hard_link(&path, folder.path().join("other")).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o604)).unwrap();

    let error = Target::create(&path, &TargetOptions::default()).unwrap_err();
    assert!(matches!(error, Error::Exists { .. }));
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(
        error.to_string(),
        format!("{} already exists", path.display())
    );

    let target = Target::create(&path, &force()).unwrap();
    target.write_at(0, b"new content").unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"old");
    target.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new content");
    assert_eq!(mode_of(&path), 0o604);
    assert_eq!(fs::read(folder.path().join("other")).unwrap(), b"old");
    assert_eq!(names_in(&folder), ["old", "other"]);
}

#[test]
fn replacing_works_with_a_temporary_name_too() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("old");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    let attributes = Attributes::of(&path, &fs::metadata(&path).unwrap());
    let target = create_named(&path, Some(&attributes));
    target.write_at(0, b"new").unwrap();
    target.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(mode_of(&path), 0o640);
    assert_eq!(names_in(&folder), ["old"]);
}

#[test]
fn the_owner_of_a_replaced_file_is_kept() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root gives files away");
        return;
    }
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("old");
    fs::write(&path, "old").unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o640)).unwrap();
    std::os::unix::fs::chown(&path, Some(1234), Some(2345)).unwrap();
    Target::create(&path, &force()).unwrap().commit().unwrap();
    let found = fs::metadata(&path).unwrap();
    assert_eq!(
        (found.uid(), found.gid(), found.mode() & 0o7777),
        (1234, 2345, 0o640)
    );
}

/// Version 2: the owner may read and write, user 1234 may read, the group may
/// nothing, the mask is to read, others may nothing.
const ACL: &[u8] = &[
    2, 0, 0, 0, //
    1, 0, 6, 0, 0xff, 0xff, 0xff, 0xff, //
    2, 0, 4, 0, 0xd2, 0x04, 0, 0, //
    4, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, //
    16, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, //
    32, 0, 0, 0, 0xff, 0xff, 0xff, 0xff,
];

fn acl_of(path: &Path) -> Option<Vec<u8>> {
    let mut acl = vec![0; 1024];
    let length = rustix::fs::getxattr(path, "system.posix_acl_access", acl.as_mut_slice()).ok()?;
    acl.truncate(length);
    Some(acl)
}

#[test]
fn access_control_lists_are_kept_and_none_is_added() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("old");
    fs::write(&path, "old").unwrap();
    let set = |path: &Path, name| rustix::fs::setxattr(path, name, ACL, XattrFlags::empty());
    if set(&path, "system.posix_acl_access").is_err() {
        eprintln!(
            "SKIPPED: no access control lists in {}",
            folder.path().display()
        );
        return;
    }
    Target::create(&path, &force()).unwrap().commit().unwrap();
    assert_eq!(acl_of(&path).as_deref(), Some(ACL));
    assert_eq!(mode_of(&path), 0o640);

    let plain = folder.path().join("plain");
    fs::write(&plain, "old").unwrap();
    fs::set_permissions(&plain, PermissionsExt::from_mode(0o660)).unwrap();
    set(folder.path(), "system.posix_acl_default").unwrap();
    Target::create(&plain, &force()).unwrap().commit().unwrap();
    assert_eq!((acl_of(&plain), mode_of(&plain)), (None, 0o660));
}

#[test]
fn symbolic_links_stay_and_what_they_name_is_written() {
    let folder = TempDir::new().unwrap();
    let path = |name| folder.path().join(name);
    fs::create_dir(path("sub")).unwrap();
    fs::write(path("sub/file"), "old").unwrap();
    symlink("sub/file", path("link")).unwrap();
    let target = Target::create(path("link"), &force()).unwrap();
    target.write_at(0, b"new").unwrap();
    target.commit().unwrap();
    assert_eq!(fs::read_link(path("link")).unwrap(), Path::new("sub/file"));
    assert_eq!(fs::read(path("sub/file")).unwrap(), b"new");

    symlink("sub/second", path("first")).unwrap();
    symlink("../third", path("sub/second")).unwrap();
    let target = Target::create(path("first"), &TargetOptions::default()).unwrap();
    target.write_at(0, b"far").unwrap();
    target.commit().unwrap();
    assert_eq!(fs::read(path("third")).unwrap(), b"far");
    assert!(fs::symlink_metadata(path("first")).unwrap().is_symlink());

    symlink("loop", path("loop")).unwrap();
    let error = Target::create(path("loop"), &TargetOptions::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Io);
}

#[test]
fn a_path_without_a_file_name_is_refused() {
    let folder = TempDir::new().unwrap();
    for name in ["new/", "missing/..", "missing/new"] {
        let path = folder.path().join(name);
        let error = Target::create(path, &TargetOptions::default()).unwrap_err();
        assert!(
            matches!(
                error,
                Error::Io {
                    action: "created" | "examined",
                    ..
                }
            ),
            "{error:?}"
        );
    }
    assert!(Target::create("", &TargetOptions::default()).is_err());
    assert!(names_in(&folder).is_empty());
}

#[test]
fn only_files_and_devices_are_overwritten() {
    let folder = TempDir::new().unwrap();
    let pipe = folder.path().join("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR, 0).unwrap();
    for (path, expected) in [
        (folder.path(), "a directory"),
        (&pipe, "a pipe"),
        (Path::new("/dev/null"), "a character device"),
    ] {
        let error = Target::create(path, &force()).unwrap_err();
        assert!(matches!(error, Error::NotADisk { found, .. } if found == expected));
    }
}

#[test]
fn a_file_that_became_a_folder_is_not_replaced() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("old");
    fs::write(&path, "old").unwrap();
    let target = Target::create(&path, &force()).unwrap();
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(matches!(target.commit(), Err(Error::Exists { .. })));
    assert_eq!(names_in(&folder), ["old"]);
}

#[test]
fn no_source_is_overwritten_under_any_name() {
    let folder = TempDir::new().unwrap();
    let path = |name| folder.path().join(name);
    fs::write(path("source"), "old").unwrap();
    fs::hard_link(path("source"), path("hard")).unwrap();
    symlink("source", path("soft")).unwrap();
    let sources = vec![Disk::open(path("source")).unwrap().identity()];
    for options in [TargetOptions::default(), force(), in_place()] {
        for name in ["source", "hard", "soft"] {
            let sources = sources.clone();
            let options = TargetOptions {
                sources,
                ..options.clone()
            };
            let error = Target::create(path(name), &options).unwrap_err();
            assert!(matches!(error, Error::SameFile { .. }), "{error:?}");
        }
    }
}

#[test]
fn a_file_that_somebody_uses_is_not_overwritten() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("old");
    fs::write(&path, "old").unwrap();
    // As QEMU locks an image it reads.
    let reader = File::open(&path).unwrap();
    let lock = nix::libc::flock {
        l_type: nix::libc::F_RDLCK.try_into().unwrap(),
        l_whence: 0,
        l_start: 100,
        l_len: 1,
        l_pid: 0,
    };
    nix::fcntl::fcntl(&reader, nix::fcntl::FcntlArg::F_OFD_SETLK(&lock)).unwrap();
    for options in [force(), in_place()] {
        let error = Target::create(&path, &options).unwrap_err();
        let by = InUse::QemuReads;
        assert!(matches!(&error, Error::InUse { by: found, .. } if *found == by));
        let message = format!("{} is in use: QEMU has it open", path.display());
        assert_eq!(error.to_string(), message);
    }
    drop(reader);
    Target::create(&path, &force()).unwrap();
}

#[test]
fn no_file_is_made_among_devices() {
    let folder = TempDir::new().unwrap();
    let link = folder.path().join("link");
    let missing = Path::new("/dev/no-such-disk");
    symlink(missing, &link).unwrap();
    for path in [missing, &link] {
        let error = Target::create(path, &force()).unwrap_err();
        assert!(matches!(&error, Error::NoDevice { path: named } if named == path));
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert_eq!(
            error.to_string(),
            format!(
                "{} is no device, and files do not last in /dev",
                path.display()
            )
        );
    }
    let memory = TempDir::new_in("/dev/shm").unwrap();
    let path = memory.path().join("disk.img");
    Target::create(&path, &TargetOptions::default()).unwrap();
}
