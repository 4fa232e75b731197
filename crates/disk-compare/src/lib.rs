//! Whether two disks are the same, wholly or where it matters, and the digest of a disk.
//!
//! [`changes()`] finds what of a disk differs from an older one, or from the digests of one
//! that an [`IndexWriter`] kept; [`compare()`] reads two disks side by side; a [`Tiling`](blockio::Tiling) says which
//! bytes of the first one matter. [`sha256()`] is the digest of all bytes of a disk, and
//! [`block_digest()`] one at a cost that grows with its data. All
//! work on several threads, report their progress, and can be stopped.
//!
//! A disk that knows where it holds nothing but zeros, as a sparse file or an image does,
//! says so by a tiling of its own, and is not read there.
//!
//! ```
//! use blockio::{AllData, Extent, ExtentKind};
//! use disk_compare::{Error, Options, compare};
//!
//! let (mut one, other) = (vec![7; 4096], vec![7; 4096]);
//! compare(&one, &AllData, &other, &AllData, &Options::default())?;
//!
//! // The last 96 bytes differ: they are zeros in `other`, as all must be that does not
//! // matter.
//! let mut other = other;
//! other[4000..].fill(0);
//! let matters = [Extent::new(0..4000, ExtentKind::Data), Extent::new(4000..4096, ExtentKind::Free)];
//! compare(&one, &matters, &other, &AllData, &Options::default())?;
//!
//! one[17] = 8;
//! let found = compare(&one, &matters, &other, &AllData, &Options::default());
//! assert!(matches!(found, Err(Error::Differs { offset: 17, expected: 8, found: 7 })));
//! # Ok::<(), Error>(())
//! ```

mod block_digest;
mod changes;
mod common;
mod compare;
mod digest;
mod error;
mod index;
mod options;
mod pieces;
mod units;

pub use block_digest::{Algorithm, BlockDigest, block_digest};
pub use changes::{Base, ChangeReport, Changes, changes};
pub use common::Common;
pub use compare::compare;
pub use digest::{digest_of, sha256};
pub use error::{Error, ErrorKind, IndexFault};
pub use index::{DigestIndex, IndexWriter, binding};
pub use options::Options;

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
