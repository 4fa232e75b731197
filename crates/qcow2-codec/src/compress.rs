//! How clusters are compressed.

pub(crate) mod codec;
mod version;

use std::ops::RangeInclusive;

use qcow2_format::header::CompressionType;

/// How clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Raw deflate, which every reader of qcow2 knows.
    Zlib {
        /// One of [`Compression::levels`].
        level: u8,
        /// How far back a match may reach.
        window: DeflateWindow,
    },
    /// Zstandard. Version 3 only.
    Zstd {
        /// One of [`Compression::levels`].
        level: u8,
    },
}

/// How far back a match in a deflate stream may reach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeflateWindow {
    /// 32 KiB, the largest that deflate allows, for smaller images.
    #[default]
    Kib32,
    /// 4 KiB, as QEMU writes, for readers that support no more.
    Kib4,
}

/// The library that makes deflate streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeflateCodec {
    #[cfg(feature = "libdeflate")]
    Libdeflate,
    ZlibRs,
}

impl DeflateWindow {
    /// Returns the library to use: libdeflate has no setting for the window.
    fn codec(self) -> DeflateCodec {
        match self {
            #[cfg(feature = "libdeflate")]
            Self::Kib32 => DeflateCodec::Libdeflate,
            #[cfg(not(feature = "libdeflate"))]
            Self::Kib32 => DeflateCodec::ZlibRs,
            Self::Kib4 => DeflateCodec::ZlibRs,
        }
    }
}

impl Compression {
    /// The zlib level with the best balance of time and size.
    pub const ZLIB_LEVEL_DEFAULT: u8 = 1;

    /// The Zstandard level with the best balance of time and size.
    pub const ZSTD_LEVEL_DEFAULT: u8 = 4;

    /// Returns the valid levels. Higher levels give smaller images and take longer.
    #[must_use]
    pub fn levels(&self) -> RangeInclusive<u8> {
        match self {
            Self::Zlib { window, .. } => match window.codec() {
                #[cfg(feature = "libdeflate")]
                DeflateCodec::Libdeflate => 1..=12,
                DeflateCodec::ZlibRs => 1..=9,
            },
            Self::Zstd { .. } => 1..=22,
        }
    }

    /// Returns the name of the format's compression type, as qemu-img spells it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Zlib { .. } => "zlib",
            Self::Zstd { .. } => "zstd",
        }
    }

    /// Describes what the bytes of a stream depend on: library, version and level.
    #[must_use]
    pub fn codec(&self) -> String {
        match self {
            Self::Zlib { level, window } => {
                let library = match window.codec() {
                    #[cfg(feature = "libdeflate")]
                    DeflateCodec::Libdeflate => version::LIBDEFLATE,
                    DeflateCodec::ZlibRs => version::ZLIB_RS,
                };
                match window {
                    DeflateWindow::Kib32 => format!("{library} level {level}"),
                    DeflateWindow::Kib4 => format!("{library} level {level}, 4 KiB window"),
                }
            }
            Self::Zstd { level } => format!("zstd {} level {level}", version::zstd_version()),
        }
    }

    /// Returns the level that was asked for; it may be invalid.
    #[must_use]
    pub fn level(&self) -> u8 {
        match self {
            Self::Zlib { level, .. } | Self::Zstd { level } => *level,
        }
    }

    /// Returns the compression type for the header.
    #[must_use]
    pub fn compression_type(&self) -> CompressionType {
        match self {
            Self::Zlib { .. } => CompressionType::Deflate,
            Self::Zstd { .. } => CompressionType::Zstd,
        }
    }
}

#[cfg(test)]
mod tests;
