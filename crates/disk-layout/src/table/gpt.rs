//! GUID partition tables: two headers, two arrays, and which of them count.
//!
//! The headers are looked for at both sector sizes in use, 512 and 4096 bytes, whatever
//! those of the disk are: a table that was made for the one is found at an unusual place
//! on the other. The backup is where the primary header says; without a primary it is in
//! the last sector or nowhere.

pub(super) mod array;
mod entries;
pub(super) mod header;

use blockio::ReadAt;

use array::{ArrayFault, Entry};
use header::{Header, HeaderFault};

use super::damage::{Damage, GptPlace};
use super::error::Error;
use super::found::Found;
use super::guid::Guid;

const SECTOR_BYTES: [u32; 2] = [512, 4096];

/// A header that was looked for, and where.
#[derive(Clone, Debug)]
struct Sought {
    at: u64,
    header: Result<Header, HeaderFault>,
}

/// The headers at the usual places, for both sector sizes.
#[derive(Debug)]
pub(super) struct Headers {
    first: [Sought; 2],
    last: [Sought; 2],
}

/// The facts of a GPT, of which the partitions went into [`Found`].
#[derive(Debug)]
pub(super) struct Gpt {
    pub(super) sector_bytes: u32,
    pub(super) disk: Guid,
}

impl Headers {
    pub(super) fn find(disk: &dyn ReadAt) -> Result<Self, Error> {
        let [small, large] = SECTOR_BYTES;
        let last = |unit: u32| last_lba(disk, unit);
        Ok(Self {
            first: [seek(disk, 1, small)?, seek(disk, 1, large)?],
            last: [
                seek(disk, last(small), small)?,
                seek(disk, last(large), large)?,
            ],
        })
    }

    /// The sound primary header, if there is one.
    pub(super) fn primary(&self) -> Option<&Header> {
        sound(&self.first)
    }

    /// What headers there are on a disk whose table is none of them.
    pub(super) fn remains(&self) -> Vec<Damage> {
        let ends = [
            (GptPlace::Primary, &self.first),
            (GptPlace::Backup, &self.last),
        ];
        let mut remains = Vec::new();
        for (place, sought) in ends {
            for Sought { at, header } in sought {
                let at = *at;
                match header {
                    Ok(_) => remains.push(Damage::Disagreement { place, at }),
                    Err(HeaderFault::Signature | HeaderFault::PastEnd) => {}
                    Err(fault) => remains.push(Damage::Remains { at, fault: *fault }),
                }
            }
        }
        remains
    }

    /// Reads the table, and adds it to `found`; `None` without a sound header.
    pub(super) fn read(&self, disk: &dyn ReadAt, found: &mut Found) -> Result<Option<Gpt>, Error> {
        if self.first.iter().all(|sought| sought.header.is_ok()) {
            found.damage.push(Damage::SectorSizes);
        }
        let (place, header) = match (sound(&self.first), sound(&self.last)) {
            (Some(primary), _) => (GptPlace::Primary, primary),
            (None, Some(backup)) => (GptPlace::Backup, backup),
            (None, None) => return Ok(None),
        };
        let own = load(disk, place, header, found)?;
        let entries = match place {
            GptPlace::Primary => self.with_backup(disk, header, own, found)?,
            GptPlace::Backup => {
                self.note_missing_primary(header, found);
                own.unwrap_or_else(|fault| note(place, header, fault, false, found))
            }
        };
        let sectors = disk.size().checked_div(u64::from(header.sector_bytes));
        let sectors = sectors.unwrap_or(0);
        if header.last_usable >= sectors {
            found.damage.push(Damage::Cut {
                last_usable: header.last_usable,
                sectors,
            });
        }
        entries::push(entries, header, disk.size(), found);
        Ok(Some(Gpt {
            sector_bytes: header.sector_bytes,
            disk: header.disk,
        }))
    }

    /// Notes that the header in the second sector is gone. After that a table of another
    /// age may be in the last sector, so all of the disk is kept.
    fn note_missing_primary(&self, backup: &Header, found: &mut Found) {
        let first = self.first.iter().zip(SECTOR_BYTES);
        for (sought, _) in first.filter(|(_, unit)| *unit == backup.sector_bytes) {
            if let Err(fault) = sought.header {
                found.damage.push(Damage::Header {
                    place: GptPlace::Primary,
                    at: sought.at,
                    fault,
                    is_covered: false,
                });
            }
        }
    }

