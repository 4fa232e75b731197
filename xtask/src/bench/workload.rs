//! The disk that is packed: a real tree in an ext4, a part of it deleted again.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fixtures::{E2fs, Tool, copy_used, number};

use super::tree::{Part, plant};
use crate::task::{Failure, TaskResult};

/// Parts of a hundred of the disk that files are to fill: those kept, and those
/// deleted again.
const KEPT_PERCENT: u64 = 35;
const DELETED_PERCENT: u64 = 25;

/// The same tree gives the same filesystem.
const HASH_SEED: &str = "hash_seed=0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0";

/// e2fsck looks at all of a large disk.
const FSCK_PATIENCE: Duration = Duration::from_secs(1800);

/// A disk, and the same without what nobody uses, by the word of dumpe2fs.
#[derive(Clone, Debug)]
pub(super) struct Workload {
    pub(super) source: PathBuf,
    /// Zero wherever the source is not in use.
    pub(super) used: PathBuf,
    /// What is on it, as JSON.
    facts: String,
}

impl Workload {
    /// The disk of `size_bytes` in `cache`, made there of the files of `trees`
    /// unless it already is.
    pub(super) fn open(cache: &Path, size_bytes: u64, trees: &[PathBuf]) -> Result<Self, Failure> {
        let workload = Self {
            source: cache.join("source.raw"),
            used: cache.join("used.raw"),
            facts: String::new(),
        };
        let (facts, wanted) = (cache.join("facts"), recipe(size_bytes, trees));
        if let Ok(found) = fs::read_to_string(&facts)
            && found.starts_with(&wanted)
        {
            return Ok(Self {
                facts: found,
                ..workload
            });
        }
        if cache.exists() {
            fs::remove_dir_all(cache)?;
        }
        fs::create_dir_all(cache)?;
        let made = workload.make(&cache.join("tree"), size_bytes, trees)?;
        let made = format!("{wanted}{made}\n");
        fs::write(facts, &made)?;
        Ok(Self {
            facts: made,
            ..workload
        })
    }

    /// Makes the disk, and says what is on it.
    fn make(&self, tree: &Path, size_bytes: u64, trees: &[PathBuf]) -> Result<String, Failure> {
        let e2fs = E2fs::find().ok_or(Failure::new("e2fsprogs is needed for the workload"))?;
        println!("copying files for the workload");
        let mut kept = Part::new(size_bytes / 100 * KEPT_PERCENT);
        let mut deleted = Part::new(size_bytes / 100 * DELETED_PERCENT);
        plant(trees, tree, &mut kept, &mut deleted)?;
        println!("making the filesystem");
        let folder = tree.display().to_string();
        let options = ["-t", "ext4", "-i", "8192", "-E", HASH_SEED, "-d", &folder];
        e2fs.make(&self.source, size_bytes, &options)?;
        fs::remove_dir_all(tree)?;
        println!("deleting {} of its files", deleted.files.len());
        let rm = |file: &PathBuf| format!("rm \"{}\"", file.display());
        let commands: Vec<_> = deleted.files.iter().map(rm).collect();
        e2fs.debugfs(&self.source, &commands)?;
        println!("checking it, and copying what is in use");
        must_be_sound(&self.source)?;
        let usage = e2fs.usage(&self.source)?;
        let usage = usage.ok_or(Failure::new("dumpe2fs cannot read the workload"))?;
        copy_used(&self.source, &self.used, &usage)?;
        must_be_sound(&self.used)?;
        Ok(format!(
            "{{\"size_bytes\": {size_bytes}, \"used_bytes\": {}, \"deleted_bytes\": {}, \
             \"files\": {}, \"deleted_files\": {}}}",
            size_bytes - usage.free_bytes(),
            deleted.bytes,
            kept.files.len(),
            deleted.files.len()
        ))
    }

    /// For people: what is on the disk.
    pub(super) fn about(&self) -> String {
        let facts = self.facts.lines().last().unwrap_or_default();
        let fact = |key| number(facts, key).unwrap_or_default();
        let mib = |key| fact(key) >> 20;
        format!(
            "An ext4 of {} MiB: {} MiB in use with {} files; {} MiB of {} deleted files are \
             still on the disk",
            mib("size_bytes"),
            mib("used_bytes"),
            fact("files"),
            mib("deleted_bytes"),
            fact("deleted_files"),
        )
    }
}

/// What the disk is made of, as the first lines of its facts.
fn recipe(size_bytes: u64, trees: &[PathBuf]) -> String {
    let trees = trees.iter().map(|tree| format!("{}\n", tree.display()));
    format!("{size_bytes}\n{}", trees.collect::<String>())
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
