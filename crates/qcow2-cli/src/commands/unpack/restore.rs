//! Where `qcow2 unpack` restores to.

use std::ops::ControlFlow;
use std::path::Path;

use blockio::salvage::Lost;
use blockio::{OnlyChanged, ReadAt, WriteAt};
use hostdisk::{Identity, StreamTarget, Target, TargetOptions};
use qcow2_reader::{Error, UnpackOptions, UnpackReport};

use super::blame::blame;
use super::facts::Facts;
use super::place::Place;
use crate::args::UnpackArgs;
use crate::failure::{Failure, STDOUT};
use crate::progress::Progress;

/// What was done to the target.
pub(super) struct Restored {
    pub(super) written_bytes: u64,
    /// Known where only what differs is written.
    pub(super) zeroed_bytes: Option<u64>,
    pub(super) shared_bytes: u64,
    pub(super) lost: Lost,
}

impl Restored {
    fn of(unpacked: UnpackReport) -> Self {
        Self {
            written_bytes: unpacked.written_bytes,
            zeroed_bytes: None,
            shared_bytes: unpacked.shared_bytes,
            lost: unpacked.lost,
        }
    }
}

/// Restores with `unpack` to the target, which is there when `check`, told what is
/// lost, has nothing against it.
pub(super) fn restore(
    args: &UnpackArgs,
    facts: &Facts,
    sources: Vec<Identity>,
    unpack: impl FnOnce(&dyn WriteAt, &UnpackOptions<'_>) -> Result<UnpackReport, Error>,
    check: impl FnOnce(&Lost) -> Result<(), Failure>,
) -> Result<Restored, Failure> {
    let bar = Progress::new(&args.run, "unpacking");
    let show = |progress: blockio::Progress| {
        bar.update(progress.done_bytes, progress.total_bytes);
        ControlFlow::Continue(())
    };
    let mut options = UnpackOptions::default();
    options.threads = args.run.threads();
    options.progress = Some(&show);
    options.reflink = args.reflink.into();
    options.only_allocated = args.only_allocated;
    let unpack = |target: &dyn WriteAt| {
        unpack(target, &options)
            .map(Restored::of)
            .map_err(|error| blame(args, &error))
    };
    if args.to_stdout() {
        let target =
            StreamTarget::stdout().map_err(|error| Failure::about(Path::new(STDOUT), &error))?;
        let restored = unpack(&target)?;
        check(&restored.lost)?;
        return Ok(restored);
    }
    check_allocation(args, facts)?;
    let target = Target::create(&args.target, &target_options(args, facts, sources))?;
    if args.only_allocated && target.size() < facts.disk_bytes {
        let message = format!(
            "it is too short: it holds {} bytes, the disk has {}",
            target.size(),
            facts.disk_bytes
        );
        return Err(Failure::because(&args.target, message));
    }
    let restored = match args.target_offset {
        None => write(args, &target, unpack)?,
        Some(start) => {
            let place = Place::new(&target, start, facts.disk_bytes);
            let place = place.map_err(|why| Failure::because(&args.target, why))?;
            write(args, &place, unpack)?
        }
    };
    check(&restored.lost)?;
    target.commit()?;
    Ok(restored)
}

/// Restores with `unpack` to `target`, or to what of it differs if that is asked for.
fn write<T: ReadAt + WriteAt>(
    args: &UnpackArgs,
    target: &T,
    unpack: impl FnOnce(&dyn WriteAt) -> Result<Restored, Failure>,
) -> Result<Restored, Failure> {
    if !args.only_changed {
        return unpack(target);
    }
    // A pipe may bring the data in another order than that of the disk.
    let changed = match args.only_allocated || args.is_from_stdin() {
        true => OnlyChanged::anywhere(target),
        false => OnlyChanged::new(target),
    };
    let restored = unpack(&changed)?;
    Ok(Restored {
        written_bytes: changed.written_bytes(),
        zeroed_bytes: Some(changed.zeroed_bytes()),
        ..restored
    })
}

/// Refuses to put back what is no image of metadata, or to where nothing is.
fn check_allocation(args: &UnpackArgs, facts: &Facts) -> Result<(), Failure> {
    if args.target_offset.is_some() && !args.target.exists() {
        let message = "there is no such file or block device to write the disk into";
        return Err(Failure::because(&args.target, message));
    }
    if !args.only_allocated {
        return Ok(());
    }
    if !facts.exact_allocation {
        let message =
            "--only-allocated puts back images of pack --content metadata, and this is another";
        return Err(Failure::because(args.image_name(), message));
    }
    if !args.target.exists() {
        let message = "there is no such file or block device to put metadata back onto";
        return Err(Failure::because(&args.target, message));
    }
    Ok(())
}

fn target_options(args: &UnpackArgs, facts: &Facts, sources: Vec<Identity>) -> TargetOptions {
    let into_a_place = args.target_offset.is_some();
    TargetOptions {
        // Asked for by the option itself: it has no other use.
        force: args.force || args.only_changed || args.only_allocated || into_a_place,
        in_place: args.is_in_place(),
        sync: !args.no_sync,
        sources,
        // A head that is zeroed first is written though it does not differ, or is
        // not in the image.
        head_bytes: if args.only_changed || args.only_allocated || into_a_place {
            0
        } else {
            facts.cluster_bytes.min(facts.disk_bytes)
        },
    }
}
