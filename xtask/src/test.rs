//! Everything that must hold before a change goes in.

use std::process::{Command, ExitStatus};
use std::time::Instant;

use fixtures::{Qemu, Tool};

use crate::api;
use crate::task::arguments::Arguments;
use crate::task::{Failure, TaskResult};
use crate::tidy;
use crate::workspace::cargo;

/// The oldest qemu-img whose answers the tests know.
const QEMU_MIN: (u32, u32) = (7, 2);

/// Programs the tests ask, each with its package for apt, dnf and pacman.
const ORACLES: [(&str, [&str; 3]); 37] = [
    ("qemu-img", ["qemu-utils", "qemu-img", "qemu-img"]),
    ("mke2fs", ["e2fsprogs"; 3]),
    ("debugfs", ["e2fsprogs"; 3]),
    ("e2fsck", ["e2fsprogs"; 3]),
    ("dumpe2fs", ["e2fsprogs"; 3]),
    ("e2image", ["e2fsprogs"; 3]),
    ("filefrag", ["e2fsprogs"; 3]),
    ("mkfs.btrfs", ["btrfs-progs"; 3]),
    ("btrfs", ["btrfs-progs"; 3]),
    ("mkfs.xfs", ["xfsprogs"; 3]),
    ("xfs_db", ["xfsprogs"; 3]),
    ("xfs_repair", ["xfsprogs"; 3]),
    ("partclone.xfs", ["partclone"; 3]),
    ("ntfs-3g", ["ntfs-3g"; 3]),
    ("ntfsclone", ["ntfs-3g", "ntfsprogs", "ntfs-3g"]),
    ("ntfsfix", ["ntfs-3g", "ntfsprogs", "ntfs-3g"]),
    (
        "mount.exfat-fuse",
        ["exfat-fuse", "fuse-exfat", "exfat-utils"],
    ),
    ("fsfreeze", ["util-linux"; 3]),
    ("mkfs.ntfs", ["ntfs-3g", "ntfsprogs", "ntfs-3g"]),
    ("blkid", ["util-linux"; 3]),
    ("mkswap", ["util-linux"; 3]),
    ("mkfs.vfat", ["dosfstools"; 3]),
    ("fsck.fat", ["dosfstools"; 3]),
    ("mkfs.exfat", ["exfatprogs"; 3]),
    ("fsck.exfat", ["exfatprogs"; 3]),
    ("sgdisk", ["gdisk", "gdisk", "gptfdisk"]),
    ("sfdisk", ["fdisk", "util-linux", "util-linux"]),
    ("parted", ["parted"; 3]),
    ("lvm", ["lvm2"; 3]),
    ("mformat", ["mtools"; 3]),
    ("mkudffs", ["udftools"; 3]),
    ("mkntfs", ["ntfs-3g", "ntfsprogs", "ntfs-3g"]),
    ("mkfs.f2fs", ["f2fs-tools"; 3]),
    (
        "veritysetup",
        ["cryptsetup-bin", "veritysetup", "cryptsetup"],
    ),
    ("ddrescuelog", ["gddrescue", "ddrescue", "ddrescue"]),
    ("chromium", ["chromium"; 3]),
    ("script", ["bsdutils", "util-linux", "util-linux"]),
];

/// Programs that install packages, in the order of [`ORACLES`], with their
/// arguments.
const INSTALLERS: [(&str, &[&str]); 3] = [
    ("apt-get", &["install", "--yes", "--no-install-recommends"]),
    ("dnf", &["install", "--assumeyes"]),
    ("pacman", &["--sync", "--noconfirm", "--needed"]),
];

