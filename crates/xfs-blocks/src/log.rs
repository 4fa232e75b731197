//! The log: whether it is clean, and the filesystem as it will be once it was replayed.
//!
//! XFS writes changes of metadata to the log first, and to their places much later: after a
//! `sync` everything is in the log, but the btrees of free space still list blocks that
//! files have. So a log that is not clean has to be replayed. This is done in memory, as
//! the kernel does it, up to the intents, which it finishes once the replay is done: what
//! they name is in use.

mod fault;
mod head;
mod live;
mod overlay;
mod ranges;
mod record;
mod replay;
mod ring;
mod transaction;

use blockio::ReadAt;

pub use fault::LogFault;
pub(crate) use overlay::View;
pub(crate) use replay::Replay;

use crate::error::{Error, Halt};
use crate::geometry::LogGeometry;
use fault::Step;
use live::Live;
use ring::Ring;

/// What the log says of the metadata of a filesystem.
#[derive(Debug)]
pub(crate) enum LogState {
    /// It is current.
    Clean,
    /// It is, once the log was replayed.
    Dirty(Box<Replay>),
    /// Nothing that is understood: everything is in use.
    Unclear(LogFault),
}

/// Examines the log of a filesystem on `disk`.
pub(crate) fn examine<R: ReadAt + ?Sized>(
    disk: &R,
    geometry: &LogGeometry,
) -> Result<LogState, Error> {
    match state(disk, geometry) {
        Ok(state) => Ok(state),
        Err(Halt::Distrust(fault)) => Ok(LogState::Unclear(fault)),
        Err(Halt::Read(error)) => Err(error),
    }
}

fn state<R: ReadAt + ?Sized>(disk: &R, geometry: &LogGeometry) -> Step<LogState> {
    let ring = Ring::new(disk, geometry)?;
    let live = live::find(&ring, geometry)?;
    let log = match live {
        // Where it would begin.
        Live::Unused => 1 << 32,
        Live::Clean(extent) | Live::Dirty(extent) => extent.head_lsn,
    };
    let superblock = geometry.lsn;
    if superblock != u64::MAX && superblock > log {
        return Err(LogFault::Ahead { superblock, log }.into());
    }
    let Live::Dirty(extent) = live else {
        return Ok(LogState::Clean);
    };
    let replay = replay::replay(disk, &ring, geometry, &extent)?;
    Ok(LogState::Dirty(Box::new(replay)))
}

#[cfg(test)]
mod tests;
