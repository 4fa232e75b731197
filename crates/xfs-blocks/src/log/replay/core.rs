//! The core of an inode, in the log in the byte order of the machine, on the disk in big
//! endian. The fields are the same, and in the same places.

use std::ops::Range;

use super::fork::FORM_BTREE;
use crate::bytes::{array, byte, le16, le64};

/// First two bytes of an inode: "IN".
pub(super) const MAGIC: u16 = 0x494e;
/// Byte of the log sequence number, of version 3.
pub(super) const LSN_AT: usize = 112;
/// Byte of the count of writes, before version 3.
pub(super) const FLUSHES_AT: usize = 30;
/// Bytes of the core: of version 3, and of others without the link to the next unlinked
/// inode, which is not logged with it.
const BYTES_3: usize = 176;
const BYTES_2: usize = 96;

/// Bits of `di_flags2`: timestamps of 64 bits, and 64-bit counts of extents.
const BIG_TIMES: u64 = 1 << 3;
const BIG_COUNTS: u64 = 1 << 4;

/// Types of files in `di_mode`, and forms of their data in `di_format`.
const TYPE: u16 = 0xf000;
const REGULAR: u16 = 0x8000;
const DIRECTORY: u16 = 0x4000;
const FORM_LOCAL: u8 = 1;

/// A core that is logged.
#[derive(Clone, Copy, Debug)]
pub(super) struct Core<'a>(&'a [u8]);

impl<'a> Core<'a> {
    /// Checks what is in a region; the error names a field, and its value.
    pub(super) fn new(bytes: &'a [u8], has_crc: bool) -> Result<Self, (&'static str, u64)> {
        let core = Self(bytes);
        let magic = le16(bytes, 0);
        if magic != MAGIC {
            return Err(("di_magic", u64::from(magic)));
        }
        let version = byte(bytes, 4);
        // Version 1 becomes version 2 when it is read.
        let (versions, length) = if has_crc {
            (3..=3, BYTES_3)
        } else {
            (1..=2, BYTES_2)
        };
        if !versions.contains(&version) {
            return Err(("di_version", u64::from(version)));
        }
        // The field after it was part of it once.
        if bytes.len() < length || bytes.len() > length.saturating_add(4) {
            return Err(("a core of bytes", blockio::len_u64(bytes.len())));
        }
        let form = byte(bytes, 5);
        let forms = match le16(bytes, 2) & TYPE {
            REGULAR => FORM_LOCAL.saturating_add(1)..=FORM_BTREE,
            DIRECTORY => FORM_LOCAL..=FORM_BTREE,
            _ => 0..=u8::MAX,
        };
        if !forms.contains(&form) {
            return Err(("di_format", u64::from(form)));
        }
        Ok(core)
    }

    pub(super) fn is_version3(&self) -> bool {
        byte(self.0, 4) == 3
    }

    /// Its number, of version 3.
    pub(super) fn inode(&self) -> u64 {
        le64(self.0, 152)
    }

    /// How often it was written, before version 3.
    pub(super) fn flushes(&self) -> u16 {
        le16(self.0, FLUSHES_AT)
    }

    /// Puts it into `inode`, with the log sequence number `lsn`. What is not logged with
    /// it, such as the link to the next unlinked inode, stays.
    pub(super) fn store(&self, inode: &mut [u8], lsn: u64) {
        let is_version3 = self.is_version3();
        let flags2 = if is_version3 { le64(self.0, 120) } else { 0 };
        let mut put = |range: Range<usize>| self.reverse(inode, range);
        // Magic, mode, type of metadata.
        [0..2, 2..4, 6..8].into_iter().for_each(&mut put);
        // Owner, group, links, project.
        [8..12, 12..16, 16..20, 20..22, 22..24]
            .into_iter()
            .for_each(&mut put);
        // Size, blocks, hint for extents.
        [56..64, 64..72, 72..76].into_iter().for_each(&mut put);
        // Data migration, flags, generation.
        [84..88, 88..90, 90..92, 92..96]
            .into_iter()
            .for_each(&mut put);
        // Counts of extents: 64 and 32 bits, or 32 and 16 bits.
        [76..80, 80..82].into_iter().for_each(&mut put);
        let times = if flags2 & BIG_TIMES != 0 { 8 } else { 4 };
        let created = is_version3.then_some(144);
        for start in [32usize, 40, 48].into_iter().chain(created) {
            let middle = start.saturating_add(times);
            put(start..middle);
            put(middle..start.saturating_add(8));
        }
        if is_version3 {
            // Count of changes, flags, hint for copies, number.
            [104..112, 120..128, 128..132, 152..160]
                .into_iter()
                .for_each(&mut put);
        }
        // Version and form; where the attribute fork begins, and its form.
        for range in [4..6, 82..84] {
            set(inode, range.clone(), self.0.get(range).unwrap_or_default());
        }
        if is_version3 {
            set(inode, 112..120, &lsn.to_be_bytes());
            set(inode, 132..144, &[0; 12]);
            set(inode, 160..176, &array::<16>(self.0, 160));
        }
        if flags2 & BIG_COUNTS != 0 {
            self.reverse(inode, 24..32);
        } else {
            set(inode, 24..32, &[0; 8]);
        }
    }

    /// Puts the integer in `range` into `inode` in the other byte order.
    fn reverse(&self, inode: &mut [u8], range: Range<usize>) {
        let (from, into) = (self.0.get(range.clone()), inode.get_mut(range));
        if let (Some(from), Some(into)) = (from, into) {
            for (into, from) in into.iter_mut().zip(from.iter().rev()) {
                *into = *from;
            }
        }
    }
}

/// Puts `bytes` into `range` of `inode`.
fn set(inode: &mut [u8], range: Range<usize>, bytes: &[u8]) {
    if let Some(into) = inode.get_mut(range)
        && into.len() == bytes.len()
    {
        into.copy_from_slice(bytes);
    }
}
