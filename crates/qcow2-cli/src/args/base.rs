//! What a new image leaves to an older one.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

/// What a new image leaves to an older one.
#[derive(Args, Debug)]
pub(crate) struct BaseArgs {
    /// Store only what differs from the disk in FILE, a qcow2 image, which becomes the
    /// backing file of IMAGE. What is zeros or free now, and was not, is marked as zeros.
    /// From then on, FILE must neither move nor change
    #[arg(long, value_name = "FILE")]
    pub(crate) base: Option<PathBuf>,

    /// Record NAME as the name of the base, in place of the path that leads there: a
    /// path, relative to the folder of IMAGE unless it is absolute
    #[arg(long, value_name = "NAME", requires = "base")]
    pub(crate) base_name: Option<OsString>,

    /// Compare with the digests in FILE, which --write-index wrote when the base was
    /// packed, and do not read the base. If they are not those of the base as it is now,
    /// the base is read after all, and the report says so
    #[arg(long, value_name = "FILE", requires = "base")]
    pub(crate) index: Option<PathBuf>,

    /// Write the digests of all clusters of the disk to FILE, for --index the next time.
    /// Without --base, the source is read twice
    #[arg(long, value_name = "FILE")]
    pub(crate) write_index: Option<PathBuf>,
}
