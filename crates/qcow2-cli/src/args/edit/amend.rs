//! The options of `amend`.

use std::ffi::OsString;

use clap::{ArgAction, Args};

use super::super::choice::{BackingFormatArg, Compat};
use super::edited::EditedArgs;

/// Change the version, the backing file or the options of a qcow2 image.
///
/// The change is done whole or not at all, even if the machine loses power.
#[derive(Args, Debug)]
#[group(id = "amendment", multiple = true)]
pub(crate) struct AmendArgs {
    #[command(flatten)]
    pub(crate) edited: EditedArgs,

    /// Version of the format: 1.1 is qcow2 version 3, 0.10 is version 2
    #[arg(long)]
    pub(crate) compat: Option<Compat>,

    /// Whether refcounts may be updated late: writes are faster, and after a crash the
    /// image must be repaired, which QEMU does when it opens it
    #[arg(long, value_name = "true|false", action = ArgAction::Set)]
    pub(crate) lazy_refcounts: Option<bool>,

    /// Record NAME as the backing file. No data is copied: the disk stays the same only
    /// if that file holds what the present one does
    #[arg(long, value_name = "NAME", requires = "backing_format")]
    pub(crate) backing: Option<OsString>,

    /// Format of the backing file
    #[arg(long, value_name = "FORMAT", requires = "backing")]
    pub(crate) backing_format: Option<BackingFormatArg>,

    /// Record that there is no backing file. No data is copied: what the image leaves to
    /// the present one becomes zeros
    #[arg(long, conflicts_with = "backing")]
    pub(crate) no_backing: bool,
}
