//! `qcow2 pack`: a disk or filesystem into an image.

mod base;
mod base_report;
mod grown;
mod increment;
mod job;
mod place;
mod prove;
mod reader;
mod recover;
mod report;
mod scrambled;
mod shape;
mod source;
mod usage;

use std::time::Instant;

use blockio::ReadAt;
use disk_layout::Disk;

use super::partition;
use crate::args::PackArgs;
use crate::failure::{Failure, Outcome};
use base::Base;
use job::{Data, Job};
pub(crate) use shape::{Shape, Wanted};
use source::Source;
pub(crate) use usage::compression;

/// Packs a source into an image, proves it if asked to, and reports.
pub(crate) fn run(args: &PackArgs) -> Result<Outcome, Failure> {
    let compression = usage::check(args)?;
    let started = Instant::now();
    let source = Source::open(args)?;
    let base = Base::open(args, &source)?;
    let mut options = args.filesystem.options();
    options.in_use = source.in_use().map(str::to_owned);
    options.salvage = args.salvage;
    options.preliminary = args.recovers();
    options.threads = Some(args.run.threads());
    options.sector_bytes = source.sector_bytes()?;
    let failed = |error: disk_layout::Error| {
        let usage = partition::missing(args.source_name(), &error);
        usage.unwrap_or_else(|| source.failure(&error))
    };
    let disk = Disk::open(source.metadata(), &options).map_err(failed)?;
    let wanted = Wanted {
        cluster_size: args.cluster_size,
        refcount_bits: args.refcount_bits,
        source: args.source_name(),
    };
    let of_base = (base.as_ref()).map(|base| base.image().header().cluster_bits);
    let run = |data: Data<'_>, disk: &Disk<'_>| {
        let job = Job {
            args,
            compression,
            started,
            source: &source,
            base: base.as_ref(),
            data,
            disk,
            shape: Shape::new(&wanted, of_base, disk.report(), disk.size())?,
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
