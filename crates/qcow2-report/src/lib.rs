//! Where the bytes of a disk go, as a picture: one self-contained HTML page.
//!
//! ```text
//! what is in use ─┐
//!                 ├▶ segments ─▶ cells of the disk ─┐
//! where it is ────┘                  │ links        ├▶ Survey ─▶ page
//! tables of the image ─▶ clusters ─▶ cells of the file ┘
//! ```
//!
//! [`Survey::new`] walks over a disk once and over the tables of its image, and adds up
//! what it sees in a bounded number of cells: memory and the length of the page do not
//! depend on the length of the disk. [`page()`] turns that into HTML. The page loads
//! nothing, and its policy forbids the browser to load anything for it; all that comes
//! out of an image is escaped.
//!
//! ```
//! use blockio::AllData;
//! use qcow2_report::{Storage, Subject, Survey, Text, page};
//!
//! let disk = vec![7; 1 << 20];
//! let subject = Subject::new(&AllData, Storage::<Vec<u8>>::Raw(&disk));
//! let survey = Survey::new(&subject, |_| std::ops::ControlFlow::Continue(()))?;
//! assert_eq!(survey.totals.used_bytes, 1 << 20);
//! let mut text = Text::default();
//! text.title = "disk.img".into();
//! let html = page(&survey, &text)?;
//! assert!(html.starts_with("<!doctype html>"));
//! # Ok::<(), qcow2_report::Error>(())
//! ```

#![warn(clippy::arithmetic_side_effects, clippy::indexing_slicing)]
#![cfg_attr(
    test,
    allow(
        clippy::arithmetic_side_effects,
        reason = "a test that overflows fails"
    )
)]

mod cells;
mod disk;
mod error;
mod file;
mod findings;
mod kinds;
mod links;
mod page;
mod scale;
mod subject;
mod survey;
mod units;

pub use cells::Cells;
pub use disk::compression::Compression;
pub use disk::parts::PartTotals;
pub use disk::pieces::{LENGTH_CLASSES, Pieces};
pub use error::Error;
pub use findings::Findings;
pub use kinds::{DISK_KINDS, DiskKind, FILE_KINDS, FileKind, Kind};
pub use links::Links;
pub use page::{Fact, Row, SnapshotRow, Text, page};
pub use qcow2_map::ErrorKind;
pub use scale::{CELLS_MAX, Scale};
pub use subject::{PARTS_MAX, Storage, Subject};
pub use survey::{Survey, Totals};

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
