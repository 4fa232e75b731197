//! The options of `resize`.

use std::str::FromStr;

use clap::Args;

use super::super::choice::parse_size;
use super::super::common::ReferenceArgs;
use super::edited::EditedArgs;

/// Change the size of the disk in a qcow2 image.
///
/// What is new reads as zeros. Snapshots keep the size that they have, and bitmaps follow
/// the disk. The partitions and filesystems on the disk are not changed: shrink them
/// before, or grow them afterwards. The change is done whole or not at all, even if the
/// machine loses power.
#[derive(Args, Debug)]
pub(crate) struct ResizeArgs {
    #[command(flatten)]
    pub(crate) edited: EditedArgs,

    /// New size of the disk in bytes, or with a unit such as 20G. With + or - before it,
    /// the change
    #[arg(value_name = "[+|-]SIZE", allow_hyphen_values = true)]
    pub(crate) size: SizeChange,

    /// Allow a smaller disk. What lies after its new end is lost
    #[arg(long)]
    pub(crate) shrink: bool,

    #[command(flatten)]
    pub(crate) references: ReferenceArgs,
}

/// A size, or a change of one, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SizeChange {
    To(u64),
    By(u64),
    LessBy(u64),
}

impl SizeChange {
    /// Returns the size that comes of `size`, if there is one.
    pub(crate) fn apply(self, size: u64) -> Option<u64> {
        match self {
            Self::To(to) => Some(to),
            Self::By(by) => size.checked_add(by),
            Self::LessBy(by) => size.checked_sub(by),
        }
    }
}

impl FromStr for SizeChange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text.strip_prefix('+'), text.strip_prefix('-')) {
            (Some(by), _) => parse_size(by).map(Self::By),
            (_, Some(by)) => parse_size(by).map(Self::LessBy),
            _ => parse_size(text).map(Self::To),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_changes_are_read() {
        let read = |text: &str| text.parse::<SizeChange>();
        assert_eq!(read("20G"), Ok(SizeChange::To(20 << 30)));
        assert_eq!(read("+512"), Ok(SizeChange::By(512)));
        assert_eq!(read("-1M"), Ok(SizeChange::LessBy(1 << 20)));
        assert!(read("--1").is_err());
        assert!(read("").is_err());
        assert_eq!(SizeChange::LessBy(3).apply(2), None);
        assert_eq!(SizeChange::By(3).apply(2), Some(5));
    }
}
