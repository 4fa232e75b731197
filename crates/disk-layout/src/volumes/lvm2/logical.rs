//! The logical volumes of a group, as its text describes them.

use std::collections::{HashMap, HashSet};

use super::SECTOR_BYTES;
use super::doubt::Doubt;
use super::members::{self, Members};
use super::text::{Section, Value};

/// A logical volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Logical {
    pub(crate) name: String,
    pub(crate) is_visible: bool,
    /// The type of its first segment; `linear` if that has one stripe.
    pub(crate) kind: String,
    pub(crate) extents: u64,
    /// In order, without a gap.
    pub(crate) segments: Vec<Segment>,
    /// Why its content is not that of its extents in order.
    pub(crate) odd: Option<Odd>,
}

/// Why the content of a volume is not looked at.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Odd {
    /// A segment of another type.
    #[error("it is of type {0}")]
    Kind(String),
    /// It lies on other volumes.
    #[error("it lies on other volumes")]
    Stacked,
    /// Other volumes are made of it, or have it for their origin.
    #[error("volume {0} needs it")]
    Needed(String),
    /// It is for the tools.
    #[error("it is hidden")]
    Hidden,
    /// It is locked, moving, or something that is not known.
    #[error("it has the state {0}")]
    State(String),
}

/// A part of a volume.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Segment {
    /// Its first extent in the volume.
    pub(crate) first: u64,
    pub(crate) extents: u64,
    /// Bytes that go to one stripe before the next one; 0 if there is one stripe.
    pub(crate) stripe_bytes: u64,
    /// What lies on physical volumes: all of the stripes, or none.
    pub(crate) stripes: Vec<Stripe>,
}

/// Extents in a row on a physical volume: as many as the segment has, by its stripes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stripe {
    /// The physical volume, by its place in the group.
    pub(crate) member: usize,
    pub(crate) first: u64,
}

impl Segment {
    /// Extents of each stripe.
    pub(crate) fn stripe_extents(&self) -> u64 {
        let count = blockio::len_u64(self.stripes.len());
        self.extents.checked_div(count).unwrap_or(0)
    }
}

/// The volumes of a group, and what of them stands against the group.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    pub(super) list: Vec<Logical>,
    pub(super) doubt: Option<Doubt>,
}

/// The flags of a volume that change nothing about its content.
const KNOWN: [&[u8]; 6] = [
    b"READ",
    b"WRITE",
    b"VISIBLE",
    b"FIXED_MINOR",
    b"NOAUTOACTIVATE",
    b"ACTIVATION_SKIP",
];

/// What a volume says that names no other volume.
const NO_NAMES: [&[u8]; 9] = [
    b"id",
    b"status",
    b"flags",
    b"tags",
    b"creation_host",
    b"allocation_policy",
    b"profile",
    b"lock_args",
    b"type",
];

/// Reads the volumes in `section` of a group with `members`.
pub(super) fn volumes(
    section: Option<&Section<'_>>,
    members: &Members<'_>,
) -> Result<Volumes, Doubt> {
    let mut volumes = Volumes::default();
    let Some(section) = section else {
        return Ok(volumes);
    };
    // Which volume names which.
    let mut needs: HashMap<&[u8], &[u8]> = HashMap::new();
    for (name, section) in section.sections() {
        if members.names.contains_key(name) {
            return Err(wrong(name, "it is called as a physical volume"));
        }
        let (volume, doubt) = volume(name, section, members)?;
        volumes.doubt = volumes.doubt.or(doubt);
        volumes.list.push(volume);
        let mut named = HashSet::new();
        texts(section, &mut named);
        needs.extend(named.into_iter().map(|other| (other, name)));
    }
    for volume in &mut volumes.list {
        if let Some(by) = needs.get(volume.name.as_bytes()) {
            let by = String::from_utf8_lossy(by).into_owned();
            volume.odd = volume.odd.take().or(Some(Odd::Needed(by)));
        } else if !volume.is_visible {
            volume.odd = volume.odd.take().or(Some(Odd::Hidden));
        }
    }
    Ok(volumes)
}

/// Adds all texts of `section` that may name a volume.
fn texts<'t>(section: &Section<'t>, to: &mut HashSet<&'t [u8]>) {
    for (name, value) in section.entries() {
        match value {
            _ if NO_NAMES.contains(&name) => {}
            Value::Text(text) => {
                to.insert(text);
            }
            Value::List(values) => to.extend(values.iter().filter_map(|value| match value {
                Value::Text(text) => Some(*text),
                _ => None,
            })),
            Value::Section(section) => texts(section, to),
            Value::Number(_) | Value::Odd => {}
        }
    }
}

fn wrong(name: &[u8], what: &'static str) -> Doubt {
    Doubt::Text {
        place: format!("logical volume {}", String::from_utf8_lossy(name)),
        what,
    }
}

