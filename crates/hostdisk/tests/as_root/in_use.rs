//! Who else uses a disk, asked of the kernel, of losetup and of QEMU.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::tools::{Loop, Mount, can_run, file_of_zeros, run};
use hostdisk::in_use::{InUse, source_in_use, target_in_use};
use hostdisk::{Disk, Error, Target, TargetOptions};

const MIB: u64 = 1 << 20;

#[track_caller]
fn as_source(path: &Path) -> Option<InUse> {
    source_in_use(&Disk::open(path).unwrap()).unwrap()
}

#[track_caller]
fn as_target(path: &Path) -> Option<InUse> {
    target_in_use(path).unwrap()
}

/// A program that keeps something open until this is dropped.
struct Keeper {
    child: Child,
    input: Option<ChildStdin>,
}

impl Keeper {
    /// Starts a program that prints a line with `sign` when it has it open, and
    /// ends with its input.
    fn start(tool: &str, arguments: &[&str], first_input: &str, sign: &str) -> Self {
        let mut child = Command::new(tool)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        input.write_all(first_input.as_bytes()).unwrap();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while !line.contains(sign) {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "{tool} has ended");
        }
        // Left open: the program may print more.
        child.stdout = Some(said.into_inner());
        let input = Some(input);
        Self { child, input }
    }

    fn shell_in_another_namespace(script: &str) -> Self {
        let script = format!("set -e\n{script}\necho ready\nread _ || true");
        Self::start("unshare", &["-m", "sh", "-c", &script], "", "ready")
    }

    fn qemu_io(options: &[&str], path: &Path) -> Self {
        let mut arguments = options.to_vec();
        arguments.extend(["-f", "raw", path.to_str().unwrap()]);
        Self::start("qemu-io", &arguments, "length\n", "MiB")
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        drop(self.input.take());
        let _ = self.child.wait();
    }
}

#[test]
fn a_file_nobody_uses_is_free() {
    let (_folder, path) = file_of_zeros(MIB);
    assert_eq!(as_source(&path), None);
    assert_eq!(as_target(&path), None);
}

#[test]
fn a_loop_device_that_can_be_written_uses_its_file() {
    if !can_run("loop", &[]) {
        return;
    }
    let (folder, path) = file_of_zeros(MIB);
    let other = folder.path().join("other name");
    fs::hard_link(&path, &other).unwrap();
    let bystander = folder.path().join("bystander");
    fs::copy(&path, &bystander).unwrap();

    let device = Loop::over(&path, &[]);
    let by = Some(InUse::Loop {
        device: device.name(),
    });
    for name in [&path, &other] {
        assert_eq!((as_source(name), as_target(name)), (by.clone(), by.clone()));
    }
    assert_eq!(as_source(&bystander), None);
    assert_eq!(as_source(&device.0), None);
    assert_eq!(as_target(&device.0), None);

    // A file that was moved is followed.
    let moved = folder.path().join("moved");
    fs::rename(&path, &moved).unwrap();
    assert_eq!(as_source(&moved), by);
    fs::remove_file(&moved).unwrap();

    // Another file of that name may be the same one, on some filesystems.
    fs::copy(&bystander, &moved).unwrap();
    let by = InUse::PerhapsLoop {
        device: device.name(),
    };
    assert_eq!(as_source(&moved), Some(by));
    fs::write(&moved, "of another size").unwrap();
    assert_eq!(as_source(&moved), None);
}

#[test]
fn a_read_only_loop_device_is_no_obstacle_to_reading() {
    if !can_run("read-only loop", &[]) {
        return;
    }
    let (_folder, path) = file_of_zeros(MIB);
    let device = Loop::over(&path, &["-r"]);
    assert_eq!(as_source(&path), None);
    assert_eq!(as_source(&device.0), None);
    let by = InUse::Loop {
        device: device.name(),
    };
    assert_eq!(as_target(&path), Some(by));
}

#[test]
fn a_loop_device_over_a_device_uses_it() {
    if !can_run("loop over loop", &[]) {
        return;
    }
    let (_folder, path) = file_of_zeros(MIB);
    let below = Loop::over(&path, &[]);
    let above = Loop::over(&below.0, &[]);
    let by = Some(InUse::Loop {
        device: above.name(),
    });
    assert_eq!((as_source(&below.0), as_target(&below.0)), (by.clone(), by));
    assert_eq!(as_source(&above.0), None);
}

#[test]
fn a_filesystem_mounted_read_only_is_no_obstacle_to_reading() {
    if !can_run("mounts", &["mkfs.ext4"]) {
        return;
    }
    let (folder, path) = file_of_zeros(8 * MIB);
    run("mkfs.ext4", [Path::new("-q"), &path]);
    let device = Loop::over(&path, &[]);
    let place = folder.path().join("a place");

    let mount = Mount::new(&device.0, place.clone(), "ro");
    assert_eq!(as_source(&device.0), None);
    assert_eq!(as_source(&path), None);
    let on = place.clone();
    assert_eq!(as_target(&device.0), Some(InUse::Mounted { on }));
    drop(mount);
    assert_eq!(as_target(&device.0), None);

    let mount = Mount::new(&device.0, place.clone(), "rw");
    let mounted = Some(InUse::Mounted { on: place.clone() });
    assert_eq!(as_source(&device.0), mounted);
    assert_eq!(as_target(&device.0), mounted);
    assert!(matches!(as_source(&path), Some(InUse::Loop { .. })));
    // Read-only for one of two mounts: the filesystem is written to.
    let second = Mount::new(&place, folder.path().join("second"), "bind,ro");
    assert_eq!(as_source(&device.0), mounted);
    drop(second);
    drop(mount);
}

