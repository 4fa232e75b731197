//! One cluster in, one compressed stream out, and back: deflate and Zstandard.
//!
//! A [`Compressor`] makes the stream of a cluster, a [`Decoder`] the cluster of a
//! stream. Both keep their contexts, and a stream depends on its cluster alone.
//!
//! ```
//! use qcow2_codec::{Compression, Compressor, Decoder};
//!
//! let compression = Compression::Zstd { level: 3 };
//! let (cluster, mut stream) = ([7; 4096], [0; 4096]);
//! let length = Compressor::new(&compression).compress(&cluster, &mut stream)?;
//! let mut again = [0; 4096];
//! let mut decoder = Decoder::new(compression.compression_type());
//! decoder.decode(&stream[..length.unwrap_or(0)], &mut again)?;
//! assert_eq!(again, cluster);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Deflate is done by libdeflate, which is written in C, where it can; without the
//! feature `libdeflate` by zlib-rs alone, which is not.

mod compress;
mod decompress;
mod fault;

pub use compress::codec::Compressor;
pub use compress::{Compression, DeflateWindow};
pub use decompress::{Decoder, Decoders};
pub use fault::StreamFault;
