//! Errors about LUKS headers and passphrases.

use std::io;

/// Why a LUKS header could not be read or unlocked.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The header or the passphrase is wrong.
    #[error(transparent)]
    Header(#[from] Fault),
    /// The file ends before the end of the header or of the split key of a key slot.
    #[error(
        "the file is too short for the LUKS header: it needs bytes {at:#x}..{end:#x} and ends at {file_bytes:#x}"
    )]
    Truncated {
        /// Offset in the file of the structure that is cut off.
        at: u64,
        /// End of that structure.
        end: u64,
        /// The length of the file, in bytes.
        file_bytes: u64,
    },
    /// Reading the header, or the split key of a key slot, failed.
    #[error("cannot read the LUKS header at {at:#x}")]
    Read {
        /// Offset of the read.
        at: u64,
        /// What the storage reported.
        source: io::Error,
    },
}

/// What is wrong with a LUKS header, or with the passphrase for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// There is no LUKS header.
    #[error("not a LUKS header (the magic is missing)")]
    Magic,
    /// Another version of LUKS.
    #[error("LUKS version {found} is not supported, only version 1")]
    Version {
        /// The stored version.
        found: u16,
    },
    /// A cipher, mode or hash that is not supported, or a key of a length that
    /// does not fit it.
    #[error("{field} {found:?} is not supported")]
    Unsupported {
        /// The field by its name in the specification.
        field: &'static str,
        /// Its value; bytes that are not UTF-8 are replaced.
        found: String,
    },
    /// A number above its limit, or zero.
    #[error("{field} is {found}, must be 1 to {max}")]
    Limit {
        /// The field by its name in the specification.
        field: &'static str,
        /// Its value.
        found: u32,
        /// The limit.
        max: u32,
    },
    /// No key slot opens with the passphrase.
    #[error("no key slot opens with this passphrase")]
    WrongSecret,
}
