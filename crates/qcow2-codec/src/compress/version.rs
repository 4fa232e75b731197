//! The codecs, with their versions.

/// libdeflate with its version, which it does not report at run time.
#[cfg(feature = "libdeflate")]
pub(super) const LIBDEFLATE: &str = "libdeflate 1.26";

/// zlib-rs with its version, which it does not report at run time.
pub(super) const ZLIB_RS: &str = "zlib-rs 0.6.8";

pub(super) fn zstd_version() -> &'static str {
    zstd::zstd_safe::version_string()
}
