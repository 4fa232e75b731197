//! The options of the commands that change an image in place, and of `create`.

mod amend;
mod bitmap;
mod create;
mod edited;
mod resize;
mod snapshot;

pub(crate) use amend::AmendArgs;
pub(crate) use bitmap::{BitmapAction, BitmapArgs, BitmapName};
pub(crate) use create::CreateArgs;
pub(crate) use edited::{EditedArgs, RepairArg};
pub(crate) use resize::ResizeArgs;
pub(crate) use snapshot::{SnapshotAction, SnapshotArgs};
