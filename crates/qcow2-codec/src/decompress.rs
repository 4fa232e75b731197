//! Decompresses streams, each into one cluster.

use std::fmt;

use flate2::{Decompress, FlushDecompress, Status};
use qcow2_format::header::CompressionType;
use zstd::zstd_safe::zstd_sys::ZSTD_ErrorCode;
use zstd::zstd_safe::{DCtx, find_frame_compressed_size, is_error_kind as is_kind};

use crate::fault::StreamFault;

/// The decoders of one thread, created when they are needed.
#[derive(Debug, Default)]
pub struct Decoders {
    deflate: Option<Decoder>,
    zstd: Option<Decoder>,
}

impl Decoders {
    /// Returns the decoder for this compression.
    pub fn of(&mut self, compression: CompressionType) -> &mut Decoder {
        let decoder = match compression {
            CompressionType::Deflate => &mut self.deflate,
            CompressionType::Zstd => &mut self.zstd,
        };
        decoder.get_or_insert_with(|| Decoder::new(compression))
    }
}

/// Decodes streams of one compression. It reuses its contexts.
pub struct Decoder(Library);

/// The library that decodes.
enum Library {
    Deflate(Inflater),
    Zstd(DCtx<'static>),
}

impl Decoder {
    /// Returns a decoder for this compression.
    #[must_use]
    pub fn new(compression: CompressionType) -> Self {
        Self(match compression {
            CompressionType::Deflate => Library::Deflate(Inflater::default()),
            CompressionType::Zstd => Library::Zstd(DCtx::create()),
        })
    }

    /// Fills `cluster` from the stream at the start of `stored`.
    ///
    /// Bytes after the stream, and bytes that the stream yields past the end of the
    /// cluster, are ignored, as by QEMU. After an error the content of `cluster` is
    /// unspecified.
    ///
    /// # Errors
    ///
    /// Fails if the stream does not yield a whole cluster.
    pub fn decode(&mut self, stored: &[u8], cluster: &mut [u8]) -> Result<(), StreamFault> {
        match &mut self.0 {
            Library::Deflate(inflater) => inflater.decode(stored, cluster),
            Library::Zstd(context) => unpack_frames(context, stored, cluster).map(drop),
        }
    }

    /// Decodes as [`Self::decode`] does, and returns how many bytes of `stored` the
    /// cluster needs.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    pub fn measure(&mut self, stored: &[u8], cluster: &mut [u8]) -> Result<u64, StreamFault> {
        match &mut self.0 {
            Library::Deflate(inflater) => inflater.decode_stepwise(stored, cluster),
            Library::Zstd(context) => unpack_frames(context, stored, cluster),
        }
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Library::Deflate(_) => "Decoder(deflate)",
            Library::Zstd(_) => "Decoder(zstd)",
        })
    }
}

/// Decodes raw deflate, in two ways.
#[derive(Default)]
struct Inflater {
    /// Needs the whole stream, and room for all of its output.
    #[cfg(feature = "libdeflate")]
    whole: Option<libdeflater::Decompressor>,
    /// Stops when the cluster is full, and reports exactly what is wrong.
    stepwise: Option<Decompress>,
}

impl Inflater {
    fn decode(&mut self, stored: &[u8], cluster: &mut [u8]) -> Result<(), StreamFault> {
        #[cfg(feature = "libdeflate")]
        {
            let whole = self.whole.get_or_insert_default();
            if whole.deflate_decompress(stored, cluster) == Ok(cluster.len()) {
                return Ok(());
            }
        }
        self.decode_stepwise(stored, cluster).map(drop)
    }

    /// Returns how many bytes of `stored` the cluster needs.
    fn decode_stepwise(&mut self, stored: &[u8], cluster: &mut [u8]) -> Result<u64, StreamFault> {
        let stepwise = self.stepwise.get_or_insert_with(|| Decompress::new(false));
        stepwise.reset(false);
        let status = stepwise.decompress(stored, cluster, FlushDecompress::Finish);
        let after_bytes = stepwise.total_out();
        match status {
            Err(_) => Err(StreamFault::Garbage { after_bytes }),
            Ok(Status::Ok | Status::BufError | Status::StreamEnd) => {
                full(after_bytes, len_u64(cluster.len()))?;
                Ok(stepwise.total_in())
            }
        }
    }
}

/// Fills `cluster` from the frames that `stored` starts with, and returns their length
/// in bytes.
///
/// Each frame is decoded at once, into a cluster that is all the window it needs: the
/// window size in a frame is never allocated. Like QEMU, this refuses a last frame that
/// yields more than the cluster.
fn unpack_frames(
    context: &mut DCtx<'_>,
    stored: &[u8],
    cluster: &mut [u8],
) -> Result<u64, StreamFault> {
    let cluster_bytes = len_u64(cluster.len());
    let (mut frames, mut room) = (stored, cluster);
    while !room.is_empty() {
        let after_bytes = cluster_bytes.saturating_sub(len_u64(room.len()));
        let garbage = StreamFault::Garbage { after_bytes };
        let frame = match find_frame_compressed_size(frames) {
            Ok(length) => frames.split_at_checked(length),
            // Padding or the next stream comes after the last frame.
            Err(code)
                if after_bytes > 0 || is_kind(code, ZSTD_ErrorCode::ZSTD_error_srcSize_wrong) =>
            {
                full(after_bytes, cluster_bytes)?;
                break;
            }
            Err(_) => None,
        };
        let Some((frame, behind)) = frame else {
            return Err(garbage);
        };
        let length = match context.decompress(room, frame) {
            Ok(length) => length,
            Err(code) if is_kind(code, ZSTD_ErrorCode::ZSTD_error_dstSize_tooSmall) => {
                return Err(StreamFault::TooLong { cluster_bytes });
            }
            Err(_) => return Err(garbage),
        };
        room = room.get_mut(length..).unwrap_or_default();
        frames = behind;
    }
    Ok(len_u64(stored.len().saturating_sub(frames.len())))
}

/// Checks that a stream that ends after `after_bytes` bytes has filled its cluster.
fn full(after_bytes: u64, cluster_bytes: u64) -> Result<(), StreamFault> {
    if after_bytes == cluster_bytes {
        Ok(())
    } else {
        Err(StreamFault::Ends {
            after_bytes,
            cluster_bytes,
        })
    }
}

fn len_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
