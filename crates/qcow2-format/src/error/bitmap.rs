//! What can be wrong with the bitmap directory.

/// What is wrong with an entry of the bitmap directory; `index` counts them from zero.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BitmapError {
    /// A bitmap of an undefined type.
    #[error("bitmap directory entry {index}: type is {found}, must be 1 (dirty tracking)")]
    Type {
        /// The entry.
        index: u64,
        /// The type stored.
        found: u8,
    },
    /// A bitmap with undefined flags.
    #[error("bitmap directory entry {index}: flags are {found:#x}, must be within 0x7")]
    Flags {
        /// The entry.
        index: u64,
        /// The flags stored.
        found: u32,
    },
    /// Two bitmaps with one name.
    #[error("bitmap directory entry {index} has the name of entry {first}")]
    NameTwice {
        /// The entry.
        index: u64,
        /// The entry that has the name already.
        first: u64,
    },
    /// Bytes past the last entry of the bitmap directory.
    #[error("bitmap directory: {found} bytes remain after entry {entries}, the last announced")]
    LeftOver {
        /// Bytes left over.
        found: u64,
        /// Entries announced.
        entries: u64,
    },
}
