//! Errors of decoding and encoding.

use alloc::string::String;
use alloc::vec::Vec;

pub(crate) mod bitmap;
pub(crate) mod kind;
pub(crate) mod refcount;

use bitmap::BitmapError;
use refcount::RefcountError;

/// A structure that cannot be decoded, or a value that cannot be encoded.
///
/// `at` is the offset of the field within the file; `index` counts table entries from 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The first bytes are not those of a qcow2 image.
    #[error("not a qcow2 image (it begins with {found:08x}, a qcow2 image with 514649fb)")]
    Magic {
        /// The four bytes, as a big-endian number.
        found: u32,
    },
    /// A version other than 2 and 3.
    #[error(
        "qcow2 version {found} is not supported (header field version at offset 0x4, must be 2 or 3)"
    )]
    Version {
        /// The version stored.
        found: u32,
    },
    /// A cluster size out of range.
    #[error("header field cluster_bits at offset 0x14 is {found}, must be 9 to 21")]
    ClusterBits {
        /// Log2 of the cluster size.
        found: u32,
    },
    /// A cluster size that is not a power of two, or out of range.
    #[error("cluster size of {found} bytes, must be a power of two from 512 to 2097152")]
    ClusterBytes {
        /// The cluster size, in bytes.
        found: u64,
    },
    /// A header length that does not fit the version or the cluster.
    #[error("header field header_length at offset 0x64 is {found}, must be {min} to {max}")]
    HeaderLength {
        /// The length stored, in bytes.
        found: u32,
        /// The least that holds the fields.
        min: u64,
        /// The most that fits cluster 0.
        max: u64,
    },
    /// A refcount width above 64 bits.
    #[error("header field refcount_order at offset 0x60 is {found}, must be 0 to 6")]
    RefcountOrder {
        /// Log2 of the width in bits.
        found: u32,
    },
    /// A refcount width that is not a power of two, or out of range.
    #[error("refcount width of {found} bits, must be a power of two from 1 to 64")]
    RefcountWidth {
        /// The width, in bits.
        found: u32,
    },
    /// An undefined encryption method.
    #[error("header field crypt_method at offset 0x20 is {found}, must be 0 to 2")]
    CryptMethod {
        /// The method stored.
        found: u32,
    },
    /// An undefined compression type.
    #[error("header field compression_type at offset 0x68 is {found}, must be 0 or 1")]
    CompressionType {
        /// The type stored.
        found: u8,
    },
    /// The compression type and its incompatible feature bit contradict.
    #[error(
        "header field compression_type at offset 0x68 is {found} with incompatible feature bit 3 {}, the bit must be set if and only if the type is not 0",
        if *bit_is_set { "set" } else { "clear" }
    )]
    CompressionBit {
        /// The type stored.
        found: u8,
        /// Whether incompatible feature bit 3 is set.
        bit_is_set: bool,
    },
    /// Extended L2 entries with subclusters below 512 bytes.
    #[error(
        "header field cluster_bits at offset 0x14 is {found}, must be 14 to 21 with extended L2 entries"
    )]
    SubclusterBits {
        /// Log2 of the cluster size.
        found: u32,
    },
    /// The raw external data bit without the external data file bit.
    #[error(
        "header field autoclear_features at offset 0x58: bit 1 (raw external data) is set without incompatible feature bit 2 (external data file)"
    )]
    RawWithoutDataFile,
    /// The L1 table does not cover the disk.
    #[error(
        "header field l1_size at offset 0x24 is {found}, must be at least {needed} for a disk of {size} bytes"
    )]
    L1TooSmall {
        /// Entries of the L1 table.
        found: u32,
        /// Entries needed.
        needed: u64,
        /// The disk size, in bytes.
        size: u64,
    },
    /// An offset that must be a multiple of the cluster size and is not.
    #[error("{field} at offset {at:#x} is {found:#x}, must be a multiple of {alignment:#x}")]
    Unaligned {
        /// The field, with the structure it belongs to.
        field: &'static str,
        /// Where the field is in the file.
        at: u64,
        /// The offset stored.
        found: u64,
        /// The cluster size, in bytes.
        alignment: u64,
    },
    /// A number above its limit.
    #[error("{field} at offset {at:#x} is {found}, must be at most {max}")]
    TooLarge {
        /// The field, with the structure it belongs to.
        field: &'static str,
        /// Where the field is in the file.
        at: u64,
        /// The number stored.
        found: u64,
        /// The limit.
        max: u64,
    },
    /// A structure that would pass the largest file offset.
    #[error(
        "{field} at offset {at:#x} is {found:#x} for {length} bytes, which must end at or before 0x7fffffffffffffff"
    )]
    PastFileOffsets {
        /// The field, with the structure it belongs to.
        field: &'static str,
        /// Where the field is in the file.
        at: u64,
        /// The offset stored.
        found: u64,
        /// Length of the structure, in bytes.
        length: u64,
    },
    /// A header extension that passes the end of its area.
    #[error(
        "header extension {kind:#010x} at offset {at:#x} has {found} bytes of data, must have at most {max}"
    )]
    ExtensionTooLarge {
        /// The extension type.
        kind: u32,
        /// Where the extension starts in the file.
        at: u64,
        /// Length of the data, in bytes.
        found: u64,
        /// Bytes left for data in the area.
        max: u64,
    },
    /// A header extension whose data has the wrong length.
    #[error(
        "header extension {kind:#010x} at offset {at:#x} has {found} bytes of data, must have {allowed}"
    )]
    ExtensionLength {
        /// The extension type.
        kind: u32,
        /// Where the extension starts in the file.
        at: u64,
        /// Length of the data, in bytes.
        found: u64,
        /// The length its type has, in bytes.
        allowed: u64,
    },
    /// A value that a header extension cannot hold.
    #[error(
        "header extension {kind:#010x} at offset {at:#x}: the value cannot be stored: it would read back as a different one"
    )]
    ExtensionValue {
        /// The extension type.
        kind: u32,
        /// Where the extension would start in the file.
        at: u64,
    },
    /// A bitmaps extension without bitmaps.
    #[error("bitmaps extension field nb_bitmaps at offset {at:#x} is 0, must be 1 to 65535")]
    NoBitmaps {
        /// Where the field is in the file.
        at: u64,
    },
    /// A bitmaps extension with bits in its reserved field.
    #[error("bitmaps extension field reserved at offset {at:#x} is {found:#x}, must be 0")]
    BitmapsReserved {
        /// Where the field is in the file.
        at: u64,
        /// The number stored.
        found: u32,
    },
    /// LUKS encryption without the extension that locates its header.
    #[error(
        "header field crypt_method at offset 0x20 is 2 (LUKS), and header extension 0x0537be77 is missing"
    )]
    LuksMissing,
    /// The LUKS extension in an image that is not LUKS encrypted.
    #[error(
        "header extension 0x0537be77 at offset {at:#x}: crypt_method is {crypt_method}, must be 2 (LUKS)"
    )]
    LuksUnexpected {
        /// Where the extension starts in the file.
        at: u64,
        /// The encryption method stored.
        crypt_method: u32,
    },
    /// Incompatible features that the caller does not support.
    #[error("incompatible features that are not supported: {}", names.join(", "))]
    Features {
        /// Their names in order of their bits, printable ASCII only.
        names: Vec<String>,
    },
    /// A value that only version 3 can store.
    #[error("header field {field} is {found:#x}, must be {allowed:#x} in version 2")]
    NeedsVersion3 {
        /// The field.
        field: &'static str,
        /// The value.
        found: u64,
        /// What version 2 implies.
        allowed: u64,
    },
    /// Header, extensions and backing name do not fit cluster 0.
    #[error(
        "the header with its extensions and backing file name needs {needed} bytes, must fit in {max}"
    )]
    HeaderTooLarge {
        /// Bytes needed.
        needed: u64,
        /// The cluster size, in bytes.
        max: u64,
    },
    /// A backing file name that is present and empty.
    #[error("header field backing_file_size at offset 0x10 is 0, must be 1 to 1023")]
    EmptyBackingName,
    /// A file that ends within its header.
    #[error(
        "the file ends within the qcow2 header: it has {found} bytes, the header needs {needed}"
    )]
    HeaderTruncated {
        /// Bytes present.
        found: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// A table entry that ends too early.
    #[error("{table} entry {index}: ends after {found} of {needed} bytes")]
    TruncatedEntry {
        /// The table.
        table: &'static str,
        /// The entry.
        index: u64,
        /// Bytes present.
        found: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// A table entry whose offset must be a multiple of the cluster size and
    /// is not.
    #[error("{table} entry {index}: offset {found:#x} must be a multiple of {alignment:#x}")]
    UnalignedEntry {
        /// The table.
        table: &'static str,
        /// The entry.
        index: u64,
        /// The offset stored.
        found: u64,
        /// The cluster size, in bytes.
        alignment: u64,
    },
    /// An entry with the COPIED bit and no cluster.
    #[error("{table} entry {index}: {found:#x} has the COPIED bit without an offset")]
    CopiedWithoutOffset {
        /// The table.
        table: &'static str,
        /// The entry.
        index: u64,
        /// Its bits.
        found: u64,
    },
    /// A number in a table entry that is out of range.
    #[error("{table} entry {index}: {field} is {found}, must be {min} to {max}")]
    EntryRange {
        /// The table.
        table: &'static str,
        /// The entry.
        index: u64,
        /// The field.
        field: &'static str,
        /// The number stored.
        found: u64,
        /// Least value allowed.
        min: u64,
        /// Greatest value allowed.
        max: u64,
    },
    /// A zero flag, which version 2 does not have.
    #[error("L2 table entry {index}: the zero flag (bit 0) is set, which version 2 does not have")]
    ZeroFlagInVersion2 {
        /// The entry.
        index: u64,
    },
    /// A compressed cluster in an image with an external data file.
    #[error("L2 table entry {index}: a compressed cluster in an image with an external data file")]
    CompressedWithDataFile {
        /// The entry.
        index: u64,
    },
    /// A compressed cluster with reserved bits of its offset set.
    #[error(
        "L2 table entry {index}: the offset {found:#x} of a compressed cluster must be below {end:#x}"
    )]
    CompressedEntryOffset {
        /// The entry.
        index: u64,
        /// The offset stored.
        found: u64,
        /// First offset that is not allowed.
        end: u64,
    },
    /// A compressed cluster at an offset that cannot be stored.
    #[error("compressed cluster: host offset {found:#x} must be below {end:#x}")]
    CompressedOffset {
        /// The offset.
        found: u64,
        /// First offset that cannot be stored.
        end: u64,
    },
    /// A compressed cluster whose length cannot be stored.
    #[error("compressed cluster: the data has {found} bytes, must have 1 to {max}")]
    CompressedLength {
        /// The length, in bytes.
        found: u64,
        /// The greatest length at this offset, in bytes.
        max: u64,
    },
    /// Subclusters with data in a cluster without a host offset.
    #[error(
        "L2 table entry {index}: subclusters {allocated:#010x} are allocated without a host offset"
    )]
    SubclustersWithoutHost {
        /// The entry.
        index: u64,
        /// The subclusters, as bits.
        allocated: u32,
    },
    /// Subclusters that are allocated and read as zeros at once.
    #[error("L2 table entry {index}: subclusters {both:#010x} are both allocated and zero")]
    SubclustersBoth {
        /// The entry.
        index: u64,
        /// The subclusters, as bits.
        both: u32,
    },
    /// A refcount that cannot be stored.
    #[error(transparent)]
    Refcount(#[from] RefcountError),
    /// A snapshot with a field that its table entry cannot hold.
    #[error("snapshot table entry {index}: {field} cannot be stored without a disk size")]
    SnapshotNeedsDiskSize {
        /// The entry.
        index: u64,
        /// The field.
        field: &'static str,
    },
    /// A bitmap directory entry that is wrong.
    #[error(transparent)]
    Bitmap(#[from] BitmapError),
}
