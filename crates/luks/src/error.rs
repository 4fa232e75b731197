//! What can be wrong with a LUKS header.

use std::io;

/// Why a LUKS header could not be read, or not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The header is not right, or the passphrase is not.
    #[error(transparent)]
    Header(#[from] Fault),
    /// The header, or the split key of a key slot, is not in the file as a whole.
    #[error("the LUKS header has bytes at {at:#x}..{end:#x}, and the file ends at {file_bytes:#x}")]
    Truncated {
        /// Where what is missing, or missing its end, starts in the file.
        at: u64,
        /// Where it ends.
        end: u64,
        /// The length of the file.
        file_bytes: u64,
    },
    /// Reading the header, or the split key of a key slot, failed.
    #[error("reading the LUKS header at {at:#x}")]
    Read {
        /// Where the read started.
        at: u64,
        /// What the storage reported.
        source: io::Error,
    },
}

/// What is wrong with a LUKS header, or with the passphrase for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no LUKS header.
    #[error("the magic is not that of LUKS")]
    Magic,
    /// Another version of LUKS.
    #[error("found version {found}, allowed is 1")]
    Version {
        /// The stored version.
        found: u16,
    },
    /// A cipher, mode or hash that is not supported, or a key of a length that
    /// does not fit it.
    #[error("{field}: found {found:?}, which is not supported")]
    Unsupported {
        /// The field by its name in the specification.
        field: &'static str,
        /// What it says, as far as it is UTF-8.
        found: String,
    },
    /// A number that passes its limit.
    #[error("{field}: found {found}, allowed are 1 to {max}")]
    Limit {
        /// The field by its name in the specification.
        field: &'static str,
        /// What it says.
        found: u32,
        /// The limit.
        max: u32,
    },
    /// No key slot opens with the passphrase.
    #[error("no key slot opens with this passphrase")]
    WrongSecret,
}
