//! The boot sector.

use blockio::ReadAt;

use crate::bytes::{array, byte, le16, le32, le64};
use crate::error::{Error, Structure, fill};
use crate::finding::Distrust;

/// Bytes of a boot sector that are looked at.
pub(crate) const BOOT_BYTES: u64 = 512;
const NAME: &[u8; 8] = b"NTFS    ";
const SIGNATURE: u16 = 0xaa55;
/// Largest cluster: what Windows 10 and later format.
const CLUSTER_BYTES_MAX: u64 = 2 << 20;
/// Sizes of records and index blocks that are followed: their update sequences count
/// strides of 512 bytes.
const UNIT_BYTES_MIN: u64 = 512;
const UNIT_BYTES_MAX: u64 = 64 << 10;

/// A boot sector that was checked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Boot {
    pub(crate) sector_bytes: u64,
    pub(crate) cluster_bytes: u64,
    /// Whole clusters. Sectors after the last belong to none.
    pub(crate) clusters: u64,
    /// Bytes of the volume, without the backup boot sector.
    pub(crate) bytes: u64,
    /// First cluster of the MFT, and of the copy of its first records.
    pub(crate) mft: u64,
    pub(crate) mirror: u64,
    pub(crate) record_bytes: u64,
    pub(crate) serial: u64,
}

/// Reads the boot sector of `disk`; `None` if it has not the name of NTFS.
pub(crate) fn read<R: ReadAt + ?Sized>(disk: &R) -> Result<Option<[u8; 512]>, Error> {
    if disk.size() < BOOT_BYTES {
        return Ok(None);
    }
    let mut sector = [0; 512];
    fill(disk, Structure::Boot, 0, &mut sector)?;
    Ok((array::<8>(&sector, 3) == *NAME).then_some(sector))
}

impl Boot {
    /// Checks `sector` against a disk of `size` bytes.
    pub(crate) fn new(sector: &[u8; 512], size: u64) -> Result<Self, Distrust> {
        let signature = le16(sector, 510);
        if signature != SIGNATURE {
            return Err(field("signature", signature.into()));
        }
        let sector_bytes = u64::from(le16(sector, 11));
        if !sector_bytes.is_power_of_two() || !(512..=4096).contains(&sector_bytes) {
            return Err(field("bytes per sector", sector_bytes));
        }
        check_zeros(sector)?;
        let cluster_bytes = cluster_bytes(byte(sector, 13), sector_bytes)?;
        let sectors = le64(sector, 40);
        let bytes = sectors.checked_mul(sector_bytes);
        let bytes = bytes.ok_or_else(|| field("total sectors", sectors))?;
        if bytes > size {
            let disk_bytes = size;
            return Err(Distrust::Cut { bytes, disk_bytes });
        }
        let clusters = bytes.checked_div(cluster_bytes).unwrap_or(0);
        if clusters > crate::limits::CLUSTERS_MAX {
            return Err(Distrust::TooManyClusters { found: clusters });
        }
        let [mft, mirror] = [48, 56].map(|at| le64(sector, at));
        for (name, cluster) in [("MFT cluster", mft), ("MFT mirror cluster", mirror)] {
            if cluster == 0 || cluster >= clusters {
                return Err(field(name, cluster));
            }
        }
        unit_bytes("index block size", byte(sector, 68), cluster_bytes)?;
        Ok(Self {
            sector_bytes,
            cluster_bytes,
            clusters,
            bytes,
            mft,
            mirror,
            record_bytes: unit_bytes("file record size", byte(sector, 64), cluster_bytes)?,
            serial: le64(sector, 72),
        })
    }
}

/// Fields of FAT's boot sector, of which NTFS says that they are zero.
fn check_zeros(sector: &[u8; 512]) -> Result<(), Distrust> {
    let zeros = [
        ("reserved sectors", u64::from(le16(sector, 14))),
        ("number of FATs", u64::from(byte(sector, 16))),
        ("root entries", u64::from(le16(sector, 17))),
        ("sectors of 16 bits", u64::from(le16(sector, 19))),
        ("sectors per FAT", u64::from(le16(sector, 22))),
        ("sectors of 32 bits", u64::from(le32(sector, 32))),
    ];
    match zeros.into_iter().find(|(_, found)| *found != 0) {
        Some((name, found)) => Err(field(name, found)),
        None => Ok(()),
    }
}

/// Sectors per cluster: a power of two up to 128, or from 128 on the negative exponent of
/// one.
fn cluster_bytes(stored: u8, sector_bytes: u64) -> Result<u64, Distrust> {
    let sectors = match stored {
        0..=128 => Some(u64::from(stored)).filter(|count| count.is_power_of_two()),
        _ => 1u64.checked_shl(stored.wrapping_neg().into()),
    };
    sectors
        .and_then(|count| count.checked_mul(sector_bytes))
        .filter(|bytes| *bytes <= CLUSTER_BYTES_MAX)
        .ok_or_else(|| field("sectors per cluster", stored.into()))
}

/// The size of records or of index blocks: a number of clusters, or the negative exponent
/// of a number of bytes.
fn unit_bytes(name: &'static str, stored: u8, cluster_bytes: u64) -> Result<u64, Distrust> {
    let bytes = match stored {
        0..=127 => u64::from(stored).checked_mul(cluster_bytes),
        _ => 1u64.checked_shl(stored.wrapping_neg().into()),
    };
    bytes
        .filter(|bytes| bytes.is_power_of_two())
        .filter(|bytes| (UNIT_BYTES_MIN..=UNIT_BYTES_MAX).contains(bytes))
        .ok_or_else(|| field(name, stored.into()))
}

const fn field(field: &'static str, found: u64) -> Distrust {
    Distrust::Field { field, found }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_counts_or_negative_exponents() {
        for (stored, sector, bytes) in [
            (1, 512, 512),
            (8, 512, 4096),
            (128, 512, 65_536),
            (0xf8, 512, 131_072),
            (0xf4, 512, 2 << 20),
            (0xf7, 4096, 2 << 20),
        ] {
            assert_eq!(cluster_bytes(stored, sector), Ok(bytes), "{stored:#x}");
        }
        for (stored, sector) in [(0, 512), (3, 512), (129, 512), (0xf3, 512), (0xf6, 4096)] {
            let wrong = field("sectors per cluster", stored.into());
            assert_eq!(cluster_bytes(stored, sector), Err(wrong), "{stored:#x}");
        }
        let unit = |stored, cluster| unit_bytes("x", stored, cluster);
        assert_eq!(unit(0xf6, 4096), Ok(1024));
        assert_eq!(unit(0xf4, 65_536), Ok(4096));
        assert_eq!(unit(2, 512), Ok(1024));
        assert_eq!(unit(1, 65_536), Ok(65_536));
        for (stored, cluster) in [(0, 512), (3, 512), (0xf8, 512), (1, 131_072), (0x80, 512)] {
            assert!(unit(stored, cluster).is_err(), "{stored:#x}");
        }
    }
}
