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
//! for extent in image.extents() {
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

mod arrived;
mod batch;
mod chain;
mod clusters;
mod compressed;
mod crypt;
#[cfg(feature = "files")]
mod disk_gate;
mod error;
mod extents;
mod files;
mod forward;
mod gate;
mod header;
mod image;
mod l1;
mod l2;
mod layer;
mod load;
mod mapped_disk;
mod options;
mod output;
mod places;
mod runs;
mod segment;
mod share;
mod slices;
mod snapshots;
mod stationary;
mod stream;
mod tables;
mod trust;
mod units;
mod unpack;
mod walk;

pub use crypt::{Secret, read_luks};
#[cfg(feature = "files")]
pub use disk_gate::{DiskGate, References, has_protocol};
pub use error::{Error, ErrorKind, Structure, Use};
pub use extents::Extents;
pub use gate::{BackingFormat, Closed, Gate, Reference, ReferenceFault, ReferenceKind};
pub use header::read_header;
pub use image::Image;
pub use layer::backing_file_of;
pub use luks::{Fault as LuksFault, Info as LuksInfo, KeySlot as LuksKeySlot};
pub use options::{OpenOptions, Progress, UnpackOptions, UnpackReport};
pub use qcow2_codec::StreamFault;
pub use snapshots::{read_bitmaps, read_snapshots};
pub use stream::{Arrival, ImageStream};
