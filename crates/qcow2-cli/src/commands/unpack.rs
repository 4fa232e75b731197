//! `qcow2 unpack`: an image back into the exact disk.

use std::fmt::{self, Display};
use std::io::{self, IsTerminal};
use std::path::Path;
use std::time::Instant;

use blockio::{Disk, Identity, Spool, StreamTarget, Target, TargetOptions, WriteAt, in_use};
use qcow2_format::Header;
use qcow2_format::feature::IncompatibleFeatures;
use qcow2_reader::{Image, ImageStream, OpenOptions, UnpackOptions, UnpackReport};
use serde::Serialize;

use crate::args::{ReflinkArg, UnpackArgs};
use crate::failure::{Failure, Outcome, STDIN, STDOUT};
use crate::output::{self, Bytes};
use crate::progress::Progress;

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
        output::print(&report, args.run.output.output, args.to_stdout())?;
    }
    Ok(Outcome::Done)
}

fn check_usage(args: &UnpackArgs) -> Result<(), Failure> {
    let refusals = [
        (
            args.to_stdout() && (args.force || args.in_place),
            "--force and --in-place make no sense with the standard output",
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
    let disk = Disk::open(&args.image)?;
    if let Some(user) = in_use::source_in_use(&disk)? {
        return Err(Failure::because(&args.image, user));
    }
    let stamp = disk.stamp()?;
    let source = disk.identity();
    let image = Image::open(disk, &OpenOptions::default())
        .map_err(|error| Failure::about(&args.image, &error))?;
    let facts = Facts::new(image.header(), image.size());
    let unpacked = restore(
        args,
        &facts,
        vec![source],
        |target, options| image.unpack(target, options),
        || {
            if image.storage().stamp()? == stamp {
                return Ok(());
            }
            let message = "the image changed while it was read";
            Err(Failure::because(&args.image, message))
        },
    )?;
    Ok(Report::new(args, &facts, unpacked))
}

/// Restores the image that the standard input brings; its tables go to a
/// temporary file.
fn from_stdin(args: &UnpackArgs) -> Result<Report, Failure> {
    let spool =
        Spool::new().map_err(|error| Failure::Failed(format!("a temporary file: {error}")))?;
    let image = ImageStream::open(io::stdin(), spool, &OpenOptions::default())
        .map_err(|error| Failure::about(Path::new(STDIN), &error))?;
    let facts = Facts::new(image.header(), image.size());
    let unpack = |target: &dyn WriteAt, options: &UnpackOptions<'_>| image.unpack(target, options);
    let unpacked = restore(args, &facts, Vec::new(), unpack, || Ok(()))?;
    Ok(Report::new(args, &facts, unpacked))
}

/// Restores with `unpack` to the target, which is there when `check` has
/// nothing against it.
fn restore(
    args: &UnpackArgs,
    facts: &Facts,
    sources: Vec<Identity>,
    unpack: impl FnOnce(&dyn WriteAt, &UnpackOptions<'_>) -> Result<UnpackReport, qcow2_reader::Error>,
    check: impl FnOnce() -> Result<(), Failure>,
) -> Result<UnpackReport, Failure> {
    let bar = Progress::new(&args.run, "unpacking");
    let show =
        |progress: qcow2_reader::Progress| bar.update(progress.done_bytes, progress.total_bytes);
    let options = UnpackOptions {
        threads: args.run.threads(),
        progress: Some(&show),
        reflink: args.reflink.into(),
    };
    let blame = |error: qcow2_reader::Error| {
        use qcow2_reader::Error;
        let of_target = matches!(error, Error::Write { .. } | Error::Resize { .. });
        let blamed = match (of_target, args.to_stdout(), args.is_from_stdin()) {
            (true, true, _) => Path::new(STDOUT),
            (true, false, _) => &args.target,
            (false, _, true) => Path::new(STDIN),
            (false, _, false) => &args.image,
        };
        Failure::about(blamed, &error)
    };
    if args.to_stdout() {
        let target =
            StreamTarget::stdout().map_err(|error| Failure::about(Path::new(STDOUT), &error))?;
        let unpacked = unpack(&target, &options).map_err(blame)?;
        check()?;
        return Ok(unpacked);
    }
    let target_options = TargetOptions {
        force: args.force,
        in_place: args.in_place,
        sync: !args.no_sync,
        sources,
        head_bytes: facts.cluster_bytes.min(facts.disk_bytes),
    };
    let target = Target::create(&args.target, &target_options)?;
    let unpacked = unpack(&target, &options).map_err(blame)?;
    check()?;
    target.commit()?;
    Ok(unpacked)
}

/// What the report says of an image, beside what was done.
struct Facts {
    cluster_bytes: u64,
    disk_bytes: u64,
    dirty: bool,
}

impl Facts {
    fn new(header: &Header, disk_bytes: u64) -> Self {
        Self {
            cluster_bytes: header.cluster_bits.bytes(),
            disk_bytes,
            dirty: header.incompatible.contains(IncompatibleFeatures::DIRTY),
        }
    }
}

/// The report of a finished `unpack`.
#[derive(Debug, Serialize)]
struct Report {
    schema: u32,
    command: &'static str,
    image: String,
    target: String,
    disk_bytes: u64,
    written_bytes: u64,
    /// Bytes whose blocks the disk shares with the image.
    shared_bytes: u64,
    /// The image was not closed properly; its data is good.
    dirty: bool,
    /// The disk's length is no multiple of 512, which not every program reads.
    odd_length: bool,
    in_place: bool,
    seconds: f64,
}

impl Report {
    fn new(args: &UnpackArgs, facts: &Facts, unpacked: UnpackReport) -> Self {
        Self {
            schema: output::SCHEMA,
            command: "unpack",
            image: args.image.display().to_string(),
            target: args.target.display().to_string(),
            disk_bytes: unpacked.disk_bytes,
            written_bytes: unpacked.written_bytes,
            shared_bytes: unpacked.shared_bytes,
            dirty: facts.dirty,
            odd_length: !facts.disk_bytes.is_multiple_of(512),
            in_place: args.in_place,
            seconds: 0.0,
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "image    {}", self.image)?;
        if self.dirty {
            writeln!(
                f,
                "note     the image was not closed properly; its data is complete"
            )?;
        }
        if self.odd_length {
            writeln!(
                f,
                "note     the disk is no multiple of 512 bytes; it is restored to its last byte"
            )?;
        }
        if self.in_place {
            writeln!(f, "note     written in place, which is not atomic")?;
        }
        writeln!(
            f,
            "disk     {}: {} ({} bytes), {} of it written",
            self.target,
            Bytes(self.disk_bytes),
            self.disk_bytes,
            Bytes(self.written_bytes),
        )?;
        if self.shared_bytes > 0 {
            let shared = Bytes(self.shared_bytes);
            writeln!(f, "shared   {shared} with the image, which are not copied")?;
        }
        writeln!(f, "time     {:.2} s", self.seconds)
    }
}
