//! Ours and the programs of others, side by side: time, memory, size.

mod changes;
mod figures;
mod filesystems;
mod foreign;
mod job;
mod jobs;
mod machine;
mod partitions;
mod place;
pub(crate) mod report;
mod settings;
mod tools;
mod tree;
mod workload;

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fixtures::{REFLINKS, Reflinks};

use crate::program;
use crate::task::arguments::Arguments;
use crate::task::{Failure, TaskResult};
use crate::workspace;
use filesystems::KINDS;
use job::Job;
use place::{Form, Place};
use report::Done;
use settings::{FOLDER, Settings, What, is_memory};
use tools::Tools;
use workload::{Plan, Workload};

const GIB: u64 = 1 << 30;

/// `cargo xtask bench`.
pub(crate) fn run(mut arguments: Arguments) -> TaskResult {
    let program = arguments.option("--bin")?;
    let write = arguments.flag("--write");
    let settings = Settings::take(&mut arguments)?;
    arguments.finish()?;
    let document = write.then(|| workspace::root().join("docs/benchmarks.md"));
    if document.is_some() && settings.what != What::Ext4 {
        return Err(Failure::new("--write is for the figures of the ext4 alone"));
    }
    let tools = Tools::find(program::at_or_built(program)?.tool().clone());
    let done = match settings.what {
        What::Ext4 => on_ext4(settings, tools, document)?,
        What::Machine => on_machine(settings, tools)?,
        What::Filesystems => on_filesystems(settings, tools)?,
    };
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

/// Everything that is done to an ext4.
fn on_ext4(
    settings: Settings,
    tools: Tools,
    document: Option<PathBuf>,
) -> Result<Vec<Done>, Failure> {
    let cache = settings.folder.join("cache");
    let plan = Plan::whole(settings.size_bytes, &settings.trees);
    let workload = Workload::open(&cache, &cache, &plan)?;
    let disks = [workload.source.clone(), workload.used.clone()];
    let mut bench = Bench::new(settings, disks, &workload.about(), tools);
    bench.document = document;
    bench.in_memory()?;
    bench.on_reflinks();
    bench.on_disk();
    Ok(bench.done)
}

/// Everything that is done to the disk of a virtual machine, of which three
/// sixteenths are in use, and as much is deleted.
fn on_machine(settings: Settings, tools: Tools) -> Result<Vec<Done>, Failure> {
    let cache = settings.folder.join("machine");
    // Only what is timed is in memory: all of it would not fit.
    let aside = env::temp_dir().join(FOLDER).join("machine");
    let part_bytes = settings.size_bytes / 16 * 3;
    let plan = Plan {
        size_bytes: settings.size_bytes,
        kept_bytes: part_bytes,
        deleted_bytes: part_bytes,
        is_partitioned: true,
        trees: &settings.trees,
    };
    let workload = Workload::open(&cache, &aside, &plan)?;
    let disks = [workload.source.clone(), workload.used.clone()];
    let mut bench = Bench::new(settings, disks, &workload.about(), tools);
    let place = bench.place()?;
    let jobs = changes::of_machine(&place, &workload, &bench.tools);
    bench.run(bench.wanted(jobs), bench.settings.rounds)?;
    fs::remove_dir_all(place.folder)?;
    Ok(bench.done)
}

/// Packing file systems of several kinds.
fn on_filesystems(settings: Settings, tools: Tools) -> Result<Vec<Done>, Failure> {
    let disk = settings.folder.join("filesystem.raw");
    let mut bench = Bench::new(settings, [disk.clone(), disk.clone()], "", tools);
    for kind in KINDS {
        let place = bench.place()?;
        let jobs = bench.wanted(kind.jobs(&place, &bench.tools));
        if jobs.is_empty() {
            continue;
        }
        let (size_bytes, trees) = (bench.settings.size_bytes, &bench.settings.trees);
        match kind.make(&disk, size_bytes, trees, &place.folder.join("mounted")) {
            Ok(()) => bench.run(jobs, bench.settings.rounds)?,
            Err(failure) => println!("SKIPPED {}: {failure}", kind.name),
        }
        fs::remove_file(&disk)?;
    }
    fs::remove_dir_all(bench.settings.folder.join("work"))?;
    Ok(bench.done)
}

/// The bench at work.
struct Bench {
    settings: Settings,
    /// The disk, and the same without what nobody uses.
    disks: [PathBuf; 2],
    tools: Tools,
    /// What the document says of the machine and the disk.
    notes: Vec<String>,
    /// Where the document goes, if one is wanted.
    document: Option<PathBuf>,
    done: Vec<Done>,
}

impl Bench {
    fn new(settings: Settings, disks: [PathBuf; 2], about: &str, tools: Tools) -> Self {
        println!("{about}");
        let notes = vec![
            format!("{about}."),
            if is_memory(&settings.folder) {
                "All in memory (tmpfs), unless a job names another place.".into()
            } else {
                "All on a disk.".into()
            },
            format!("Rounds: {}, half as many on a disk.", settings.rounds),
            tools.versions().join("; "),
        ];
        Self {
            settings,
            disks,
            tools,
            notes,
            document: None,
            done: Vec::new(),
        }
    }

    /// Where jobs on the disk are done.
    fn place(&self) -> io::Result<Place> {
        let folder = fresh(&self.settings.folder.join("work"))?;
        let [source, used] = self.disks.clone();
        Ok(Place {
            name: String::new(),
            on_disk: !is_memory(&folder),
            source,
            used,
            folder,
        })
    }

    /// All jobs that need no file system of their own.
    fn in_memory(&mut self) -> io::Result<()> {
        let place = self.place()?;
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
        for (from, to) in self.disks.iter().zip([&place.source, &place.used]) {
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
