//! Which groups the physical volumes at hand make, and whether what the newest text of each
//! says can be believed.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::lvm2::doubt::Doubt;
use super::lvm2::group::Group;
use super::lvm2::id::Id;
use super::lvm2::members::Member;
use super::physical::{Physical, TextId, Texts};

/// A window that may be a physical volume.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) bytes: u64,
    /// Why it may be something else.
    pub(super) unsound: Option<String>,
}

/// A group, by the newest text at hand.
#[derive(Debug)]
pub(super) struct AtHand {
    pub(super) group: Arc<Group>,
    /// The window of each member, if there is one.
    pub(super) windows: Vec<Option<usize>>,
    /// Why nothing in it is proven free.
    pub(super) doubt: Option<Doubt>,
}

/// What a physical volume is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// A member of the group with this place.
    Member { group: usize, member: usize },
    /// Of no group that is known.
    Alone(Doubt),
}

/// Puts the physical volumes together.
pub(super) fn assemble(
    physical: &[Physical],
    texts: &Texts,
    places: &[Place],
) -> (Vec<AtHand>, Vec<Standing>) {
    let mut there: HashMap<Id, Vec<&Physical>> = HashMap::new();
    for one in physical {
        if let Some(label) = &one.label {
            there.entry(label.id).or_default().push(one);
        }
    }
    let mut groups = newest(physical, texts);
    let mut members: HashMap<Id, usize> = HashMap::new();
    let ids = groups.iter().flat_map(|group| &group.group.members);
    for member in ids {
        let count = members.entry(member.id).or_default();
        *count = count.saturating_add(1);
    }
    for at_hand in &mut groups {
        let group = Arc::clone(&at_hand.group);
        let mut missing = Vec::new();
        let mut doubt = at_hand.doubt.take();
        for member in &group.members {
            let found = there.get(&member.id).map_or(&[][..], Vec::as_slice);
            at_hand.windows.push(match found {
                [only] => Some(only.window),
                _ => None,
            });
            if found.is_empty() {
                missing.push(member.id);
            }
            let in_groups = members.get(&member.id).copied();
            let why = || why_not(&group, member, found, in_groups, texts, places);
            doubt = doubt.or_else(why);
        }
        if !missing.is_empty() {
            let group = group.name.clone();
            doubt = Some(Doubt::Missing { group, missing });
        }
        at_hand.doubt = doubt.or_else(|| group.state.clone());
    }
    let standing = physical
        .iter()
        .map(|one| standing(one, &groups, texts, places));
    let standing = standing.collect();
    (groups, standing)
}

/// The groups that the texts tell of, each by its newest one.
fn newest(physical: &[Physical], texts: &Texts) -> Vec<AtHand> {
    let mut ids: Vec<TextId> = physical.iter().flat_map(|one| one.texts.clone()).collect();
    ids.sort_unstable();
    let mut groups: BTreeMap<Id, AtHand> = BTreeMap::new();
    let mut last = None;
    for id in ids {
        let Some(group) = texts.group(id) else {
            continue;
        };
        let is_again = last.replace(id) == Some(id);
        let at_hand = groups.entry(group.id).or_insert_with(|| AtHand {
            group: Arc::clone(group),
            windows: Vec::new(),
            doubt: None,
        });
        if group.seqno > at_hand.group.seqno {
            *at_hand = AtHand {
                group: Arc::clone(group),
                windows: Vec::new(),
                doubt: None,
            };
        } else if group.seqno == at_hand.group.seqno
            && !Arc::ptr_eq(group, &at_hand.group)
            && !is_again
        {
            at_hand.doubt = Some(Doubt::TwoTexts {
                group: group.name.clone(),
                seqno: group.seqno,
            });
        }
    }
    groups.into_values().collect()
}

