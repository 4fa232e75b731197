//! The disk that is packed: a real tree in an ext4, a part of it deleted again, on a
//! whole disk or in its partition.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fixtures::{E2fs, Tool, Usage, copy_used, number};

use super::partitions;
use super::tree::{Part, plant};
use crate::task::{Failure, TaskResult};

/// Parts of a hundred of the disk that files are to fill: those kept, and those
/// deleted again.
const KEPT_PERCENT: u64 = 35;
const DELETED_PERCENT: u64 = 25;

/// Of the files kept, every so many are missing from an older state of the disk: about
/// a hundredth of their bytes.
const NEW_FILES: usize = 100;

/// The same tree gives the same filesystem.
const HASH_SEED: &str = "hash_seed=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

/// e2fsck looks at all of a large disk.
const FSCK_PATIENCE: Duration = Duration::from_secs(1800);

/// What a disk is to be.
#[derive(Clone, Debug)]
pub(super) struct Plan<'t> {
    pub(super) size_bytes: u64,
    /// Bytes of files on it, and of those deleted again.
    pub(super) kept_bytes: u64,
    pub(super) deleted_bytes: u64,
    /// Whether there is a table, and the ext4 is in a partition.
    pub(super) is_partitioned: bool,
    /// Where files come from.
    pub(super) trees: &'t [PathBuf],
}

impl<'t> Plan<'t> {
    /// A disk that is an ext4, rather full.
    pub(super) fn whole(size_bytes: u64, trees: &'t [PathBuf]) -> Self {
        Self {
            size_bytes,
            kept_bytes: size_bytes / 100 * KEPT_PERCENT,
            deleted_bytes: size_bytes / 100 * DELETED_PERCENT,
            is_partitioned: false,
            trees,
        }
    }
}

/// A disk, and the same without what nobody uses, by the word of dumpe2fs.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) source: PathBuf,
    /// Zero wherever the source is not in use.
    pub(super) used: PathBuf,
    /// Commands for debugfs that lead back to an older state of the disk.
    pub(super) older: PathBuf,
    /// Where the ext4 begins on it.
    pub(super) offset_bytes: u64,
    /// What is on it, as JSON.
    facts: String,
}

impl Workload {
    /// Where its files are, in `cache` and `aside`.
    pub(super) fn at(cache: &Path, aside: &Path, is_partitioned: bool) -> Self {
        Self {
            source: cache.join("source.raw"),
            used: aside.join("used.raw"),
            older: cache.join("older"),
            offset_bytes: if is_partitioned {
                partitions::ROOT_OFFSET_BYTES
            } else {
                0
            },
            facts: String::new(),
        }
    }

    /// The disk by `plan` in `cache`, made there unless it already is; what only checks
    /// need goes to `aside`.
    pub(super) fn open(cache: &Path, aside: &Path, plan: &Plan<'_>) -> Result<Self, Failure> {
        let workload = Self::at(cache, aside, plan.is_partitioned);
        let (facts, wanted) = (cache.join("facts"), recipe(plan));
        if let Ok(found) = fs::read_to_string(&facts)
            && found.starts_with(&wanted)
            && workload.used.exists()
        {
            return Ok(Self {
                facts: found,
                ..workload
            });
        }
        for folder in [cache, aside] {
            if folder.exists() {
                fs::remove_dir_all(folder)?;
            }
            fs::create_dir_all(folder)?;
        }
        let made = workload.make(&cache.join("tree"), plan)?;
        let made = format!("{wanted}{made}\n");
        fs::write(facts, &made)?;
        Ok(Self {
            facts: made,
            ..workload
        })
    }

    /// Makes the disk, and says what is on it.
    fn make(&self, tree: &Path, plan: &Plan<'_>) -> Result<String, Failure> {
        let e2fs = E2fs::find().ok_or(Failure::new("e2fsprogs is needed for the workload"))?;
        println!("copying files for the workload");
        let mut kept = Part::new(plan.kept_bytes);
        let mut deleted = Part::new(plan.deleted_bytes);
        plant(plan.trees, tree, &mut kept, &mut deleted)?;
        println!("making the filesystem");
        let folder = tree.display().to_string();
        let mut options = vec!["-t", "ext4", "-i", "8192", "-d", &folder];
        let offset = format!("{HASH_SEED},offset={}", self.offset_bytes);
        if plan.is_partitioned {
            partitions::make(&self.source, plan.size_bytes)?;
            options.extend(["-E", &offset]);
            make_at(&self.source, plan.size_bytes - self.offset_bytes, &options)?;
        } else {
            options.extend(["-E", HASH_SEED]);
            e2fs.make(&self.source, plan.size_bytes, &options)?;
        }
        fs::remove_dir_all(tree)?;
        println!("deleting {} of its files", deleted.files.len());
        let rm = |file: &PathBuf| format!("rm \"{}\"", file.display());
        let commands: Vec<_> = deleted.files.iter().map(rm).collect();
        e2fs.debugfs(&self.filesystem(&self.source), &commands)?;
        let older: Vec<_> = kept.files.iter().step_by(NEW_FILES).map(rm).collect();
        fs::write(&self.older, older.join("\n"))?;
        println!("checking it, and copying what is in use");
        must_be_sound(&self.filesystem(&self.source))?;
        let usage = e2fs.usage(&self.filesystem(&self.source))?;
        let usage = usage.ok_or(Failure::new("dumpe2fs cannot read the workload"))?;
        let free_bytes = usage.free_bytes();
        copy_used(&self.source, &self.used, &moved(usage, self.offset_bytes))?;
        must_be_sound(&self.filesystem(&self.used))?;
        Ok(format!(
            "{{\"size_bytes\": {}, \"used_bytes\": {}, \"deleted_bytes\": {}, \
             \"files\": {}, \"deleted_files\": {}}}",
            plan.size_bytes,
            plan.size_bytes - free_bytes,
            deleted.bytes,
            kept.files.len(),
            deleted.files.len()
        ))
    }

