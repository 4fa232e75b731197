//! The command line.

mod base;
mod blocks;
mod choice;
mod common;
mod edit;
mod filesystem;
mod image;
mod info;
mod input;
mod pack;
mod program;
mod punch;
mod source;
mod tell;
mod unpack;

use clap::{Parser, Subcommand};

pub(crate) use blocks::BlocksArgs;
pub(crate) use choice::{
    BlocksOutput, Codec, CompressArg, ContentArg, DeflateWindowArg, OutputFormat, ProgressArg,
    RawFormatArg, ReferencesArg, ReflinkArg, SourceFormatArg,
};
pub(crate) use common::{ReferenceArgs, RunArgs};
pub(crate) use edit::{
    AmendArgs, BitmapAction, BitmapArgs, BitmapName, CommitArgs, CreateArgs, EditedArgs,
    RebaseArgs, RepairArg, ResizeArgs, SnapshotAction, SnapshotArgs,
};
pub(crate) use filesystem::{FilesystemArgs, spool};
pub(crate) use image::ImageArgs;
pub(crate) use info::InfoArgs;
pub(crate) use input::{InputArgs, is_stream};
pub(crate) use pack::PackArgs;
pub(crate) use program::{CompletionsArgs, ManArgs, are_json as errors_are_json};
pub(crate) use punch::PunchArgs;
pub(crate) use source::SourceArgs;
pub(crate) use tell::{
    AlgorithmArg, CheckArgs, CompareArgs, DigestArgs, DumpArgs, MapArgs, MeasureArgs, ReportArgs,
    SideArgs, TargetFormatArg,
};
pub(crate) use unpack::UnpackArgs;

/// Pack disks and the filesystems on them into small qcow2 images, and restore
/// them exactly.
#[derive(Debug, Parser)]
#[command(name = "qcow2", version, arg_required_else_help = true, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// Format of errors and warnings on standard error. JSON, for programs, is one object a
    /// line
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human")]
    pub(crate) errors: OutputFormat,

    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0        done
  1        failed: nothing was left under the target's name
           (a device, a pipe, --in-place and --only-... may hold part of the data;
           punch may have given back a part of what is free, and nothing else)
  2        wrong usage
  3        done and complete, but the source is damaged or unclean in a way that
           you should know of: more was kept than needed, nothing was lost
  4        done with --salvage: what could not be read is zeros
  128+N    ended by signal N, such as 129 by SIGHUP, 130 by SIGINT, 143 by SIGTERM:
           no temporary file is left
If the report cannot be written, the job is done all the same and the code stands.";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Pack(PackArgs),
    Unpack(UnpackArgs),
    Info(InfoArgs),
    Blocks(BlocksArgs),
    Map(MapArgs),
    Check(CheckArgs),
    Compare(CompareArgs),
    Digest(DigestArgs),
    Measure(MeasureArgs),
    Dump(DumpArgs),
    Punch(PunchArgs),
    Report(ReportArgs),
    Create(CreateArgs),
    Resize(ResizeArgs),
    Snapshot(SnapshotArgs),
    Bitmap(BitmapArgs),
    Commit(CommitArgs),
    Rebase(RebaseArgs),
    Amend(AmendArgs),
    #[command(hide = true)]
    Completions(CompletionsArgs),
    #[command(hide = true)]
    Man(ManArgs),
}

/// Commands whose exit codes are those of qemu-img, where 2 says something of the image.
pub(crate) const LIKE_QEMU: &[&str] = &["check"];

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
