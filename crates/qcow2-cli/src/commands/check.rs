//! `qcow2 check`: whether an image agrees with itself, in qemu-img's shape.

mod repair;
mod report;

use hostdisk::{Disk, EditedFile};
use qcow2_check::{Audit, AuditOptions, Error};
use qcow2_format::header::MAGIC;

use blockio::ReadAt;

use crate::args::{CheckArgs, RepairArg};
use crate::failure::{Failure, Outcome};
use crate::output;

use report::Report;

/// Checks an image, and prints what was found.
pub(crate) fn run(args: &CheckArgs) -> Result<Outcome, Failure> {
    if args.repair.is_some() && !args.dry_run {
        return repair(args);
    }
    let image = Disk::open(&args.image)?;
    if !is_qcow2(args, &image)? {
        return Err(Failure::unsupported(&args.image, "it is no qcow2 image"));
    }
    let mut options = AuditOptions::default();
    options.data = args.data;
    let audit = qcow2_check::audit(&image, &options).map_err(|error| failure(args, &error))?;
    let report = Report::new(args, &audit);
    output::print(&report, args.output.output)?;
    Ok(outcome(&audit))
}

/// Repairs an image, and prints what is left.
fn repair(args: &CheckArgs) -> Result<Outcome, Failure> {
    let image = EditedFile::open(&args.image)?;
    if !is_qcow2(args, &image)? {
        return Err(Failure::unsupported(&args.image, "it is no qcow2 image"));
    }
    let mut options = AuditOptions::default();
    // Nothing is called clean that is not.
    options.data = args.data || args.repair == Some(RepairArg::All);
    let before = qcow2_check::audit(&image, &options).map_err(|error| failure(args, &error))?;
    let repaired = repair::run(args, &image, &before)?;
    let after = qcow2_check::audit(&image, &options).map_err(|error| failure(args, &error))?;
    let report = Report::new(args, &after).repaired(&before, repaired);
    output::print(&report, args.output.output)?;
    Ok(outcome(&after))
}

/// Whether the file begins as a qcow2 image does.
fn is_qcow2(args: &CheckArgs, image: &impl ReadAt) -> Result<bool, Failure> {
    let magic = MAGIC.to_be_bytes();
    let mut start = [0; 4];
    if image.size() < blockio::len_u64(start.len()) {
        return Ok(false);
    }
    image
        .read_at(0, &mut start)
        .map_err(|error| Failure::about(&args.image, &error))?;
    Ok(start == magic)
}

fn failure(args: &CheckArgs, error: &Error) -> Failure {
    Failure::about(&args.image, error)
}

/// The exit codes of `qemu-img check`.
fn outcome(audit: &Audit) -> Outcome {
    match (audit.corruptions, audit.leaks) {
        (0, 0) => Outcome::Done,
        (0, _) => Outcome::Leaks,
        _ => Outcome::Corrupt,
    }
}
