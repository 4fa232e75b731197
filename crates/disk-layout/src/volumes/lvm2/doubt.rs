//! Why a physical volume or a volume group proves nothing.

use std::io;

use super::id::Id;

/// Why a physical volume or a volume group proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Doubt {
    /// Sums that differ.
    #[error(
        "{structure} at byte {at:#x}: its checksum is {stored:#x}, that of its bytes {computed:#x}"
    )]
    Checksum {
        structure: &'static str,
        at: u64,
        stored: u32,
        computed: u32,
    },
    /// A field that holds something else than it may.
    #[error("{structure} at byte {at:#x}: {field} is {found:#x}, allowed is {allowed}")]
    Field {
        structure: &'static str,
        at: u64,
        field: &'static str,
        found: u64,
        allowed: &'static str,
    },
    /// More than one label.
    #[error("{count} labels in the first four sectors")]
    Labels { count: usize },
    /// The label ends in a list.
    #[error("label at byte {at:#x}: its lists of areas have no end")]
    EndlessLists { at: u64 },
    /// An area that is not on the volume.
    #[error("{what} reaches from byte {start:#x} to {end:#x}, the volume has {limit:#x}")]
    Outside {
        what: &'static str,
        start: u64,
        end: u64,
        limit: u64,
    },
    /// Two areas that share bytes.
    #[error("{what} reaches from byte {start:#x} to {end:#x} and meets another area")]
    AreasMeet {
        what: &'static str,
        start: u64,
        end: u64,
    },
    /// A change of the group was not finished.
    #[error("metadata area at byte {at:#x}: a change of the group was not finished")]
    Unfinished { at: u64 },
    /// Text that is no text of LVM2.
    #[error("metadata text, byte {at:#x}: {what}")]
    Syntax { at: usize, what: &'static str },
    /// Text that says something it may not.
    #[error("metadata text, {place}: {what}")]
    Text { place: String, what: &'static str },
    /// More text than is looked at.
    #[error("there is more metadata text on the disk than is read")]
    TooMuchText,
    /// More volumes than are looked into.
    #[error("there are more than {limit} logical volumes on the disk")]
    TooManyVolumes { limit: usize },
    /// A state in which others may change the group, or which nothing is known of.
    #[error("the volume group {state}")]
    State { state: String },
    /// Extents of volumes that are not told.
    #[error("volume {volume} of type {kind} lies on physical volumes in a way that is not known")]
    Direct { volume: String, kind: String },
    /// Extents with two owners.
    #[error("extent {extent} of physical volume {member} belongs to {first} and to {second}")]
    Overlap {
        member: Id,
        extent: u64,
        first: String,
        second: String,
    },
    /// Different texts, each of which is the newest.
    #[error("two different texts of volume group {group} have sequence number {seqno}")]
    TwoTexts { group: String, seqno: u64 },
    /// Physical volumes that may hold a newer text.
    #[error(
        "volume group {group} is not complete here, so its newest metadata may be elsewhere: \
         physical volume {} is missing",
        list(missing)
    )]
    Missing { group: String, missing: Vec<Id> },
    /// A volume of the group that is marked as missing.
    #[error("physical volume {member} was missing when volume group {group} changed")]
    WasMissing { group: String, member: Id },
    /// A volume of the group is in doubt.
    #[error("physical volume {member} of volume group {group} is in doubt: {why}")]
    Member {
        group: String,
        member: Id,
        why: String,
    },
    /// Two volumes with one identity.
    #[error("physical volume {member} is there {count} times")]
    Duplicate { member: Id, count: usize },
    /// A volume of more than one group.
    #[error("physical volume {member} belongs to more than one volume group")]
    TwoGroups { member: Id },
    /// A volume that its group no longer has.
    #[error("the newest metadata of volume group {group} does not name this physical volume")]
    Left { group: String },
    /// A physical volume in a logical one that may know better.
    #[error("a physical volume in volume {volume} may have newer metadata of the group")]
    Nested { volume: String },
    /// A volume without a group that is known.
    #[error("no metadata here says which volume group this physical volume belongs to")]
    NoGroup,
    /// A volume that cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Something else claims the place of the volume.
    #[error("{0}")]
    Claimed(String),
}

impl Doubt {
    /// That `field` of `structure` at byte `at` holds what it may not.
    pub(super) fn field(
        structure: &'static str,
        at: u64,
        field: &'static str,
        found: impl Into<u64>,
        allowed: &'static str,
    ) -> Self {
        Self::Field {
            structure,
            at,
            field,
            found: found.into(),
            allowed,
        }
    }
}

/// The identities, as text.
fn list(ids: &[Id]) -> String {
    let ids: Vec<_> = ids.iter().map(Id::to_string).collect();
    ids.join(", ")
}

/// Why a structure was not read.
#[derive(Debug)]
pub(crate) enum Halt {
    /// The storage failed.
    Io(io::Error),
    /// What it holds is in doubt.
    Doubt(Doubt),
}

impl From<io::Error> for Halt {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<Doubt> for Halt {
    fn from(doubt: Doubt) -> Self {
        Self::Doubt(doubt)
    }
}
