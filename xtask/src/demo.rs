//! The program at work: a filesystem with deleted files, packed and restored.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fixtures::{E2fs, Outcome, Qemu, Tool, compare, ext, first_difference, number};

use crate::program;
use crate::task::arguments::Arguments;
use crate::task::{Failure, TaskResult};

const MIB: u64 = 1 << 20;

/// Length of the disk in bytes.
const DISK_BYTES: u64 = 448 * MIB;
/// Most bytes of the files copied onto it.
const TREE_BYTES_MAX: u64 = 240 * MIB;
/// Files in one folder of the disk.
const FOLDER_FILES: usize = 500;
/// Folders of the machine that have files to copy.
const SOURCES: [&str; 4] = ["/usr/share", "/usr/lib", "/usr/bin", "/etc"];

/// What is on the disk.
struct Disk {
    image: PathBuf,
    /// For people: what was made.
    about: String,
}

/// `cargo xtask demo`.
pub(crate) fn run(mut arguments: Arguments) -> TaskResult {
    let program = arguments.option("--bin")?;
    arguments.finish()?;
    let program = program::at_or_built(program)?;
    let folder = tempfile::tempdir()?;
    let (e2fs, qemu) = (E2fs::find(), Qemu::find());
    let disk = match &e2fs {
        Some(e2fs) => made_disk(e2fs, folder.path())?,
        None => assembled_disk(folder.path())?,
    };
    println!("{}", disk.about);

    let image = folder.path().join("disk.qcow2");
    let restored = folder.path().join("restored.raw");
    let arguments = ["--verify", "--digest", "--output", "json"];
    let packed = succeed("pack", program.pack(&arguments, &disk.image, &image)?)?;
    succeed("unpack", program.unpack(&[], &image, &restored)?)?;
    check_image(qemu.as_ref(), &image, &restored)?;
    match &e2fs {
        Some(e2fs) => check_content(e2fs, &disk.image, &restored, folder.path())?,
        None => check_assembled(&disk.image, &restored)?,
    }
    let fine = folder.path().join("fine.qcow2");
    let arguments = ["--cluster-size", "4K"];
    succeed("pack", program.pack(&arguments, &disk.image, &fine)?)?;
    let mut sizes = sizes_of_others(&disk.image, qemu.as_ref(), folder.path())?;
    sizes.push(("qcow2 pack", image.metadata()?.len()));
    sizes.push(("  in clusters of 4K", fine.metadata()?.len()));
    print_sizes(&sizes);
    if let Some(used) = number(&packed.stdout, "used_bytes") {
        println!("\nThe filesystem uses {used} bytes of the disk.");
    }
    println!("Everything the filesystem uses came back exactly as it was.");
    Ok(())
}

fn succeed(what: &str, outcome: Outcome) -> Result<Outcome, Failure> {
    if outcome.success() {
        return Ok(outcome);
    }
    let (code, said) = (outcome.code, outcome.brief(400));
    Err(Failure::new(format!("{what} ended with {code:?}: {said}")))
}

/// An ext4 with files of this machine, every third folder emptied again.
fn made_disk(e2fs: &E2fs, folder: &Path) -> io::Result<Disk> {
    let tree = folder.join("tree");
    let names = gather(&tree)?;
    let image = folder.join("disk.raw");
    let tree_name = tree.display().to_string();
    e2fs.make(&image, DISK_BYTES, &["-t", "ext4", "-d", &tree_name])?;
    let folders = names.chunks(FOLDER_FILES).step_by(3);
    let deleted: Vec<_> = folders.flatten().map(|name| format!("rm {name}")).collect();
    e2fs.debugfs(&image, &deleted)?;
    fs::remove_dir_all(tree)?;
    let about = format!(
        "An ext4 of {} MiB with {} files, of which {} were deleted again.",
        DISK_BYTES / MIB,
        names.len(),
        deleted.len()
    );
    Ok(Disk { image, about })
}

/// Copies files of the machine into folders in `tree`, under plain names:
/// gives these.
fn gather(tree: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    let mut left = TREE_BYTES_MAX;
    for source in SOURCES {
        let mut folders = vec![PathBuf::from(source)];
        while let Some(folder) = folders.pop() {
            // What this user may not read is left out.
            let Ok(entries) = fs::read_dir(folder) else {
                continue;
            };
            for entry in entries.flatten() {
                let Ok(metadata) = entry.metadata() else {
                    continue;
                };
                if metadata.is_dir() {
                    folders.push(entry.path());
                } else if metadata.is_file() && metadata.len() <= left {
                    let name = format!("d{}/f{}", names.len() / FOLDER_FILES, names.len());
                    if copy(&entry.path(), &tree.join(&name))? {
                        left -= metadata.len();
                        names.push(name);
                    }
                }
            }
        }
    }
    Ok(names)
}

/// Whether the file could be read, and was copied.
fn copy(from: &Path, to: &Path) -> io::Result<bool> {
    let Ok(bytes) = fs::read(from) else {
        return Ok(false);
    };
    fs::create_dir_all(to.parent().unwrap_or(to))?;
    fs::write(to, bytes)?;
    Ok(true)
}

