//! Ours and the programs of others, side by side: time, memory, size.

mod figures;
mod foreign;
mod job;
mod jobs;
mod machine;
mod place;
pub(crate) mod report;
mod tools;
mod tree;
mod workload;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use fixtures::{REFLINKS, Reflinks};
use nix::sys::statfs::{TMPFS_MAGIC, statfs};

use crate::program;
use crate::task::arguments::Arguments;
use crate::task::{Failure, TaskResult};
use crate::workspace;
use job::Job;

use place::{Form, Place};
use report::Done;
use tools::Tools;
use workload::Workload;

const GIB: u64 = 1 << 30;
const SIZE_GIB_DEFAULT: u64 = 8;
const ROUNDS_DEFAULT: usize = 5;

/// A file system in memory.
const MEMORY: &str = "/dev/shm";
/// The folder of ours wherever files are made, so that no other is emptied.
const FOLDER: &str = "qcow2-bench";

/// Bytes the files of all jobs take at one time, for two bytes of the disk.
const ROOM_FOR_TWO: u64 = 5;

/// What was asked for.
#[derive(Debug)]
struct Settings {
    size_bytes: u64,
    rounds: usize,
    folder: PathBuf,
    disk: Option<PathBuf>,
    /// What the names of the jobs to do hold.
    filter: String,
    trees: Vec<PathBuf>,
}

/// `cargo xtask bench`.
pub(crate) fn run(mut arguments: Arguments) -> TaskResult {
    let program = arguments.option("--bin")?;
    let write = arguments.flag("--write");
    let settings = Settings::take(&mut arguments)?;
    arguments.finish()?;
    let tools = Tools::find(program::at_or_built(program)?.tool().clone());
    let cache = settings.folder.join("cache");
    let workload = Workload::open(&cache, settings.size_bytes, &settings.trees)?;
    println!("{}", workload.about());

    let notes = vec![
        format!("{}.", workload.about()),
        if is_memory(&settings.folder) {
            "All in memory (tmpfs), unless a job names another place.".into()
        } else {
            "All on a disk.".into()
        },
        format!("Rounds: {}, half as many on a disk.", settings.rounds),
        tools.versions().join("; "),
    ];
    let mut bench = Bench {
        settings,
        workload,
        tools,
        notes,
        document: write.then(|| workspace::root().join("docs/benchmarks.md")),
        done: Vec::new(),
    };
    bench.in_memory()?;
    bench.on_reflinks();
    bench.on_disk();
    let done = bench.done;
    println!("\n## What must hold\n\n{}", report::goals(&done));
    match done.iter().find(|done| !done.has_ours()) {
        None if done.is_empty() => Err(Failure::new("no job was done")),
        None => Ok(()),
        Some(done) => Err(Failure::new(format!(
            "no figures of ours for: {}",
            done.name
        ))),
    }
}