#[test]
fn a_mount_that_cannot_be_seen_is_taken_for_a_writable_one() {
    if !can_run("another namespace", &["mkfs.ext4", "unshare"]) {
        return;
    }
    let (folder, path) = file_of_zeros(8 * MIB);
    run("mkfs.ext4", [Path::new("-q"), &path]);
    let device = Loop::over(&path, &[]);
    let place = folder.path().join("place");
    fs::create_dir(&place).unwrap();
    for options in ["rw", "ro"] {
        let (from, on) = (device.0.display(), place.display());
        let script = format!("mount -o {options} {from} {on}");
        let _keeper = Keeper::shell_in_another_namespace(&script);
        assert_eq!(as_source(&device.0), Some(InUse::Exclusive));
        assert_eq!(as_target(&device.0), Some(InUse::Exclusive));
        let by = InUse::Loop {
            device: device.name(),
        };
        assert_eq!(as_source(&path), Some(by));
    }
}

#[test]
fn a_loop_device_set_up_under_a_path_we_do_not_have_is_found() {
    if !can_run("path of another namespace", &["unshare"]) {
        return;
    }
    // A size no other loop device has.
    let (folder, path) = file_of_zeros(3 * MIB + 512);
    let place = folder.path().join("place");
    fs::create_dir(&place).unwrap();
    let (at, on) = (folder.path().display(), place.display());
    let script = format!("mount --bind {at} {on}\nlosetup -f --show {on}/disk.img > {at}/name");
    let keeper = Keeper::shell_in_another_namespace(&script);
    let name = fs::read_to_string(folder.path().join("name")).unwrap();
    let device = Loop(name.trim_end().into());
    let by = InUse::Loop {
        device: device.name(),
    };
    assert_eq!(as_source(&path), Some(by));

    drop(keeper);
    let by = InUse::PerhapsLoop {
        device: device.name(),
    };
    assert_eq!(as_source(&path), Some(by));
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_len(MIB)
        .unwrap();
    assert_eq!(as_source(&path), None);
}

#[test]
fn a_disk_with_a_mounted_partition_is_in_use() {
    if !can_run("partitions", &["mkfs.ext4", "addpart"]) {
        return;
    }
    let (folder, path) = file_of_zeros(9 * MIB);
    let disk = Loop::over(&path, &["-P"]);
    let partition = disk.add_partition("1", "2048", "16384");
    run("mkfs.ext4", [Path::new("-q"), &partition.path]);
    assert_eq!(
        (as_source(&disk.0), as_source(&partition.path)),
        (None, None)
    );

    let place = folder.path().join("place");
    let mount = Mount::new(&partition.path, place.clone(), "rw");
    let by = InUse::PartitionMounted {
        partition: format!("{}p1", disk.name()),
        on: place.clone(),
    };
    assert_eq!(as_source(&disk.0), Some(by.clone()));
    assert_eq!(as_target(&disk.0), Some(by.clone()));
    let options = TargetOptions {
        force: true,
        ..TargetOptions::default()
    };
    let target = Target::create(&disk.0, &options);
    assert!(matches!(target, Err(Error::InUse { by: found, .. }) if found == by));
    assert_eq!(
        as_source(&partition.path),
        Some(InUse::Mounted { on: place.clone() })
    );
    assert!(matches!(as_source(&path), Some(InUse::Loop { .. })));
    drop(mount);

    let _mount = Mount::new(&partition.path, place, "ro");
    assert_eq!(as_source(&partition.path), None);
    assert_eq!(as_source(&disk.0), Some(by));
}

#[test]
fn qemu_that_writes_is_an_obstacle_and_qemu_that_reads_is_none() {
    if !can_run("QEMU", &["qemu-io"]) {
        return;
    }
    let (_folder, path) = file_of_zeros(MIB);
    let device = Loop::over(&file_of_zeros(MIB).1, &[]);
    for disk in [&path, &device.0] {
        let writer = Keeper::qemu_io(&[], disk);
        assert_eq!(as_source(disk), Some(InUse::QemuWrites));
        assert_eq!(as_target(disk), Some(InUse::QemuWrites));
        drop(writer);
        let reader = Keeper::qemu_io(&["-r"], disk);
        assert_eq!(as_source(disk), None);
        assert_eq!(as_target(disk), Some(InUse::QemuReads));
        drop(reader);
        assert_eq!(as_target(disk), None);
    }
}

#[test]
fn swap_space_is_in_use() {
    if !can_run("swap", &["mkswap", "swapon", "swapoff"]) {
        return;
    }
    let (_folder, path) = file_of_zeros(0);
    fs::write(&path, vec![0; 1 << 20]).unwrap();
    fs::set_permissions(&path, PermissionsExt::from_mode(0o600)).unwrap();
    let device = Loop::over(&file_of_zeros(MIB).1, &[]);
    for disk in [&path, &device.0] {
        run("mkswap", [disk]);
        let on = Command::new("swapon").args(["-p", "0"]).arg(disk).status();
        if !on.unwrap().success() {
            eprintln!("SKIPPED: swap: {} cannot be swapped to", disk.display());
            continue;
        }
        let found = (as_source(disk), as_target(disk));
        run("swapoff", [disk]);
        assert_eq!(found, (Some(InUse::Swap), Some(InUse::Swap)));
    }
}
