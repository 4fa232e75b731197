//! What can be wrong with the bitmap directory.

/// What is wrong with an entry of the bitmap directory; `index` counts them from zero.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BitmapError {
    /// A bitmap of a type nobody defined.
    #[error("bitmap directory entry {index}: found type {found}, allowed is 1 (dirty tracking)")]
    Type {
        /// The entry.
        index: u64,
        /// The type stored.
        found: u8,
    },
    /// A bitmap with flags nobody defined.
    #[error("bitmap directory entry {index}: found flags {found:#x}, allowed are 0x7")]
    Flags {
        /// The entry.
        index: u64,
        /// The flags stored.
        found: u32,
    },
    /// Two bitmaps with one name.
    #[error("bitmap directory entry {index}: has the name of entry {first}")]
    NameTwice {
        /// The entry.
        index: u64,
        /// The entry that has the name already.
        first: u64,
    },
    /// Bytes past the last entry of the bitmap directory.
    #[error("bitmap directory: found {found} bytes behind entry {entries}, the last announced")]
    LeftOver {
        /// Bytes left over.
        found: u64,
        /// Entries announced.
        entries: u64,
    },
}
