//! The snapshot table. Spec: "Snapshots".

use alloc::vec::Vec;

use crate::bytes::{self, Front, pad_to_8, put_u16, put_u32, put_u64, u16_at, u32_at, u64_at};
use crate::limits::{L1_BYTES_MAX, SNAPSHOT_EXTRA_BYTES_MAX, SNAPSHOTS_MAX};
use crate::rule::{aligned, at_most};
use crate::{ClusterBits, Error, HostOffset};

/// Bytes of an entry without extra data, id, and name.
pub const ENTRY_BYTES_MIN: u64 = 40;

const TABLE: &str = "snapshot table";
/// Extra data that has a meaning here: three 64-bit fields.
const EXTRA_KNOWN_BYTES: u64 = 24;
/// The instruction count that means "none".
const NO_ICOUNT: u64 = u64::MAX;

/// An entry of the snapshot table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Snapshot {
    /// Offset of the L1 table of the snapshot; see [`Snapshot::check_l1`].
    pub l1_table_offset: HostOffset,
    /// Entries of the L1 table.
    pub l1_entries: u32,
    /// Unique identifier: the image's own text, usually a decimal number.
    pub id: Vec<u8>,
    /// Name: the image's own text.
    pub name: Vec<u8>,
    /// When it was taken, in seconds since 1970.
    pub date_seconds: u32,
    /// The fraction of the second, in nanoseconds.
    pub date_nanoseconds: u32,
    /// Time the guest had been running, in nanoseconds.
    pub vm_clock_nanoseconds: u64,
    /// Bytes of VM state stored after the disk, zero if there is none.
    pub vm_state_bytes: u64,
    /// Disk size at the time, in bytes. Version 3 requires it; if a writer of
    /// version 2 left it out, the current size applies.
    pub disk_size: Option<u64>,
    /// Instructions executed, for record and replay.
    pub instruction_count: Option<u64>,
    /// Extra data after the known fields.
    pub unknown_extra: Vec<u8>,
}

/// The lengths of the parts of an entry after its first 40 bytes.
struct Lengths {
    extra: u32,
    id: u16,
    name: u16,
}

impl Lengths {
    fn of(fixed: &[u8]) -> Self {
        Self {
            id: u16_at(fixed, 12),
            name: u16_at(fixed, 14),
            extra: u32_at(fixed, 36),
        }
    }

    /// Returns the length of the entry in bytes, without the padding after it.
    fn total(&self) -> u64 {
        [self.extra.into(), self.id.into(), self.name.into()]
            .into_iter()
            .fold(ENTRY_BYTES_MIN, u64::saturating_add)
    }
}

impl Snapshot {
    /// Returns the length in bytes of the entry that starts with the 40 bytes `fixed`,
    /// without the padding to a multiple of 8 that separates it from the next.
    ///
    /// # Errors
    ///
    /// [`Error::TruncatedEntry`] if fewer than 40 bytes are given,
    /// [`Error::EntryRange`] if extra data passes its limit.
    pub fn entry_bytes(fixed: &[u8], index: u64) -> Result<u64, Error> {
        let found = bytes::length(fixed);
        if found < ENTRY_BYTES_MIN {
            return Err(Error::TruncatedEntry {
                table: TABLE,
                index,
                found,
                needed: ENTRY_BYTES_MIN,
            });
        }
        let lengths = Lengths::of(fixed);
        check_extra(lengths.extra.into(), index)?;
        Ok(lengths.total())
    }

    /// Decodes entry `index`, which starts at the first of `bytes`.
    ///
    /// # Errors
    ///
    /// As [`Self::entry_bytes`], and [`Error::TruncatedEntry`] if `bytes`
    /// ends before the entry does.
    pub fn decode(bytes: &[u8], index: u64) -> Result<Self, Error> {
        Self::take(&mut Front(bytes), index)
    }

    /// Takes entry `index` from the front of `rest`, with its padding.
    fn take(rest: &mut Front<'_>, index: u64) -> Result<Self, Error> {
        let needed = Self::entry_bytes(rest.0, index)?;
        let lengths = Lengths::of(rest.0);
        let found = bytes::length(rest.0);
        let mut part = |length: u64| {
            rest.take(length).ok_or(Error::TruncatedEntry {
                table: TABLE,
                index,
                found,
                needed,
            })
        };
        let fixed = part(ENTRY_BYTES_MIN)?;
        let extra = part(lengths.extra.into())?;
        let id = part(lengths.id.into())?;
        let name = part(lengths.name.into())?;
        rest.skip(needed.next_multiple_of(8).saturating_sub(needed));

        let extra_field = |at: usize| Some(u64_at(extra.get(at..at.checked_add(8)?)?, 0));
        let mut unknown = Front(extra);
        unknown.skip(EXTRA_KNOWN_BYTES);
        Ok(Self {
            l1_table_offset: HostOffset(u64_at(fixed, 0)),
            l1_entries: u32_at(fixed, 8),
            id: id.to_vec(),
            name: name.to_vec(),
            date_seconds: u32_at(fixed, 16),
            date_nanoseconds: u32_at(fixed, 20),
            vm_clock_nanoseconds: u64_at(fixed, 24),
            vm_state_bytes: extra_field(0).unwrap_or_else(|| u32_at(fixed, 32).into()),
            disk_size: extra_field(8),
            instruction_count: extra_field(16).filter(|&count| count != NO_ICOUNT),
            unknown_extra: unknown.0.to_vec(),
        })
    }

