//! `qcow2 unpack`: an image back into the exact disk.

mod blame;
mod facts;
mod output_limit;
mod place;
mod report;
mod restore;

use std::io::{self, IsTerminal, Read};
use std::time::Instant;

use blockio::WriteAt;
use hostdisk::{Disk, Identity, Spool};
use qcow2_reader::{Arrival, Error, ImageStream, UnpackOptions};

use crate::args::{ReflinkArg, UnpackArgs};
use crate::failure::{Failure, Outcome};
use crate::input::{self, Input, Pipe, Spooled, Unasked};
use crate::lost::LostMap;
use crate::output;
use crate::source::Chain;
use crate::text::Bytes;

use blame::{ask, blame};
use facts::Facts;
use report::Report;
use restore::restore;

/// Restores an image and reports.
pub(crate) fn run(args: &UnpackArgs) -> Result<Outcome, Failure> {
    check_usage(args)?;
    let started = Instant::now();
    let input = Input::open(&args.image, &args.input, Unasked::Decompress)?;
    let mut report = match input {
        Input::Disk(disk) => from_disk(args, &disk, None)?,
        Input::Pipe(pipe) => from_pipe(args, pipe)?,
    };
    if !args.run.quiet {
        report.seconds = started.elapsed().as_secs_f64();
        output::print_done(&report, args.run.output.output, args.to_stdout());
    }
    Ok(report.outcome())
}

fn check_usage(args: &UnpackArgs) -> Result<(), Failure> {
    let refusals = [
        (
            args.to_stdout() && (args.force || args.in_place),
            "--force and --in-place make no sense with the standard output",
        ),
        (
            args.to_stdout() && (args.only_changed || args.only_allocated),
            "--only-changed and --only-allocated make no sense with the standard output",
        ),
        (
            args.is_from_stdin() && args.opening.references.is_given(),
            "an image from the standard input is read without other files",
        ),
        (
            args.reflink != ReflinkArg::Never && (args.only_changed || args.only_allocated),
            "--reflink excludes --only-changed and --only-allocated",
        ),
        (
            args.target_offset.is_some() && !(args.in_place || args.only_changed),
            "--target-offset requires --in-place or --only-changed",
        ),
        (
            args.target_offset.is_some() && args.reflink != ReflinkArg::Never,
            "--reflink excludes --target-offset",
        ),
        (
            args.reflink != ReflinkArg::Never && (args.to_stdout() || args.is_from_stdin()),
            "--reflink makes no sense with the standard input and output",
        ),
        (
            args.to_stdout() && io::stdout().is_terminal(),
            "the standard output is a terminal",
        ),
    ];
    match refusals.into_iter().find(|(refused, _)| *refused) {
        Some((_, why)) => Err(Failure::Usage(why.into())),
        None => Ok(()),
    }
}

/// Restores the image that a pipe brings: as it comes, or once it is here.
fn from_pipe(args: &UnpackArgs, pipe: Pipe) -> Result<Report, Failure> {
    let spool = input::spool(&args.input)?;
    let failed = |error: Error| blame(args, &error);
    let image = ImageStream::open(pipe.reader, &spool, &ask(args).options()).map_err(failed)?;
    let is_kept = image.arrival() == Arrival::Whole;
    if !args.run.quiet && image.arrival() != Arrival::InOrder {
        let what = match image.tables_end() {
            None => "all of it".to_owned(),
            Some(_) if args.to_stdout() => "what comes before its turn".to_owned(),
            Some(bytes) => format!("up to {} of it", Bytes(bytes)),
        };
        input::announce(args.image_name(), &what, &spool);
    }
    let mut report = if is_kept {
        image.keep_all().map_err(failed)?;
        from_disk(args, &spool.to_disk(args.image_name())?, pipe.file)?
    } else {
        as_it_comes(args, image, pipe.file)?
    };
    report.tell_spooled(&Spooled::of(&spool));
    Ok(report)
}

/// Restores an image while it comes.
fn as_it_comes(
    args: &UnpackArgs,
    mut image: ImageStream<Box<dyn Read + Send>, &Spool>,
    file: Option<Identity>,
) -> Result<Report, Failure> {
    image.check_references();
    if args.to_stdout() {
        image.write_in_order();
    }
    match image.arrival() {
        Arrival::InOrder => output_limit::check_stream(args, &image)?,
        Arrival::AsItComes | Arrival::Whole => {
            if let Some(most) = args.max_output {
                image.limit_data(most);
            }
        }
    }
    let facts = Facts::new(image.header(), image.size());
    let unpack = |target: &dyn WriteAt, options: &UnpackOptions<'_>| image.unpack(target, options);
    let restored = restore(args, &facts, file.into_iter().collect(), unpack, |_| Ok(()))?;
    Ok(Report::new(args, &facts, &restored))
}

/// Restores the image on `disk`, which came from this `file`, if it did.
fn from_disk(args: &UnpackArgs, disk: &Disk, file: Option<Identity>) -> Result<Report, Failure> {
    let chain = Chain::open(&ask(args), disk.try_clone()?)?;
    let image = &chain.image;
    output_limit::check(args, image, chain.checked.data_bytes_max)?;
    let files = image.files();
    let identities = files.iter().map(Disk::identity);
    let identities: Vec<_> = identities.chain(file).collect();
    let map = args.lost.as_deref().map(|path| {
        // A target that is there already is to become the disk.
        let target = Disk::open(&args.target)
            .ok()
            .map(|target| target.identity());
        let others = identities.iter().copied().chain(target).collect();
        LostMap::begin(path, args.force, !args.no_sync, others)
    });
    let map = map.transpose()?;
    let mut facts = Facts::new(image.header(), image.size());
    facts.damage.clone_from(&chain.damage);
    let restored = restore(
        args,
        &facts,
        identities,
        |target, options| image.unpack(target, options),
        |lost| {
            chain.check_unchanged()?;
            // Before the disk, which must not be there if this fails.
            map.map_or(Ok(()), |map| map.write(lost))
        },
    )?;
    Ok(Report::new(args, &facts, &restored))
}