/// A step: its name, and whether it holds.
type Step = (&'static str, fn() -> TaskResult);

const STEPS: [Step; 9] = [
    ("format", || run(cargo().args(["fmt", "--all", "--check"]))),
    ("lints", || {
        let clippy = [
            "clippy",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ];
        run(cargo().args(clippy))
    }),
    ("tidy", || tidy::run(Arguments::new([]))),
    ("public API", || api::run(Arguments::new([]))),
    ("tests", tests),
    ("doc tests", || {
        run(cargo().args(["test", "--workspace", "--doc"]))
    }),
    ("tests without C for deflate", || {
        let test = |arguments: &str| {
            let arguments = arguments.split(' ');
            run(cargo()
                .arg("test")
                .args(arguments)
                .arg("--no-default-features"))
        };
        test("-p qcow2-codec --lib")?;
        test("-p qcow2-writer --lib --test compressed")?;
        // What reads no stream does not depend on it.
        test("-p qcow2-reader --features files --lib --test reader compressed")
    }),
    ("the reader without files", || {
        run(cargo().args(["check", "-p", "qcow2-reader", "--no-default-features"]))
    }),
    ("documentation", || {
        let doc = [
            "doc",
            "--workspace",
            "--no-deps",
            "--document-private-items",
        ];
        run(cargo().args(doc).env("RUSTDOCFLAGS", "-D warnings"))
    }),
];

/// `cargo xtask test`.
pub(crate) fn run_all(mut arguments: Arguments) -> TaskResult {
    let nothing_else = arguments.flag("--install-only");
    let wanted = arguments.flag("--install") || nothing_else;
    arguments.finish()?;
    if wanted && !missing().is_empty() {
        install(&missing())?;
    }
    if nothing_else {
        return Ok(());
    }
    let skipped = missing();
    if fixtures::strict() && !skipped.is_empty() {
        return Err(Failure::new(format!(
            "CI is true, and {} missing",
            names(&skipped)
        )));
    }
    let mut summary = Vec::new();
    let mut failed = 0;
    for (name, step) in STEPS {
        println!("\n== {name}");
        let start = Instant::now();
        let result = step();
        let seconds = start.elapsed().as_secs();
        summary.push(match result {
            Ok(()) => format!("ok    {name} ({seconds} s)"),
            Err(failure) => {
                failed += 1;
                format!("FAIL  {name} ({seconds} s): {failure}")
            }
        });
    }
    println!("\n== summary\n{}", summary.join("\n"));
    if !skipped.is_empty() {
        println!(
            "SKIPPED what needs {} (`cargo xtask test --install`)",
            names(&skipped)
        );
    }
    if failed > 0 {
        return Err(Failure::new(format!(
            "{failed} of {} steps failed",
            STEPS.len()
        )));
    }
    println!("all {} steps passed", STEPS.len());
    Ok(())
}

/// Unit, property and integration tests, among them those that ask the oracles;
/// the long ones where `QCOW2_TESTS` asks for them.
fn tests() -> TaskResult {
    if Tool::find("cargo-nextest").is_some() {
        return run(cargo().args(["nextest", "run", "--workspace"]));
    }
    run(cargo().args(["test", "--workspace", "--lib", "--bins", "--tests"]))
}

/// Runs `command`, whose output the user sees.
fn run(command: &mut Command) -> TaskResult {
    let status: ExitStatus = command.status()?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::new(format!("{status}")))
}

/// The oracles the machine lacks, or has too old.
fn missing() -> Vec<&'static str> {
    let old = Qemu::find().is_some_and(|qemu| qemu.version() < Some(QEMU_MIN));
    let names = ORACLES.iter().map(|(name, _)| *name);
    names
        .filter(|name| Tool::find(name).is_none() || (*name == "qemu-img" && old))
        .collect()
}

fn names(programs: &[&str]) -> String {
    programs.join(", ")
}

/// Installs `programs` with the machine's package manager.
fn install(programs: &[&str]) -> TaskResult {
    let found = INSTALLERS
        .iter()
        .enumerate()
        .find_map(|(column, (name, arguments))| Some((column, Tool::find(name)?, arguments)));
    let Some((column, installer, arguments)) = found else {
        return Err(Failure::new(
            "no package manager we know; install qemu-img, e2fsprogs, btrfs-progs and xfsprogs",
        ));
    };
    let mut packages: Vec<_> = ORACLES
        .iter()
        .filter(|(name, _)| programs.contains(name))
        .map(|(_, packages)| packages[column])
        .collect();
    packages.dedup();
    if installer.path().ends_with("apt-get")
        && let Err(failure) = run(as_root(&installer)?.arg("update"))
    {
        println!("apt-get update: {failure}; its old lists may do");
    }
    println!("installing {}", packages.join(", "));
    run(as_root(&installer)?.args(*arguments).args(packages))
}

/// `installer` with the rights to install.
fn as_root(installer: &Tool) -> Result<Command, Failure> {
    let id = Tool::find("id").ok_or(Failure::new("there is no `id`"))?;
    if id.ok(|command| command.arg("-u"))?.trim() == "0" {
        return Ok(Command::new(installer.path()));
    }
    let sudo = Tool::find("sudo").ok_or(Failure::new("to install, be root or have sudo"))?;
    let mut command = Command::new(sudo.path());
    command.arg("-n").arg(installer.path());
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_oracle_is_found_or_missing() {
        let missing = missing();
        for (name, _) in ORACLES {
            assert!(missing.contains(&name) || Tool::find(name).is_some());
        }
    }
}