    /// Appends entry `index`, without the padding after it. Known extra fields are written
    /// up to the last one that has a value.
    ///
    /// # Errors
    ///
    /// [`Error::EntryRange`] if id, name or extra data are too long,
    /// [`Error::SnapshotNeedsDiskSize`] if extra data is needed and the disk
    /// size, which comes first, is missing.
    pub fn encode(&self, out: &mut Vec<u8>, index: u64) -> Result<(), Error> {
        let extra = self.encode_extra(index)?;
        let short = |field, text: &[u8]| {
            u16::try_from(text.len()).map_err(|_| Error::EntryRange {
                table: TABLE,
                index,
                field,
                found: bytes::length(text),
                min: 0,
                max: u16::MAX.into(),
            })
        };
        let (id_length, name_length) = (
            short("id length", &self.id)?,
            short("name length", &self.name)?,
        );
        put_u64(out, self.l1_table_offset.0);
        put_u32(out, self.l1_entries);
        put_u16(out, id_length);
        put_u16(out, name_length);
        put_u32(out, self.date_seconds);
        put_u32(out, self.date_nanoseconds);
        put_u64(out, self.vm_clock_nanoseconds);
        put_u32(out, u32::try_from(self.vm_state_bytes).unwrap_or(0));
        put_u32(out, u32::try_from(extra.len()).unwrap_or(u32::MAX));
        out.extend_from_slice(&extra);
        out.extend_from_slice(&self.id);
        out.extend_from_slice(&self.name);
        Ok(())
    }

    fn encode_extra(&self, index: u64) -> Result<Vec<u8>, Error> {
        let mut extra = Vec::new();
        let instruction_count = self.instruction_count.filter(|&count| count != NO_ICOUNT);
        let long = instruction_count.is_some() || !self.unknown_extra.is_empty();
        let Some(disk_size) = self.disk_size else {
            let field = if long {
                "extra data"
            } else if self.vm_state_bytes > u32::MAX.into() {
                "vm state size"
            } else {
                return Ok(extra);
            };
            return Err(Error::SnapshotNeedsDiskSize { index, field });
        };
        put_u64(&mut extra, self.vm_state_bytes);
        put_u64(&mut extra, disk_size);
        if long {
            put_u64(&mut extra, instruction_count.unwrap_or(NO_ICOUNT));
            extra.extend_from_slice(&self.unknown_extra);
        }
        check_extra(bytes::length(&extra), index)?;
        Ok(extra)
    }

    /// Checks the L1 table of entry `index`, which is needed only if the snapshot is used.
    ///
    /// # Errors
    ///
    /// [`Error::EntryRange`] if it passes [`L1_BYTES_MAX`],
    /// [`Error::UnalignedEntry`] if it is not cluster aligned.
    pub fn check_l1(&self, cluster_bits: ClusterBits, index: u64) -> Result<(), Error> {
        let max = L1_BYTES_MAX >> 3;
        if u64::from(self.l1_entries) > max {
            return Err(Error::EntryRange {
                table: TABLE,
                index,
                field: "l1_size",
                found: self.l1_entries.into(),
                min: 0,
                max,
            });
        }
        aligned(self.l1_table_offset.0, cluster_bits, TABLE, index).map(|_| ())
    }
}

fn check_extra(found: u64, index: u64) -> Result<(), Error> {
    let max = u64::from(SNAPSHOT_EXTRA_BYTES_MAX);
    if found <= max {
        Ok(())
    } else {
        Err(Error::EntryRange {
            table: TABLE,
            index,
            field: "extra data length",
            found,
            min: 0,
            max,
        })
    }
}

/// Decodes the `count` entries of the table that starts at the first of
/// `bytes`; bytes after the last entry are ignored.
///
/// # Errors
///
/// As [`Snapshot::decode`]; [`Error::TooLarge`] if `count` passes
/// [`SNAPSHOTS_MAX`].
pub fn decode_table(bytes: &[u8], count: u32) -> Result<Vec<Snapshot>, Error> {
    at_most(
        "header field nb_snapshots",
        60,
        count.into(),
        SNAPSHOTS_MAX.into(),
    )?;
    let mut rest = Front(bytes);
    (0..u64::from(count))
        .map(|index| Snapshot::take(&mut rest, index))
        .collect()
}

/// Returns the bytes of a table of `snapshots`, each padded to a multiple of 8.
///
/// # Errors
///
/// As [`Snapshot::encode`].
pub fn encode_table(snapshots: &[Snapshot]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    for (index, snapshot) in (0..).zip(snapshots) {
        snapshot.encode(&mut out, index)?;
        pad_to_8(&mut out);
    }
    Ok(out)
}

#[cfg(test)]
mod tests;