    /// The ext4 on `disk`, as e2fsprogs call it.
    pub(super) fn filesystem(&self, disk: &Path) -> PathBuf {
        match self.offset_bytes {
            0 => disk.into(),
            offset => format!("{}?offset={offset}", disk.display()).into(),
        }
    }

    /// For people: what is on the disk.
    pub(super) fn about(&self) -> String {
        let facts = self.facts.lines().last().unwrap_or_default();
        let fact = |key| number(facts, key).unwrap_or_default();
        let mib = |key| fact(key) >> 20;
        format!(
            "{} of {} MiB: {} MiB in use with {} files; {} MiB of {} deleted files are \
             still on the disk",
            match self.offset_bytes {
                0 => "An ext4",
                _ => "A disk with a GPT, an ESP and an ext4",
            },
            mib("size_bytes"),
            mib("used_bytes"),
            fact("files"),
            mib("deleted_bytes"),
            fact("deleted_files"),
        )
    }
}

/// What the disk is made of, as the first lines of its facts.
fn recipe(plan: &Plan<'_>) -> String {
    let trees = plan
        .trees
        .iter()
        .map(|tree| format!("{}\n", tree.display()));
    format!(
        "{} {} {} {}\n{}",
        plan.size_bytes,
        plan.kept_bytes,
        plan.deleted_bytes,
        plan.is_partitioned,
        trees.collect::<String>()
    )
}

/// Makes an ext4 on a part of `disk`, up to its second table, by `options`.
fn make_at(disk: &Path, rest_bytes: u64, options: &[&str]) -> TaskResult {
    let mke2fs = Tool::find("mke2fs").ok_or(Failure::new("mke2fs is not installed"))?;
    let kib = (rest_bytes - partitions::BACKUP_BYTES) >> 10;
    mke2fs.with_patience(FSCK_PATIENCE).ok(|command| {
        let command = command.args(["-q", "-F"]).args(options).arg(disk);
        command.arg(format!("{kib}k"))
    })?;
    Ok(())
}

/// The same usage of a filesystem that begins at `offset`.
fn moved(mut usage: Usage, offset: u64) -> Usage {
    for range in usage.free.iter_mut().chain(&mut usage.never_used) {
        *range = range.start + offset..range.end + offset;
    }
    usage
}

/// e2fsck has no complaint about `disk`.
fn must_be_sound(disk: &Path) -> TaskResult {
    let e2fsck = Tool::find("e2fsck").ok_or(Failure::new("e2fsck is not installed"))?;
    let e2fsck = e2fsck.with_patience(FSCK_PATIENCE);
    e2fsck.ok(|command| command.arg("-fn").arg(disk))?;
    Ok(())
}

/// Folders of this machine that have many files.
pub(super) fn trees_of_the_machine() -> Vec<PathBuf> {
    let rustup = env::var_os("RUSTUP_HOME").map(PathBuf::from);
    let rustup = rustup.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".rustup")));
    [Some("/usr/share".into()), rustup, Some("/usr/lib".into())]
        .into_iter()
        .flatten()
        .filter(|folder: &PathBuf| folder.is_dir())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_free_moves_with_its_filesystem() {
        let usage = Usage {
            clean: true,
            free: vec![0..4096, 8192..12_288],
            never_used: vec![4096..8192, 16_384..20_480],
        };
        let want = Usage {
            clean: true,
            free: vec![512..4608, 8704..12_800],
            never_used: vec![4608..8704, 16_896..20_992],
        };
        assert_eq!(moved(usage, 512), want);
    }

    #[test]
    fn another_plan_is_another_recipe() {
        let trees = [PathBuf::from("a")];
        let plan = Plan::whole(1000, &trees);
        let other = Plan {
            is_partitioned: true,
            ..plan.clone()
        };
        assert_eq!(recipe(&plan), "1000 350 250 false\na\n");
        assert_ne!(recipe(&plan), recipe(&other));
    }

    #[test]
    fn a_machine_has_a_table_and_two_partitions() {
        let (Some(sgdisk), Some(_)) = (fixtures::require("sgdisk"), fixtures::require("mkfs.vfat"))
        else {
            return;
        };
        let folder = tempfile::tempdir().unwrap();
        let disk = folder.path().join("disk");
        partitions::make(&disk, 1 << 30).unwrap();
        let said = sgdisk.ok(|command| command.arg("-p").arg(&disk)).unwrap();
        let rows: Vec<_> = said.lines().rev().take(2).collect();
        assert!(rows[1].contains(" EF00 "), "{said}");
        assert!(rows[0].contains(" 206848 "), "{said}");
        assert_eq!(206_848 * 512, partitions::ROOT_OFFSET_BYTES);
    }
}
