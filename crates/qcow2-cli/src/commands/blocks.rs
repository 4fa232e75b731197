//! `qcow2 blocks`: which bytes of a disk are in use, as ranges.

mod print;

use std::error::Error;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use blockio::{Extent, ExtentKind, ReadAt, Tiling};
use disk_layout::Disk;
use hostdisk::in_use;
use serde::Serialize;

use super::partition;
use crate::args::{BlocksArgs, ContentArg};
use crate::failure::{Causes, Failure, Outcome, STDOUT};
use crate::output::filesystem::FilesystemReport;
use crate::output::layout::LayoutReport;
use crate::output::volumes::PhysicalReport;
use crate::output::{self, SCHEMA, kept};
use crate::source::{self, Ask, ImageReport, Opened, SHORTER};

/// Bytes of a disk by what they are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Totals {
    /// In use.
    data: u64,
    /// In use, and reads as zeros.
    zero: u64,
    unused: u64,
}

/// What is said before the ranges.
#[derive(Debug, Serialize)]
struct Head {
    schema: u32,
    command: &'static str,
    source: String,
    /// The format that the source is read as: `raw` or `qcow2`.
    source_format: &'static str,
    /// What the source is, if it is an image.
    #[serde(skip_serializing_if = "Option::is_none")]
    source_image: Option<ImageReport>,
    disk_bytes: u64,
    content: &'static str,
    /// What proves that blocks are free, where some are.
    evidence: Option<&'static str>,
    kept_whole: Option<String>,
    notes: Vec<String>,
    damage: Vec<String>,
    damage_count: u64,
    filesystem: Option<FilesystemReport>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layout: Option<LayoutReport>,
    /// The volumes on the disk, if it is a physical volume of LVM2.
    #[serde(skip_serializing_if = "Option::is_none")]
    physical_volume: Option<PhysicalReport>,
    totals: Totals,
}

/// Why a list ended early.
#[derive(Debug)]
enum Stop {
    Failed(Failure),
    /// The output took no more.
    Output(io::Error),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Output(error)
    }
}

impl From<Stop> for Failure {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::Failed(failure) => failure,
            Stop::Output(error) => Self::about(Path::new(STDOUT), &error),
        }
    }
}

/// Lists what of a source is in use.
pub(crate) fn run(args: &BlocksArgs) -> Result<Outcome, Failure> {
    let ask = Ask {
        args: &args.reading.image,
        name: args.source_name(),
        salvage: None,
        has_base: false,
    };
    let meant = args.reading.source_format;
    let opened = Opened::open(&args.source, &ask, meant, &args.input, true)?;
    let Opened {
        disk: source,
        image,
        ..
    } = opened;
    // That an image is in use was found when it was opened.
    let user = source
        .raw()
        .map(in_use::source_in_use)
        .transpose()?
        .flatten();
    let user = user.map(|user| user.to_string());
    if let Some(user) = &user
        && !args.allow_mounted
    {
        let message = format!("{user}; --allow-mounted lists it all the same");
        return Err(Failure::because(args.source_name(), message));
    }
    let mut options = args.filesystem.options();
    options.in_use = user;
    options.sector_bytes = source.sector_bytes()?;
    let takes_all = args.filesystem.content == ContentArg::All;
    let sectors = options.sector_bytes;
    let place = partition::place(&source, &args.reading, sectors, takes_all, ask.name)?;
    let part = place.on(&source);
    let part = part.ok_or_else(|| Failure::because(ask.name, SHORTER))?;
    let disk = Disk::open(&part, &options).map_err(|error| {
        let usage = partition::missing(ask.name, &error);
        usage.unwrap_or_else(|| source::failure(&ask, &error))
    })?;
    let list = List { args, disk: &disk };
    let mut out = BufWriter::new(io::stdout().lock());
    let mut head = list.head()?;
    head.source_format = source.format();
    head.source_image = image;
    match list.print(&head, &mut out) {
        Err(Stop::Output(error)) => output::unless_left_early(Err(error)).map_err(Stop::from)?,
        printed => printed?,
    }
    output::unless_left_early(out.flush()).map_err(Stop::from)?;
    Ok(head.outcome())
}

impl Head {
    fn outcome(&self) -> Outcome {
        if self.kept_whole.is_some() || !self.notes.is_empty() || self.damage_count > 0 {
            Outcome::DoneWithNotes
        } else {
            Outcome::Done
        }
    }
}

/// The ranges of a source.
struct List<'a> {
    args: &'a BlocksArgs,
    disk: &'a Disk<'a>,
}

impl List<'_> {
    fn head(&self) -> Result<Head, Stop> {
        let mut totals = Totals::default();
        self.each(|extent| {
            let total = match extent.kind {
                ExtentKind::Data | ExtentKind::Unreadable => &mut totals.data,
                ExtentKind::Zero => &mut totals.zero,
                ExtentKind::Unallocated | ExtentKind::Free => &mut totals.unused,
            };
            *total += extent.length;
            Ok(())
        })?;
        let report = self.disk.report();
        Ok(Head {
            schema: SCHEMA,
            command: "blocks",
            source: self.args.source.display().to_string(),
            source_format: "raw",
            source_image: None,
            disk_bytes: self.disk.size(),
            content: kept::content(report),
            evidence: kept::evidence(report),
            kept_whole: kept::kept_whole(report),
            notes: report.notes.clone(),
            damage: report.damage.lines.clone(),
            damage_count: report.damage.total,
            filesystem: report.filesystem.as_ref().map(FilesystemReport::new),
            layout: LayoutReport::new(self.disk).map_err(|error| self.failed(&*error))?,
            physical_volume: PhysicalReport::new(report, self.disk)
                .map_err(|error| self.failed(&*error))?,
            totals,
        })
    }

    fn failed(&self, error: &dyn Error) -> Stop {
        Stop::Failed(Failure::because(self.args.source_name(), Causes(error)))
    }

    /// Gives each extent of the disk to `take`.
    fn each(&self, mut take: impl FnMut(Extent) -> io::Result<()>) -> Result<(), Stop> {
        for extent in self.disk.extents(0..self.disk.size()) {
            let extent = extent.map_err(|error| self.failed(&*error))?;
            take(extent)?;
        }
        Ok(())
    }
}
