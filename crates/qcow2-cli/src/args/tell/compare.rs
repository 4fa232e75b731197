//! The options of `compare`.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::args::choice::{BackingFormatArg, ReferencesArg, SourceFormatArg};
use crate::args::common::{ReferenceArgs, RunArgs};
use crate::args::image::ImageArgs;
use crate::args::input::{InputArgs, name_of};

/// Compare two disks, each a disk or the disk in a qcow2 image.
///
/// If one is longer and holds nothing but zeros past the end of the other, they are the same,
/// unless --strict is given.
#[derive(Args, Debug)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct CompareArgs {
    /// Disk, partition, disk image file or qcow2 image, or - for standard input
    pub(crate) a: PathBuf,

    /// What it is compared with: another one of these
    pub(crate) b: PathBuf,

    /// Format of A, as with pack
    #[arg(short = 'f', long, value_name = "FORMAT", default_value = "auto")]
    source_format_a: SourceFormatArg,

    /// Format of B
    #[arg(short = 'F', long, value_name = "FORMAT", default_value = "auto")]
    source_format_b: SourceFormatArg,

    /// Read an internal snapshot of A, with its own size, instead of the current disk
    #[arg(long, value_name = "ID|NAME")]
    snapshot_a: Option<OsString>,

    /// Read an internal snapshot of B
    #[arg(long, value_name = "ID|NAME")]
    snapshot_b: Option<OsString>,

    /// They must be equally long, and hold data, zeros and nothing at the same places
    #[arg(short, long)]
    pub(crate) strict: bool,

    /// Compare only what the filesystems on A need: what pack would keep of it. What they
    /// call free is compared on neither side
    #[arg(long, conflicts_with = "strict")]
    pub(crate) used_only: bool,

    /// Which of the files that an image names may be opened, as its backing file or
    /// external data file. Protocols (such as nbd:) and json: are never opened
    #[arg(long, value_name = "WHICH", default_value = "refuse")]
    references: ReferencesArg,

    /// Backing file of A, in place of the one that it names. Repeat the option to give the
    /// backing file of that backing file, and so on
    #[arg(long, value_name = "FILE")]
    backing_a: Vec<PathBuf>,

    /// Backing file of B, as --backing-a
    #[arg(long, value_name = "FILE")]
    backing_b: Vec<PathBuf>,

    /// Format of a backing file if the image above it does not record the format
    #[arg(long, value_name = "FORMAT")]
    backing_format: Option<BackingFormatArg>,

    /// External data file of A, in place of the one that it names
    #[arg(long, value_name = "FILE")]
    data_file_a: Option<PathBuf>,

    /// External data file of B
    #[arg(long, value_name = "FILE")]
    data_file_b: Option<PathBuf>,

    /// Read the passphrase of A from FILE; a line break at its end is removed
    #[arg(long, value_name = "FILE")]
    secret_file_a: Option<PathBuf>,

    /// Read the passphrase of B from FILE
    #[arg(long, value_name = "FILE")]
    secret_file_b: Option<PathBuf>,

    /// Compare disks that may be in use, and may change meanwhile
    #[arg(long, conflicts_with = "used_only")]
    pub(crate) allow_mounted: bool,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  the same
  1  different
  2  one of them cannot be opened, or wrong usage
  3  it cannot be found out where one of them holds data
  4  one of them cannot be read";

/// One of the two, and how it is read.
#[derive(Debug)]
pub(crate) struct SideArgs {
    pub(crate) path: PathBuf,
    pub(crate) format: SourceFormatArg,
    pub(crate) image: ImageArgs,
}

impl SideArgs {
    /// Returns its name for messages.
    pub(crate) fn name(&self) -> &Path {
        name_of(&self.path)
    }
}

impl CompareArgs {
    /// Returns A and B.
    pub(crate) fn sides(&self) -> [SideArgs; 2] {
        let references = |backing: &[PathBuf], data: &Option<PathBuf>| ReferenceArgs {
            references: self.references,
            backing_files: backing.to_vec(),
            backing_format: self.backing_format,
            data_file: data.clone(),
        };
        [
            SideArgs {
                path: self.a.clone(),
                format: self.source_format_a,
                image: ImageArgs {
                    snapshot: self.snapshot_a.clone(),
                    references: references(&self.backing_a, &self.data_file_a),
                    secret_file: self.secret_file_a.clone(),
                },
            },
            SideArgs {
                path: self.b.clone(),
                format: self.source_format_b,
                image: ImageArgs {
                    snapshot: self.snapshot_b.clone(),
                    references: references(&self.backing_b, &self.data_file_b),
                    secret_file: self.secret_file_b.clone(),
                },
            },
        ]
    }
}