/// A small ext4 put together byte by byte, for machines without e2fsprogs.
fn assembled_disk(folder: &Path) -> io::Result<Disk> {
    let image = folder.join("disk.raw");
    fs::write(&image, ext::Filesystem::new(ext::Kind::Ext4).bytes)?;
    let about = "e2fsprogs is not installed: a tiny ext4 assembled by hand will do.";
    Ok(Disk {
        image,
        about: about.into(),
    })
}

/// qemu-img finds no fault, and restores the same disk.
fn check_image(qemu: Option<&Qemu>, image: &Path, restored: &Path) -> TaskResult {
    let Some(qemu) = qemu else {
        println!("SKIPPED qemu-img's checks: it is not installed");
        return Ok(());
    };
    succeed("qemu-img check", qemu.check(image)?)?;
    let converted = restored.with_extension("converted");
    qemu.unpack(image, &converted)?;
    if let Some(at) = first_difference(restored, &converted)? {
        let text = format!("qemu-img restores another byte at {at:#x}");
        return Err(Failure::new(text));
    }
    fs::remove_file(converted)?;
    println!("qemu-img check: clean; qemu-img convert: the same disk.");
    Ok(())
}

/// Every used byte, every file, and e2fsck's opinion are the same.
fn check_content(e2fs: &E2fs, disk: &Path, restored: &Path, folder: &Path) -> TaskResult {
    let usage = e2fs.usage(disk)?;
    let usage = usage.ok_or(Failure::new("dumpe2fs cannot read the disk"))?;
    let difference = compare(disk, restored, Some(&usage))?;
    if difference != fixtures::Difference::default() {
        return Err(Failure::new(format!("the disks differ: {difference:?}")));
    }
    let before = succeed("e2fsck", e2fs.fsck(&["-fn"], disk)?)?;
    if before != e2fs.fsck(&["-fn"], restored)? {
        return Err(Failure::new(
            "e2fsck says something else of the restored disk",
        ));
    }
    println!("e2fsck: clean, and the same words before and after.");
    let trees = [folder.join("before"), folder.join("after")];
    for (disk, tree) in [disk, restored].into_iter().zip(&trees) {
        fs::create_dir(tree)?;
        e2fs.copy_out(disk, tree)?;
    }
    let files = same_files(&trees[0], &trees[1])?;
    println!("{files} files read out of both disks: identical.");
    Ok(())
}

/// How many files two trees have, which must be the same in both.
fn same_files(one: &Path, other: &Path) -> Result<usize, Failure> {
    let names = |tree: &Path| -> io::Result<Vec<_>> {
        let entries = fs::read_dir(tree)?.map(|entry| Ok(entry?.file_name()));
        let mut names = entries.collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    };
    let entries = names(one)?;
    let differ = |what: &Path| Failure::new(format!("{} differs", what.display()));
    if entries != names(other)? {
        return Err(differ(one));
    }
    let mut count = 0;
    for name in entries {
        let (one, other) = (one.join(&name), other.join(&name));
        if one.is_dir() {
            count += same_files(&one, &other)?;
        } else if fs::read(&one)? == fs::read(&other)? {
            count += 1;
        } else {
            return Err(differ(&one));
        }
    }
    Ok(count)
}

/// The assembled disk is the same where it is in use, and zero elsewhere.
fn check_assembled(disk: &Path, restored: &Path) -> TaskResult {
    let usage = fixtures::Usage {
        clean: true,
        free: [ext::FREE].into(),
        never_used: [ext::NEVER_USED].into(),
    };
    let difference = compare(disk, restored, Some(&usage))?;
    if difference == fixtures::Difference::default() {
        return Ok(());
    }
    Err(Failure::new(format!("the disks differ: {difference:?}")))
}

/// What other tools make of the disk, in bytes; those missing are left out.
fn sizes_of_others(
    disk: &Path,
    qemu: Option<&Qemu>,
    folder: &Path,
) -> io::Result<Vec<(&'static str, u64)>> {
    let mut sizes = vec![("the disk", disk.metadata()?.len())];
    let other = folder.join("other.qcow2");
    if let Some(qemu) = qemu {
        qemu.pack(disk, &other, "")?;
        sizes.push(("qemu-img convert", other.metadata()?.len()));
        fs::remove_file(&other)?;
    }
    if let Some(e2image) = Tool::find("e2image") {
        e2image.ok(|command| command.arg("-Qa").args([disk, &other]))?;
        sizes.push(("e2image -Qa", other.metadata()?.len()));
    }
    Ok(sizes)
}

fn print_sizes(sizes: &[(&str, u64)]) {
    let disk = sizes.first().map_or(1, |(_, bytes)| *bytes);
    println!("\n{:<20}{:>14}  {:>7}", "", "bytes", "of disk");
    for (name, bytes) in sizes {
        println!("{name:<20}{bytes:>14}  {:>6} %", bytes * 100 / disk);
    }
}
