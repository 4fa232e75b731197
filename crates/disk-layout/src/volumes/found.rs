//! The physical volumes on a disk, and the groups that they make.

use std::ops::Range;
use std::sync::Arc;

use blockio::{ReadAt, Window};

use crate::claims::{self, Claim, Found};
use crate::error::Error;
use crate::provider::{Part, Source};

use super::groups::{self, AtHand, Place, Standing};
use super::lvm2::doubt::Doubt;
use super::lvm2::label;
use super::lvm2::logical::{Logical, Segment};
use super::mapping::{Mapping, Place as Byte, Run, VolumeDisk};
use super::physical::{self, Physical, Texts};

/// As many logical volumes on a disk are looked into: each takes a megabyte of reads at its
/// ends.
const VOLUMES_MAX: usize = 4096;

/// A part of the disk that may be a physical volume.
pub(crate) struct Candidate<'d> {
    pub(crate) window: Part<'d>,
    /// Why it may be something else.
    pub(crate) unsound: Option<String>,
}

/// Whether the window has the label of a physical volume, or may have one.
pub(crate) fn is_labelled(window: &Part<'_>) -> bool {
    !matches!(label::read(window), Ok(None))
}

/// The physical volumes on a disk, and the groups that they make.
pub(crate) struct Volumes<'d> {
    pub(super) windows: Vec<Part<'d>>,
    pub(super) physical: Vec<Physical>,
    pub(super) groups: Vec<AtHand>,
    pub(super) standing: Vec<Standing>,
}

impl<'d> Volumes<'d> {
    /// Looks for physical volumes; `None` if there are none. With `salvage` those that cannot
    /// be read are in doubt.
    pub(crate) fn find(
        candidates: Vec<Candidate<'d>>,
        salvage: bool,
    ) -> Result<Option<Self>, Error> {
        let (mut windows, mut places, mut found) = (Vec::new(), Vec::new(), Vec::new());
        let mut texts = Texts::new();
        for (index, candidate) in candidates.into_iter().enumerate() {
            let Candidate { window, unsound } = candidate;
            let read = physical::read(index, &window, &mut texts);
            let read = read.map_err(|error| Error::Content(error.into()));
            let read = read.and_then(|physical| match physical {
                Some(physical) if unsound.is_none() => {
                    let claim = claims::find(&window, &[Claim::Lvm2])?;
                    Ok((Some(physical), claim))
                }
                other => Ok((other, None)),
            });
            let (physical, claim) = match read {
                Err(error) if salvage => {
                    let doubt = Doubt::Unreadable(error.to_string());
                    (Some(Physical::doubtful(index, doubt)), None)
                }
                read => read?,
            };
            let claim = claim.map(|Found { claim, at }| {
                format!("it is also claimed by {claim} (signature at byte {at:#x})")
            });
            places.push(Place {
                bytes: window.size(),
                unsound: unsound.or(claim),
            });
            found.extend(physical);
            windows.push(window);
        }
        if found.is_empty() {
            return Ok(None);
        }
        let (mut groups, standing) = groups::assemble(&found, &texts, &places);
        let count = groups.iter().map(|at_hand| at_hand.group.volumes.len());
        if count.sum::<usize>() > VOLUMES_MAX {
            for at_hand in &mut groups {
                let limit = VOLUMES_MAX;
                at_hand.doubt.get_or_insert(Doubt::TooManyVolumes { limit });
            }
        }
        let mut volumes = Self {
            windows,
            physical: found,
            groups,
            standing,
        };
        volumes.ask_nested(&mut texts);
        Ok(Some(volumes))
    }

    /// Puts groups in doubt of which a physical volume inside a logical one may have newer
    /// metadata.
    fn ask_nested(&mut self, texts: &mut Texts) {
        let mut doubts = Vec::new();
        for at_hand in &self.groups {
            for logical in &at_hand.group.volumes {
                let mapping = mapping(runs(at_hand, logical).map_while(|run| run));
                let disk = mapping.and_then(|mapping| self.disk(&Arc::new(mapping)).ok());
                let Some(disk) = disk.filter(is_labelled) else {
                    continue;
                };
                let volume = format!("{}/{}", at_hand.group.name, logical.name);
                // What cannot be read may tell of any group.
                let told = physical::read(usize::MAX, &disk, texts).ok().flatten();
                let told = told.filter(|nested| nested.doubt.is_none());
                let ids = told.map(|nested| {
                    let groups = nested.texts.iter().filter_map(|id| texts.group(*id));
                    groups.map(|group| group.id).collect::<Vec<_>>()
                });
                doubts.push((ids, Doubt::Nested { volume }));
            }
        }
        for (ids, doubt) in doubts {
            for at_hand in &mut self.groups {
                let id = at_hand.group.id;
                if ids.as_ref().is_none_or(|ids| ids.contains(&id)) {
                    at_hand.doubt.get_or_insert_with(|| doubt.clone());
                }
            }
        }
    }

