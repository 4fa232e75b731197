//! Where the input comes from, and how it is read.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::STDIN;

/// How the input is read.
#[derive(Args, Debug)]
pub(crate) struct InputArgs {
    /// Read what is in a file that is compressed as a whole with xz, gzip, zstd or
    /// bzip2. It is read in one pass, as from a pipe
    #[arg(long)]
    pub(crate) decompress: bool,

    /// Folder of the temporary file for what comes from a pipe before it can be
    /// used, and for images that go to one, instead of TMPDIR or /tmp. The file has
    /// no name, and its zeros take no room. A disk from a pipe is kept there as a
    /// whole
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
}

/// Whether `path` stands for the standard input or output.
pub(crate) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == OsStr::new("-")
}

/// An input in messages.
pub(super) fn name_of(path: &Path) -> &Path {
    if is_stream(path) {
        Path::new(STDIN)
    } else {
        path
    }
}
