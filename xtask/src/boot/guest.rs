//! What is installed, and what it says when it has started.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::Path;

/// The release that is installed.
pub(super) const SUITE: &str = "bookworm";

/// More than a minimal system: what starts, and checks its file systems.
pub(super) const PACKAGES: &str = "systemd-sysv,linux-image-cloud-amd64,extlinux,syslinux-common,\
                                   e2fsprogs,udev,kmod";

/// Names of the file systems, for whoever mounts them.
pub(super) const ROOT: &str = "vm-root";
pub(super) const BOOT: &str = "vm-boot";
pub(super) const ESP: &str = "VM-ESP";
pub(super) const SWAP: &str = "vm-swap";

/// What the serial line says when all is well.
const SOUND: &str = "every file is as it was";

/// The digests of the files, for sha256sum.
pub(super) const SUMS: &str = "root/sums";

/// The unit that runs when everything else has started.
const UNIT: &str = "check-and-end";

/// Puts the settings of a machine into the system at `root`.
pub(super) fn set_up(root: &Path) -> io::Result<()> {
    fs::write(root.join("etc/hostname"), "vm\n")?;
    fs::write(root.join("etc/fstab"), fstab())?;
    let folder = root.join("etc/systemd/system");
    let unit = format!("{UNIT}.service");
    fs::write(folder.join(&unit), service())?;
    let wants = folder.join("multi-user.target.wants");
    fs::create_dir_all(&wants)?;
    symlink(Path::new("..").join(&unit), wants.join(&unit))?;
    let boot = root.join("boot");
    fs::create_dir_all(boot.join("syslinux"))?;
    let (kernel, initrd) = (named(&boot, "vmlinuz-")?, named(&boot, "initrd.img-")?);
    let menu = format!(
        "SERIAL 0 115200\nDEFAULT linux\nLABEL linux\n  LINUX /{kernel}\n  INITRD /{initrd}\n  \
         APPEND root=LABEL={ROOT} ro console=ttyS0\n"
    );
    fs::write(boot.join("syslinux/syslinux.cfg"), menu)
}

/// Whether a machine with this on its serial line started, and found everything
/// as it was.
pub(super) fn is_sound(console: &str) -> bool {
    console.lines().any(|line| line.trim_end().ends_with(SOUND))
}

fn fstab() -> String {
    format!(
        "LABEL={ROOT} / ext4 errors=remount-ro 0 1\n\
         LABEL={BOOT} /boot ext4 defaults 0 2\n\
         LABEL={ESP} /boot/efi vfat umask=0077 0 0\n\
         LABEL={SWAP} none swap sw 0 0\n"
    )
}

/// Every file system must be in use, and every file the same.
fn service() -> String {
    format!(
        "[Unit]\nDescription=Check every file\nAfter=multi-user.target\n\n\
         [Service]\nType=oneshot\nStandardOutput=journal+console\n\
         ExecStart=/bin/sh -c 'cd / && mountpoint -q boot && mountpoint -q boot/efi && \
         grep -q partition /proc/swaps && sha256sum --quiet --check {SUMS} && \
         echo {SOUND}'\n\
         ExecStopPost=/bin/systemctl --no-block poweroff\n"
    )
}

/// The one file of `folder` whose name begins with `begin`.
fn named(folder: &Path, begin: &str) -> io::Result<String> {
    let names = fs::read_dir(folder)?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(begin));
    match names.collect::<Vec<_>>().as_slice() {
        [name] => Ok(name.clone()),
        names => Err(io::Error::other(format!("{begin}: found {names:?}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_line_counts() {
        assert!(is_sound("[ OK ] a\r\nevery file is as it was\r\n"));
        assert!(!is_sound("[ OK ] a\r\nlogin:"));
        assert!(!is_sound("echo every file is as it was'"));
    }

    #[test]
    fn a_machine_is_set_up() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        for folder in ["etc/systemd/system", "boot"] {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        assert!(set_up(root).is_err(), "there is no kernel");
        for file in ["vmlinuz-1", "initrd.img-1"] {
            fs::write(root.join("boot").join(file), "").unwrap();
        }
        let wanted = root.join("etc/systemd/system/multi-user.target.wants/check-and-end.service");
        fs::remove_file(&wanted).unwrap();
        set_up(root).unwrap();
        let menu = fs::read_to_string(root.join("boot/syslinux/syslinux.cfg")).unwrap();
        assert!(menu.contains("LINUX /vmlinuz-1\n"), "{menu}");
        assert!(wanted.exists());
    }
}
