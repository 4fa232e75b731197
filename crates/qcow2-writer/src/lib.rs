//! Extents in, qcow2 image out.
//!
//! [`pack()`] writes the used bytes of a disk, as its [`Tiling`](blockio::Tiling)
//! says, as an image in one ordered pass, or shares their blocks (reflink); [`pack_to_pipe`] writes the same image to a
//! pipe; [`ImageWriter`], the engine below them, takes writes in any order. All
//! lay an image out the same way:
//!
//! ```text
//! header | L1 table | reserved L2 tables | data, and unreserved L2 tables | refcount blocks | refcount table
//! ```
//!
//! The header is written last, when everything it leads to is stored: until
//! then the target is not an image. (On a pipe it comes first, and an image that is
//! cut short has no refcounts.) Refcounts say exactly what is used, and the
//! image ends at a cluster boundary.
//!
//! [`pack()`] can also compress: each stream begins at the first even offset after
//! the last, in the order of the guest; all threads work on them, and the bytes are
//! always the same. See [`Compression`].
//!
//! [`measure()`] finds how long the image would be, and writes nothing.
//!
//! [`PackOptions::progress`] hears how far a job has come and can stop it; the target
//! is not an image then.
//!
//! Inside, `pack` reads the disk and decides what is stored, over `image`, which knows
//! where everything goes; `image` knows nothing of `pack`, and the crate nothing of
//! filesystems.

mod compression;
mod error;
mod image;
mod options;
mod pack;
mod units;

pub use error::{Error, ErrorKind, Unrepresentable};
pub use image::exact::exact_geometry;
pub use image::{ImageReport, ImageWriter};
pub use options::{Allocation, Backing, BackingFormat, PackOptions, WriteOptions};
pub use pack::measure::{Measured, measure};
pub use pack::pack;
pub use pack::pipe::pack_to_pipe;
pub use pack::report::PackReport;
pub use qcow2_codec::{Compression, DeflateWindow};

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// The examples of the guide are tests.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/guides/pack-with-the-libraries.md")]
pub struct Guide;
