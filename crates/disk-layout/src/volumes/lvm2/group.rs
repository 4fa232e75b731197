//! A volume group, as a text describes it.

use super::SECTOR_BYTES;
use super::doubt::Doubt;
use super::id::Id;
use super::logical::{self, Segment};
use super::members::{self, Member};
use super::text::Section;

/// A volume group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) id: Id,
    pub(crate) name: String,
    /// Grows with each change.
    pub(crate) seqno: u64,
    pub(crate) extent_bytes: u64,
    pub(crate) members: Vec<Member>,
    pub(crate) volumes: Vec<logical::Logical>,
    /// Why nothing is proven free in it although the text is sound.
    pub(crate) state: Option<Doubt>,
}

/// The flags of a group that change nothing about its extents.
const KNOWN: [&[u8]; 4] = [b"RESIZEABLE", b"READ", b"WRITE", b"NOAUTOACTIVATE"];
/// Its sections that are known. What is in the last one is no more.
const SECTIONS: [&[u8]; 3] = [
    b"physical_volumes",
    b"logical_volumes",
    b"historical_logical_volumes",
];

impl Group {
    /// Reads what `text` says.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, Doubt> {
        let root = Section::parse(text)?;
        let wrong = |what| Doubt::Text {
            place: "outside of the group".into(),
            what,
        };
        if root.text("contents") != Some(b"Text Format Volume Group") {
            return Err(wrong("contents is not \"Text Format Volume Group\""));
        }
        if root.number("version") != Some(1) {
            return Err(wrong("version is not 1"));
        }
        let mut sections = root.sections();
        match (sections.next(), sections.next()) {
            (Some((name, section)), None) => Self::new(name, section),
            _ => Err(wrong("there is not exactly one section")),
        }
    }

    fn new(name: &[u8], section: &Section<'_>) -> Result<Self, Doubt> {
        let wrong = |what| Doubt::Text {
            place: format!("group {}", String::from_utf8_lossy(name)),
            what,
        };
        let id = section.text("id").and_then(Id::parse);
        let id = id.ok_or_else(|| wrong("its id is no UUID"))?;
        let seqno = section.number("seqno");
        let seqno = seqno.ok_or_else(|| wrong("seqno is no number"))?;
        if section
            .text("format")
            .is_some_and(|format| format != b"lvm2")
        {
            return Err(wrong("format is not \"lvm2\""));
        }
        let sectors = section.number("extent_size").filter(|size| *size > 0);
        let extent_bytes = sectors.and_then(|size| size.checked_mul(SECTOR_BYTES));
        let extent_bytes = extent_bytes.ok_or_else(|| wrong("extent_size is no number"))?;
        let physical = section.section("physical_volumes");
        let physical = physical.ok_or_else(|| wrong("physical_volumes is missing"))?;
        let members = members::members(physical, extent_bytes)?;
        let logical = logical::volumes(section.section("logical_volumes"), &members)?;
        let mut volumes = logical.list.iter();
        if volumes.any(|volume| volume.extents.checked_mul(extent_bytes).is_none()) {
            return Err(wrong("a volume is too long"));
        }
        let segments = logical.list.iter().flat_map(|volume| &volume.segments);
        let mut striped = segments.filter(|segment| segment.stripe_bytes > 0);
        let length = |segment: &Segment| segment.stripe_extents().saturating_mul(extent_bytes);
        if striped.any(|segment| !length(segment).is_multiple_of(segment.stripe_bytes)) {
            return Err(wrong("stripe_size does not divide a stripe"));
        }
        let flags = members::flags(section).ok_or_else(|| wrong("its status is no list"))?;
        let state = state(section, &flags).or(members.state);
        Ok(Self {
            id,
            name: String::from_utf8_lossy(name).into_owned(),
            seqno,
            extent_bytes,
            members: members.list,
            volumes: logical.list,
            state: state.map(|state| Doubt::State { state }).or(logical.doubt),
        })
    }
}

/// In which state the group is, if nothing is proven free in that.
fn state(section: &Section<'_>, flags: &[&[u8]]) -> Option<String> {
    if let Some(flag) = flags.iter().find(|flag| !KNOWN.contains(flag)) {
        return Some(match *flag {
            b"EXPORTED" => "is exported".to_owned(),
            b"CLUSTERED" | b"SHARED" => "is shared by a cluster".to_owned(),
            b"PVMOVE" => "is moving extents".to_owned(),
            other => format!("has the state {}", String::from_utf8_lossy(other)),
        });
    }
    let lock = section.get("lock_type").map(|_| section.text("lock_type"));
    if lock.is_some_and(|lock| lock != Some(b"none")) {
        return Some("is shared by a cluster".to_owned());
    }
    let mut sections = section.sections().map(|(name, _)| name);
    let unknown = sections.find(|name| !SECTIONS.contains(name))?;
    let name = String::from_utf8_lossy(unknown);
    Some(format!("has a section {name}, which is not known"))
}
