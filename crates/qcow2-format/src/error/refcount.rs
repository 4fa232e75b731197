//! Why a refcount cannot be stored.

/// A refcount that cannot be stored.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RefcountError {
    /// A refcount that its width cannot hold.
    #[error("refcount {found} must be at most {max}")]
    TooLarge {
        /// The refcount.
        found: u64,
        /// The greatest that fits.
        max: u64,
    },
    /// A refcount past the end of its block.
    #[error("the refcount block has {entries} entries, must have at least {end}")]
    Index {
        /// End of the entries asked for.
        end: u64,
        /// Entries of the block.
        entries: u64,
    },
}
