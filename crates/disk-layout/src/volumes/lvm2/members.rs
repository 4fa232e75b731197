//! The physical volumes of a group, as its text describes them.

use std::collections::{HashMap, HashSet};

use super::SECTOR_BYTES;
use super::doubt::Doubt;
use super::id::Id;
use super::text::Section;

/// A physical volume of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Member {
    pub(crate) id: Id,
    /// Where its first extent begins, in bytes.
    pub(crate) data_at: u64,
    pub(crate) extents: u64,
    /// Bytes of the volume.
    pub(crate) device_bytes: u64,
    /// Whether it was missing when the text was written.
    pub(crate) is_missing: bool,
}

/// The members of a group, and the place of each among them by the name that the text gives
/// it.
#[derive(Debug, Default)]
pub(super) struct Members<'t> {
    pub(super) list: Vec<Member>,
    pub(super) names: HashMap<&'t [u8], usize>,
    /// A state of one of them that is not known.
    pub(super) state: Option<String>,
}

/// The flags of a physical volume that change nothing about its extents.
const KNOWN: [&[u8]; 2] = [b"ALLOCATABLE", b"MISSING"];

/// Reads the physical volumes in `section`, of a group with such extents.
pub(super) fn members<'t>(section: &Section<'t>, extent_bytes: u64) -> Result<Members<'t>, Doubt> {
    let mut members = Members::default();
    let mut ids = HashSet::new();
    for (name, section) in section.sections() {
        let wrong = |what| Doubt::Text {
            place: format!("physical volume {}", String::from_utf8_lossy(name)),
            what,
        };
        let id = section.text("id").and_then(Id::parse);
        let id = id.ok_or_else(|| wrong("its id is no UUID"))?;
        if !ids.insert(id) {
            return Err(wrong("another one has its id"));
        }
        let bytes = |name| section.number(name)?.checked_mul(SECTOR_BYTES);
        let place = bytes("pe_start").zip(section.number("pe_count"));
        let place = place.zip(bytes("dev_size"));
        let ((data_at, extents), device_bytes) =
            place.ok_or_else(|| wrong("pe_start, pe_count or dev_size is no number"))?;
        // They may pass dev_size, as pvresize --setphysicalvolumesize leaves it, but not the
        // end of what the volume lies on.
        let end = extents.checked_mul(extent_bytes);
        if end.is_none_or(|bytes| bytes.checked_add(data_at).is_none()) {
            return Err(wrong("its extents have no end"));
        }
        let flags = flags(section).ok_or_else(|| wrong("its status is no list"))?;
        let unknown = flags.iter().find(|flag| !KNOWN.contains(flag));
        if let Some(flag) = unknown {
            let flag = String::from_utf8_lossy(flag);
            let name = String::from_utf8_lossy(name);
            let state = format!("has the state {flag} on physical volume {name}");
            members.state.get_or_insert(state);
        }
        members.names.insert(name, members.list.len());
        members.list.push(Member {
            id,
            data_at,
            extents,
            device_bytes,
            is_missing: flags.contains(&&b"MISSING"[..]),
        });
    }
    Ok(members)
}

/// The flags of a group or of a volume: those that old tools must know, and the others.
pub(super) fn flags<'t>(section: &Section<'t>) -> Option<Vec<&'t [u8]>> {
    let mut flags = section.texts("status")?;
    if section.get("flags").is_some() {
        flags.extend(section.texts("flags")?);
    }
    Some(flags)
}