    /// The names of the volumes whose content is looked at, as `group/volume`.
    pub(crate) fn names(&self) -> Vec<String> {
        let groups = self.groups.iter().flat_map(|at_hand| {
            let group = &at_hand.group;
            let plain = group.volumes.iter().filter(|one| one.odd.is_none());
            plain.map(|one| format!("{}/{}", group.name, one.name))
        });
        groups.collect()
    }

    /// Hashes in a logical volume that may cover the blocks of others.
    pub(crate) fn hashes(&self) -> Result<Option<Found>, Error> {
        // Hashes begin with what tells of them, which may be here where the rest is not.
        let volumes = self.groups.iter().flat_map(|at_hand| {
            let volumes = at_hand.group.volumes.iter();
            volumes.filter_map(|logical| mapping(runs(at_hand, logical).map_while(|run| run)))
        });
        for mapping in volumes.map(Arc::new).take(VOLUMES_MAX) {
            // One that passes the end of its window is kept whole.
            let Ok(disk) = self.disk(&mapping) else {
                continue;
            };
            if let Some(found) = claims::hashes_another(&disk)? {
                let place = mapping.piece(&(found.at..mapping.bytes()));
                let place = place.and_then(|(_, place)| {
                    let range = place.at..place.at.saturating_add(1);
                    self.on_disk(place.disk, &range)
                });
                let at = place.map_or(found.at, |range| range.start);
                return Ok(Some(Found { at, ..found }));
            }
        }
        Ok(None)
    }

    /// Why nothing is proven free in the physical volume at `range` of the disk, if there is
    /// one and it is in doubt.
    pub(crate) fn doubt_of(&self, range: &Range<u64>) -> Option<String> {
        let mut physical = self.physical.iter().zip(&self.standing);
        let (_, standing) = physical.find(|(one, _)| self.range(one.window) == *range)?;
        match standing {
            Standing::Alone(doubt) => Some(doubt.to_string()),
            Standing::Member { group, .. } => {
                let at_hand = self.groups.get(*group)?;
                at_hand.doubt.as_ref().map(ToString::to_string)
            }
        }
    }

    /// A logical volume as a disk.
    pub(super) fn disk(&self, mapping: &Arc<Mapping>) -> Result<Part<'d>, Error> {
        let disk = VolumeDisk::new(self.windows.clone(), Arc::clone(mapping));
        let disk: Source<'d> = Arc::new(disk.ok_or(Error::Shrunk)?);
        let all = 0..disk.size();
        Window::new(disk, all).ok_or(Error::Shrunk)
    }

    /// The bytes of the disk that a window shows.
    pub(super) fn range(&self, window: usize) -> Range<u64> {
        let window = self.windows.get(window);
        window.map_or(0..0, Part::range)
    }

    /// The bytes `range` of a window as bytes of the disk.
    pub(super) fn on_disk(&self, window: usize, range: &Range<u64>) -> Option<Range<u64>> {
        let start = self.windows.get(window)?.range().start;
        let end = start.checked_add(range.end)?;
        Some(start.checked_add(range.start)?..end)
    }

    /// The length of the window of each member; 0 if it is not here.
    pub(super) fn lengths(&self, at_hand: &AtHand) -> Vec<u64> {
        let windows = at_hand.windows.iter();
        let lengths = windows.map(|window| {
            let window = window.and_then(|window| self.windows.get(window));
            window.map_or(0, ReadAt::size)
        });
        lengths.collect()
    }
}

/// Where the bytes of `logical` lie on the windows, if all of them are on physical volumes
/// that are here.
pub(super) fn mapped(at_hand: &AtHand, logical: &Logical) -> Option<Mapping> {
    let runs: Option<Vec<_>> = runs(at_hand, logical).collect();
    mapping(runs?.into_iter())
}

fn mapping(runs: impl Iterator<Item = Run>) -> Option<Mapping> {
    let runs: Vec<_> = runs.collect();
    (!runs.is_empty()).then(|| Mapping::new(runs))
}

/// The segments of `logical`; `None` for each that is not here.
fn runs<'g>(at_hand: &'g AtHand, logical: &'g Logical) -> impl Iterator<Item = Option<Run>> + 'g {
    let unit = at_hand.group.extent_bytes;
    let run = move |segment: &Segment| {
        let start = segment.first.checked_mul(unit)?;
        let bytes = segment.extents.checked_mul(unit)?;
        let stripes = segment.stripes.iter().map(|stripe| {
            let member = at_hand.group.members.get(stripe.member)?;
            let before = stripe.first.checked_mul(unit)?;
            Some(Byte {
                disk: (*at_hand.windows.get(stripe.member)?)?,
                at: member.data_at.checked_add(before)?,
            })
        });
        let stripes: Vec<_> = stripes.collect::<Option<_>>()?;
        let chunk = match segment.stripe_bytes {
            0 => bytes,
            chunk => chunk,
        };
        let range = start..start.checked_add(bytes)?;
        (!stripes.is_empty()).then_some(Run {
            range,
            chunk,
            stripes,
        })
    };
    logical.segments.iter().map(run)
}
