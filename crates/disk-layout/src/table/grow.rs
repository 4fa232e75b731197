//! The table of a GPT disk that became longer: its backup at the new end.

use blockio::ReadAt;

use super::bytes::{array, le32};
use super::error::{Error, Structure, fill};
use super::gpt::header::{self, Header};
use super::{Kind, Options, read};

/// Where the entries of a boot record are, and how long each of them is.
const ENTRIES_AT: usize = 446;
const ENTRY_BYTES: usize = 16;
/// The type of the entry that protects a GPT.
const PROTECTIVE: u8 = 0xee;

/// Why the backup of a GPT is not moved. Nothing that is wrong with a table is repaired
/// on the way.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MoveError {
    /// The table could not be read.
    #[error(transparent)]
    Table(#[from] Error),
    /// There is no GPT.
    #[error("there is no GPT on the disk")]
    NoGpt,
    /// Something is wrong with the GPT, or unusual.
    #[error("the GPT is not quite right: {0}")]
    Damage(String),
    /// The boot record has partitions besides the entry that protects the GPT.
    #[error("the MBR has other entries than the one that protects the GPT")]
    Hybrid,
    /// The disk did not become longer by the sectors that the backup needs.
    #[error("a disk of {size} bytes has no room for the backup after the last usable sector")]
    TooShort {
        /// Bytes of the disk.
        size: u64,
    },
}

/// Bytes that replace others: from where on, and what they are.
pub type Patch = (u64, Vec<u8>);

/// Returns what is to be written so that the GPT of `disk` has its backup at the end when
/// the disk is `size` bytes long: the protective MBR, both headers and the second array.
/// The sectors up to the backup become usable. The old backup stays as it is, in what is
/// a gap then. `disk` is not changed.
///
/// # Errors
///
/// [`MoveError`] if the table cannot be read, or is not a GPT in which all is right.
pub fn moved_backup(disk: &dyn ReadAt, size: u64) -> Result<Vec<Patch>, MoveError> {
    let table = read(disk, &Options::default())?;
    if table.kind != Kind::Gpt {
        return Err(MoveError::NoGpt);
    }
    if let Some(damage) = table.damage.first() {
        return Err(MoveError::Damage(damage.to_string()));
    }
    let unit = table.sector_bytes;
    let whole = |bytes: u64| bytes.checked_div(u64::from(unit)).unwrap_or(0);
    let Ok(primary) = Header::load(disk, 1, unit)? else {
        return Err(MoveError::NoGpt);
    };
    let room = primary.array_sectors();
    let sectors = whole(room.end.saturating_sub(room.start));
    let last = whole(size).saturating_sub(1);
    let array_lba = last.saturating_sub(sectors);
    let last_usable = array_lba.saturating_sub(1);
    if last_usable < primary.last_usable {
        return Err(MoveError::TooShort { size });
    }
    let mut record = [0; 512];
    fill(disk, Structure::BootRecord, 0, &mut record)?;
    protect(&mut record, last)?;
    let mut first = load(disk, primary.at(), u64::from(unit))?;
    put(&mut first, 32, last);
    put(&mut first, 48, last_usable);
    let mut second = first.clone();
    put(&mut second, 24, last);
    put(&mut second, 32, primary.lba);
    put(&mut second, 72, array_lba);
    for sector in [&mut first, &mut second] {
        seal(sector);
    }
    let entries = load(disk, room.start, room.end.saturating_sub(room.start))?;
    let at = |lba: u64| lba.saturating_mul(u64::from(unit));
    Ok(vec![
        (0, record.to_vec()),
        (primary.at(), first),
        (at(array_lba), entries),
        (at(last), second),
    ])
}

fn load(disk: &dyn ReadAt, at: u64, length: u64) -> Result<Vec<u8>, Error> {
    // An array of a table that was read: it has a limit.
    let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
    fill(disk, Structure::GptHeader, at, &mut bytes)?;
    Ok(bytes)
}

/// Makes the protective entry reach to the sector `last`, or as far as it can say.
fn protect(record: &mut [u8; 512], last: u64) -> Result<(), MoveError> {
    let (entries, _) = record[ENTRIES_AT..].as_chunks_mut::<ENTRY_BYTES>();
    for entry in entries.iter_mut().take(4) {
        let kind: [u8; 1] = array(entry, 4);
        match kind {
            [0] => {}
            [PROTECTIVE] if le32(entry, 8) == 1 => {
                let count = u32::try_from(last).unwrap_or(u32::MAX);
                // Cylinder, head and sector of the last one, where they cannot tell.
                entry[5..8].fill(0xff);
                entry[12..].copy_from_slice(&count.to_le_bytes());
            }
            _ => return Err(MoveError::Hybrid),
        }
    }
    Ok(())
}

fn put(bytes: &mut [u8], at: usize, value: u64) {
    let place = bytes.get_mut(at..).and_then(<[u8]>::first_chunk_mut);
    if let Some(place) = place {
        *place = value.to_le_bytes();
    }
}

/// Writes the checksum of a header.
fn seal(sector: &mut [u8]) {
    let length = usize::try_from(le32(sector, 12)).unwrap_or(0);
    let covered = sector.get(..length).unwrap_or_default();
    let checksum = header::checksum(covered);
    let place = sector.get_mut(header::CRC_AT..);
    if let Some(place) = place.and_then(<[u8]>::first_chunk_mut) {
        *place = checksum.to_le_bytes();
    }
}