/// Why `member` of `group`, which was found as `found`, stands against the group.
fn why_not(
    group: &Group,
    member: &Member,
    found: &[&Physical],
    in_groups: Option<usize>,
    texts: &Texts,
    places: &[Place],
) -> Option<Doubt> {
    let id = member.id;
    let in_doubt = |why: String| Doubt::Member {
        group: group.name.clone(),
        member: id,
        why,
    };
    let physical = match found {
        [] => return None,
        [only] => only,
        several => {
            let count = several.len();
            return Some(Doubt::Duplicate { member: id, count });
        }
    };
    if in_groups != Some(1) {
        return Some(Doubt::TwoGroups { member: id });
    }
    if let Some(doubt) = &physical.doubt {
        return Some(in_doubt(doubt.to_string()));
    }
    let place = places.get(physical.window)?;
    if let Some(why) = &place.unsound {
        return Some(in_doubt(why.clone()));
    }
    for own in physical.texts.iter().filter_map(|id| texts.group(*id)) {
        let (seqno, newest) = (own.seqno, group.seqno);
        if own.id != group.id {
            return Some(in_doubt("it holds the metadata of another group".into()));
        }
        // Metadata that was restored from a backup is older, too, if not all members have it.
        if seqno != newest {
            return Some(in_doubt(format!(
                "its metadata has sequence number {seqno}, the newest has {newest}"
            )));
        }
    }
    if member.is_missing {
        let group = group.name.clone();
        return Some(Doubt::WasMissing { group, member: id });
    }
    let why = misplaced(group, member, physical, place)?;
    Some(in_doubt(why.to_string()))
}

/// Why the extents of `member` do not lie where its label and its window have them.
fn misplaced(group: &Group, member: &Member, physical: &Physical, place: &Place) -> Option<Doubt> {
    let areas = &physical.label.as_ref()?.areas;
    let start = member.data_at;
    // That both have a sum was found when the text was read.
    let length = member.extents.saturating_mul(group.extent_bytes);
    let end = start.saturating_add(length).max(member.device_bytes);
    if areas.data_at != start {
        return Some(Doubt::Text {
            place: format!("physical volume {}", member.id),
            what: "its label has another place for its extents",
        });
    }
    let limit = place.bytes;
    if end > limit {
        let what = "a physical volume";
        return Some(Doubt::Outside {
            what,
            start,
            end,
            limit,
        });
    }
    let end = start.saturating_add(length);
    let meets = areas.metadata.iter().chain(&areas.boot);
    let meets = meets.filter(|area| area.start < end && start < area.end);
    let what = "the extents of a physical volume";
    let mut meets = meets.map(|_| Doubt::AreasMeet { what, start, end });
    meets.next()
}

/// What `physical` is, given the groups.
fn standing(physical: &Physical, groups: &[AtHand], texts: &Texts, places: &[Place]) -> Standing {
    let member = groups.iter().enumerate().find_map(|(group, at_hand)| {
        let mut windows = at_hand.windows.iter();
        let member = windows.position(|window| *window == Some(physical.window))?;
        Some(Standing::Member { group, member })
    });
    if let Some(member) = member {
        return member;
    }
    let id = physical.label.as_ref().map(|label| label.id);
    let is_named = |at_hand: &&AtHand| {
        let mut members = at_hand.group.members.iter();
        members.any(|member| Some(member.id) == id)
    };
    // Of two with one identity, neither is the member.
    let named = groups.iter().find(is_named);
    let named = named.and_then(|at_hand| at_hand.doubt.clone());
    let unsound = places.get(physical.window);
    let unsound = unsound.and_then(|place| place.unsound.clone());
    let mut own = physical.texts.iter().filter_map(|id| texts.group(*id));
    let left = own.next().map(|group| Doubt::Left {
        group: group.name.clone(),
    });
    let doubt = physical.doubt.clone();
    let doubt = doubt.or(unsound.map(Doubt::Claimed)).or(named).or(left);
    Standing::Alone(doubt.unwrap_or(Doubt::NoGroup))
}
