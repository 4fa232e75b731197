//! The options of commands that look at disks and images as a whole, and tell what they found.

mod check;
mod compare;
mod digest;
mod dump;
mod map;
mod measure;
mod report;

pub(crate) use check::CheckArgs;
pub(crate) use compare::{CompareArgs, SideArgs};
pub(crate) use digest::{AlgorithmArg, DigestArgs};
pub(crate) use dump::DumpArgs;
pub(crate) use map::MapArgs;
pub(crate) use measure::{MeasureArgs, TargetFormatArg};
pub(crate) use report::ReportArgs;
