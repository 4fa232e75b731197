//! Why swap is not believed.

/// The families of [`Error`](super::Error) and [`Distrust`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The storage below failed.
    Io,
    /// The header contradicts itself, or the disk.
    Corrupt,
    /// A kind of swap that this crate does not know.
    Unsupported,
    /// Nothing is wrong; the pages are in use.
    Busy,
}

/// Why every byte of some swap is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Distrust {
    /// A machine hibernated into it.
    #[error("a machine is hibernated in it (signature {signature})")]
    Hibernated {
        /// The signature, as text.
        signature: &'static str,
    },
    /// More than one signature, for different lengths of a page.
    #[error("signatures of swap for pages of {first} and of {second} bytes")]
    Pages {
        /// The shorter page.
        first: u32,
        /// The longer page.
        second: u32,
    },
    /// A version that is not 1.
    #[error("version {found:#x}, known is 1")]
    Version {
        /// As stored, in the byte order of this header.
        found: u32,
    },
    /// The number of its last page.
    #[error("its last page is {last}, the disk has {pages} pages")]
    LastPage {
        /// As stored.
        last: u32,
        /// Whole pages of the disk.
        pages: u64,
    },
    /// More bad pages than fit into the header.
    #[error("{found} bad pages, at most {limit} fit into the header")]
    BadPages {
        /// As stored.
        found: u32,
        /// What fits.
        limit: u32,
    },
    /// A bad page that does not exist.
    #[error("page {page} is bad, allowed are 1 to {last}")]
    BadPage {
        /// Its number.
        page: u32,
        /// The last page.
        last: u32,
    },
    /// The map of version 0 gives the header's own page away, or no page.
    #[error("the map of pages is not one of version 0")]
    Map,
}

impl Distrust {
    /// The family it belongs to.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Hibernated { .. } => ErrorKind::Busy,
            Self::Version { .. } => ErrorKind::Unsupported,
            _ => ErrorKind::Corrupt,
        }
    }
}
