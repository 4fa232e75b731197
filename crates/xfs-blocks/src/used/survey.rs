//! One look at all groups: what is free in them, and whether that is what the superblock
//! counts.

use std::collections::BTreeMap;

use blockio::{NewSpool, ReadAt};

use crate::error::Halt;
use crate::finding::damage::GroupDamage;
use crate::finding::{Damage, Distrust, Finding, Stop};
use crate::group::runs::{Run, intersection, without};
use crate::group::{Free, Group};
use crate::inodes::{self, Reference};
use crate::superblock::Superblock;
use crate::used::free_map::{FreeMap, Recorder};
use crate::used::kept::Kept;

/// Most damaged groups after which no more are looked at.
const DAMAGED_MAX: u64 = 1000;

/// What was found.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) map: FreeMap,
    pub(crate) damage: Damage,
}

/// What is known of a filesystem whose log was replayed.
pub(crate) struct Before<'a, R: ?Sized> {
    /// The disk as it is stored.
    pub(crate) disk: &'a R,
    /// Blocks that the replay needs, or that are in use for what is to be finished after it.
    pub(crate) kept: &'a Kept,
}

/// Surveys the groups of `disk`. If its log was replayed, only what is free `before` that,
/// too, is free.
pub(crate) fn survey<R: ReadAt + ?Sized, B: ReadAt + ?Sized>(
    disk: &R,
    superblock: &Superblock,
    before: Option<&Before<'_, B>>,
    memory: usize,
    spool: Option<NewSpool<'_>>,
) -> Result<Survey, Stop> {
    let mut recorder = Recorder::new(memory, spool);
    let mut surveyor = Surveyor::default();
    for ag in 0..superblock.geometry.ag_count {
        let group = Group {
            disk,
            superblock,
            ag,
        };
        let found = group.examine().and_then(|free| match before {
            None => Ok(free),
            Some(before) => {
                let group = Group {
                    disk: before.disk,
                    superblock,
                    ag,
                };
                let runs = intersection(&free.runs, &group.by_block_only()?);
                let runs = without(&runs, &before.kept.of(ag));
                Ok(Free { runs, ..free })
            }
        });
        let runs = match found {
            Ok(free) => surveyor.sound(free),
            Err(Halt::Distrust(damage)) => surveyor.damaged(ag, damage)?,
            Err(Halt::Read(error)) => return Err(Halt::Read(error)),
        };
        if !recorder.push(runs) {
            surveyor.damaged(ag, GroupDamage::NoRoom)?;
        }
    }
    // Until it is unmounted, the superblock counts what is set aside in memory as used.
    let (stored, found) = (superblock.free_blocks, surveyor.counted);
    if before.is_none() && surveyor.first.is_none() && stored != found {
        return Err(Distrust::FreeCount { stored, found }.into());
    }
    let mut damage = surveyor.damage;
    if superblock.realtime_blocks > 0 {
        damage.add(realtime(superblock));
    }
    let map = recorder.finish();
    Ok(Survey { map, damage })
}

impl Survey {
    /// Asks all inodes on `disk` for the blocks that they refer to: a group of which one is
    /// free is used.
    pub(crate) fn ask_inodes<R: ReadAt + ?Sized>(
        &mut self,
        disk: &R,
        superblock: &Superblock,
    ) -> Result<(), Stop> {
        let map = &self.map;
        let mut denied = BTreeMap::new();
        inodes::walk(disk, superblock, &mut |reference| {
            let Reference { inode, ag, run, .. } = reference;
            if let Some(free) = map.overlapping(ag, run)? {
                let block = free.start.max(run.start);
                denied
                    .entry(ag)
                    .or_insert(GroupDamage::Referred { inode, block });
            }
            Ok(())
        })?;
        for (group, damage) in denied {
            self.map.keep(group);
            self.damage.add(Finding::Group { group, damage });
        }
        Ok(())
    }
}

const fn realtime(superblock: &Superblock) -> Finding {
    match superblock.realtime_start {
        0 => Finding::RealtimeElsewhere,
        block => Finding::Realtime {
            start: block.saturating_mul(superblock.geometry.block_bytes()),
        },
    }
}

/// What was found so far.
#[derive(Default)]
struct Surveyor {
    counted: u64,
    damage: Damage,
    first: Option<(u32, GroupDamage)>,
}

impl Surveyor {
    fn sound(&mut self, free: Free) -> Vec<Run> {
        self.counted = self.counted.saturating_add(free.counted);
        free.runs
    }

    /// Takes in a damaged group, which has nothing free.
    fn damaged(&mut self, group: u32, damage: GroupDamage) -> Result<Vec<Run>, Distrust> {
        self.damage.add(Finding::Group { group, damage });
        let (first, first_damage) = *self.first.get_or_insert((group, damage));
        let found = self.damage.total();
        if found > DAMAGED_MAX {
            return Err(Distrust::Damaged {
                found,
                group: first,
                damage: first_damage,
            });
        }
        Ok(Vec::new())
    }
}