    /// The entries of a table with the sound header `primary`, whose array gave `own`.
    fn with_backup(
        &self,
        disk: &dyn ReadAt,
        primary: &Header,
        own: Result<Vec<Entry>, ArrayFault>,
        found: &mut Found,
    ) -> Result<Vec<Entry>, Error> {
        self.note_last_sector(disk, primary, found);
        let sought = seek(disk, primary.alternate_lba, primary.sector_bytes)?;
        let backup = match sought.header {
            Ok(backup) => backup,
            Err(fault) => {
                found.damage.push(Damage::Header {
                    place: GptPlace::Backup,
                    at: sought.at,
                    fault,
                    is_covered: own.is_ok(),
                });
                let place = GptPlace::Primary;
                return Ok(own.unwrap_or_else(|fault| note(place, primary, fault, false, found)));
            }
        };
        let other = load(disk, GptPlace::Backup, &backup, found)?;
        let is_same = primary.agrees(&backup) && backup.alternate_lba == primary.lba;
        Ok(match (own, other) {
            (Ok(own), Ok(other)) => {
                if !entries::same_places(&own, &other) {
                    found.damage.push(Damage::Differ);
                } else if own != other || !is_same {
                    found.damage.push(Damage::DifferInDetail);
                }
                own
            }
            (Ok(own), Err(fault)) => {
                note(GptPlace::Backup, &backup, fault, true, found);
                own
            }
            (Err(fault), Ok(other)) => {
                // The checksum in the primary header vouches for the backup's entries.
                let is_covered = is_same && primary.array_crc == backup.array_crc;
                note(GptPlace::Primary, primary, fault, is_covered, found);
                other
            }
            (Err(fault), Err(other)) => {
                note(GptPlace::Primary, primary, fault, false, found);
                note(GptPlace::Backup, &backup, other, false, found)
            }
        })
    }

    /// Notes what is in the last sector if it is not the backup of `primary`.
    fn note_last_sector(&self, disk: &dyn ReadAt, primary: &Header, found: &mut Found) {
        if primary.alternate_lba == last_lba(disk, primary.sector_bytes) {
            return;
        }
        for sought in &self.last {
            if let Ok(stale) = &sought.header {
                let at = sought.at;
                found.damage.push(Damage::StaleBackup { at });
                found.doubtful.push(stale.sector());
                found.doubtful.push(stale.array_sectors());
            }
        }
    }
}

/// The entries in the array of `header`, both of which become structures.
fn load(
    disk: &dyn ReadAt,
    place: GptPlace,
    header: &Header,
    found: &mut Found,
) -> Result<Result<Vec<Entry>, ArrayFault>, Error> {
    let is_inside = header.lba != last_lba(disk, header.sector_bytes);
    if place == GptPlace::Backup && is_inside {
        let at = header.at();
        found.damage.push(Damage::BackupInside { at });
    }
    found.structures.push(header.sector());
    let entries = array::load(disk, header)?;
    if !matches!(entries, Err(ArrayFault::TooLong { .. })) {
        found.structures.push(header.array_sectors());
    }
    Ok(entries)
}

/// Notes what is wrong with the array of `header`, which gives no entries then.
fn note(
    place: GptPlace,
    header: &Header,
    fault: ArrayFault,
    is_covered: bool,
    found: &mut Found,
) -> Vec<Entry> {
    let at = header.array_at();
    found.damage.push(Damage::Array {
        place,
        at,
        fault,
        is_covered,
    });
    Vec::new()
}

fn sound(sought: &[Sought; 2]) -> Option<&Header> {
    sought.iter().find_map(|sought| sought.header.as_ref().ok())
}

fn seek(disk: &dyn ReadAt, lba: u64, unit: u32) -> Result<Sought, Error> {
    Ok(Sought {
        at: lba.saturating_mul(u64::from(unit)),
        header: Header::load(disk, lba, unit)?,
    })
}

/// The last whole sector; 0, where no header can be, if there are less than two.
fn last_lba(disk: &dyn ReadAt, unit: u32) -> u64 {
    let sectors = disk.size().checked_div(u64::from(unit));
    sectors.unwrap_or(0).saturating_sub(1)
}
