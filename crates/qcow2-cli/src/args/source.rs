//! What a source is.

use clap::Args;

use super::choice::SourceFormatArg;

#[derive(Args, Debug)]
pub(crate) struct SourceArgs {
    /// What the source is. A file that looks like an image in another format, a
    /// compressed file or an archive is refused, unless raw says that its own bytes
    /// are the disk
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) source_format: SourceFormatArg,
}
