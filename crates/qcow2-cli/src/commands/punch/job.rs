//! One disk: what is free of it given back, proven if asked to, and reported.

use std::io;
use std::ops::Range;
use std::time::Instant;

use blockio::{Holes, ReadAt};
use disk_layout::Disk;
use hostdisk::{GiveBack, allocated_bytes};

use super::refusal::Subject;
use super::report::Report;
use super::source::Source;
use super::verify::digest;
use super::walk::{Stop, Totals, Walk, held_bytes};
use crate::args::PunchArgs;
use crate::failure::{Causes, Failure, Outcome};
use crate::output::filesystem::FilesystemReport;
use crate::output::layout::LayoutReport;
use crate::output::{self, kept};
use crate::progress::Progress;
use crate::text::Bytes;

/// What is punched, and how.
pub(super) struct Job<'a> {
    pub(super) args: &'a PunchArgs,
    pub(super) started: Instant,
    pub(super) source: &'a Source<'a>,
    pub(super) disk: &'a Disk<'a>,
    /// The disk, or the one partition.
    pub(super) subject: Subject<'a>,
    /// Its number.
    pub(super) partition: Option<u32>,
    /// Its bytes.
    pub(super) range: Range<u64>,
}

impl Job<'_> {
    /// Runs the job.
    pub(super) fn run(&self) -> Result<Outcome, Failure> {
        let (args, source) = (self.args, self.source);
        let nothing_free = self.subject.nothing_free(source);
        let mut walk = Walk {
            bytes: source.disk(),
            tiling: self.disk,
            range: self.range.clone(),
            unit_bytes: source.unit_bytes(),
            free: nothing_free.is_none(),
            zeros: false,
        };
        // Before anything is changed, all of the proof is read once.
        let mut foreseen = Totals::default();
        let mut nothing = |_: &Range<u64>| Ok(());
        let ended = walk.run(&mut foreseen, &mut nothing);
        ended.map_err(|stop| self.failure(stop, &Totals::default()))?;
        walk.zeros = args.zeros;

        let before = allocated_bytes(source.disk())?;
        let (totals, held) = if args.dry_run {
            self.look(&walk)?
        } else {
            (self.punch(&walk, &foreseen)?, 0)
        };
        let punched = totals.punched_bytes.saturating_add(totals.zero_bytes);
        let after = allocated_bytes(source.disk())?.filter(|_| !args.dry_run);
        let given_back = match (before, after) {
            _ if args.dry_run => held,
            (Some(before), Some(after)) => before.saturating_sub(after),
            _ => punched,
        };
        let mut report = self.describe(nothing_free, &totals)?;
        report.allocated_before_bytes = before;
        report.allocated_after_bytes = after;
        report.given_back_bytes = given_back;
        report.seconds = self.started.elapsed().as_secs_f64();
        if !args.run.quiet {
            output::print_done(&report, args.run.output.output, false);
        }
        Ok(report.outcome())
    }

    /// Finds what would be given back, and how many bytes of it the storage holds.
    fn look(&self, walk: &Walk<'_>) -> Result<(Totals, u64), Failure> {
        let (mut totals, mut held, holes) = (Totals::default(), 0u64, Holes::new());
        let bar = Progress::new(&self.args.run, "looking");
        let ended = walk.run(&mut totals, &mut |range| {
            bar.update(self.done_bytes(range), self.done_bytes(&self.range));
            let there = held_bytes(self.source.disk(), &holes, range);
            let there = there.map_err(|error: io::Error| self.unread(&error.to_string()))?;
            held = held.saturating_add(there);
            Ok(())
        });
        ended.map_err(|stop| self.failure(stop, &Totals::default()))?;
        self.source.check_unchanged()?;
        Ok((totals, held))
    }

    /// Gives back what can be.
    fn punch(&self, walk: &Walk<'_>, foreseen: &Totals) -> Result<Totals, Failure> {
        let (args, source) = (self.args, self.source);
        let kept = match args.verify {
            true => Some(digest(args, source.disk(), self.disk)?),
            false => None,
        };
        source.check_unchanged()?;
        let mut totals = Totals::default();
        if foreseen.ranges > 0 || walk.zeros {
            let bar = Progress::new(&args.run, "punching");
            let ended = walk.run(&mut totals, &mut |range| {
                source.punch(range)?;
                bar.update(self.done_bytes(range), self.done_bytes(&self.range));
                Ok(())
            });
            ended.map_err(|stop| self.failure(stop, &totals))?;
            source.sync()?;
        }
        totals.free_bytes = foreseen.free_bytes;
        source.check_unchanged()?;
        if let Some(kept) = kept
            && digest(args, &source.disk().uncached(), self.disk)? != kept
        {
            let message = "verification failed: bytes that are kept are not what they were";
            return Err(Failure::because(&args.source, message));
        }
        Ok(totals)
    }

    /// How much of the disk, or of the one partition, is done with `range`.
    const fn done_bytes(&self, range: &Range<u64>) -> u64 {
        range.end.saturating_sub(self.range.start)
    }

    fn unread(&self, why: &str) -> Failure {
        Failure::because(&self.args.source, why)
    }

    /// The failure of a walk that had given back `totals`.
    fn failure(&self, stop: Stop, totals: &Totals) -> Failure {
        let failure = match stop {
            Stop::Unread(why) => self.unread(&why),
            Stop::Refused(failure) => failure,
        };
        let given_back = totals.punched_bytes.saturating_add(totals.zero_bytes);
        if given_back == 0 {
            return failure;
        }
        let before = format!(
            "{} before that, free or zero, were given back, and every byte in use is what it was",
            Bytes(given_back)
        );
        failure.with(&before)
    }

    fn describe(&self, nothing_free: Option<String>, totals: &Totals) -> Result<Report, Failure> {
        let (args, found) = (self.args, self.subject.report());
        let layout = LayoutReport::new(self.disk)
            .map_err(|error| Failure::because(&args.source, Causes(&*error)))?;
        Ok(Report {
            schema: output::SCHEMA,
            command: "punch",
            source: args.source.display().to_string(),
            dry_run: args.dry_run,
            content: kept::content(found),
            evidence: kept::evidence(found),
            nothing_free,
            filesystem: found.filesystem.as_ref().map(FilesystemReport::new),
            layout,
            partition: self.partition,
            notes: found.notes.clone(),
            damage: found.damage.lines.clone(),
            damage_count: found.damage.total,
            disk_bytes: self.disk.size(),
            free_bytes: totals.free_bytes,
            punched_bytes: totals.punched_bytes,
            zero_bytes: totals.zero_bytes,
            looked_for_zeros: args.zeros,
            ranges: totals.ranges,
            unit_bytes: self.source.unit_bytes(),
            method: match (self.source.disk().is_device(), args.give_back()) {
                (false, _) => "hole",
                (true, GiveBack::Zeroed) => "zeroed",
                (true, GiveBack::Discarded) => "discard",
            },
            allocated_before_bytes: None,
            allocated_after_bytes: None,
            given_back_bytes: 0,
            verified: args.verify,
            seconds: 0.0,
        })
    }
}
