//! The Debian package.

use std::fs;
use std::path::Path;

use fixtures::Tool;

use super::build::{Built, ensure};
use super::stage::Stage;
use crate::program::required;
use crate::task::Failure;

/// What the package manager says of it. Lines of the text begin with a space.
const DESCRIPTION: &str = "packs disks into small qcow2 images and restores them exactly
 qcow2 knows filesystems and partitions: of ext2, ext3, ext4, XFS, btrfs, NTFS,
 FAT, exFAT and swap it stores the blocks in use and nothing else. It restores
 any qcow2 image byte for byte, and shows, checks and compares images.";

/// Makes the package of what `stage` has in `folder`, and returns its name.
pub(super) fn package(
    dpkg_deb: &Tool,
    stage: &Stage,
    built: &Built,
    folder: &Path,
) -> Result<String, Failure> {
    let architecture = required("dpkg")?.ok(|command| command.arg("--print-architecture"))?;
    let architecture = architecture.trim();
    let tree = tempfile::tempdir()?;
    let root = tree.path().join("root");
    fs::create_dir_all(root.join("DEBIAN"))?;
    let copy = required("cp")?;
    copy.ok(|command| {
        command
            .arg("--archive")
            .arg(stage.root())
            .arg(root.join("usr"))
    })?;
    let size = required("du")?.ok(|command| {
        command
            .args(["--summarize", "--apparent-size", "--block-size=1K"])
            .arg(root.join("usr"))
    })?;
    let kibibytes = size.split_whitespace().next().unwrap_or("0");
    let mut control = format!(
        "Package: qcow2\nVersion: {}\nArchitecture: {architecture}\n\
         Maintainer: the authors of qcow2 <qcow2@localhost>\nInstalled-Size: {kibibytes}\n",
        built.version
    );
    if !built.is_static {
        let library = glibc()?;
        control += &format!("Depends: libc6 (>= {library}), libgcc-s1\n");
    }
    control += &format!("Section: admin\nPriority: optional\nDescription: {DESCRIPTION}\n");
    fs::write(root.join("DEBIAN/control"), control)?;
    let name = format!("qcow2_{}_{architecture}.deb", built.version);
    let path = folder.join(&name);
    dpkg_deb.ok(|command| {
        command
            .args(["--root-owner-group", "--build"])
            .arg(&root)
            .arg(&path)
            .env("SOURCE_DATE_EPOCH", "0")
    })?;
    let listed = dpkg_deb.ok(|command| command.arg("--contents").arg(&path))?;
    for place in ["./usr/bin/qcow2", "./usr/share/man/man1/qcow2-unpack.1.gz"] {
        ensure(listed.contains(place), format!("{name}: no {place}"))?;
    }
    Ok(name)
}

/// The version of this machine's glibc, which the program needs at most.
fn glibc() -> Result<String, Failure> {
    let getconf = required("getconf")?;
    let version = getconf.ok(|command| command.arg("GNU_LIBC_VERSION"))?;
    let version = version.split_whitespace().nth(1);
    Ok(version.unwrap_or("2.36").to_owned())
}
