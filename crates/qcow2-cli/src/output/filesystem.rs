//! What reports say of a filesystem.

use std::fmt::{self, Display};

use disk_layout::FilesystemInfo;
use serde::Serialize;

use crate::text::{Bytes, Foreign};

/// The filesystem on the source.
#[derive(Debug, Serialize)]
pub(crate) struct FilesystemReport {
    pub(crate) kind: &'static str,
    pub(crate) label: Foreign,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) uuid: Option<String>,
    /// UUID of the journal, where it is on another device: the filesystem is not
    /// self-contained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) external_journal: Option<String>,
    /// Not there where the superblock's numbers make no sense.
    #[serde(flatten)]
    pub(crate) geometry: Option<GeometryReport>,
}

#[derive(Debug, Serialize)]
pub(crate) struct GeometryReport {
    pub(crate) block_size: u64,
    pub(crate) blocks: u64,
}

impl FilesystemReport {
    pub(crate) fn new(info: &FilesystemInfo) -> Self {
        Self {
            kind: info.kind,
            label: Foreign::new(&info.label),
            uuid: info.id(),
            external_journal: info.external_journal.as_ref().map(uuid),
            geometry: info.blocks.map(|blocks| GeometryReport {
                block_size: blocks.bytes,
                blocks: blocks.count,
            }),
        }
    }
}

impl FilesystemReport {
    /// Its kind and its label.
    pub(crate) fn name(&self) -> String {
        if self.label.is_empty() {
            self.kind.to_owned()
        } else {
            format!("{} \"{}\"", self.kind, self.label)
        }
    }
}

impl Display for FilesystemReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())?;
        if let Some(GeometryReport { blocks, block_size }) = self.geometry {
            write!(f, " of {blocks} blocks of {}", Bytes(block_size))?;
        }
        if let Some(uuid) = &self.external_journal {
            write!(f, ", not self-contained: its journal is on device {uuid}")?;
        }
        Ok(())
    }
}

/// The usual form: 8-4-4-4-12 hexadecimal digits.
fn uuid(bytes: &[u8; 16]) -> String {
    let hex = format!("{:032x}", u128::from_be_bytes(*bytes));
    let parts = [0..8, 8..12, 12..16, 16..20, 20..32].map(|range| hex.get(range).unwrap_or(""));
    parts.join("-")
}
