//! The providers of this crate: one for each kind of content.

mod ext;
mod fat;
mod swap;
mod xfs;

pub(crate) use ext::Ext;
pub(crate) use fat::Fat;
pub(crate) use swap::Swap;
pub(crate) use xfs::Xfs;
