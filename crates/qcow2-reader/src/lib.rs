//! Reads qcow2 images: an image in, extents and exact bytes out.
//!
//! ```text
//! files ──▶ layers: header, L1 table ──▶ L2 tables ──▶ runs ─┬▶ read_at
//!   ▲                                                        ├▶ extents
//!  gate                                                      └▶ unpack
//! ```
//!
//! Plain, compressed, zero and unallocated clusters and subclusters of version 2
//! and 3 images are read. Everything else is refused by name, and bytes that are missing,
//! damaged or disputed are an error that says where; they never become zeros.
//! The storage is any [`blockio::ReadAt`], and an opened [`Image`] is one
//! itself. Nothing that an image names is opened but by a [`Gate`] that the
//! caller passes in, such as the `DiskGate` of the feature `files`. An
//! [`ImageStream`] is an image that arrives on a pipe.
//!
//! ```no_run
//! use blockio::ReadAt;
//! use hostdisk::{Disk, Target, TargetOptions};
//! use qcow2_reader::{Image, OpenOptions, UnpackOptions};
//!
//! let image = Image::open(Disk::open("root.qcow2")?, &OpenOptions::default())?;
//! let mut superblock = [0; 1024];
//! image.read_at(1024, &mut superblock)?;
//! for extent in image.extents(0..image.size()) {
//!     println!("{:?}", extent?);
//! }
//! let target = Target::create("root.img", &TargetOptions::default())?;
//! image.unpack(&target, &UnpackOptions::default())?;
//! target.commit()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Deflate is decoded by libdeflate, which is written in C; without the feature
//! `libdeflate` by zlib-rs, which is not. Without the feature `files` nothing here
//! knows of files, nor of the system below.

mod cluster_cache;
mod error;
mod image;
mod options;
mod pipe;
mod salvaged;
mod source;
mod unpack;

pub use error::Error;
pub use image::Image;
pub use options::{OpenOptions, UnpackOptions, UnpackReport};
pub use pipe::{Arrival, ImageStream};
pub use qcow2_check::{Checked, Error as CheckError, Finding, FindingKind, Use};
pub use qcow2_map::{
    BackingFormat, Closed, Error as ImageError, ErrorKind, Extents, Gate, LAYERS_MAX, LuksFault,
    LuksInfo, LuksKeySlot, MapEntries, MapEntry, Reference, ReferenceFault, ReferenceKind, Secret,
    Stored, StreamFault, Structure, backing_file_of, read_bitmaps, read_header, read_luks,
    read_snapshots,
};
#[cfg(feature = "files")]
pub use qcow2_map::{DiskGate, References, has_protocol};

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;

/// The examples of the guide are tests.
#[cfg(all(doctest, feature = "files"))]
#[doc = include_str!("../../../docs/guides/read-with-the-libraries.md")]
pub struct Guide;
