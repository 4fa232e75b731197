//! The options of `bitmap`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::super::choice::parse_size;
use super::super::common::OutputArgs;
use super::edited::EditedArgs;

/// List, add, remove, clear, enable, disable or merge the persistent dirty bitmaps of a
/// qcow2 image.
///
/// QEMU keeps an enabled bitmap up to date while it writes to the disk. A bitmap that was
/// left open by a program that ended early can only be removed.
#[derive(Args, Debug)]
pub(crate) struct BitmapArgs {
    #[command(subcommand)]
    pub(crate) action: BitmapAction,
}

#[derive(Debug, Subcommand)]
pub(crate) enum BitmapAction {
    /// List the bitmaps
    List {
        /// qcow2 image to read
        image: PathBuf,

        #[command(flatten)]
        output: OutputArgs,
    },
    /// Add a bitmap in which no bit is set
    Add {
        #[command(flatten)]
        bitmap: BitmapName,

        /// Bytes of the disk that a bit stands for: a power of two from 512 to 2G
        /// [default: the cluster size, and 4K to 64K]
        #[arg(short, long, value_name = "SIZE", value_parser = parse_size)]
        granularity: Option<u64>,

        /// Add it disabled
        #[arg(long)]
        disabled: bool,
    },
    /// Remove a bitmap
    Remove(BitmapName),
    /// Clear all bits of a bitmap
    Clear(BitmapName),
    /// Keep a bitmap up to date from now on
    Enable(BitmapName),
    /// Stop keeping a bitmap up to date
    Disable(BitmapName),
    /// Set the bits of a bitmap for all that another bitmap has set
    Merge {
        #[command(flatten)]
        bitmap: BitmapName,

        /// Name of the other bitmap of the same image
        source: OsString,
    },
}

/// A bitmap of an image.
#[derive(Args, Debug)]
pub(crate) struct BitmapName {
    #[command(flatten)]
    pub(crate) edited: EditedArgs,

    /// Name of the bitmap
    pub(crate) name: OsString,
}
