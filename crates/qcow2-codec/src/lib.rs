//! Compresses and decompresses single clusters, with deflate and Zstandard.
//!
//! A [`Compressor`] turns a cluster into a stream, a [`Decoder`] turns it back. Both
//! reuse their contexts, and a stream depends on its cluster alone.
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
//! Deflate uses libdeflate, which is written in C, if it supports the settings, and
//! otherwise zlib-rs, which is written in Rust. Without the feature `libdeflate` it uses
//! zlib-rs alone.

mod compress;
mod decompress;
mod fault;

pub use compress::codec::Compressor;
pub use compress::{Compression, DeflateWindow};
pub use decompress::{Decoder, Decoders};
pub use fault::StreamFault;

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
