//! What is kept of physical volumes: the extents in no segment are free, and the others are
//! asked for by the content of their logical volumes.

use std::sync::Arc;

use crate::claims::Found;
use crate::error::Error;
use crate::keep::{self, Owner};
use crate::options::Options;
use crate::provider::Provider;
use crate::report::{Kept, KeptWhole, PhysicalVolume, Report, VolumeReport};

use super::found::{Volumes, mapped};
use super::groups::{AtHand, Standing};
use super::lvm2::doubt::Doubt;
use super::lvm2::logical::Logical;
use super::map::{self, Piece};
use super::mapping::Mapping;
use super::tiling::{Opened, PhysicalTiling};

/// A physical volume, whose its bytes are, and what is to be said of it.
pub(crate) struct Decided<'d> {
    /// Its place among the windows.
    pub(crate) window: usize,
    pub(crate) owner: Owner<'d>,
    pub(crate) report: Report,
}

/// A group that was looked into.
struct Group<'d> {
    /// Why nothing in it is free.
    doubt: Option<Doubt>,
    /// The pieces of each member.
    pieces: Vec<Vec<Piece>>,
    volumes: Arc<Vec<Option<Opened<'d>>>>,
    reports: Vec<VolumeReport>,
}

/// Decides what is kept of the physical volumes in `found`. Nothing is free on a disk with
/// `hashes` that may cover it.
pub(crate) fn decide<'d>(
    found: &Volumes<'d>,
    hashes: Option<Found>,
    options: &Options<'_>,
    others: &[&dyn Provider],
) -> Result<Vec<Decided<'d>>, Error> {
    let why = keep::in_use(options).or(hashes.map(KeptWhole::Hashed));
    let mut groups = Vec::new();
    for at_hand in &found.groups {
        let is_whole = why.is_some();
        groups.push(group(found, at_hand, is_whole, options, others)?);
    }
    let physical = found.physical.iter().zip(&found.standing);
    let decided = physical.map(|(physical, standing)| {
        let id = physical.label.as_ref().map(|label| label.id.to_string());
        let mut volume = PhysicalVolume {
            id: id.unwrap_or_default(),
            group: None,
            volumes: Vec::new(),
        };
        let window = physical.window;
        let (mut owner, mut report) = (Owner::Unknown, Report::whole(None));
        match standing {
            Standing::Alone(doubt) => report.kept_whole = distrust(doubt),
            Standing::Member { group, member } => {
                if let (Some(at_hand), Some(group)) =
                    (found.groups.get(*group), groups.get_mut(*group))
                {
                    volume.group = Some(at_hand.group.name.clone());
                    volume.volumes = group.take_reports(found, window);
                    report.kept_whole = group.doubt.as_ref().and_then(distrust);
                    owner = group.owner(*member);
                }
            }
        }
        if why.is_some() {
            (owner, report.kept_whole) = (Owner::Unknown, again(why.as_ref()));
        }
        if matches!(owner, Owner::Volumes(_)) {
            report.kept = Kept::Used;
        }
        report.physical_volume = Some(volume);
        Decided {
            window,
            owner,
            report,
        }
    });
    Ok(decided.collect())
}

fn distrust(doubt: &Doubt) -> Option<KeptWhole> {
    let why = doubt.to_string();
    Some(KeptWhole::Distrust { why })
}

/// The same reason once more.
fn again(why: Option<&KeptWhole>) -> Option<KeptWhole> {
    Some(match why? {
        KeptWhole::InUse { user } => KeptWhole::InUse { user: user.clone() },
        KeptWhole::Hashed(found) => KeptWhole::Hashed(*found),
        other => KeptWhole::Distrust {
            why: other.to_string(),
        },
    })
}

/// Looks into the volumes of a group, unless all of it is kept.
fn group<'d>(
    found: &Volumes<'d>,
    at_hand: &AtHand,
    is_whole: bool,
    options: &Options<'_>,
    others: &[&dyn Provider],
) -> Result<Group<'d>, Error> {
    let mut group = Group {
        doubt: at_hand.doubt.clone(),
        pieces: Vec::new(),
        volumes: Arc::default(),
        reports: Vec::new(),
    };
    if group.doubt.is_none() {
        match map::pieces(at_hand, &found.lengths(at_hand)) {
            Ok(pieces) => group.pieces = pieces,
            Err(doubt) => group.doubt = Some(doubt),
        }
    }
    let is_whole = is_whole || group.doubt.is_some();
    let mut volumes = Vec::new();
    for logical in &at_hand.group.volumes {
        let mapping = mapped(at_hand, logical).map(Arc::new);
        let mut report = report(found, at_hand, logical, mapping.as_deref());
        let mut opened = None;
        if let (Some(mapping), None, false) = (mapping, &logical.odd, is_whole) {
            let window = found.disk(&mapping)?;
            let (owner, own, looks_like) = keep::look(&window, options, others)?;
            (report.report, report.looks_like) = (own, looks_like);
            let content = Box::new(owner);
            opened = Some(Opened { mapping, content });
        }
        volumes.push(opened);
        group.reports.push(report);
    }
    group.volumes = Arc::new(volumes);
    Ok(group)
}

/// What is to be said of a volume before it was looked into.
fn report(
    found: &Volumes<'_>,
    at_hand: &AtHand,
    logical: &Logical,
    mapping: Option<&Mapping>,
) -> VolumeReport {
    let group = &at_hand.group;
    let ranges = mapping.into_iter().flat_map(Mapping::ranges);
    let ranges = ranges.filter_map(|(window, range)| found.on_disk(window, &range));
    VolumeReport {
        name: format!("{}/{}", group.name, logical.name),
        kind: logical.kind.clone(),
        bytes: logical.extents.saturating_mul(group.extent_bytes),
        ranges: ranges.collect(),
        is_hidden: !logical.is_visible,
        not_opened: logical.odd.as_ref().map(ToString::to_string),
        report: Report::whole(None),
        looks_like: None,
    }
}

impl<'d> Group<'d> {
    /// Whose the bytes of its member are.
    fn owner(&mut self, member: usize) -> Owner<'d> {
        let pieces = self.pieces.get_mut(member).map(std::mem::take);
        let Some(pieces) = pieces.filter(|_| self.doubt.is_none()) else {
            return Owner::Unknown;
        };
        let volumes = Arc::clone(&self.volumes);
        Owner::Volumes(Box::new(PhysicalTiling { pieces, volumes }))
    }

    /// The reports of the volumes that begin in `window`; all that begin nowhere go with the
    /// first one.
    fn take_reports(&mut self, found: &Volumes<'_>, window: usize) -> Vec<VolumeReport> {
        let window = found.range(window);
        let reports = std::mem::take(&mut self.reports);
        let (own, rest) = reports.into_iter().partition(|report: &VolumeReport| {
            let first = report.ranges.first();
            first.is_none_or(|first| window.contains(&first.start))
        });
        self.reports = rest;
        own
    }
}
