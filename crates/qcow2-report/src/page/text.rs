//! The words of a page that come from its caller.

/// The words of a page. They may be any text: the page escapes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Text {
    /// What the report is about, such as the name of a file.
    pub title: String,
    /// What that is, such as `qcow2 image`.
    pub what: String,
    /// What the disk has on it, in a few words.
    pub content: String,
    /// The program that made the report.
    pub program: String,
    /// Properties.
    pub facts: Vec<Fact>,
    /// The names of the parts of the subject, in the same order.
    pub rows: Vec<Row>,
    /// Parts that are not listed.
    pub more_rows: usize,
    /// Internal snapshots.
    pub snapshots: Vec<SnapshotRow>,
    /// Snapshots that are not listed.
    pub more_snapshots: usize,
    /// What a reader should know.
    pub notes: Vec<String>,
}

/// A property.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fact {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A part of the disk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// Its number, or what stands for it.
    pub number: String,
    /// What it is called.
    pub name: String,
    /// What is in it.
    pub content: String,
    /// Where it begins in bytes, if it lies in one place.
    pub start: Option<u64>,
    /// Its length in bytes.
    pub bytes: u64,
    /// Whether it is a part of the row before it that is not inside.
    pub is_inside: bool,
}

/// An internal snapshot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct SnapshotRow {
    /// Its ID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it was taken.
    pub date: String,
    /// Length of its disk in bytes.
    pub disk_bytes: u64,
    /// Bytes of the state of the virtual machine.
    pub vm_state_bytes: u64,
}

impl Fact {
    /// The property `name` with this `value`.
    #[must_use]
    pub fn new(name: &str, value: impl Into<String>) -> Self {
        Self {
            name: name.to_owned(),
            value: value.into(),
        }
    }
}
