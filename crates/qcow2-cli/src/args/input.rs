//! Options for reading the input.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::failure::STDIN;

/// How to read the input.
#[derive(Args, Debug)]
pub(crate) struct InputArgs {
    /// Decompress the input, which is compressed as a whole with xz, gzip, zstd or
    /// bzip2. It is read once from start to end, like a pipe
    #[arg(long)]
    pub(crate) decompress: bool,

    /// Folder for the temporary file, instead of TMPDIR or /tmp. The file holds what
    /// arrives from a pipe before it can be used, a whole disk if the source of pack
    /// is a pipe, and an image that is written to a pipe. It has no name, and zeros
    /// in it take no space
    #[arg(long, value_name = "DIR")]
    pub(crate) spool: Option<PathBuf>,
}

/// Whether `path` stands for standard input or output.
pub(crate) fn is_stream(path: &Path) -> bool {
    path.as_os_str() == OsStr::new("-")
}

/// Returns the name of an input for messages.
pub(super) fn name_of(path: &Path) -> &Path {
    if is_stream(path) {
        Path::new(STDIN)
    } else {
        path
    }
}
