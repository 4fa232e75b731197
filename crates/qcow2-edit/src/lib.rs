//! Changes qcow2 images in place: each change is done whole or not at all.
//!
//! ```text
//! image ──▶ all references counted ──▶ new tables in unused clusters ──▶ sync
//!                                        ──▶ one write of the first sector ──▶ sync
//! ```
//!
//! An [`Editor`] refuses an image that does not agree with itself. A change is computed
//! whole: new tables and a new refcount structure go into clusters that neither the old
//! image nor the new one uses, and one write of the first sector, which names them, makes
//! the new image. Interrupted anywhere, the image is the old one or the new one. The flags
//! that say that a cluster has the refcount one are cleared before and set afterwards, so
//! that some may be missing then, which does no harm.
//!
//! ```
//! use blockio::MemoryDisk;
//! use qcow2_edit::{Editor, NewSnapshot};
//! # use qcow2_writer::{ImageWriter, WriteOptions};
//!
//! # let image = MemoryDisk::default();
//! # let mut options = WriteOptions::default();
//! # options.size = 1 << 20;
//! # ImageWriter::create(&image, &options)?.finish()?;
//! let editor = Editor::open(&image)?;
//! editor.create_snapshot(&NewSnapshot::named(b"before"))?;
//! assert_eq!(editor.snapshots()?[0].name, b"before");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod amend;
mod bitmap;
mod change;
mod create;
mod editor;
mod error;
mod guest_tables;
mod image;
mod repair;
mod report;
mod resize;
mod snapshot;
mod write;

pub use amend::{Amendment, NewBacking};
pub use bitmap::NewBitmap;
pub use create::{NewImage, create};
pub use editor::Editor;
pub use error::Error;
pub use image::damage::Damage;
pub use qcow2_check::Use;
pub use report::{Changed, Doubt, Repaired};
pub use resize::Resize;
pub use snapshot::NewSnapshot;
pub use write::DiskWrite;

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
