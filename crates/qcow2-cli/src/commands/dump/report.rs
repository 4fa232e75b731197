//! What the bytes of an image's file come to.

use std::fmt::{self, Display};
use std::io;

use qcow2_dump::Account;
use serde::Serialize;

use crate::args::DumpArgs;
use crate::output::SCHEMA;
use crate::text::{Bytes, harmless};

/// What the bytes of an image's file come to.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    command: &'static str,
    image: String,
    file_bytes: u64,
    cluster_size: u64,
    structures: Vec<Structure>,
    /// Entries that name what cannot be there.
    wrong_entries: u64,
    /// Whether all was looked at that may use clusters.
    complete: bool,
}

/// What the bytes of one structure come to.
#[derive(Debug, Serialize)]
struct Structure {
    structure: &'static str,
    count: u64,
    bytes: u64,
    ranges: u64,
}

impl Report {
    pub(super) fn new(args: &DumpArgs, account: &Account) -> Self {
        let structures = account.structures.iter().map(|total| Structure {
            structure: total.kind.name(),
            count: total.count,
            bytes: total.bytes,
            ranges: total.ranges,
        });
        Self {
            schema: SCHEMA,
            command: "dump",
            image: args.image.display().to_string(),
            file_bytes: account.file_bytes,
            cluster_size: account.cluster_bytes,
            structures: structures.collect(),
            wrong_entries: account.wrong_entries,
            complete: !account.is_incomplete,
        }
    }

    /// The report in one line of JSON.
    pub(super) fn json(&self) -> io::Result<String> {
        Ok(harmless(&serde_json::to_string(self)?))
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<20}{:>10}{:>10}{:>18}",
            "structure", "count", "ranges", "bytes"
        )?;
        for one in self
            .structures
            .iter()
            .filter(|one| one.bytes > 0 || one.count > 0)
        {
            let count = match one.count {
                0 => String::new(),
                count => count.to_string(),
            };
            writeln!(
                f,
                "{:<20}{count:>10}{:>10}{:>18}",
                one.structure, one.ranges, one.bytes
            )?;
        }
        writeln!(
            f,
            "{:<40}{:>18}  {}, clusters of {}",
            "file",
            self.file_bytes,
            Bytes(self.file_bytes),
            Bytes(self.cluster_size)
        )?;
        if self.wrong_entries > 0 {
            writeln!(
                f,
                "damage: {} entries of tables name what cannot be there",
                self.wrong_entries
            )?;
        }
        if !self.complete {
            writeln!(
                f,
                "damage: not all that may use clusters could be looked at"
            )?;
        }
        Ok(())
    }
}
