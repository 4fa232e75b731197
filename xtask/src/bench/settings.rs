//! What is asked for: of which disk, how large, where.

use std::env;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use super::machine;
use super::workload::trees_of_the_machine;
use crate::task::Failure;
use crate::task::arguments::Arguments;

const GIB: u64 = 1 << 30;
const ROUNDS_DEFAULT: usize = 5;

/// A file system in memory.
const MEMORY: &str = "/dev/shm";
/// The folder of ours wherever files are made, so that no other is emptied.
pub(super) const FOLDER: &str = "qcow2-bench";

/// Bytes the files of all jobs take at one time, for two bytes of the disk.
const ROOM_FOR_TWO: u64 = 5;

/// What is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// An ext4.
    Ext4,
    /// The disk of a virtual machine.
    Machine,
    /// File systems of several kinds.
    Filesystems,
}

impl What {
    fn named(name: Option<&str>) -> Result<Self, Failure> {
        match name {
            None | Some("ext4") => Ok(Self::Ext4),
            Some("machine") => Ok(Self::Machine),
            Some("filesystems") => Ok(Self::Filesystems),
            Some(other) => Err(Failure::new(format!(
                "--of {other}: ext4, machine or filesystems is expected"
            ))),
        }
    }

    /// How long the disk is, unless that is said.
    fn size_gib(self) -> u64 {
        match self {
            Self::Machine => 16,
            Self::Ext4 | Self::Filesystems => 8,
        }
    }
}

/// What was asked for.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) what: What,
    pub(super) size_bytes: u64,
    pub(super) rounds: usize,
    pub(super) folder: PathBuf,
    pub(super) disk: Option<PathBuf>,
    /// What the names of the jobs to do hold.
    pub(super) filter: String,
    pub(super) trees: Vec<PathBuf>,
}

impl Settings {
    pub(super) fn take(arguments: &mut Arguments) -> Result<Self, Failure> {
        let what = What::named(arguments.option("--of")?.as_deref())?;
        let size_gib = number(arguments, "--size", what.size_gib())?;
        let size_bytes = size_gib.checked_mul(GIB).filter(|bytes| *bytes > 0);
        let size_bytes = size_bytes.ok_or(Failure::new("--size is out of range"))?;
        let rounds = number(arguments, "--rounds", ROUNDS_DEFAULT)?;
        let folder = arguments.option("--dir")?.map(PathBuf::from);
        let disk = arguments.option("--disk")?;
        let mut trees = Vec::new();
        while let Some(tree) = arguments.option("--tree")? {
            trees.push(PathBuf::from(tree));
        }
        if trees.is_empty() {
            trees = trees_of_the_machine();
        }
        Ok(Self {
            what,
            size_bytes,
            rounds,
            folder: folder
                .unwrap_or_else(|| folder_for(size_bytes))
                .join(FOLDER),
            disk: disk.map(|disk| Path::new(&disk).join(FOLDER).join("disk")),
            filter: arguments.option("--jobs")?.unwrap_or_default(),
            trees,
        })
    }
}

/// Takes the option `name`, a number.
fn number<N: FromStr>(arguments: &mut Arguments, name: &str, default: N) -> Result<N, Failure> {
    let Some(text) = arguments.option(name)? else {
        return Ok(default);
    };
    let wrong = |_| Failure::new(format!("{name} {text} is no number"));
    text.parse().map_err(wrong)
}

/// Memory if a disk of `size_bytes` and all made of it find room there, or did
/// before; else a folder among the temporary files.
fn folder_for(size_bytes: u64) -> PathBuf {
    let memory = PathBuf::from(MEMORY);
    let room = statfs(MEMORY)
        .ok()
        .filter(|_| is_memory(&memory))
        .map(|found| {
            let block_bytes = u64::try_from(found.block_size()).unwrap_or_default();
            found.blocks_available().saturating_mul(block_bytes)
        });
    let room = room
        .unwrap_or_default()
        .min(machine::available_bytes().unwrap_or_default());
    if memory.join(FOLDER).exists() || room >= (size_bytes / 2).saturating_mul(ROOM_FOR_TWO) {
        memory
    } else {
        env::temp_dir()
    }
}

/// Whether files in `folder` are in memory only.
pub(super) fn is_memory(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read() {
        let given = [
            "--size", "2", "--tree", "a", "--jobs", "pack", "--tree", "b", "--dir", "d", "--disk",
            "d",
        ];
        let mut arguments = Arguments::new(given.map(String::from));
        let settings = Settings::take(&mut arguments).unwrap();
        assert_eq!(arguments.finish(), Ok(()));
        assert_eq!(
            (settings.size_bytes, settings.rounds),
            (2 * GIB, ROUNDS_DEFAULT)
        );
        assert_eq!(settings.trees, [PathBuf::from("a"), PathBuf::from("b")]);
        assert_eq!(
            (settings.folder, settings.filter),
            ("d/qcow2-bench".into(), "pack".into())
        );
        assert_eq!(settings.disk, Some("d/qcow2-bench/disk".into()));
        for wrong in [
            ["--size", "0"],
            ["--size", "18446744073709551615"],
            ["--rounds", "x"],
            ["--of", "x"],
        ] {
            let mut arguments = Arguments::new(wrong.map(String::from));
            assert!(Settings::take(&mut arguments).is_err(), "{wrong:?}");
        }
    }
}
