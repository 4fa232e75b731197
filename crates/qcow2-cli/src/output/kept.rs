//! What reports say of what was kept.

use disk_layout::{Evidence, Kept, KeptWhole, Report};

use crate::failure::Causes;

/// What is kept, in a word.
pub(crate) fn content(report: &Report) -> &'static str {
    match report.kept {
        Kept::Used => "used",
        Kept::Metadata => "metadata",
        _ => "all",
    }
}

/// What proves that blocks are free, where some are left out: `inodes` is that
/// none refers to them, and that bitmaps say so.
pub(crate) fn evidence(report: &Report) -> Option<&'static str> {
    match report.evidence? {
        Evidence::References => Some("inodes"),
        Evidence::Map => Some("bitmaps"),
        _ => None,
    }
}

/// Why everything is kept although less was asked for.
pub(crate) fn kept_whole(report: &Report) -> Option<String> {
    Some(match report.kept_whole.as_ref()? {
        KeptWhole::Unreadable(error) => {
            format!("{}, so nothing is proven free", Causes(error))
        }
        why => why.to_string(),
    })
}
