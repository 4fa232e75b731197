//! The libraries that make streams, with a common interface.

use std::{fmt, io};

use flate2::{Compress, FlushCompress, Status};
#[cfg(feature = "libdeflate")]
use libdeflater::CompressionLvl;
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;

use super::{Compression, DeflateCodec, DeflateWindow};

/// Bytes that frame the blocks of a deflate stream, and more.
const FRAMING_BYTES: usize = 64;

/// Log2 of the 4 KiB window.
const WINDOW_BITS_4K: u8 = 12;

/// Compresses clusters, one after the other.
///
/// A stream depends on its cluster alone, not on those before it.
pub struct Compressor(Library);

/// The library that compresses.
enum Library {
    #[cfg(feature = "libdeflate")]
    Libdeflate(libdeflater::Compressor),
    ZlibRs(ZlibRs),
    Zstd(Zstd),
}

impl Compressor {
    /// Returns a compressor for `compression`. An invalid level is replaced by the
    /// nearest valid one.
    #[must_use]
    pub fn new(compression: &Compression) -> Self {
        let levels = compression.levels();
        let level = compression.level().clamp(*levels.start(), *levels.end());
        Self(match compression {
            Compression::Zlib { window, .. } => match window.codec() {
                #[cfg(feature = "libdeflate")]
                DeflateCodec::Libdeflate => {
                    let level = CompressionLvl::new(level.into());
                    let level = level.unwrap_or(CompressionLvl::best());
                    Library::Libdeflate(libdeflater::Compressor::new(level))
                }
                DeflateCodec::ZlibRs => Library::ZlibRs(ZlibRs::new(level, *window)),
            },
            Compression::Zstd { .. } => Library::Zstd(Zstd {
                level: level.into(),
                context: None,
            }),
        })
    }

    /// Compresses `cluster` into `stream` and returns the length of the stream,
    /// or `None` if it does not fit.
    ///
    /// # Errors
    ///
    /// Fails if the library fails, for example for lack of memory.
    pub fn compress(&mut self, cluster: &[u8], stream: &mut [u8]) -> io::Result<Option<usize>> {
        match &mut self.0 {
            #[cfg(feature = "libdeflate")]
            Library::Libdeflate(compressor) => {
                Ok(compressor.deflate_compress(cluster, stream).ok())
            }
            Library::ZlibRs(compressor) => compressor.compress(cluster, stream),
            Library::Zstd(compressor) => compressor.compress(cluster, stream),
        }
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            #[cfg(feature = "libdeflate")]
            Library::Libdeflate(_) => "Compressor(libdeflate)",
            Library::ZlibRs(_) => "Compressor(zlib-rs)",
            Library::Zstd(_) => "Compressor(zstd)",
        })
    }
}

/// zlib-rs, for small windows and for builds without libdeflate.
struct ZlibRs {
    deflate: Compress,
    /// Room for the longest stream, so that nothing depends on how zlib-rs reports that
    /// its output does not fit.
    stream: Vec<u8>,
}

impl ZlibRs {
    fn new(level: u8, window: DeflateWindow) -> Self {
        let level = flate2::Compression::new(level.into());
        Self {
            deflate: match window {
                DeflateWindow::Kib32 => Compress::new(level, false),
                DeflateWindow::Kib4 => Compress::new_with_window_bits(level, false, WINDOW_BITS_4K),
            },
            stream: Vec::new(),
        }
    }

    fn compress(&mut self, cluster: &[u8], stream: &mut [u8]) -> io::Result<Option<usize>> {
        // No byte takes more than nine bits.
        self.stream
            .resize(cluster.len() + cluster.len() / 8 + FRAMING_BYTES, 0);
        self.deflate.reset();
        let finish = FlushCompress::Finish;
        let status = self.deflate.compress(cluster, &mut self.stream, finish)?;
        let length = usize::try_from(self.deflate.total_out()).ok();
        let fitting = length.and_then(|length| stream.get_mut(..length));
        Ok(match (status, fitting) {
            (Status::StreamEnd, Some(fitting)) => {
                fitting.copy_from_slice(&self.stream[..fitting.len()]);
                Some(fitting.len())
            }
            _ => None,
        })
    }
}

/// Zstandard: single frames with a content size and without a checksum.
struct Zstd {
    level: i32,
    /// Created when it is first needed, since that can fail.
    context: Option<zstd::bulk::Compressor<'static>>,
}

impl Zstd {
    fn compress(&mut self, cluster: &[u8], stream: &mut [u8]) -> io::Result<Option<usize>> {
        let context = match &mut self.context {
            Some(context) => context,
            none => none.insert(zstd::bulk::Compressor::new(self.level)?),
        };
        match context.compress_to_buffer(cluster, stream) {
            Ok(length) => Ok(Some(length)),
            Err(error) if is_too_small(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// Returns whether `error` says that the stream does not fit.
fn is_too_small(error: &io::Error) -> bool {
    error
        .get_ref()
        .and_then(|error| error.downcast_ref::<zstd::Error>())
        .is_some_and(|error| error.is(ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall))
}

#[cfg(test)]
mod tests;
