//! Linux swap: the first page and bad pages are in use, the rest is free.
//!
//! The first page ends with a signature, so its length, that of a page of the machine that
//! made it, is known by where the signature is. A machine that hibernates puts another
//! signature there, and its memory into the other pages: all is in use then. So it is if
//! anything about the header is odd.
//!
//! Source: `union swap_header` in Linux, and mkswap(8) for version 0.
//!
//! ```
//! use disk_layout::swap::{Detected, detect};
//!
//! let disk = vec![0; 1 << 20];
//! assert_eq!(detect(&disk)?, Detected::Nothing);
//! # Ok::<(), disk_layout::swap::Error>(())
//! ```

mod distrust;
mod header;

use std::io;
use std::ops::Range;

use blockio::{Extent, ExtentKind, Extents, Merge, ReadAt, Tiling};

pub use distrust::{Distrust, ErrorKind};
use header::{Found, Header, PAGE_BYTES_MAX};

/// Why a disk cannot be examined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The storage failed.
    #[error("the first bytes, where a swap header would be, cannot be read")]
    Read(#[source] io::Error),
}

impl Error {
    /// The family this error belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Read(_) => ErrorKind::Io,
        }
    }
}

/// What is on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Detected {
    /// Swap; [`Swap::trust`] says whether any of it is free.
    Swap(Swap),
    /// No signature of swap.
    Nothing,
}

/// Swap on a disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Swap {
    info: Info,
    trust: Trust,
    extents: Vec<Extent>,
}

/// What swap says of itself, and how its bytes are used.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Info {
    /// 0 for `SWAP-SPACE`, 1 for `SWAPSPACE2`; `None` for a hibernated machine.
    pub version: Option<u32>,
    /// Bytes of a page.
    pub page_bytes: u32,
    /// The label up to its first zero byte; any bytes.
    pub label: Vec<u8>,
    /// The UUID; zero where there is none.
    pub uuid: [u8; 16],
    /// Bytes of the disk in use.
    pub used_bytes: u64,
    /// Bytes proven free.
    pub free_bytes: u64,
}

/// What the used bytes are known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Trust {
    /// The header.
    Header,
    /// Nothing: every byte is in use.
    Nothing(Distrust),
}

/// Looks for swap on `disk`.
///
/// # Errors
///
/// [`Error::Read`] if the storage fails. Nothing that is wrong with swap is an error: see
/// [`Swap::trust`].
pub fn detect(disk: &dyn ReadAt) -> Result<Detected, Error> {
    if !header::is_signed(disk).map_err(Error::Read)? {
        return Ok(Detected::Nothing);
    }
    let size = disk.size();
    let length = usize::try_from(size).map_or(PAGE_BYTES_MAX, |size| size.min(PAGE_BYTES_MAX));
    let mut head = vec![0; length];
    disk.read_at(0, &mut head).map_err(Error::Read)?;
    let Some(Found { page_bytes, header }) = header::find(&head, size) else {
        return Ok(Detected::Nothing);
    };
    let mut info = Info {
        version: None,
        page_bytes,
        label: Vec::new(),
        uuid: [0; 16],
        used_bytes: size,
        free_bytes: 0,
    };
    let (trust, free) = match header {
        Err(distrust) => (Trust::Nothing(distrust), Vec::new()),
        Ok(Header {
            version,
            label,
            uuid,
            free,
        }) => {
            (info.version, info.label, info.uuid) = (Some(version), label, uuid);
            match free {
                Ok(free) => (Trust::Header, free),
                Err(distrust) => (Trust::Nothing(distrust), Vec::new()),
            }
        }
    };
    let extents = tile(&free, u64::from(page_bytes), size);
    let is_free = |extent: &&Extent| extent.kind == ExtentKind::Free;
    let free_bytes = extents.iter().filter(is_free).map(|extent| extent.length);
    info.free_bytes = free_bytes.fold(0, u64::saturating_add);
    info.used_bytes = size.saturating_sub(info.free_bytes);
    Ok(Detected::Swap(Swap {
        info,
        trust,
        extents,
    }))
}

/// A disk of `size` bytes on which the runs of pages `free`, which ascend, are free.
fn tile(free: &[Range<u64>], page_bytes: u64, size: u64) -> Vec<Extent> {
    let mut extents = Vec::new();
    let mut at = 0;
    for run in free {
        let start = run.start.saturating_mul(page_bytes).clamp(at, size);
        let end = run.end.saturating_mul(page_bytes).clamp(start, size);
        extents.push(Extent::new(at..start, ExtentKind::Data));
        extents.push(Extent::new(start..end, ExtentKind::Free));
        at = end;
    }
    extents.push(Extent::new(at..size, ExtentKind::Data));
    let extents = extents.into_iter().filter(|extent| extent.length > 0);
    Merge::new(extents.map(Ok::<_, std::convert::Infallible>))
        .flatten()
        .collect()
}

impl Swap {
    /// What it says of itself, and how its bytes are used.
    #[must_use]
    pub const fn info(&self) -> &Info {
        &self.info
    }

    /// What the used bytes are known by.
    #[must_use]
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }
}

impl Tiling for Swap {
    fn extents(&self, range: Range<u64>) -> Extents<'_> {
        self.extents.as_slice().extents(range)
    }
}
