//! A Debian in a virtual machine, packed and started again.

mod disk;
mod guest;

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fixtures::{Program, Tool};

use crate::program::{self, required};
use crate::task::arguments::Arguments;
use crate::task::{Failure, TaskResult};
use disk::Disk;

/// A virtual machine without hardware support is slow.
const BOOT_PATIENCE: Duration = Duration::from_secs(900);

/// The machine: nothing in it but a disk and a serial line.
const MACHINE: &str = "-accel tcg -m 1024 -nodefaults -no-user-config -vga none -display none \
                       -net none -no-reboot";

/// What a machine said last, in lines, if it did not start.
const TAIL_LINES: usize = 60;

/// Bytes of a sector, as the kernel counts what a file takes.
const SECTOR_BYTES: u64 = 512;

/// `cargo xtask boot`.
pub(crate) fn run(mut arguments: Arguments) -> TaskResult {
    let program = arguments.option("--bin")?;
    let around = arguments.option("--dir")?.map(PathBuf::from);
    arguments.finish()?;
    let boot = Boot {
        program: program::at_or_built(program)?,
        qemu: required("qemu-system-x86_64")?.with_patience(BOOT_PATIENCE),
        qemu_img: required("qemu-img")?,
    };
    let folder = match around {
        Some(around) => tempfile::tempdir_in(around)?,
        None => tempfile::tempdir()?,
    };
    let raw = folder.path().join("vm.raw");
    let disk = Disk::make(&raw, folder.path())?;
    println!("{}", disk.about());

    let image = folder.path().join("vm.qcow2");
    boot.qemu_img.ok(|command| {
        let command = command.args(["convert", "-f", "raw", "-O", "qcow2"]);
        command.args([&raw, &image])
    })?;
    let of_raw = boot.packed(&[], &raw, &folder.path().join("of-raw.qcow2"))?;
    let of_image = boot.packed(
        &["-c", "zlib"],
        &image,
        &folder.path().join("of-qcow2.qcow2"),
    )?;
    must_be_without(&raw, &of_raw, disk.deleted_bytes)?;
    for (what, image) in [("raw", of_raw), ("qcow2", of_image)] {
        boot.start(&format!("packed from {what}"), &image)?;
    }
    Ok(())
}

/// The programs at work.
struct Boot {
    program: Program,
    qemu: Tool,
    qemu_img: Tool,
}

impl Boot {
    /// Packs `source` into `image`, which qemu-img must find sound.
    fn packed(&self, arguments: &[&str], source: &Path, image: &Path) -> Result<PathBuf, Failure> {
        let outcome = self.program.pack(arguments, source, image)?;
        if !outcome.success() {
            let (code, said) = (outcome.code, outcome.brief(400));
            return Err(Failure::new(format!("pack ended with {code:?}: {said}")));
        }
        self.check(image)?;
        println!("packed into {} MiB", image.metadata()?.len() >> 20);
        Ok(image.into())
    }

    /// Starts the machine on `image`, and waits for it to end by itself after
    /// it found every file as it was.
    fn start(&self, what: &str, image: &Path) -> TaskResult {
        let console = image.with_extension("console");
        File::create(&console)?;
        let drive = format!("file={},format=qcow2,if=virtio", image.display());
        let serial = format!("file:{}", console.display());
        let start = Instant::now();
        let outcome = self.qemu.run(|command| {
            let command = command.args(MACHINE.split_whitespace());
            command.args(["-drive", &drive, "-serial", &serial])
        })?;
        let said = fs::read(&console)?;
        let said = String::from_utf8_lossy(&said);
        if !outcome.success() || !guest::is_sound(&said) {
            let (code, error) = (outcome.code, outcome.brief(400));
            let tail: Vec<_> = said.lines().rev().take(TAIL_LINES).collect();
            let tail: Vec<_> = tail.into_iter().rev().collect();
            return Err(Failure::new(format!(
                "{what}: it did not start (code {code:?}: {error}); the last it said:\n{}",
                tail.join("\n")
            )));
        }
        // It was written to, by the guest.
        self.check(image)?;
        println!(
            "{what}: started, every file as it was, shut down; {} s",
            start.elapsed().as_secs()
        );
        Ok(())
    }

    fn check(&self, image: &Path) -> TaskResult {
        self.qemu_img
            .ok(|command| command.args(["check", "-q", "-f", "qcow2"]).arg(image))?;
        Ok(())
    }
}

/// `image` lacks at least `deleted_bytes` of what `raw` stores.
fn must_be_without(raw: &Path, image: &Path, deleted_bytes: u64) -> TaskResult {
    let stored = raw.metadata()?.blocks() * SECTOR_BYTES;
    let length = image.metadata()?.len();
    if length + deleted_bytes <= stored {
        return Ok(());
    }
    Err(Failure::new(format!(
        "the image has {length} bytes of the {stored} stored, of which {deleted_bytes} were deleted"
    )))
}
