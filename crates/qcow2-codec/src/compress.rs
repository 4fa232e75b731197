//! How clusters are compressed.

pub(crate) mod codec;
mod version;

use std::ops::RangeInclusive;

use qcow2_format::header::CompressionType;

/// How clusters are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Raw deflate: what every reader of qcow2 knows.
    Zlib {
        /// One of [`Compression::levels`].
        level: u8,
        /// How far back a match may be.
        window: DeflateWindow,
    },
    /// Zstandard. Version 3 only.
    Zstd {
        /// One of [`Compression::levels`].
        level: u8,
    },
}

/// How far back a match of a deflate stream may be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum DeflateWindow {
    /// 32 KiB, the most that deflate has: smaller images.
    #[default]
    Kib32,
    /// 4 KiB, what QEMU writes: for readers that hold no more.
    Kib4,
}

/// Who makes deflate streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DeflateCodec {
    #[cfg(feature = "libdeflate")]
    Libdeflate,
    ZlibRs,
}

impl DeflateWindow {
    /// libdeflate cannot be told a window.
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
    /// The level of zlib that is the best trade of time and size.
    pub const ZLIB_LEVEL_DEFAULT: u8 = 1;

    /// The level of Zstandard that is the best trade of time and size.
    pub const ZSTD_LEVEL_DEFAULT: u8 = 4;

    /// The levels there are: higher ones take longer for smaller images.
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

    /// The name of the format's compression type, as qemu-img spells it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Zlib { .. } => "zlib",
            Self::Zstd { .. } => "zstd",
        }
    }

    /// What the bytes of a stream depend on: library, version and level.
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

    /// The level that was asked for; it need not exist.
    #[must_use]
    pub fn level(&self) -> u8 {
        match self {
            Self::Zlib { level, .. } | Self::Zstd { level } => *level,
        }
    }

    /// What the header calls it.
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
