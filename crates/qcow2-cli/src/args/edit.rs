//! The options of the commands that change an image in place, and of `create`.

mod amend;
mod bitmap;
mod commit;
mod create;
mod edited;
mod rebase;
mod resize;
mod snapshot;

pub(crate) use amend::AmendArgs;
pub(crate) use bitmap::{BitmapAction, BitmapArgs, BitmapName};
pub(crate) use commit::CommitArgs;
pub(crate) use create::CreateArgs;
pub(crate) use edited::{EditedArgs, RepairArg};
pub(crate) use rebase::RebaseArgs;
pub(crate) use resize::ResizeArgs;
pub(crate) use snapshot::{SnapshotAction, SnapshotArgs};
