//! Extents in, qcow2 image out.
//!
//! [`pack()`] writes the used bytes of a disk as an image in one ordered pass;
//! [`ImageWriter`], the engine below it, takes writes in any order. Both lay an
//! image out the same way:
//!
//! ```text
//! header | L1 table | reserved L2 tables | data, and L2 tables nobody foresaw | refcount blocks | refcount table
//! ```
//!
//! The header is written last, when everything it leads to is stored: until
//! then the target is no image. Refcounts say exactly what is used, and the
//! image ends at a cluster boundary.
//!
//! The crate knows nothing of filesystems.

mod batch;
mod data_ranges;
mod data_run;
mod error;
mod image;
mod l1_table;
mod l2_cache;
mod layout;
mod options;
mod output;
mod pack;
mod plan;
mod refcounts;
mod units;

pub use error::{Error, ErrorKind, Unrepresentable};
pub use image::{ImageReport, ImageWriter};
pub use options::{PackOptions, Progress, WriteOptions};
pub use pack::{PackReport, pack};
