//! Header fields with few possible values.

/// Version of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// Version 2, `compat=0.10`: no feature bits, no zero flag.
    V2,
    /// Version 3, `compat=1.1`.
    V3,
}

impl Version {
    /// Returns the number stored in the header.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// How guest data is encrypted. Spec: "Header", bytes 32 to 35.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CryptMethod {
    /// Not at all.
    #[default]
    None,
    /// AES-CBC with the password as key; legacy.
    Aes,
    /// LUKS; [`Extension::Luks`](crate::extension::Extension::Luks) locates its header.
    Luks,
}

impl CryptMethod {
    /// Returns the number stored in the header.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::None => 0,
            Self::Aes => 1,
            Self::Luks => 2,
        }
    }
}

/// How compressed clusters are compressed. Spec: "Header", byte 104.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum CompressionType {
    /// Raw deflate (RFC 1951), without zlib or gzip framing.
    #[default]
    Deflate,
    /// Zstandard frames.
    Zstd,
}

impl CompressionType {
    /// Returns the number stored in the header.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::Deflate => 0,
            Self::Zstd => 1,
        }
    }
}
