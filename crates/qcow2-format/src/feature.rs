//! Feature bits, and their names in the feature name table.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::bytes;

bitflags::bitflags! {
    /// Features without which an image cannot be used: with an unknown bit,
    /// it must not be opened. Spec: "Header", bytes 72 to 79. Bits without a
    /// name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct IncompatibleFeatures: u64 {
        /// Refcounts may be stale; the mapping is right.
        const DIRTY = 1 << 0;
        /// Some structure is corrupt; the image must not be written to.
        const CORRUPT = 1 << 1;
        /// Guest data is in another file.
        const EXTERNAL_DATA_FILE = 1 << 2;
        /// The header has a compression type other than 0.
        const COMPRESSION_TYPE = 1 << 3;
        /// L2 entries have 16 bytes and subclusters.
        const EXTENDED_L2 = 1 << 4;
    }

    /// Features that may be ignored. Spec: "Header", bytes 80 to 87. Bits
    /// without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct CompatibleFeatures: u64 {
        /// Refcounts are updated late; the dirty bit marks when they are stale.
        const LAZY_REFCOUNTS = 1 << 0;
    }

    /// Features that a writer must clear if it does not know them. Spec:
    /// "Header", bytes 88 to 95. Bits without a name here are kept.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct AutoclearFeatures: u64 {
        /// The bitmaps extension is consistent with the disk.
        const BITMAPS = 1 << 0;
        /// The external data file alone is the disk.
        const RAW_EXTERNAL_DATA = 1 << 1;
    }
}

/// The kind of feature that a [`FeatureName`] names. Spec: "Feature name
/// table", byte 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FeatureKind(pub u8);

impl FeatureKind {
    /// A bit of [`IncompatibleFeatures`].
    pub const INCOMPATIBLE: Self = Self(0);
    /// A bit of [`CompatibleFeatures`].
    pub const COMPATIBLE: Self = Self(1);
    /// A bit of [`AutoclearFeatures`].
    pub const AUTOCLEAR: Self = Self(2);
}

/// An entry of the feature name table. Spec: "Feature name table".
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct FeatureName {
    /// Which features.
    pub kind: FeatureKind,
    /// Which bit, 0 to 63.
    pub bit: u8,
    /// Its name, at most [`FeatureName::NAME_BYTES_MAX`] bytes without NUL,
    /// chosen by the program that made the image.
    pub name: Vec<u8>,
}

impl FeatureName {
    /// Bytes of one entry.
    pub const ENTRY_BYTES: usize = 48;
    /// Longest name, in bytes.
    pub const NAME_BYTES_MAX: usize = 46;

    /// Returns the entries of a table, without an incomplete last one.
    pub(crate) fn decode_table(table: &[u8]) -> Vec<Self> {
        table
            .chunks_exact(Self::ENTRY_BYTES)
            .map(|entry| Self {
                kind: FeatureKind(bytes::u8_at(entry, 0)),
                bit: bytes::u8_at(entry, 1),
                name: entry
                    .iter()
                    .copied()
                    .skip(2)
                    .take_while(|&byte| byte != 0)
                    .collect(),
            })
            .collect()
    }

    /// Appends the entry; a name that is too long is truncated.
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let padded = self.name.iter().copied().chain(core::iter::repeat(0));
        out.extend([self.kind.0, self.bit]);
        out.extend(padded.take(Self::NAME_BYTES_MAX));
    }
}

/// Returns the names of the bits set in `features`, ascending.
///
/// A name comes from `table`, else from the specification, else it is "bit N". Names
/// from the table are the image's own text and are escaped to printable ASCII.
pub(crate) fn incompatible_names<'n>(
    features: IncompatibleFeatures,
    table: &(impl Iterator<Item = &'n FeatureName> + Clone),
) -> Vec<String> {
    (0u8..64)
        .filter(|&bit| features.bits() >> bit & 1 == 1)
        .map(|bit| {
            table
                .clone()
                .find(|name| {
                    name.kind == FeatureKind::INCOMPATIBLE
                        && name.bit == bit
                        && !name.name.is_empty()
                })
                .map(|name| format!("{}", name.name.escape_ascii()))
                .or_else(|| spec_name(bit).map(String::from))
                .unwrap_or_else(|| format!("bit {bit}"))
        })
        .collect()
}

fn spec_name(incompatible_bit: u8) -> Option<&'static str> {
    match incompatible_bit {
        0 => Some("dirty bit"),
        1 => Some("corrupt bit"),
        2 => Some("external data file"),
        3 => Some("compression type"),
        4 => Some("extended L2 entries"),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
