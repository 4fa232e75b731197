//! Limits on stored numbers, each with its source.
//!
//! The specification leaves most numbers open. A reader needs a bound before it
//! allocates, and a writer must not make images that others refuse, so QEMU's limits
//! apply if the specification has none.

/// Largest L1 table, in bytes, active or of a snapshot. QEMU: 32 MiB.
pub const L1_BYTES_MAX: u64 = 32 << 20;

/// Largest refcount table, in bytes. QEMU: 8 MiB.
pub const REFCOUNT_TABLE_BYTES_MAX: u64 = 8 << 20;

/// Most internal snapshots in one image. QEMU: 65,536.
pub const SNAPSHOTS_MAX: u32 = 65_536;

/// Largest snapshot table, in bytes. QEMU: 64 MiB.
pub const SNAPSHOT_TABLE_BYTES_MAX: u64 = 64 << 20;

/// Most extra data of one snapshot table entry, in bytes. QEMU: 1,024.
pub const SNAPSHOT_EXTRA_BYTES_MAX: u32 = 1024;

/// First host offset that L1 and L2 entries cannot hold: they have bits 9 to
/// 55 for it. Spec: "Cluster mapping".
pub const HOST_OFFSET_END: u64 = 1 << 56;

/// Largest file offset and largest disk size, in bytes: both are signed 64-bit
/// numbers to QEMU and to the system calls.
pub const FILE_OFFSET_MAX: u64 = (1 << 63) - 1;

/// Longest name of the backing file, in bytes. Spec: "Header", bytes 16 to 19.
pub const BACKING_NAME_BYTES_MAX: u64 = 1023;

/// Longest name of the backing file's format, in bytes. QEMU: 15.
pub const BACKING_FORMAT_BYTES_MAX: u64 = 15;

/// Most bitmaps in one image. QEMU: 65,535.
pub const BITMAPS_MAX: u32 = 65_535;

/// Largest bitmap directory, in bytes. QEMU: 1,024 for each of the 65,535
/// bitmaps.
pub const BITMAP_DIRECTORY_BYTES_MAX: u64 = 1024 * 65_535;

/// Most entries of one bitmap table. QEMU: 0x800_0000.
pub const BITMAP_TABLE_ENTRIES_MAX: u32 = 0x800_0000;

/// Largest stored bitmap, in bytes. QEMU: 512 MiB.
pub const BITMAP_BYTES_MAX: u64 = 512 << 20;

/// Longest name of a bitmap, in bytes. QEMU: 1,023.
pub const BITMAP_NAME_BYTES_MAX: u16 = 1023;

/// Smallest granularity of a bitmap, as log2 of bytes. QEMU: 9 (512 bytes).
pub const BITMAP_GRANULARITY_BITS_MIN: u8 = 9;

/// Largest granularity of a bitmap, as log2 of bytes. QEMU: 31 (2 GiB).
pub const BITMAP_GRANULARITY_BITS_MAX: u8 = 31;
