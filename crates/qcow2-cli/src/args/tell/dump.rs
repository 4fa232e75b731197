//! The options of `dump`.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::Args;
use qcow2_dump::Structure;

use crate::args::common::OutputArgs;
use crate::args::input::{InputArgs, name_of};

/// Account for every byte of an image's file: what structures it is made of.
///
/// Each byte belongs to one structure, or to none: then it is slack in a cluster in use,
/// free, or leaked. The numbers add up to the length of the file. It works on damaged images
/// as far as their header can be read; what names nothing that can be there is counted.
/// Backing files and external data files are not opened.
#[derive(Args, Debug)]
pub(crate) struct DumpArgs {
    /// qcow2 image to read, or - for standard input
    pub(crate) image: PathBuf,

    /// List every range of the file, too, with its structure
    #[arg(long, conflicts_with = "hex")]
    pub(crate) ranges: bool,

    /// Show what is in one structure instead: header with the names of its fields;
    /// refcount-table, refcount-block:N, l1-table and l2-table:N entry by entry; and as bytes
    /// header-extensions, backing-file-name, snapshot-table, bitmap-directory and luks-header.
    /// N is the entry of the table above that leads there
    #[arg(long, value_name = "STRUCTURE[:N]")]
    pub(crate) hex: Option<StructureArg>,

    #[command(flatten)]
    pub(crate) input: InputArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

impl DumpArgs {
    /// Returns the name of the image for messages.
    pub(crate) fn image_name(&self) -> &Path {
        name_of(&self.image)
    }
}

/// The structure that is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StructureArg(pub(crate) Structure);

impl FromStr for StructureArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, index) = match text.split_once(':') {
            Some((name, index)) => (name, Some(index)),
            None => (text, None),
        };
        let index = index.map(str::parse).transpose();
        let index = index.map_err(|error| format!("invalid number: {error}"))?;
        let found = match (name, index) {
            ("header", None) => Structure::Header,
            ("header-extensions", None) => Structure::Extensions,
            ("backing-file-name", None) => Structure::BackingName,
            ("refcount-table", None) => Structure::RefcountTable,
            ("refcount-block", Some(index)) => Structure::RefcountBlock(index),
            ("l1-table", None) => Structure::L1Table,
            ("l2-table", Some(index)) => Structure::L2Table(index),
            ("snapshot-table", None) => Structure::SnapshotTable,
            ("bitmap-directory", None) => Structure::BitmapDirectory,
            ("luks-header", None) => Structure::LuksHeader,
            ("refcount-block" | "l2-table", None) => return Err(format!("{name} needs a number")),
            (_, Some(_)) => return Err(format!("{name} takes no number")),
            _ => return Err("no such structure".into()),
        };
        Ok(Self(found))
    }
}