/// Reads one volume, and what of it stands against its group.
fn volume(
    name: &[u8],
    section: &Section<'_>,
    members: &Members<'_>,
) -> Result<(Logical, Option<Doubt>), Doubt> {
    let wrong = |what| wrong(name, what);
    let flags = members::flags(section).ok_or_else(|| wrong("its status is no list"))?;
    let (mut odd, mut doubt) = (None, None);
    if let Some(flag) = flags.iter().find(|flag| !KNOWN.contains(flag)) {
        odd = Some(Odd::State(String::from_utf8_lossy(flag).into_owned()));
    }
    let (mut segments, mut kinds) = (Vec::new(), Vec::new());
    for (_, section) in section.sections() {
        kinds.push((section.number("start_extent"), kind(section)));
        let (segment, other) = segment(section, members).map_err(wrong)?;
        if let Some(Other { odd: why, direct }) = other {
            if direct {
                doubt = doubt.or_else(|| {
                    Some(Doubt::Direct {
                        volume: String::from_utf8_lossy(name).into_owned(),
                        kind: kind(section),
                    })
                });
            }
            odd = odd.or(Some(why));
        }
        segments.push(segment);
    }
    if section.number("segment_count") != Some(blockio::len_u64(segments.len())) {
        return Err(wrong("segment_count is not the number of its segments"));
    }
    segments.sort_by_key(|segment| segment.first);
    let kind = kinds.into_iter().find(|(first, _)| *first == Some(0));
    let extents = segments.iter().try_fold(0, |end: u64, segment| {
        (segment.first == end).then(|| end.checked_add(segment.extents))?
    });
    let extents = extents.ok_or_else(|| wrong("its segments are not one after another"))?;
    let volume = Logical {
        name: String::from_utf8_lossy(name).into_owned(),
        is_visible: flags.contains(&&b"VISIBLE"[..]),
        kind: kind.map(|(_, kind)| kind).unwrap_or_default(),
        extents,
        segments,
        odd,
    };
    Ok((volume, doubt))
}

/// A segment that is not plainly on physical volumes.
struct Other {
    odd: Odd,
    /// Whether it is on physical volumes all the same.
    direct: bool,
}

fn kind(section: &Section<'_>) -> String {
    let kind = section.text("type").unwrap_or_default();
    match (kind, section.number("stripe_count")) {
        (b"striped", Some(1)) => "linear".to_owned(),
        _ => String::from_utf8_lossy(kind).into_owned(),
    }
}

fn segment(
    section: &Section<'_>,
    members: &Members<'_>,
) -> Result<(Segment, Option<Other>), &'static str> {
    let first = section.number("start_extent");
    let extents = section.number("extent_count").filter(|count| *count > 0);
    let place = first.zip(extents);
    let (first, extents) = place.ok_or("start_extent or extent_count is no number")?;
    let mut segment = Segment {
        first,
        extents,
        stripe_bytes: 0,
        stripes: Vec::new(),
    };
    let kind_text = section.text("type").ok_or("a segment has no type")?;
    if kind_text != b"striped" {
        let mut named = HashSet::new();
        texts(section, &mut named);
        let direct = named.iter().any(|name| members.names.contains_key(name));
        let odd = Odd::Kind(kind(section));
        return Ok((segment, Some(Other { odd, direct })));
    }
    let list = section.list("stripes").ok_or("stripes is no list")?;
    let count = section.number("stripe_count").filter(|count| *count > 0);
    let count = count.ok_or("stripe_count is no number")?;
    let pairs = list.chunks_exact(2);
    let is_whole = pairs.remainder().is_empty() && count == blockio::len_u64(pairs.len());
    if !is_whole || !extents.is_multiple_of(count) {
        return Err("stripe_count, stripes and extent_count contradict each other");
    }
    let mut is_stacked = false;
    for pair in list.chunks_exact(2) {
        let [Value::Text(name), Value::Number(first)] = pair else {
            return Err("stripes is no list of names and numbers");
        };
        match members.names.get(name) {
            Some(member) => segment.stripes.push(Stripe {
                member: *member,
                first: *first,
            }),
            None => is_stacked = true,
        }
    }
    if count > 1 {
        let sectors = section.number("stripe_size").filter(|size| *size > 0);
        let bytes = sectors.and_then(|size| size.checked_mul(SECTOR_BYTES));
        segment.stripe_bytes = bytes.ok_or("stripe_size is no number")?;
    }
    if !is_stacked {
        return Ok((segment, None));
    }
    let direct = !segment.stripes.is_empty();
    segment.stripes.clear();
    let odd = Odd::Stacked;
    Ok((segment, Some(Other { odd, direct })))
}
