//! `qcow2 unpack`: an image back into the exact disk.

mod blame;
mod facts;
mod output_limit;
mod report;
mod restore;
mod secret;

use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStrExt;
use std::time::Instant;

use blockio::WriteAt;
use hostdisk::{Disk, Identity, Spool, Stamp, in_use};
use qcow2_reader::{Arrival, Checked, Error, Image, ImageStream, OpenOptions, UnpackOptions};

use crate::args::{ReflinkArg, UnpackArgs};
use crate::failure::{Failure, Outcome};
use crate::input::{self, Input, Pipe, Spooled, Unasked};
use crate::lost::LostMap;
use crate::text::Bytes;
use crate::{output, references, remedy};

use blame::{blame, of_image};
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
            args.is_from_stdin() && args.references.is_given(),
            "an image from the standard input is read without other files",
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
    let image = ImageStream::open(pipe.reader, &spool, &open_options(args)).map_err(failed)?;
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
    let options = options_for(args, disk)?;
    let damage = match args.salvage {
        true => damage(args, disk, &options)?,
        false => None,
    };
    let (image, stamps) = open(args, disk, &options)?;
    let checked = match args.salvage {
        true => Checked::default(),
        false => image
            .check_references()
            .map_err(|error| of_image(args, &error))?,
    };
    output_limit::check(args, &image, checked.data_bytes_max)?;
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

/// How the image is opened: where it is encrypted, with a passphrase.
fn options_for(args: &UnpackArgs, disk: &Disk) -> Result<OpenOptions, Failure> {
    let header = qcow2_reader::read_header(disk).map_err(|error| of_image(args, &error.into()))?;
    let mut options = open_options(args);
    options.secret = secret::secret(args.secret_file.as_deref(), args.image_name(), &header)?;
    Ok(options)
}

/// Opens the image, and says in what state its files are.
fn open(
    args: &UnpackArgs,
    disk: &Disk,
    options: &OpenOptions,
) -> Result<(Image<Disk>, Vec<Stamp>), Failure> {
    let disk = disk.try_clone()?;
    if let Some(user) = in_use::source_in_use(&disk)? {
        let failure = Failure::because(args.image_name(), &user);
        return Err(match remedy::end_of(&user) {
            Some(remedy) => failure.with(&remedy),
            None => failure,
        });
    }
    let stamp = disk.stamp()?;
    let mut gate = references::gate(&args.references, &disk);
    let image =
        Image::open_with(disk, options, &mut gate).map_err(|error| of_image(args, &error))?;
    references::check_use(&args.references, args.image_name(), &gate)?;
    let stamps = image.files().iter().map(Disk::stamp);
    let mut stamps = stamps.collect::<Result<Vec<_>, _>>()?;
    if let Some(first) = stamps.first_mut() {
        *first = stamp;
    }
    Ok((image, stamps))
}

/// Why an image would not be restored without `--salvage`.
fn damage(
    args: &UnpackArgs,
    disk: &Disk,
    options: &OpenOptions,
) -> Result<Option<String>, Failure> {
    let mut strict = options.clone();
    strict.salvage = false;
    let checked = open(args, disk, &strict).and_then(|(image, _)| {
        let wrong = image.extents(0..image.size()).find_map(Result::err);
        let checked = image.check_references();
        wrong
            .map_or(checked.map(drop), |error| Err(error.into()))
            .map_err(|error| Failure::about(args.image_name(), &error))
    });
    match checked {
        Ok(()) => Ok(None),
        Err(Failure::Failed(message)) => Ok(Some(message)),
        Err(usage) => Err(usage),
    }
}

fn open_options(args: &UnpackArgs) -> OpenOptions {
    let snapshot = args.snapshot.as_ref();
    let mut options = OpenOptions::default();
    options.snapshot = snapshot.map(|name| name.as_bytes().to_vec());
    options.salvage = args.salvage;
    options
}
