//! `qcow2 unpack`: an image back into the exact disk.

use std::fmt::{self, Display};
use std::io;
use std::time::Instant;

use blockio::{Disk, StreamTarget, Target, TargetOptions, WriteAt, in_use};
use qcow2_format::feature::IncompatibleFeatures;
use qcow2_reader::{Image, OpenOptions, UnpackOptions, UnpackReport};
use serde::Serialize;

use crate::args::UnpackArgs;
use crate::failure::{Failure, Outcome};
use crate::output::{self, Bytes};
use crate::progress::Progress;

/// Restores an image and reports.
pub(crate) fn run(args: &UnpackArgs) -> Result<Outcome, Failure> {
    check_usage(args)?;
    let started = Instant::now();
    let disk = Disk::open(&args.image)?;
    if let Some(user) = in_use::source_in_use(&disk)? {
        return Err(Failure::because(&args.image, user));
    }
    let stamp = disk.stamp()?;
    let source = disk.identity();
    let image = Image::open(disk, &OpenOptions::default())
        .map_err(|error| Failure::about(&args.image, &error))?;
    let check_unchanged = || {
        if image.storage().stamp()? == stamp {
            return Ok(());
        }
        let message = "the image changed while it was read";
        Err(Failure::because(&args.image, message))
    };

    let unpacked = if args.to_stdout() {
        let target = StreamTarget::new(io::stdout());
        let unpacked = unpack(args, &image, &target)?;
        check_unchanged()?;
        unpacked
    } else {
        let options = TargetOptions {
            force: args.force,
            in_place: args.in_place,
            sync: !args.no_sync,
            sources: vec![source],
            head_bytes: image.header().cluster_bits.bytes().min(image.size()),
        };
        let target = Target::create(&args.target, &options)?;
        let unpacked = unpack(args, &image, &target)?;
        check_unchanged()?;
        target.commit()?;
        unpacked
    };
    if !args.run.quiet {
        let mut report = Report::new(args, &image, unpacked);
        report.seconds = started.elapsed().as_secs_f64();
        output::print(&report, args.run.output.output, args.to_stdout())?;
    }
    Ok(Outcome::Done)
}

fn check_usage(args: &UnpackArgs) -> Result<(), Failure> {
    if args.to_stdout() && (args.force || args.in_place) {
        return Err(Failure::Usage(
            "--force and --in-place make no sense with the standard output".into(),
        ));
    }
    Ok(())
}

fn unpack(
    args: &UnpackArgs,
    image: &Image<Disk>,
    target: &(impl WriteAt + ?Sized),
) -> Result<UnpackReport, Failure> {
    let bar = Progress::new(&args.run, "unpacking");
    let show =
        |progress: qcow2_reader::Progress| bar.update(progress.done_bytes, progress.total_bytes);
    let options = UnpackOptions {
        threads: args.run.threads(),
        progress: Some(&show),
    };
    image.unpack(target, &options).map_err(|error| {
        use qcow2_reader::Error;
        let blamed = match &error {
            Error::Write { .. } | Error::Resize { .. } => &args.target,
            _ => &args.image,
        };
        Failure::about(blamed, &error)
    })
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
    /// The image was not closed properly; its data is good.
    dirty: bool,
    /// The disk's length is no multiple of 512, which not every program reads.
    odd_length: bool,
    in_place: bool,
    seconds: f64,
}

impl Report {
    fn new(args: &UnpackArgs, image: &Image<Disk>, unpacked: UnpackReport) -> Self {
        Self {
            schema: output::SCHEMA,
            command: "unpack",
            image: args.image.display().to_string(),
            target: args.target.display().to_string(),
            disk_bytes: unpacked.disk_bytes,
            written_bytes: unpacked.written_bytes,
            dirty: image
                .header()
                .incompatible
                .contains(IncompatibleFeatures::DIRTY),
            odd_length: !image.size().is_multiple_of(512),
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
        writeln!(f, "time     {:.2} s", self.seconds)
    }
}
