//! The options of `punch`.

use std::path::PathBuf;

use clap::Args;
use hostdisk::GiveBack;

use super::choice::RawFormatArg;
use super::common::RunArgs;
use super::filesystem::FilesystemArgs;

/// Give the free blocks of a raw disk back to the storage, in place.
///
/// Holes are punched in a file. A device zeroes the blocks itself, and frees them if it
/// can. Only blocks that pack would leave out with the same options are given back. Of a
/// filesystem that is damaged or unknown, or that needs a check by e2fsck, nothing is, and
/// the report gives the reason. A source that anything else uses is refused. If punch is
/// interrupted, nothing is lost: whatever it gave back was free.
#[derive(Args, Debug)]
pub(crate) struct PunchArgs {
    /// Raw disk image file, disk or partition to change
    pub(crate) source: PathBuf,

    /// Format of the source. With auto, a file that looks like a disk image in another
    /// format, a compressed file or an archive is refused
    #[arg(long, value_name = "FORMAT", default_value = "auto")]
    pub(crate) source_format: RawFormatArg,

    /// Punch one partition of the disk only. It is named by its number, its name or its UUID,
    /// or by the label or the UUID of its filesystem
    #[arg(long, value_name = "N|LABEL|UUID")]
    pub(crate) partition: Option<String>,

    #[command(flatten)]
    pub(crate) filesystem: FilesystemArgs,

    /// Also give back blocks in use that hold zeros, and zeros in whatever is not known,
    /// as fallocate --dig-holes does. No byte changes. Everything in use is read for this
    #[arg(long)]
    pub(crate) zeros: bool,

    /// Discard the free blocks of a device, as fstrim does: afterwards they hold anything.
    /// This is for devices that do not zero blocks without storing the zeros, such as most
    /// SSDs and thin volumes of LVM. It needs the program blkdiscard
    #[arg(long, conflicts_with = "zeros")]
    pub(crate) discard: bool,

    /// Report what would be given back, and change nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Read everything that is kept before and after, and compare its digests
    #[arg(long, conflicts_with = "dry_run")]
    pub(crate) verify: bool,

    /// Do not wait until the storage has safely stored what was given back
    #[arg(long)]
    pub(crate) no_sync: bool,

    #[command(flatten)]
    pub(crate) run: RunArgs,
}

impl PunchArgs {
    /// How a device gives blocks back.
    pub(crate) fn give_back(&self) -> GiveBack {
        match self.discard {
            true => GiveBack::Discarded,
            false => GiveBack::Zeroed,
        }
    }
}
