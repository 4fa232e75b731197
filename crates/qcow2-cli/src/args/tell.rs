//! The options of commands that look at disks and images as a whole, and tell what they found.

mod compare;
mod digest;
mod dump;
mod measure;

pub(crate) use compare::{CompareArgs, SideArgs};
pub(crate) use digest::{AlgorithmArg, DigestArgs};
pub(crate) use dump::DumpArgs;
pub(crate) use measure::{MeasureArgs, TargetFormatArg};
