//! LUKS version 1: reads headers, and derives the cipher of the data from a
//! passphrase. Source: "LUKS On-Disk Format Specification", version 1.2.3.
//!
//! The header may lie anywhere in a file, and so may the data: [`unlock()`] returns a
//! [`Cipher`] that decrypts sectors by their position. Nothing is ever written.
//!
//! ```no_run
//! let disk = std::fs::read("disk.luks")?;
//! let info = luks::Info::read(&disk, 0)?;
//! let cipher = luks::unlock(&disk, 0, b"open sesame")?;
//! let start = usize::try_from(info.payload_offset_bytes)?;
//! let mut sector = disk[start..start + 512].to_vec();
//! cipher.decrypt(0, &mut sector);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cipher;
mod error;
mod info;
mod stored;
mod unlock;

pub use cipher::{Cipher, SECTOR_BYTES};
pub use error::{Error, Fault};
pub use info::{Info, KeySlot};
pub use unlock::unlock;

/// The examples of README.md are tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
pub struct Readme;
