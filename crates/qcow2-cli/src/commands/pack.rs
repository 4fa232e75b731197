//! `qcow2 pack`: a disk or filesystem into an image.

mod job;
mod prove;
mod report;
mod scrambled;
mod shape;
mod source;
mod usage;

use std::time::Instant;

use crate::args::PackArgs;
use crate::failure::{Failure, Outcome};
use crate::kept::{Kept, Question};
use job::{Data, Job};
use shape::Shape;
use source::Source;

/// Packs a source into an image, proves it if asked to, and reports.
pub(crate) fn run(args: &PackArgs) -> Result<Outcome, Failure> {
    let compression = usage::check(args)?;
    let started = Instant::now();
    let source = Source::open(args)?;
    let question = Question {
        args: &args.filesystem,
        path: args.source_name(),
        in_use: source.in_use(),
        salvage: args.salvage,
        is_preliminary: args.recovers(),
        threads: args.run.threads(),
    };
    let kept = Kept::decide(question, source.metadata())?;
    let run = |data: Data<'_>, kept: &Kept<'_>| {
        let shape = Shape::new(args, kept)?;
        let job = Job {
            args,
            compression,
            started,
            source: &source,
            data,
            kept,
            shape,
        };
        job.run()
    };
    if !args.recovers() {
        return run(Data::Source, &kept);
    }
    let recovered = kept.recovered(args.source_name())?;
    let question = Question {
        is_preliminary: false,
        ..question
    };
    let mut kept = Kept::decide(question, &recovered)?;
    kept.note_orphans();
    if !args.scramble_names {
        return run(Data::Recovered(&recovered), &kept);
    }
    let scrambled = kept.scrambled(args.source_name())?;
    run(Data::Scrambled(&scrambled), &kept)
}
