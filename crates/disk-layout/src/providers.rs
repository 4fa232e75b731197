//! The providers of this crate: one for each kind of content.

mod btrfs;
mod ext;
mod fat;
mod ntfs;
mod swap;
mod xfs;

pub(crate) use btrfs::Btrfs;
pub(crate) use ext::Ext;
pub(crate) use fat::Fat;
pub(crate) use ntfs::Ntfs;
pub(crate) use swap::Swap;
pub(crate) use xfs::Xfs;
