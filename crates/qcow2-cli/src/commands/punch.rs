//! `qcow2 punch`: gives the free blocks of a disk back to the storage.

mod job;
mod report;
mod source;
mod verify;
mod walk;
mod zeros;

use std::time::Instant;

use disk_layout::Disk;

use crate::args::{ContentArg, PunchArgs, is_stream};
use crate::failure::{Failure, Outcome};
use job::Job;
use source::Source;

/// Gives back what is free, proves the rest if asked to, and reports.
pub(crate) fn run(args: &PunchArgs) -> Result<Outcome, Failure> {
    check(args)?;
    let started = Instant::now();
    let source = Source::open(args)?;
    let mut options = args.filesystem.options();
    options.threads = Some(args.run.threads());
    options.sector_bytes = u32::try_from(source.disk().sector_bytes()?).ok();
    let disk = Disk::open(source.disk(), &options)
        .map_err(|error| Failure::about(&args.source, &error))?;
    let job = Job {
        args,
        started,
        source: &source,
        disk: &disk,
    };
    job.run()
}

/// Refuses what makes no sense.
fn check(args: &PunchArgs) -> Result<(), Failure> {
    let why = if is_stream(&args.source) {
        "punch changes SOURCE in place, which standard input cannot be"
    } else if args.filesystem.content == ContentArg::Metadata {
        "--content metadata makes no sense with punch: it would give back the contents of files"
    } else if args.filesystem.content == ContentArg::All && !args.zeros {
        "--content all makes no sense with punch without --zeros: it proves nothing free"
    } else {
        return Ok(());
    };
    Err(Failure::Usage(why.into()))
}
