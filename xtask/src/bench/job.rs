//! One job, done by several programs in turn.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fixtures::Tool;
use fixtures::measure::{Cost, measure};

use super::figures::{Goal, Series};
use super::tools::Line;
use crate::task::{Failure, TaskResult};

/// qemu-img reads all of two large disks to compare them.
const JUDGE_PATIENCE: Duration = Duration::from_secs(3600);

/// Bytes of a sector, as the kernel counts what a file takes.
const SECTOR_BYTES: u64 = 512;

/// Something to be done.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) name: String,
    /// Files it reads, and what makes them. They go when it is done.
    pub(super) needs: Vec<(PathBuf, Option<Line>)>,
    /// Who does it: ours first.
    pub(super) contenders: Vec<Contender>,
    /// What the output of ours must hold.
    pub(super) check: Check,
    /// Files are on a disk: what was written before is waited for.
    pub(super) on_disk: bool,
}

/// A program that does a job.
#[derive(Clone, Debug)]
pub(super) struct Contender {
    pub(super) name: String,
    /// `None` where the machine lacks the program.
    pub(super) line: Option<Line>,
    pub(super) input: PathBuf,
    pub(super) output: PathBuf,
    /// What makes ready for each run, which does not count.
    pub(super) before: Option<Line>,
    pub(super) goals: Vec<Goal>,
    /// Only the size counts: one run is enough.
    pub(super) once: bool,
}

/// How long a program may run before it is ended.
const PATIENCE: Duration = Duration::from_secs(3600);

/// What `line` costs, which must end with 0.
fn cost(line: &Line) -> Result<Cost, Failure> {
    let run = measure(line.words(), PATIENCE)?;
    if run.code == Some(0) {
        return Ok(run.cost);
    }
    let (code, stderr) = (run.code, run.stderr);
    Err(Failure::new(format!(
        "{line} ended with {code:?}: {stderr}"
    )))
}

/// What is expected of an output.
#[derive(Clone, Debug)]
pub(super) struct Check {
    /// The format, as qemu-img calls it.
    pub(super) format: &'static str,
    /// A disk of the same content, if there is one, and its format.
    pub(super) content: Option<PathBuf>,
    pub(super) content_format: &'static str,
}

impl Job {
    /// Does the job in `rounds` rounds, and says how each contender fared.
    pub(super) fn run(&self, rounds: usize) -> io::Result<Vec<Series>> {
        println!("\n## {}\n", self.name);
        for (file, line) in &self.needs {
            remove(file)?;
            if let Some(Err(failure)) = line.as_ref().map(cost) {
                println!("not made: {failure}");
            }
        }
        let mut all: Vec<_> = self.contenders.iter().map(Contender::series).collect();
        self.rehearse(&mut all)?;
        for round in 0..rounds.max(1) {
            for (contender, series) in self.contenders.iter().zip(&mut all) {
                if series.missing.is_some() || contender.once && round > 0 {
                    continue;
                }
                match self.turn(contender, series) {
                    Ok(()) => println!("round {}, {}", round + 1, series.last()),
                    Err(failure) => {
                        println!("round {}, {}: {failure}", round + 1, series.name);
                        series.missing = Some("failed");
                    }
                }
                remove(&contender.output)?;
            }
        }
        for (file, _) in &self.needs {
            remove(file)?;
        }
        Ok(all)
    }

    /// One run of ours that does not count, and a look at its output. After it
    /// nobody is the first to touch the memory that outputs take, which costs
    /// several times as much in a virtual machine.
    fn rehearse(&self, all: &mut [Series]) -> io::Result<()> {
        let (Some(ours), Some(series)) = (self.contenders.first(), all.first_mut()) else {
            return Ok(());
        };
        if series.missing.is_none() {
            let mut rehearsal = series.clone();
            let result = self.turn(ours, &mut rehearsal);
            if let Err(failure) = result.and_then(|()| self.check.hold(&ours.output)) {
                println!("{}: {failure}", series.name);
                series.missing = Some("failed");
            }
        }
        remove(&ours.output)
    }

    /// One run of one contender.
    fn turn(&self, contender: &Contender, series: &mut Series) -> TaskResult {
        let line = contender.line.as_ref();
        let line = line.ok_or(Failure::new("the program is not here"))?;
        remove(&contender.output)?;
        if let Some(before) = &contender.before {
            cost(before)?;
        }
        if self.on_disk {
            settle(&contender.output)?;
            io::copy(&mut File::open(&contender.input)?, &mut io::sink())?;
        }
        series.costs.push(cost(line)?);
        let metadata = contender.output.metadata()?;
        series.length_bytes = metadata.len();
        series.stored_bytes = metadata.blocks() * SECTOR_BYTES;
        Ok(())
    }
}

impl Contender {
    /// Its figures before any run.
    fn series(&self) -> Series {
        let missing = if self.line.is_none() {
            Some("not here")
        } else if !self.input.exists() {
            Some("no input")
        } else {
            None
        };
        Series {
            missing,
            ..Series::new(&self.name, &self.goals)
        }
    }
}

impl Check {
    /// Whether `output` is sound, and holds what it should.
    fn hold(&self, output: &Path) -> TaskResult {
        let Some(qemu) = Tool::find("qemu-img") else {
            if fixtures::strict() {
                return Err(Failure::new("qemu-img is not installed, and CI is true"));
            }
            println!("SKIPPED the check of the output: qemu-img is not installed");
            return Ok(());
        };
        let qemu = qemu.with_patience(JUDGE_PATIENCE);
        if self.format == "qcow2" {
            qemu.ok(|command| command.args(["check", "-q", "-f", "qcow2"]).arg(output))?;
        }
        let Some(content) = &self.content else {
            return Ok(());
        };
        qemu.ok(|command| {
            command
                .args(["compare", "-q", "-f", self.format])
                .args(["-F", self.content_format])
                .args([output, content])
        })?;
        Ok(())
    }
}

/// Waits until the disk of `output` has nothing left to write.
fn settle(output: &Path) -> TaskResult {
    let sync = Tool::find("sync").ok_or(Failure::new("sync is not installed"))?;
    let folder = output.parent().unwrap_or(output);
    sync.ok(|command| command.arg("-f").arg(folder))?;
    Ok(())
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_that_differs_is_refused() {
        if fixtures::require("qemu-img").is_none() {
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        let (one, other) = (folder.path().join("one"), folder.path().join("other"));
        fs::write(&one, [1; 4096]).unwrap();
        fs::write(&other, [1; 4096]).unwrap();
        let check = |format| Check {
            format,
            content: Some(other.clone()),
            content_format: "raw",
        };
        assert!(check("raw").hold(&one).is_ok());
        assert!(check("qcow2").hold(&one).is_err());
        fs::write(&one, [2; 4096]).unwrap();
        assert!(check("raw").hold(&one).is_err());
    }
}
