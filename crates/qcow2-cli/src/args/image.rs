//! How the disk in an image is read.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Args;

use super::common::ReferenceArgs;

/// How the disk in a qcow2 image is read.
#[derive(Args, Debug)]
pub(crate) struct ImageArgs {
    /// Read an internal snapshot of the qcow2 image, with its own size, instead of the
    /// current disk. The value is compared with the IDs first, then with the names
    #[arg(long, value_name = "ID|NAME")]
    pub(crate) snapshot: Option<OsString>,

    #[command(flatten)]
    pub(crate) references: ReferenceArgs,

    /// Read the passphrase of an encrypted image from FILE; a line break at its end
    /// is removed. Without this option, it is asked for on the terminal
    #[arg(long, value_name = "FILE")]
    pub(crate) secret_file: Option<PathBuf>,
}

impl ImageArgs {
    /// Returns the first of these options that is given, if any, leaving out those that
    /// say which other files may be opened.
    pub(crate) fn given_of_one_file(&self) -> Option<&'static str> {
        let options = [
            (self.snapshot.is_some(), "--snapshot"),
            (self.secret_file.is_some(), "--secret-file"),
        ];
        let given = options.into_iter().find(|(is_given, _)| *is_given);
        given.map(|(_, name)| name)
    }

    /// Returns the first of these options that is given, if any.
    pub(crate) fn given(&self) -> Option<&'static str> {
        let options = [
            (self.snapshot.is_some(), "--snapshot"),
            (
                self.references.is_given(),
                "--references, --backing or --data-file",
            ),
            (self.references.backing_format.is_some(), "--backing-format"),
            (self.secret_file.is_some(), "--secret-file"),
        ];
        let given = options.into_iter().find(|(is_given, _)| *is_given);
        given.map(|(_, name)| name)
    }
}
