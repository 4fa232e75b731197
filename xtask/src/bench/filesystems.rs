//! Packing file systems of several kinds, beside the one tool that knows them.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use fixtures::{Mount, Tool};

use super::figures::Goal;
use super::job::{Contender, Job};
use super::jobs::clone;
use super::partitions::tool;
use super::place::{Form, Place};
use super::tools::{Tools, find};
use super::tree::{Part, plant};
use crate::task::{Failure, TaskResult};

/// A kind of file system.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    /// What makes it, the arguments for that, and its partclone.
    mkfs: (&'static str, &'static [&'static str]),
    partclone: &'static str,
    /// What mounts it, if the kernel does not.
    driver: Option<&'static str>,
}

/// The kinds that are packed.
pub(super) const KINDS: [Kind; 4] = [
    Kind {
        name: "XFS",
        mkfs: ("mkfs.xfs", &["-q", "-f"]),
        partclone: "partclone.xfs",
        driver: None,
    },
    Kind {
        name: "btrfs",
        mkfs: ("mkfs.btrfs", &["-q", "-f"]),
        partclone: "partclone.btrfs",
        driver: None,
    },
    Kind {
        name: "NTFS",
        mkfs: ("mkntfs", &["-q", "-F", "-Q"]),
        partclone: "partclone.ntfs",
        driver: Some("ntfs-3g"),
    },
    Kind {
        name: "ext4",
        mkfs: ("mke2fs", &["-q", "-F", "-t", "ext4", "-i", "8192"]),
        partclone: "partclone.ext4",
        driver: None,
    },
];

/// Parts of a hundred of the disk that files are to fill: those kept, and those
/// deleted again.
const KEPT_PERCENT: u64 = 36;
const DELETED_PERCENT: u64 = 25;

impl Kind {
    /// Makes `disk` of `size_bytes` with files of `trees`, mounted on `folder`
    /// meanwhile. Only root may.
    pub(super) fn make(
        self,
        disk: &Path,
        size_bytes: u64,
        trees: &[PathBuf],
        folder: &Path,
    ) -> TaskResult {
        File::create(disk)?.set_len(size_bytes)?;
        let (mkfs, arguments) = self.mkfs;
        tool(mkfs)?.ok(|command| command.args(arguments).arg(disk))?;
        let mounted = self.mount(disk, folder)?;
        let mut kept = Part::new(size_bytes / 100 * KEPT_PERCENT);
        let mut deleted = Part::new(size_bytes / 100 * DELETED_PERCENT);
        plant(trees, folder, &mut kept, &mut deleted)?;
        // On the disk before it is deleted.
        let sync = tool("sync")?;
        sync.ok(|command| command.arg("-f").arg(folder))?;
        for file in &deleted.files {
            fs::remove_file(folder.join(file))?;
        }
        println!(
            "{} of {} MiB: {} MiB of {} files, {} MiB of {} deleted",
            self.name,
            size_bytes >> 20,
            kept.bytes >> 20,
            kept.files.len(),
            deleted.bytes >> 20,
            deleted.files.len()
        );
        mounted.end()
    }

    fn mount(self, disk: &Path, folder: &Path) -> Result<Mounted, Failure> {
        let Some(driver) = self.driver else {
            return Ok(Mounted::Kernel(Mount::new(disk, folder, "")?));
        };
        fs::create_dir_all(folder)?;
        tool(driver)?.ok(|command| command.args([disk, folder]))?;
        Ok(Mounted::User(tool("umount")?, folder.into()))
    }

    /// Packing it, plain and with zlib.
    pub(super) fn jobs(self, place: &Place, tools: &Tools) -> Vec<Job> {
        let [image, log] = ["image", "log"].map(|name| place.path(name));
        let ends = [place.source.as_path(), image.as_path()];
        let ours = |form: Form| Contender::ours(tools, &form.pack(), ends, form.memory());
        let line = find(self.partclone).map(|tool| clone(&tool, "-c", &log, ends));
        let cloning = place.contender(&format!("{} -c", self.partclone), line, ends);
        let convert = place.peer(
            "qemu-img convert -c -W -m 16",
            tools.qemu.as_ref(),
            "convert -f raw -O qcow2 -c -W -m 16",
            ends,
        );
        let plain = vec![ours(Form::Plain), cloning.goal(Goal::Faster(2.0))];
        let zlib = vec![ours(Form::Zlib), convert.goal(Goal::Faster(10.0))];
        let jobs = [(Form::Plain, plain), (Form::Zlib, zlib)];
        let jobs = jobs.map(|(form, contenders)| {
            let name = format!("{}, pack, {}", self.name, form.word());
            let mut job = place.job(&name, "qcow2", contenders);
            // No other tool tells what is in use.
            job.check.content = None;
            job.needs = vec![(log.clone(), None)];
            job
        });
        jobs.into()
    }
}

/// A file system in use; one of the kernel ends by itself if need be.
enum Mounted {
    Kernel(Mount),
    User(Tool, PathBuf),
}

impl Mounted {
    fn end(self) -> TaskResult {
        match self {
            Self::Kernel(mount) => mount.end()?,
            Self::User(umount, folder) => {
                umount.ok(|command| command.arg(folder))?;
            }
        }
        Ok(())
    }
}
