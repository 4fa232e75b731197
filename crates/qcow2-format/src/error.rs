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
        "qcow2 version {found} is not supported (header field version at offset 0x4, allowed are 2 and 3)"
    )]
    Version {
        /// The version stored.
        found: u32,
    },
    /// A cluster size out of range.
    #[error("header field cluster_bits at offset 0x14: found {found}, allowed are 9 to 21")]
    ClusterBits {
        /// Log2 of the cluster size.
        found: u32,
    },
    /// A cluster size that is not a power of two, or out of range.
    #[error("cluster size of {found} bytes: allowed are the powers of two from 512 to 2097152")]
    ClusterBytes {
        /// The cluster size, in bytes.
        found: u64,
    },
    /// A header length that does not fit the version or the cluster.
    #[error("header field header_length at offset 0x64: found {found}, allowed are {min} to {max}")]
    HeaderLength {
        /// The length stored, in bytes.
        found: u32,
        /// The least that holds the fields.
        min: u64,
        /// The most that fits cluster 0.
        max: u64,
    },
    /// A refcount width above 64 bits.
    #[error("header field refcount_order at offset 0x60: found {found}, allowed are 0 to 6")]
    RefcountOrder {
        /// Log2 of the width in bits.
        found: u32,
    },
    /// A refcount width that is not a power of two, or out of range.
    #[error("refcount width of {found} bits: allowed are the powers of two from 1 to 64")]
    RefcountWidth {
        /// The width, in bits.
        found: u32,
    },
    /// An undefined encryption method.
    #[error("header field crypt_method at offset 0x20: found {found}, allowed are 0 to 2")]
    CryptMethod {
        /// The method stored.
        found: u32,
    },
    /// An undefined compression type.
    #[error("header field compression_type at offset 0x68: found {found}, allowed are 0 and 1")]
    CompressionType {
        /// The type stored.
        found: u8,
    },
    /// The compression type and its incompatible feature bit contradict.
    #[error(
        "header field compression_type at offset 0x68: found {found} with incompatible feature \
         bit 3 {}, the bit must be set if and only if the type is not 0",
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
        "header field cluster_bits at offset 0x14: found {found}, allowed are 14 to 21 with \
         extended L2 entries"
    )]
    SubclusterBits {
        /// Log2 of the cluster size.
        found: u32,
    },
    /// The raw external data bit without the external data file bit.
    #[error(
        "header field autoclear_features at offset 0x58: bit 1 (raw external data) is set, \
         allowed only with incompatible feature bit 2 (external data file)"
    )]
    RawWithoutDataFile,
    /// The L1 table does not cover the disk.
    #[error(
        "header field l1_size at offset 0x24: found {found}, a disk of {size} bytes needs at \
         least {needed}"
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
    #[error("{field} at offset {at:#x}: found {found:#x}, allowed are multiples of {alignment:#x}")]
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
    #[error("{field} at offset {at:#x}: found {found}, allowed are at most {max}")]
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
        "{field} at offset {at:#x}: found {found:#x} for {length} bytes, which must end at or \
         before 0x7fffffffffffffff"
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
        "header extension {kind:#010x} at offset {at:#x}: found a length of {found} bytes, \
         allowed are at most {max}"
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
        "header extension {kind:#010x} at offset {at:#x}: found a length of {found} bytes, \
         allowed is {allowed}"
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
        "header extension {kind:#010x} at offset {at:#x}: the value cannot be stored, it would \
         read back as another"
    )]
    ExtensionValue {
        /// The extension type.
        kind: u32,
        /// Where the extension would start in the file.
        at: u64,
    },
    /// A bitmaps extension without bitmaps.
    #[error(
        "bitmaps extension field nb_bitmaps at offset {at:#x}: found 0, allowed are 1 to 65535"
    )]
    NoBitmaps {
        /// Where the field is in the file.
        at: u64,
    },
    /// A bitmaps extension with bits in its reserved field.
    #[error("bitmaps extension field reserved at offset {at:#x}: found {found:#x}, allowed is 0")]
    BitmapsReserved {
        /// Where the field is in the file.
        at: u64,
        /// The number stored.
        found: u32,
    },
    /// LUKS encryption without the extension that locates its header.
    #[error(
        "header field crypt_method at offset 0x20: found 2 (LUKS), allowed only with header \
         extension 0x0537be77"
    )]
    LuksMissing,
    /// The LUKS extension in an image that is not LUKS encrypted.
    #[error(
        "header extension 0x0537be77 at offset {at:#x}: found with crypt_method {crypt_method}, \
         allowed only with 2 (LUKS)"
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
    #[error("header field {field}: found {found:#x}, allowed in version 2 is {allowed:#x}")]
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
        "header with extensions and backing file name: needs {needed} bytes, allowed are at most {max}"
    )]
    HeaderTooLarge {
        /// Bytes needed.
        needed: u64,
        /// The cluster size, in bytes.
        max: u64,
    },
    /// A backing file name that is there and empty.
    #[error("header field backing_file_size at offset 0x10: found 0, allowed are 1 to 1023")]
    EmptyBackingName,
    /// A file that ends within its header.
    #[error(
        "the file ends within the qcow2 header: it has {found} bytes, the header needs {needed}"
    )]
    HeaderTruncated {
        /// Bytes there.
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
        /// Bytes there.
        found: u64,
        /// Bytes needed.
        needed: u64,
    },
    /// A table entry whose offset must be a multiple of the cluster size and
    /// is not.
    #[error(
        "{table} entry {index}: found offset {found:#x}, allowed are multiples of {alignment:#x}"
    )]
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
    /// An entry that has the refcount of a cluster, and no cluster.
    #[error(
        "{table} entry {index}: found {found:#x}, the COPIED bit is allowed only with an offset"
    )]
    CopiedWithoutOffset {
        /// The table.
        table: &'static str,
        /// The entry.
        index: u64,
        /// Its bits.
        found: u64,
    },
    /// A number in a table entry that is out of range.
    #[error("{table} entry {index}: found {field} {found}, allowed are {min} to {max}")]
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
    #[error("L2 table entry {index}: the zero flag (bit 0) is set, allowed only in version 3")]
    ZeroFlagInVersion2 {
        /// The entry.
        index: u64,
    },
    /// A compressed cluster in an image with an external data file.
    #[error("L2 table entry {index}: compressed, not allowed with an external data file")]
    CompressedWithDataFile {
        /// The entry.
        index: u64,
    },
    /// A compressed cluster with reserved bits of its offset set.
    #[error(
        "L2 table entry {index}: compressed at offset {found:#x}, allowed are offsets below \
         {end:#x}"
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
    #[error("compressed cluster: found host offset {found:#x}, allowed are offsets below {end:#x}")]
    CompressedOffset {
        /// The offset.
        found: u64,
        /// First offset that cannot be stored.
        end: u64,
    },
    /// A compressed stream whose length cannot be stored.
    #[error("compressed cluster: found a stream of {found} bytes, allowed are 1 to {max}")]
    CompressedLength {
        /// The length, in bytes.
        found: u64,
        /// The longest stream at this offset, in bytes.
        max: u64,
    },
    /// Subclusters with data in a cluster that has no place in the file.
    #[error(
        "L2 table entry {index}: subclusters {allocated:#010x} are allocated, none allowed \
         without a host offset"
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
    /// A snapshot that says something its table entry cannot hold.
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
