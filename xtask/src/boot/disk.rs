//! The disk of the machine: four partitions, a Debian on them, and deleted files.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

use fixtures::{Mount, SplitMix};

use super::guest::{self, BOOT, ESP, PACKAGES, ROOT, SUITE, SUMS, SWAP};
use crate::program::required;
use crate::task::Failure;

const MIB: u64 = 1 << 20;

/// Length of the disk.
const DISK_BYTES: u64 = 3 << 30;
/// Where each partition begins, and its length: the table takes the first MiB and
/// the last.
const ESP_AT: [u64; 2] = [MIB, 64 * MIB];
const BOOT_AT: [u64; 2] = [65 * MIB, 256 * MIB];
const SWAP_AT: [u64; 2] = [321 * MIB, 128 * MIB];
const ROOT_AT: [u64; 2] = [449 * MIB, DISK_BYTES - 450 * MIB];

/// What is written to the root, and deleted again.
const DELETED_BYTES: u64 = 256 * MIB;

/// Where the code that starts from a GPT is in the system, and the bytes it may have.
const BOOT_CODE: &str = "usr/lib/syslinux/mbr/gptmbr.bin";
const BOOT_CODE_BYTES: usize = 440;

/// Packages come from afar.
const PATIENCE: Duration = Duration::from_secs(1800);

/// Mounts that end with the shell, and the boot loader of the system.
const INSTALL_LOADER: &str = "mount --bind /dev \"$1/dev\" && mount -t proc proc \"$1/proc\" && \
                              chroot \"$1\" extlinux --install /boot/syslinux";

/// The digests of everything that starting the machine leaves alone.
const SUM_UP: &str = "cd \"$1\" && find usr boot -type f -print0 | sort -z | \
                      xargs -0 sha256sum > \"$2\"";

/// A disk.
pub(super) struct Disk {
    pub(super) deleted_bytes: u64,
    files: usize,
}

impl Disk {
    /// Makes the disk `raw`, and what it takes for that in `folder`.
    pub(super) fn make(raw: &Path, folder: &Path) -> Result<Self, Failure> {
        println!("making the disk");
        partition(raw)?;
        format(raw, folder)?;
        let root = folder.join("root");
        let mounted = Mounted::new(raw, &root)?;
        println!("installing Debian");
        install(&root)?;
        guest::set_up(&root)?;
        isolated(INSTALL_LOADER, &[&root])?;
        let code = fs::read(root.join(BOOT_CODE))?;
        if code.len() > BOOT_CODE_BYTES {
            return Err(Failure::new("the boot code is longer than its room"));
        }
        // It lies beneath the ESP, which has a copy, while the digests are taken.
        let file = root.join("boot/efi/file");
        fs::create_dir_all(root.join("boot/efi"))?;
        fs::write(&file, esp_file())?;
        isolated(SUM_UP, &[&root, Path::new(SUMS)])?;
        fs::remove_file(file)?;
        let sums = fs::read_to_string(root.join(SUMS))?;
        write_deleted(&root.join("deleted"))?;
        mounted.end()?;
        OpenOptions::new()
            .write(true)
            .open(raw)?
            .write_all_at(&code, 0)?;
        Ok(Self {
            deleted_bytes: DELETED_BYTES,
            files: sums.lines().count(),
        })
    }

    /// For people.
    pub(super) fn about(&self) -> String {
        format!(
            "A Debian {SUITE} on a disk of {} MiB with a GPT: {} files whose digests it knows, \
             and {} MiB deleted.",
            DISK_BYTES / MIB,
            self.files,
            self.deleted_bytes / MIB
        )
    }
}

/// Writes the table. The second partition is the one to start from.
fn partition(raw: &Path) -> Result<(), Failure> {
    File::create(raw)?.set_len(DISK_BYTES)?;
    let mut arguments = Vec::new();
    let kinds = ["ef00", "8300", "8200", "8300"];
    for (index, ([start, length], kind)) in [ESP_AT, BOOT_AT, SWAP_AT, ROOT_AT]
        .into_iter()
        .zip(kinds)
        .enumerate()
    {
        let (number, first) = (index + 1, start / 512);
        let last = (start + length) / 512 - 1;
        arguments.push(format!("-n{number}:{first}:{last}"));
        arguments.push(format!("-t{number}:{kind}"));
    }
    required("sgdisk")?.ok(|command| command.args(arguments).args(["-A", "2:set:2"]).arg(raw))?;
    Ok(())
}