impl Settings {
    fn take(arguments: &mut Arguments) -> Result<Self, Failure> {
        let size_gib = number(arguments, "--size", SIZE_GIB_DEFAULT)?;
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
            trees = workload::trees_of_the_machine();
        }
        Ok(Self {
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

/// The bench at work.
struct Bench {
    settings: Settings,
    workload: Workload,
    tools: Tools,
    /// What the document says of the machine and the disk.
    notes: Vec<String>,
    /// Where the document goes, if one is wanted.
    document: Option<PathBuf>,
    done: Vec<Done>,
}

impl Bench {
    /// All jobs that need no file system of their own.
    fn in_memory(&mut self) -> io::Result<()> {
        let folder = fresh(&self.settings.folder.join("work"))?;
        let place = Place {
            name: String::new(),
            on_disk: !is_memory(&folder),
            source: self.workload.source.clone(),
            used: self.workload.used.clone(),
            folder,
        };
        let tools = &self.tools;
        let mut jobs = vec![
            jobs::pack_plain(&place, tools),
            jobs::pack_compressed(&place, tools, Form::Zlib),
            jobs::pack_compressed(&place, tools, Form::Zstd),
            jobs::unpack_plain(&place, tools),
            jobs::unpack_compressed(&place, tools, Form::Zlib),
            jobs::unpack_compressed(&place, tools, Form::Zstd),
        ];
        jobs.extend(foreign::unpack(&place, tools));
        if place.on_disk {
            println!("SKIPPED the nearly empty disks: they are as long as memory alone allows");
        } else {
            jobs.extend(jobs::nearly_empty(&place, tools));
        }
        self.run(self.wanted(jobs), self.settings.rounds)?;
        fs::remove_dir_all(place.folder)
    }

    /// The jobs that share blocks, and the images of others, on file systems in
    /// files: on the disk, where one was given.
    fn on_reflinks(&mut self) {
        for (name, mkfs, arguments) in REFLINKS {
            let memory = self.settings.folder.join("work");
            let around = self.settings.disk.clone().unwrap_or(memory);
            let place = copies_in(&around.join("mounted"), name);
            let sharing = jobs::reflinks(&place, &self.tools).into_iter();
            let foreign = foreign::unpack(&place, &self.tools);
            let jobs = self.wanted(sharing.chain(foreign).collect());
            let size_bytes = 2 * self.settings.size_bytes + GIB;
            self.with_copies(&around, &place, jobs, self.settings.rounds, || {
                Reflinks::new(&around, mkfs, arguments, size_bytes)
            });
        }
    }

    /// Some jobs once more, on a disk.
    fn on_disk(&mut self) {
        let Some(disk) = &self.settings.disk else {
            return;
        };
        let place = copies_in(disk, "on a disk");
        let tools = &self.tools;
        let mut jobs = vec![
            jobs::pack_plain(&place, tools),
            jobs::pack_compressed(&place, tools, Form::Zlib),
            jobs::unpack_plain(&place, tools),
            jobs::unpack_compressed(&place, tools, Form::Zlib),
        ];
        jobs.extend(foreign::unpack(&place, tools));
        let jobs = self.wanted(jobs);
        // Half as often: it is the slower half, and the figures of memory decide.
        let rounds = self.settings.rounds.div_ceil(2);
        self.with_copies(&place.folder, &place, jobs, rounds, || Ok(()));
    }

    /// Does `jobs` with copies of the workload, in `around`, which is made for
    /// them and goes with all that is in it. What `prepare` gives is kept until
    /// then. Where that cannot be done, it is said.
    fn with_copies<G>(
        &mut self,
        around: &Path,
        place: &Place,
        jobs: Vec<Job>,
        rounds: usize,
        prepare: impl FnOnce() -> io::Result<G>,
    ) {
        if jobs.is_empty() {
            return;
        }
        let result = fresh(around).and_then(|_| {
            let _prepared = prepare()?;
            self.copy_workload(place)?;
            self.run(jobs, rounds)
        });
        if let Err(error) = result.and_then(|()| fs::remove_dir_all(around)) {
            println!("SKIPPED the rest of the jobs{}: {error}", place.name);
        }
    }

    fn copy_workload(&self, place: &Place) -> io::Result<()> {
        let cp = self.tools.cp.as_ref();
        let cp = cp.ok_or_else(|| io::Error::other("cp is not installed"))?;
        for (from, to) in [
            (&self.workload.source, &place.source),
            (&self.workload.used, &place.used),
        ] {
            cp.ok(|command| command.arg("--sparse=always").args([from, to]))?;
        }
        Ok(())
    }

    /// Those of `jobs` that were asked for.
    fn wanted(&self, mut jobs: Vec<Job>) -> Vec<Job> {
        jobs.retain(|job| job.name.contains(&self.settings.filter));
        jobs
    }

    fn run(&mut self, jobs: Vec<Job>, rounds: usize) -> io::Result<()> {
        for job in jobs {
            let series = job.run(rounds)?;
            let name = job.name;
            let done = Done { name, series };
            println!("\n{}", done.table());
            self.done.push(done);
            // Each time: who interrupts the last jobs keeps the first.
            if let Some(document) = &self.document {
                fs::write(document, report::document(&self.done, &self.notes))?;
            }
        }
        Ok(())
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
fn is_memory(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|found| found.filesystem_type() == TMPFS_MAGIC)
}

/// Makes `folder`, without what an interrupted run may have left in it.
fn fresh(folder: &Path) -> io::Result<PathBuf> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    Ok(folder.into())
}

/// A place on a disk, called `name`, with the workload in its own folder.
fn copies_in(folder: &Path, name: &str) -> Place {
    Place {
        name: format!(", {name}"),
        on_disk: true,
        source: folder.join("source"),
        used: folder.join("used"),
        folder: folder.into(),
    }
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
        ] {
            let mut arguments = Arguments::new(wrong.map(String::from));
            assert!(Settings::take(&mut arguments).is_err(), "{wrong:?}");
        }
    }
}
