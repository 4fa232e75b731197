//! `qcow2 unpack`: an image back into the exact disk.

mod output_limit;
mod report;
mod restore;

use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Instant;

use blockio::{Disk, Spool, Stamp, WriteAt, in_use};
use qcow2_reader::{Image, ImageStream, OpenOptions, UnpackOptions};

use crate::args::{ReflinkArg, UnpackArgs};
use crate::failure::{Failure, Outcome, STDIN};
use crate::lost::LostMap;
use crate::remedy::{self, Reading};
use crate::{output, references, secret};

use report::{Facts, Report};
use restore::restore;

/// Restores an image and reports.
pub(crate) fn run(args: &UnpackArgs) -> Result<Outcome, Failure> {
    check_usage(args)?;
    let started = Instant::now();
    let mut report = if args.is_from_stdin() {
        from_stdin(args)?
    } else {
        from_file(args)?
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
            args.is_from_stdin() && args.references.is_given(),
            "an image from the standard input is read without other files",
        ),
        (
            args.is_from_stdin() && args.salvage,
            "--salvage makes no sense with the standard input: save the image to a file",
        ),
        (
            args.is_from_stdin() && args.secret_file.is_some(),
            "--secret-file makes no sense with the standard input: save the image to a file",
        ),
        (
            args.reflink != ReflinkArg::Never && (args.only_changed || args.only_allocated),
            "--reflink excludes --only-changed and --only-allocated",
        ),
        (
            args.reflink != ReflinkArg::Never && (args.to_stdout() || args.is_from_stdin()),
            "--reflink makes no sense with the standard input and output",
        ),
        (
            args.to_stdout() && io::stdout().is_terminal(),
            "the standard output is a terminal",
        ),
        (
            args.is_from_stdin() && io::stdin().is_terminal(),
            "the standard input is a terminal",
        ),
    ];
    match refusals.into_iter().find(|(refused, _)| *refused) {
        Some((_, why)) => Err(Failure::Usage(why.into())),
        None => Ok(()),
    }
}

fn from_file(args: &UnpackArgs) -> Result<Report, Failure> {
    let options = options_for(args)?;
    let damage = match args.salvage {
        true => damage(args, &options)?,
        false => None,
    };
    let (image, stamps) = open(args, &options)?;
    if !args.salvage {
        image
            .check_references()
            .map_err(|error| remedy::of_image(&args.image, &error, reading(args)))?;
    }
    output_limit::check(args, &image)?;
    let files = image.files();
    let identities: Vec<_> = files.iter().map(Disk::identity).collect();
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
    facts.damage = damage;
    let restored = restore(
        args,
        &facts,
        identities,
        |target, options| image.unpack(target, options),
        |lost| {
            for (file, stamp) in files.iter().zip(&stamps) {
                if file.stamp()? != *stamp {
                    let message = "the image changed while it was read";
                    return Err(Failure::because(file.path(), message));
                }
            }
            // Before the disk, which must not be there if this fails.
            map.map_or(Ok(()), |map| map.write(lost))
        },
    )?;
    Ok(Report::new(args, &facts, &restored))
}

fn reading(args: &UnpackArgs) -> Reading {
    Reading {
        references: args.references.references,
        snapshot: args.snapshot.is_some(),
        salvage: (!args.salvage).then_some(remedy::SALVAGE),
    }
}

/// How the image is opened: where it is encrypted, with a passphrase.
fn options_for(args: &UnpackArgs) -> Result<OpenOptions, Failure> {
    let disk = Disk::open(&args.image)?;
    let header = qcow2_reader::read_header(&disk)
        .map_err(|error| remedy::of_image(&args.image, &error, reading(args)))?;
    Ok(OpenOptions {
        secret: secret::secret(args.secret_file.as_deref(), &args.image, &header)?,
        salvage: args.salvage,
        ..open_options(args)
    })
}

/// Opens the image, and says in what state its files are.
fn open(args: &UnpackArgs, options: &OpenOptions) -> Result<(Image<Disk>, Vec<Stamp>), Failure> {
    let disk = Disk::open(&args.image)?;
    if let Some(user) = in_use::source_in_use(&disk)? {
        let failure = Failure::because(&args.image, &user);
        return Err(match remedy::end_of(&user) {
            Some(remedy) => failure.with(&remedy),
            None => failure,
        });
    }
    let stamp = disk.stamp()?;
    let mut gate = references::gate(&args.references, &disk);
    let image = Image::open_with(disk, options, &mut gate)
        .map_err(|error| remedy::of_image(&args.image, &error, reading(args)))?;
    references::check_use(&args.references, &args.image, &gate)?;
    let stamps = image.files().iter().map(Disk::stamp);
    let mut stamps = stamps.collect::<Result<Vec<_>, _>>()?;
    if let Some(first) = stamps.first_mut() {
        *first = stamp;
    }
    Ok((image, stamps))
}

/// Why an image would not be restored without `--salvage`.
fn damage(args: &UnpackArgs, options: &OpenOptions) -> Result<Option<String>, Failure> {
    let strict = OpenOptions {
        salvage: false,
        ..options.clone()
    };
    let checked = open(args, &strict).and_then(|(image, _)| {
        let wrong = image.extents().find_map(Result::err);
        let checked = image.check_references();
        wrong
            .map_or(checked, Err)
            .map_err(|error| Failure::about(&args.image, &error))
    });
    match checked {
        Ok(()) => Ok(None),
        Err(Failure::Failed(message)) => Ok(Some(message)),
        Err(usage) => Err(usage),
    }
}

fn open_options(args: &UnpackArgs) -> OpenOptions {
    let snapshot = args.snapshot.as_ref();
    OpenOptions {
        snapshot: snapshot.map(|name| name.as_bytes().to_vec()),
        ..OpenOptions::default()
    }
}

/// Restores the image that the standard input brings; its tables go to a
/// temporary file.
fn from_stdin(args: &UnpackArgs) -> Result<Report, Failure> {
    let spool =
        Spool::new().map_err(|error| Failure::Failed(format!("a temporary file: {error}")))?;
    let image = ImageStream::open(io::stdin(), spool, &open_options(args))
        .map_err(|error| Failure::about(Path::new(STDIN), &error))?;
    output_limit::check_stream(args, &image)?;
    let facts = Facts::new(image.header(), image.size());
    let unpack = |target: &dyn WriteAt, options: &UnpackOptions<'_>| image.unpack(target, options);
    let restored = restore(args, &facts, Vec::new(), unpack, |_| Ok(()))?;
    Ok(Report::new(args, &facts, &restored))
}
