//! The format of a source.

use clap::Args;

use super::choice::SourceFormatArg;

#[derive(Args, Debug)]
pub(crate) struct SourceArgs {
    /// Format of the source. A file that looks like a disk image in another format, a
    /// compressed file or an archive is refused, unless raw declares that its own bytes
    /// are the disk
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) source_format: SourceFormatArg,
}
