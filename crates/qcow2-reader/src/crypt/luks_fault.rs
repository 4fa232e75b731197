//! What can be wrong with a LUKS header.

/// What is wrong with a LUKS header, or with the passphrase for it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LuksFault {
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
