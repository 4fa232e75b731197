//! The kind of each error, decided variant by variant.

use super::Error;
use super::bitmap::BitmapError;

/// The kinds of [`Error`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The bytes contradict the specification, or themselves.
    Corrupt,
    /// The bytes may be right, but need something that is not supported.
    Unsupported,
    /// A value exceeds what the format or its implementations can hold.
    Limit,
}

impl Error {
    /// Returns the kind of this error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Magic { .. }
            | Self::HeaderLength { .. }
            | Self::RefcountOrder { .. }
            | Self::CompressionBit { .. }
            | Self::SubclusterBits { .. }
            | Self::RawWithoutDataFile
            | Self::L1TooSmall { .. }
            | Self::Unaligned { .. }
            | Self::ExtensionTooLarge { .. }
            | Self::ExtensionLength { .. }
            | Self::NoBitmaps { .. }
            | Self::BitmapsReserved { .. }
            | Self::LuksMissing
            | Self::LuksUnexpected { .. }
            | Self::HeaderTruncated { .. }
            | Self::TruncatedEntry { .. }
            | Self::UnalignedEntry { .. }
            | Self::CopiedWithoutOffset { .. }
            | Self::ZeroFlagInVersion2 { .. }
            | Self::CompressedWithDataFile { .. }
            | Self::CompressedEntryOffset { .. }
            | Self::SubclustersWithoutHost { .. }
            | Self::SubclustersBoth { .. } => ErrorKind::Corrupt,
            Self::Version { .. }
            | Self::ClusterBits { .. }
            | Self::ClusterBytes { .. }
            | Self::RefcountWidth { .. }
            | Self::CryptMethod { .. }
            | Self::CompressionType { .. }
            | Self::Features { .. }
            | Self::NeedsVersion3 { .. } => ErrorKind::Unsupported,
            Self::Bitmap(error) => error.kind(),
            Self::TooLarge { .. }
            | Self::PastFileOffsets { .. }
            | Self::HeaderTooLarge { .. }
            | Self::ExtensionValue { .. }
            | Self::EmptyBackingName
            | Self::SnapshotNeedsDiskSize { .. }
            | Self::EntryRange { .. }
            | Self::CompressedOffset { .. }
            | Self::CompressedLength { .. }
            | Self::Refcount(_) => ErrorKind::Limit,
        }
    }
}

impl BitmapError {
    /// Returns the kind of this error.
    pub(crate) fn kind(&self) -> ErrorKind {
        match self {
            Self::NameTwice { .. } | Self::LeftOver { .. } => ErrorKind::Corrupt,
            Self::Type { .. } | Self::Flags { .. } => ErrorKind::Unsupported,
        }
    }
}
