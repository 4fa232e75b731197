//! The commands that change an image in place, and `create`.

mod amend;
mod backing;
mod bitmap;
mod commit;
mod create;
mod edited;
mod overlay;
mod rebase;
mod report;
mod resize;
mod snapshot;

pub(crate) use amend::run as amend;
pub(crate) use bitmap::run as bitmap;
pub(crate) use commit::run as commit;
pub(crate) use create::run as create;
pub(crate) use rebase::run as rebase;
pub(crate) use resize::run as resize;
pub(crate) use snapshot::run as snapshot;
