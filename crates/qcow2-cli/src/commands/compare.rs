//! `qcow2 compare`: whether two disks are the same.

mod padded;
mod report;
mod strict;

use std::error::Error;
use std::io;
use std::ops::ControlFlow;
use std::time::Instant;

use blockio::{AllData, ReadAt, Tiling};
use disk_compare::{Common, Error as NotSame, Options, compare};
use disk_layout::Disk;

use crate::args::{CompareArgs, SideArgs, is_stream};
use crate::failure::{Failure, Outcome};
use crate::output::{self, kept};
use crate::progress::Progress;
use crate::source::steady::{Steady, SteadyOptions};
use crate::source::{self, Ask};
use padded::Padded;
use report::{Difference, Report};

/// The exit codes of `qemu-img compare` beyond that of a difference.
const OPEN: u8 = 2;
const MAP: u8 = 3;
const READ: u8 = 4;

/// Compares two disks, and tells where they differ first.
pub(crate) fn run(args: &CompareArgs) -> Result<Outcome, Failure> {
    let started = Instant::now();
    let sides = args.sides();
    if sides.iter().all(|side| is_stream(&side.path)) {
        let message = "only one of the two can be the standard input";
        return Err(Failure::Usage(message.into()));
    }
    let pair = Pair {
        args,
        disks: [open(args, &sides[0])?, open(args, &sides[1])?],
        sides,
    };
    let mut report = Report::new(&pair.sides, &pair.disks);
    report.strict = args.strict;
    let difference = match args.used_only {
        true => pair.used(&mut report)?,
        false => pair.whole()?,
    };
    for disk in &pair.disks {
        report.may_have_changed |= disk.check_unchanged().map_err(|at| at.coded(READ))?;
    }
    report.seconds = started.elapsed().as_secs_f64();
    let outcome = match difference {
        Some(_) => Outcome::Different,
        None => Outcome::Done,
    };
    report.found(difference);
    if !args.run.quiet {
        output::print(&report, args.run.output.output).map_err(|failure| failure.coded(READ))?;
    }
    Ok(outcome)
}

fn ask(side: &SideArgs) -> Ask<'_> {
    Ask {
        args: &side.image,
        name: side.name(),
        salvage: None,
        // What is allowed for one is no mistake where the other is a raw disk.
        has_base: true,
    }
}

fn open(args: &CompareArgs, side: &SideArgs) -> Result<Steady, Failure> {
    let how = SteadyOptions {
        ask: ask(side),
        format: side.format,
        input: &args.input,
        quiet: args.run.quiet,
        allow_mounted: args.allow_mounted,
    };
    Steady::open(&side.path, &how).map_err(|failure| failure.coded(OPEN))
}

/// Two disks, open to be compared.
struct Pair<'a> {
    args: &'a CompareArgs,
    sides: [SideArgs; 2],
    disks: [Steady; 2],
}

impl Pair<'_> {
    /// Where the disks differ first.
    fn whole(&self) -> Result<Option<Difference>, Failure> {
        let [one, other] = &self.disks;
        if self.args.strict {
            if one.size() != other.size() {
                return Ok(Some(Difference::Size));
            }
            let found = strict::first(one, other);
            let found = found.map_err(|(side, error)| self.lost(side, &*error));
            if let Some(offset) = found? {
                return Ok(Some(Difference::Allocation { offset }));
            }
        }
        self.content(&AllData)
    }

    /// Where the disks differ first in what the first one needs.
    fn used(&self, report: &mut Report) -> Result<Option<Difference>, Failure> {
        let [one, _] = &self.disks;
        let ask = ask(&self.sides[0]);
        let mut options = disk_layout::Options::default();
        options.threads = Some(self.args.run.threads());
        options.sector_bytes = one.disk.sector_bytes()?;
        let needed = Disk::open(one, &options);
        let needed = needed.map_err(|error| source::failure(&ask, &error).coded(MAP))?;
        report.used(
            kept::content(needed.report()),
            kept::kept_whole(needed.report()),
        );
        self.content(&needed)
    }

    /// Where the disks differ first in what `matters` on the first one.
    fn content(&self, matters: &(impl Tiling + ?Sized)) -> Result<Option<Difference>, Failure> {
        let [one, other] = &self.disks;
        let size = one.size().max(other.size());
        let rest = match self.args.used_only {
            true => blockio::ExtentKind::Free,
            false => blockio::ExtentKind::Data,
        };
        let matters = Padded::of_tiling(matters, one.size(), size, rest);
        let [a, b] = [one, other].map(|disk| Padded::of_disk(disk, size));
        let bar = Progress::new(&self.args.run, "comparing");
        let show = |progress: blockio::Progress| {
            bar.update(progress.done_bytes, progress.total_bytes);
            ControlFlow::Continue(())
        };
        let mut options = Options::default();
        options.threads = Some(self.args.run.threads());
        options.progress = Some(&show);
        let compared = compare(
            &a,
            &Common::new(&matters, &a),
            &b,
            &Common::new(&matters, &b),
            &options,
        );
        match compared {
            Ok(()) => Ok(None),
            Err(NotSame::Differs {
                offset,
                expected,
                found,
            }) => Ok(Some(Difference::Content {
                offset,
                a: expected,
                b: found,
            })),
            Err(NotSame::Expected(error)) => Err(self.lost(0, &*error)),
            Err(NotSame::Found(error)) => Err(self.lost(1, &*error)),
            Err(error) => Err(Failure::about(&self.args.a, &error).coded(READ)),
        }
    }

    /// The failure that `error` is, of the disk on that side.
    fn lost(&self, side: usize, error: &(dyn Error + 'static)) -> Failure {
        let side = &self.sides[side.min(1)];
        let is_read =
            error.is::<io::Error>() || error.source().is_some_and(<dyn Error>::is::<io::Error>);
        source::failure(&ask(side), error).coded(if is_read { READ } else { MAP })
    }
}