/// Makes the file systems and the swap.
fn format(raw: &Path, folder: &Path) -> Result<(), Failure> {
    let mke2fs = required("mke2fs")?;
    let extlinux_reads = ["-O", "^64bit,^metadata_csum"];
    for (label, [start, length], options) in [
        (BOOT, BOOT_AT, extlinux_reads.as_slice()),
        (ROOT, ROOT_AT, &[]),
    ] {
        mke2fs.ok(|command| {
            command
                .args(["-q", "-F", "-t", "ext4", "-L", label])
                .args(options)
                .args(["-E", &format!("offset={start}")])
                .arg(raw)
                .arg(format!("{}k", length / 1024))
        })?;
    }
    // These two know nothing of offsets.
    for (program, label, [start, length]) in
        [("mkfs.vfat", "-n", ESP_AT), ("mkswap", "-L", SWAP_AT)]
    {
        let part = folder.join("part");
        File::create(&part)?.set_len(length)?;
        let name = if start == ESP_AT[0] { ESP } else { SWAP };
        required(program)?.ok(|command| command.args([label, name]).arg(&part))?;
        if name == ESP {
            let file = folder.join("file");
            fs::write(&file, esp_file())?;
            required("mcopy")?
                .ok(|command| command.arg("-i").args([&part, &file]).arg("::file"))?;
        }
        let bytes = fs::read(&part)?;
        OpenOptions::new()
            .write(true)
            .open(raw)?
            .write_all_at(&bytes, start)?;
        fs::remove_file(part)?;
    }
    Ok(())
}

/// What the file on the ESP holds. Not every kernel that makes the disk can mount FAT.
fn esp_file() -> Vec<u8> {
    SplitMix::new(1).bytes(100_000)
}

/// The two file systems of Linux, one over the other.
struct Mounted {
    /// The innermost first.
    mounts: Vec<Mount>,
}

impl Mounted {
    fn new(raw: &Path, root: &Path) -> io::Result<Self> {
        let mut mounted = Self { mounts: Vec::new() };
        for (inside, [start, length]) in [("", ROOT_AT), ("boot", BOOT_AT)] {
            let options = format!("offset={start},sizelimit={length}");
            let mount = Mount::new(raw, &root.join(inside), &options)?;
            mounted.mounts.insert(0, mount);
        }
        Ok(mounted)
    }

    fn end(self) -> io::Result<()> {
        self.mounts.into_iter().try_for_each(Mount::end)
    }
}

/// Installs the system at `root`, from where this machine has its packages.
fn install(root: &Path) -> Result<(), Failure> {
    let debootstrap = required("debootstrap")?;
    let script = "include=$1; suite=$2; root=$3; mirror=$4; debootstrap=$5; \
                  exec \"$debootstrap\" --variant=minbase --include=\"$include\" \
                  \"$suite\" \"$root\" \"$mirror\"";
    let mirror = mirror()?;
    let [packages, suite] = [PACKAGES, SUITE].map(Path::new);
    isolated(
        script,
        &[
            packages,
            suite,
            root,
            Path::new(&mirror),
            debootstrap.path(),
        ],
    )
}

/// The archive this machine has packages of Debian from.
fn mirror() -> Result<String, Failure> {
    let said = required("apt-get")?.ok(|command| {
        let command = command.args(["indextargets", "--format", "$(REPO_URI)"]);
        command.args(["Created-By: Packages", "Origin: Debian", "Label: Debian"])
    })?;
    let first = said.lines().next().map(String::from);
    first.ok_or(Failure::new("apt knows no archive of Debian"))
}

/// Runs `script` with `words` so that what it mounts is gone when it ends.
fn isolated(script: &str, words: &[&Path]) -> Result<(), Failure> {
    let unshare = required("unshare")?.with_patience(PATIENCE);
    unshare.ok(|command| {
        command
            .args(["--mount", "--propagation", "private"])
            .args(["/bin/sh", "-c", script, "sh"])
            .args(words)
    })?;
    Ok(())
}

/// Writes a file that nothing can compress, and deletes it when it is on the disk.
fn write_deleted(file: &Path) -> io::Result<()> {
    let mut random = SplitMix::new(2);
    let mut to = BufWriter::new(File::create(file)?);
    let mut chunk = vec![0; 1 << 20];
    for _ in 0..DELETED_BYTES / MIB {
        random.fill(&mut chunk);
        to.write_all(&chunk)?;
    }
    to.into_inner()
        .map_err(io::IntoInnerError::into_error)?
        .sync_all()?;
    fs::remove_file(file)
}
