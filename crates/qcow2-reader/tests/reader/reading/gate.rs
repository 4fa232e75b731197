//! Which files a gate for disks opens.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::common::{base, base_disk, chain, put, put32, put64, unpacked};
use hostdisk::Disk;
use qcow2_reader::{BackingFormat, DiskGate, Error, Image, OpenOptions, References};
use tempfile::TempDir;

/// An image with a backing file of this name and format.
fn overlay(name: &str, format: &str) -> Vec<u8> {
    let mut image = base();
    image[0x800..0xa00].fill(0);
    let mut at = 104;
    if !format.is_empty() {
        put32(&mut image, at, 0xe279_2aca);
        put32(&mut image, at + 4, u32::try_from(format.len()).unwrap());
        put(&mut image, at + 8, format.as_bytes());
        at += 16;
    }
    let name_at = at + 8;
    put64(&mut image, 8, u64::try_from(name_at).unwrap());
    put32(&mut image, 16, u32::try_from(name.len()).unwrap());
    put(&mut image, name_at, name.as_bytes());
    image
}

/// A folder `images` with `top`, `sub/base` and `sub/mid` over it; and `secret`
/// beside the folder.
fn folder() -> TempDir {
    let top = tempfile::tempdir().unwrap();
    let images = top.path().join("images");
    fs::create_dir_all(images.join("sub")).unwrap();
    fs::write(images.join("sub/base"), base()).unwrap();
    fs::write(images.join("sub/mid"), overlay("base", "qcow2")).unwrap();
    fs::write(top.path().join("secret"), base()).unwrap();
    symlink("../secret", images.join("link")).unwrap();
    top
}

fn open(
    folder: &Path,
    image: &[u8],
    gate: impl FnOnce(&Disk) -> DiskGate,
) -> Result<Image<Disk>, Error> {
    let path = folder.join("images/top");
    fs::write(&path, image).unwrap();
    let disk = Disk::open(&path).unwrap();
    let mut gate = gate(&disk);
    Image::open_with(disk, &OpenOptions::default(), &mut gate)
}

#[track_caller]
fn refuses(image: &[u8], references: References, fault: &str) {
    let folder = folder();
    let error = open(folder.path(), image, |top| DiskGate::new(top, references)).unwrap_err();
    let text = chain(&error);
    assert!(text.ends_with(fault), "{text}");
}

#[test]
fn files_beside_the_image_are_opened() {
    let folder = folder();
    let absolute = folder.path().join("secret");
    for (name, references) in [
        ("sub/base", References::Beside),
        ("sub/mid", References::Beside),
        ("./sub/mid", References::Any),
        ("../secret", References::Any),
        ("link", References::Any),
        (absolute.to_str().unwrap(), References::Any),
    ] {
        let image = open(folder.path(), &overlay(name, "qcow2"), |top| {
            DiskGate::new(top, references)
        });
        assert!(unpacked(&image.unwrap()).unwrap() == base_disk(), "{name}");
    }
}

#[test]
fn absolute_names_that_stay_in_the_folder_are_beside_it() {
    let folder = folder();
    let images = folder.path().join("images");
    // The folder under another name.
    let alias = folder.path().join("alias");
    symlink("images", &alias).unwrap();
    let in_folder = |name: &str| images.join(name).to_str().unwrap().to_owned();
    let opened = |path: &Path, name: &str| {
        fs::write(images.join("top"), overlay(name, "qcow2")).unwrap();
        let disk = Disk::open(path).unwrap();
        let mut gate = DiskGate::new(&disk, References::Beside);
        Image::open_with(disk, &OpenOptions::default(), &mut gate)
    };
    let by_alias = alias.join("sub/base").to_str().unwrap().to_owned();
    for (top, name) in [
        (&images, in_folder("sub/base")),
        // What a backing file names is relative to its own folder.
        (&images, in_folder("sub/mid")),
        (&alias, in_folder("sub/mid")),
        (&alias, by_alias.clone()),
    ] {
        let image = opened(&top.join("top"), &name).unwrap();
        assert!(unpacked(&image).unwrap() == base_disk(), "{name}");
    }
    for name in [
        // Another name of the folder, which nobody gave.
        by_alias,
        in_folder("link"),
        in_folder("../secret"),
        in_folder("sub/../sub/base"),
        folder.path().join("secret").to_str().unwrap().to_owned(),
        format!("{}-other/base", images.display()),
    ] {
        let error = opened(&images.join("top"), &name).unwrap_err();
        let text = chain(&error);
        assert!(
            text.ends_with(": it does not lie beneath the folder of the image"),
            "{text}"
        );
    }
}

#[test]
fn all_other_files_are_refused() {
    use References::{Any, Beside, Refuse};
    let closed = ": files that an image names are opened only if that is allowed";
    let outside = ": it does not lie beneath the folder of the image";
    let protocol = ": only plain paths are opened, no protocols and no JSON";
    refuses(&overlay("sub/base", "qcow2"), Refuse, closed);
    for name in [
        "../secret",
        "link",
        "/etc/hostname",
        "sub/../sub/base",
        "/proc/self/fd/0",
    ] {
        refuses(&overlay(name, "raw"), Beside, outside);
    }
    for name in [
        "json:{\"driver\":\"null-co\"}",
        "nbd://127.0.0.1:1/x",
        "file:sub/base",
    ] {
        refuses(&overlay(name, "raw"), Any, protocol);
        refuses(&overlay(name, ""), Beside, protocol);
    }
    refuses(
        &overlay("sub/base", ""),
        Any,
        ": the image does not name its format, which is never guessed",
    );
    refuses(
        &overlay("sub/base", "vmdk"),
        Any,
        ": its format is \"vmdk\", only raw and qcow2 are supported",
    );
    refuses(
        &overlay("top", "qcow2"),
        Any,
        ": the image depends on it already: the files form a loop",
    );
    refuses(
        &overlay("sub", "raw"),
        Beside,
        "sub is a directory, not a file or a block device",
    );
    refuses(
        &overlay("/dev/zero", "raw"),
        Any,
        "/dev/zero is a character device, not a file or a block device",
    );
}

#[test]
fn files_that_are_named_to_the_gate_are_opened() {
    let folder = folder();
    let secret = folder.path().join("secret");
    let mid = folder.path().join("images/sub/mid");
    let gate = |files: Vec<_>, references| {
        move |top: &Disk| DiskGate::new(top, references).with_backing_files(files)
    };
    // The name and the folder do not matter then; the format does.
    let json = overlay("json:{}", "qcow2");
    let opened = open(
        folder.path(),
        &json,
        gate(vec![secret.clone()], References::Refuse),
    );
    assert!(unpacked(&opened.unwrap()).unwrap() == base_disk());
    let opened = open(
        folder.path(),
        &json,
        gate(vec![mid.clone(), secret.clone()], References::Refuse),
    );
    assert!(unpacked(&opened.unwrap()).unwrap() == base_disk());
    // What the named file names is relative to its own folder.
    let opened = open(
        folder.path(),
        &json,
        gate(vec![mid.clone()], References::Beside),
    );
    assert!(unpacked(&opened.unwrap()).unwrap() == base_disk());
    let error = open(folder.path(), &json, gate(vec![mid], References::Refuse)).unwrap_err();
    assert!(chain(&error).starts_with("backing file 1: the image needs the backing file \"base\""));

    let nofmt = overlay("sub/base", "");
    let opened = open(folder.path(), &nofmt, |top| {
        DiskGate::new(top, References::Beside).with_format(Some(BackingFormat::Qcow2))
    });
    assert!(unpacked(&opened.unwrap()).unwrap() == base_disk());
}
