//! Where every byte of a qcow2 image is.
//!
//! ```text
//! files ──▶ layers: header, L1 table ──▶ L2 tables ──▶ runs ─┬▶ extents
//!   ▲                                                        └▶ map entries
//!  gate
//! ```
//!
//! An [`ImageMap`] is an opened image with what it depends on: it says of guest bytes
//! what they are, and in which file they are stored, and where. It reads headers and
//! tables, and never data. Nothing that an image names is opened but by a [`Gate`] that
//! the caller passes in, such as the `DiskGate` of the feature `files`.
//!
//! ```no_run
//! use qcow2_map::{ImageMap, MapOptions};
//!
//! # fn open() -> std::io::Result<Vec<u8>> { Ok(Vec::new()) }
//! let map = ImageMap::open(open()?, &MapOptions::default())?;
//! for entry in map.entries(0..map.size()) {
//!     println!("{:?}", entry?);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Below that are the parts that a reader is built of: [`Tables`] and [`Walk`], which
//! look up guest bytes in one image, whether all of it is there or not yet.

mod crypt;
mod error;
mod extents;
mod gate;
mod image;
mod image_map;
mod layers;
mod lookup;
mod map_entry;
mod options;
mod units;

pub use crypt::{Cipher, Secret, read_luks};
pub use error::{Error, ErrorKind, Structure, needed};
pub use extents::Extents;
#[cfg(feature = "files")]
pub use gate::files::{DiskGate, References, has_protocol};
pub use gate::{BackingFormat, Closed, Gate, Reference, ReferenceFault, ReferenceKind};
pub use image::bounds::Bounds;
pub use image::files::Files;
pub use image::header::{CLUSTER_BITS_END, check_supported, read_header};
pub use image::mapped_disk::MappedDisk;
pub use image::snapshots::{placed_snapshots, read_bitmaps, read_snapshots, snapshots};
pub use image::stream::{Codec, Stream};
pub use image_map::ImageMap;
pub use layers::chain::{Chain, Runs};
pub use layers::layer::{Content, ImageContent, LAYERS_MAX, Layer, backing_file_of, data_file_of};
pub use lookup::l1::L1Reader;
pub use lookup::runs::{Joined, Mapping, Run, data_bytes};
pub use lookup::table_cache::{SLICE_BYTES, Slice, TableCache, TablePlace, WORD_BYTES};
pub use lookup::tables::{L2Slice, Tables};
pub use lookup::walk::{ImageRuns, Walk, run_of_entry};
pub use luks::{Fault as LuksFault, Info as LuksInfo, KeySlot as LuksKeySlot};
pub use map_entry::{MapEntries, MapEntry, Stored};
pub use options::MapOptions;
pub use qcow2_codec::StreamFault;
pub use units::{distance, in_memory};

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
