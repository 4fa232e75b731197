//! `qcow2 punch`: gives the free blocks of a disk back to the storage.

mod job;
mod refusal;
mod report;
mod source;
mod verify;
mod walk;
mod zeros;

use std::ops::Range;
use std::time::Instant;

use blockio::ReadAt;
use disk_layout::{Disk, SelectedPart};

use super::partition;
use crate::args::{ContentArg, FilesystemArgs, PunchArgs, is_stream};
use crate::failure::{Failure, Outcome};
use job::Job;
use refusal::Subject;
use source::Source;

/// Gives back what is free, proves the rest if asked to, and reports.
pub(crate) fn run(args: &PunchArgs) -> Result<Outcome, Failure> {
    check(args)?;
    let started = Instant::now();
    let source = Source::open(args)?;
    let mut options = args.filesystem.options();
    options.threads = Some(args.run.threads());
    let sectors = u32::try_from(source.disk().sector_bytes()?).ok();
    options.sector_bytes = sectors;
    let disk = Disk::open(source.disk(), &options)
        .map_err(|error| Failure::about(&args.source, &error))?;
    let wanted = args.partition.as_deref();
    let selected =
        wanted.map(|wanted| partition::find(source.disk(), sectors, wanted, &args.source));
    let selected = selected.transpose()?.map(|selected| match selected.part {
        SelectedPart::Partition(partition) => Ok(partition),
        _ => Err(Failure::Usage(
            "--partition takes a partition for punch; without it, the free blocks of all volumes \
             are given back"
                .into(),
        )),
    });
    let selected = selected.transpose()?;
    let number = selected.as_ref().map(|partition| partition.number);
    let job = Job {
        args,
        started,
        source: &source,
        disk: &disk,
        subject: Subject::new(&disk, number),
        partition: number,
        range: selected.map_or(0..disk.size(), |partition| {
            let Range { start, end } = partition.range;
            start.min(disk.size())..end.min(disk.size())
        }),
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
    } else if args.partition.is_some() && !is_plain(&args.filesystem) {
        "--partition and --content or --superblock exclude each other: what is free of a partition \
         is decided with the whole disk"
    } else {
        return Ok(());
    };
    Err(Failure::Usage(why.into()))
}

/// Whether nothing is asked for that only one filesystem has.
fn is_plain(args: &FilesystemArgs) -> bool {
    args.content == ContentArg::Used && args.superblock().is_none()
}
