//! `qcow2 measure`: how large the image of a disk would be.

use std::fmt::{self, Display};
use std::ops::ControlFlow;
use std::path::Path;

use blockio::{Extent, ExtentKind, ReadAt, Tiling};
use disk_layout::Disk;
use hostdisk::in_use;
use qcow2_writer::{Measured, PackOptions};
use serde::Serialize;

use super::pack::{Shape, Wanted, compression};
use super::partition;
use crate::args::{ContentArg, MeasureArgs, TargetFormatArg};
use crate::failure::{Failure, Outcome};
use crate::output::{self, kept};
use crate::progress::Progress;
use crate::source::steady::{Steady, SteadyOptions};
use crate::source::{self, Ask, SHORTER};
use crate::text::Bytes;

/// The fields of `qemu-img measure --output=json`, under its names; of an estimate, how good
/// it is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Report {
    required: u64,
    fully_allocated: u64,
    /// Bytes that `required` may be away from the truth, up or down.
    #[serde(skip_serializing_if = "Option::is_none")]
    estimate_error: Option<u64>,
    /// Bytes of the disk that were compressed for the estimate.
    #[serde(skip_serializing_if = "Option::is_none")]
    sampled: Option<u64>,
}

impl Report {
    fn new(measured: &Measured) -> Self {
        Self {
            required: measured.image_bytes,
            fully_allocated: measured.fully_allocated_bytes,
            estimate_error: measured.sampled_bytes.map(|_| measured.error_bytes),
            sampled: measured.sampled_bytes,
        }
    }

    /// Of a disk of `size` bytes as it is.
    fn raw(size: u64) -> Self {
        Self {
            required: size,
            fully_allocated: size,
            estimate_error: None,
            sampled: None,
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "required size: {}", self.required)?;
        writeln!(f, "fully allocated size: {}", self.fully_allocated)?;
        if let (Some(error), Some(sampled)) = (self.estimate_error, self.sampled) {
            writeln!(
                f,
                "estimate: {} more or less, from {} of the disk",
                Bytes(error),
                Bytes(sampled)
            )?;
        }
        Ok(())
    }
}

/// Says how large an image would be.
pub(crate) fn run(args: &MeasureArgs) -> Result<Outcome, Failure> {
    let report = match (&args.source, args.size) {
        (Some(source), _) => of_source(args, source)?,
        (None, size) => of_nothing(args, size.unwrap_or(0))?,
    };
    output::print(&report, args.run.output.output)?;
    Ok(Outcome::Done)
}

/// Of an empty disk.
fn of_nothing(args: &MeasureArgs, size: u64) -> Result<Report, Failure> {
    if args.format == TargetFormatArg::Raw {
        return Ok(Report::raw(size));
    }
    let shape = Shape::plain(args.cluster_size);
    let nothing = Nothing(size);
    measured(args, &shape, |options| {
        qcow2_writer::measure(&nothing, &nothing, options, args.sample)
    })
    .and_then(|result| result.map_err(|error| Failure::about(Path::new("--size"), &error)))
}

/// Of the disk at `path`.
fn of_source(args: &MeasureArgs, path: &Path) -> Result<Report, Failure> {
    if args.filesystem.content == ContentArg::Metadata && args.cluster_size.is_some() {
        let message = "--cluster-size and --content metadata exclude each other: clusters are as \
                       large as blocks";
        return Err(Failure::Usage(message.into()));
    }
    let ask = Ask {
        args: &args.reading.image,
        name: args.source_name(),
        salvage: None,
        has_base: false,
    };
    let how = SteadyOptions {
        ask,
        format: args.reading.source_format,
        input: &args.input,
        quiet: args.run.quiet,
        allow_mounted: args.allow_mounted,
    };
    let source = Steady::open(path, &how)?;
    let mut options = args.filesystem.options();
    let user = source.disk.raw().map(in_use::source_in_use).transpose()?;
    options.in_use = user.flatten().map(|user| user.to_string());
    options.threads = Some(args.run.threads());
    options.sector_bytes = source.disk.sector_bytes()?;
    let takes_all = args.filesystem.content == ContentArg::All;
    let sectors = options.sector_bytes;
    let place = partition::place(&source.disk, &args.reading, sectors, takes_all, ask.name)?;
    let part = place.on(&source.disk);
    let part = part.ok_or_else(|| Failure::because(ask.name, SHORTER))?;
    if args.format == TargetFormatArg::Raw {
        return Ok(Report::raw(part.size()));
    }
    let disk = Disk::open(&part, &options).map_err(|error| {
        let usage = partition::missing(ask.name, &error);
        usage.unwrap_or_else(|| source::failure(&ask, &error))
    })?;
    if let Some(why) = kept::kept_whole(disk.report()).filter(|_| !args.run.quiet) {
        output::complain(format_args!(
            "{}: everything counts: {why}",
            ask.name.display()
        ));
    }
    let wanted = Wanted {
        cluster_size: args.cluster_size,
        refcount_bits: args.refcount_bits,
        source: ask.name,
    };
    let shape = Shape::new(&wanted, None, disk.report(), disk.size())?;
    let report = measured(args, &shape, |options| {
        qcow2_writer::measure(&part, &disk, options, args.sample)
    })?
    .map_err(|error| source::failure(&ask, &error))?;
    source.check_unchanged()?;
    Ok(report)
}

/// What `measure` finds with the options for an image of that shape.
fn measured<E>(
    args: &MeasureArgs,
    shape: &Shape,
    measure: impl FnOnce(&PackOptions<'_>) -> Result<Measured, E>,
) -> Result<Result<Report, E>, Failure> {
    let bar = Progress::new(&args.run, "measuring");
    let show = |progress: blockio::Progress| {
        bar.update(progress.done_bytes, progress.total_bytes);
        ControlFlow::Continue(())
    };
    let mut options = PackOptions::default();
    options.cluster_bits = shape.geometry.cluster_bits;
    options.extended_l2 = shape.geometry.extended_l2;
    options.allocation = shape.allocation;
    options.version = args.compat.into();
    options.refcount_order = args.refcount_bits;
    options.compression = compression(args.compress, args.deflate_window)?;
    options.threads = args.run.threads();
    options.progress = Some(&show);
    Ok(measure(&options).map(|measured| Report::new(&measured)))
}

/// An empty disk of so many bytes.
struct Nothing(u64);

impl ReadAt for Nothing {
    fn size(&self) -> u64 {
        self.0
    }

    fn read_at(&self, _: u64, buf: &mut [u8]) -> std::io::Result<()> {
        buf.fill(0);
        Ok(())
    }

    fn next_data(&self, _: u64) -> std::io::Result<Option<std::ops::Range<u64>>> {
        Ok(None)
    }
}

impl Tiling for Nothing {
    fn extents(&self, range: std::ops::Range<u64>) -> blockio::Extents<'_> {
        let all = Extent::new(range, ExtentKind::Unallocated);
        Box::new((all.length > 0).then_some(Ok(all)).into_iter())
    }
}
