//! Where `qcow2 unpack` restores to.

use std::path::Path;

use blockio::{Identity, OnlyChanged, StreamTarget, Target, TargetOptions, WriteAt};
use qcow2_reader::{Error, UnpackOptions, UnpackReport};

use super::report::Facts;
use crate::args::UnpackArgs;
use crate::failure::{Failure, STDIN, STDOUT};
use crate::progress::Progress;

/// What was done to the target.
#[derive(Clone, Copy)]
pub(super) struct Restored {
    pub(super) written_bytes: u64,
    /// Known where only what differs is written.
    pub(super) zeroed_bytes: Option<u64>,
    pub(super) shared_bytes: u64,
}

impl Restored {
    fn of(unpacked: UnpackReport) -> Self {
        Self {
            written_bytes: unpacked.written_bytes,
            zeroed_bytes: None,
            shared_bytes: unpacked.shared_bytes,
        }
    }
}

/// Restores with `unpack` to the target, which is there when `check` has
/// nothing against it.
pub(super) fn restore(
    args: &UnpackArgs,
    facts: &Facts,
    sources: Vec<Identity>,
    unpack: impl FnOnce(&dyn WriteAt, &UnpackOptions<'_>) -> Result<UnpackReport, Error>,
    check: impl FnOnce() -> Result<(), Failure>,
) -> Result<Restored, Failure> {
    let bar = Progress::new(&args.run, "unpacking");
    let show =
        |progress: qcow2_reader::Progress| bar.update(progress.done_bytes, progress.total_bytes);
    let options = UnpackOptions {
        threads: args.run.threads(),
        progress: Some(&show),
        reflink: args.reflink.into(),
        only_allocated: false,
    };
    let unpack = |target: &dyn WriteAt| {
        unpack(target, &options)
            .map(Restored::of)
            .map_err(|error| blame(args, &error))
    };
    if args.to_stdout() {
        let target =
            StreamTarget::stdout().map_err(|error| Failure::about(Path::new(STDOUT), &error))?;
        let restored = unpack(&target)?;
        check()?;
        return Ok(restored);
    }
    let target = Target::create(&args.target, &target_options(args, facts, sources))?;
    let restored = if args.only_changed {
        let changed = OnlyChanged::new(&target);
        let restored = unpack(&changed)?;
        Restored {
            written_bytes: changed.written_bytes(),
            zeroed_bytes: Some(changed.zeroed_bytes()),
            ..restored
        }
    } else {
        unpack(&target)?
    };
    check()?;
    target.commit()?;
    Ok(restored)
}

fn target_options(args: &UnpackArgs, facts: &Facts, sources: Vec<Identity>) -> TargetOptions {
    TargetOptions {
        // Asked for by the option itself: it has no other use.
        force: args.force || args.only_changed,
        in_place: args.in_place || args.only_changed,
        sync: !args.no_sync,
        sources,
        // A head that is zeroed first is written though it does not differ.
        head_bytes: if args.only_changed {
            0
        } else {
            facts.cluster_bytes.min(facts.disk_bytes)
        },
    }
}

/// The failure that `error` is, of the image or of the target.
fn blame(args: &UnpackArgs, error: &Error) -> Failure {
    let of_target = matches!(error, Error::Write { .. } | Error::Resize { .. });
    let blamed = match (of_target, args.to_stdout(), args.is_from_stdin()) {
        (true, true, _) => Path::new(STDOUT),
        (true, false, _) => &args.target,
        (false, _, true) => Path::new(STDIN),
        (false, _, false) => &args.image,
    };
    Failure::about(blamed, error)
}
