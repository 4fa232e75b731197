//! From a disk to a filesystem.

use blockio::{ExtentKind, ReadAt, Tiling};

use crate::error::{Error, Structure, fill};
use crate::filesystem::{Filesystem, Info, Options};
use crate::finding::{Distrust, Finding, Stop, Trust};
use crate::superblock::{PLACES, SUPERBLOCK_BYTES, Superblock};
use crate::survey::{Survey, survey};

/// A superblock that was found.
#[derive(Clone, Debug)]
pub struct Candidate {
    superblock: Superblock,
    verdict: Result<(), Distrust>,
    /// Damaged superblocks other than the first one.
    findings: Vec<Finding>,
}

/// Looks for a btrfs filesystem on `disk`, by its superblocks. The first one has to be
/// there: another one alone is that of a filesystem that was there once.
///
/// # Errors
///
/// [`Error::Read`] if the storage fails.
pub fn find<R: ReadAt + ?Sized>(disk: &R) -> Result<Option<Candidate>, Error> {
    let [place, ..] = PLACES;
    let Some(bytes) = read(disk, place)? else {
        return Ok(None);
    };
    let Some(superblock) = Superblock::decode(&bytes) else {
        return Ok(None);
    };
    let mut candidate = Candidate {
        verdict: superblock.check(place, &bytes),
        superblock,
        findings: Vec::new(),
    };
    candidate.look_at_mirrors(disk)?;
    Ok(Some(candidate))
}

/// The bytes of a superblock at `place`, unless the disk ends before that.
fn read<R: ReadAt + ?Sized>(disk: &R, place: u64) -> Result<Option<Vec<u8>>, Error> {
    let mut bytes = vec![0; SUPERBLOCK_BYTES];
    let end = place.saturating_add(blockio::len_u64(SUPERBLOCK_BYTES));
    if disk.size() < end {
        return Ok(None);
    }
    fill(disk, Structure::Superblock, place, &mut bytes)?;
    Ok(Some(bytes))
}

impl Candidate {
    fn look_at_mirrors<R: ReadAt + ?Sized>(&mut self, disk: &R) -> Result<(), Error> {
        let is_damaged = matches!(
            self.verdict,
            Err(Distrust::SuperblockChecksum | Distrust::Field { .. })
        );
        let mut newest = None;
        for place in PLACES.into_iter().skip(1) {
            let Some(bytes) = read(disk, place)? else {
                break;
            };
            let found = Superblock::decode(&bytes);
            let sound = found.filter(|found| !is_broken(&found.check(place, &bytes)));
            match sound {
                Some(sound) if is_damaged => {
                    let generation = sound.generation;
                    newest = newest.max(Some((generation, place)));
                }
                Some(sound) if sound.fsid == self.superblock.fsid => {
                    self.compare(place, sound.generation);
                }
                // The kernel writes none that would end after the device.
                _ if place.saturating_add(blockio::len_u64(SUPERBLOCK_BYTES))
                    < self.superblock.device.bytes =>
                {
                    self.findings.push(Finding::Mirror { at: place });
                }
                _ => {}
            }
        }
        if let Some((_, mirror)) = newest {
            self.verdict = Err(Distrust::OnlyMirror { mirror });
        }
        Ok(())
    }

    /// The first one is written first.
    fn compare(&mut self, at: u64, found: u64) {
        let generation = self.superblock.generation;
        if found > generation && self.verdict.is_ok() {
            self.verdict = Err(Distrust::NewerMirror {
                at,
                found,
                generation,
            });
        }
    }

    /// Whether the superblock is sound, so that the rest can be looked at.
    #[must_use]
    pub const fn is_believed(&self) -> bool {
        self.verdict.is_ok()
    }

    /// Bytes of the filesystem on this device, from the start of the disk, as the superblock
    /// has it.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.superblock.device.bytes
    }

    /// Reads which bytes of `disk`, on which it was found, are in use.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the storage fails. Nothing that is wrong with a filesystem is an
    /// error: see [`Filesystem::trust`].
    pub fn open<R: ReadAt>(self, disk: R, options: &Options) -> Result<Filesystem<R>, Error> {
        let superblock = self.superblock;
        let surveyed = match self.verdict {
            Ok(()) => survey(&disk, &superblock, options),
            Err(distrust) => Err(distrust.into()),
        };
        let mut filesystem = Filesystem {
            info: info(&superblock, disk.size()),
            disk,
            findings: self.findings,
            log: None,
            trust: Trust::Extents,
            layout: None,
        };
        match surveyed {
            Ok(survey) => filesystem.take(survey)?,
            Err(Stop::Distrust(distrust)) => {
                filesystem.findings.clear();
                filesystem.trust = Trust::Nothing(distrust);
            }
            Err(Stop::Read(error)) => return Err(error),
        }
        Ok(filesystem)
    }
}

impl<R: ReadAt> Filesystem<R> {
    fn take(&mut self, survey: Survey) -> Result<(), Error> {
        self.findings.extend(survey.findings);
        self.log = survey.log;
        self.trust = if survey.has_references {
            Trust::References
        } else {
            Trust::Extents
        };
        self.layout = Some(survey.layout);
        let free: u64 = (self.extents(0..self.disk.size()).flatten())
            .filter(|extent| extent.kind == ExtentKind::Free)
            .map(|extent| extent.length)
            .sum();
        self.info.free_bytes = free;
        self.info.used_bytes = self.disk.size().saturating_sub(free);
        Ok(())
    }
}

/// Whether a superblock is damaged, and not only of a kind that is not known.
const fn is_broken(verdict: &Result<(), Distrust>) -> bool {
    matches!(
        verdict,
        Err(Distrust::SuperblockChecksum | Distrust::Field { .. })
    )
}

fn info(superblock: &Superblock, disk_bytes: u64) -> Info {
    Info {
        uuid: superblock.fsid,
        label: superblock.label.clone(),
        generation: superblock.generation,
        bytes: superblock.device.bytes,
        devices: superblock.devices,
        device: superblock.device.id,
        sector_bytes: superblock.sector,
        node_bytes: superblock.node,
        used_bytes: disk_bytes,
        free_bytes: 0,
    }
}
