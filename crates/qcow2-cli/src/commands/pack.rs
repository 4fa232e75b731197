//! `qcow2 pack`: a disk or filesystem into an image.

mod job;
mod prove;
mod recover;
mod report;
mod scrambled;
mod shape;
mod source;
mod usage;

use std::io;
use std::time::Instant;

use blockio::ReadAt;
use disk_layout::Disk;

use super::partition::{self, Part};
use crate::args::PackArgs;
use crate::failure::{Failure, Outcome};
use job::{Data, Job};
use shape::Shape;
use source::Source;

/// Packs a source into an image, proves it if asked to, and reports.
pub(crate) fn run(args: &PackArgs) -> Result<Outcome, Failure> {
    let compression = usage::check(args)?;
    let started = Instant::now();
    let source = Source::open(args)?;
    let mut options = args.filesystem.options();
    options.in_use = source.in_use().map(str::to_owned);
    options.salvage = args.salvage;
    options.preliminary = args.recovers();
    options.threads = Some(args.run.threads());
    let name = args.source_name();
    let failed = |error| partition::about(name, &error);
    let wanted = args.filesystem.partition.as_deref();
    let range = partition::find(source.metadata(), wanted, name)?;
    let cut = |bytes| Part::new(bytes, range.as_ref());
    let unread = |error: io::Error| Failure::about(name, &error);
    let metadata = cut(source.metadata()).map_err(unread)?;
    let bytes = cut(source.data()).map_err(unread)?;
    let disk = Disk::open(metadata, &options).map_err(failed)?;
    let run = |data: Data<'_>, disk: &Disk<'_>| {
        let job = Job {
            args,
            compression,
            started,
            source: &source,
            bytes: &bytes,
            range: range.as_ref(),
            data,
            disk,
            shape: Shape::new(args, disk.report(), disk.size())?,
        };
        job.run()
    };
    if !args.recovers() {
        return run(Data::Source, &disk);
    }
    let recovered = recover::recovered(&disk, args.source_name())?;
    options.preliminary = false;
    let disk = Disk::open(&recovered, &options).map_err(failed)?;
    if !args.scramble_names {
        return run(Data::Recovered(&recovered), &disk);
    }
    let scrambled = recover::scrambled(&disk, args.source_name())?;
    run(Data::Scrambled(&scrambled), &disk)
}
