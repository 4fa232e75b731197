//! Snapshots and bitmaps, under qemu-img's names.

use std::fmt::{self, Display};
use std::time::{Duration, UNIX_EPOCH};

use qcow2_format::bitmap::{BitmapDirectoryEntry, BitmapFlags};
use qcow2_format::snapshot::Snapshot;
use serde::Serialize;

use crate::text::{Bytes, Foreign};

const NANOSECONDS: u64 = 1_000_000_000;

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct SnapshotFacts {
    id: Foreign,
    name: Foreign,
    vm_state_size: u64,
    date_sec: u32,
    date_nsec: u32,
    vm_clock_sec: u64,
    vm_clock_nsec: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    icount: Option<u64>,
}

impl SnapshotFacts {
    pub(crate) fn new(snapshot: &Snapshot) -> Self {
        Self {
            id: Foreign::new(&snapshot.id),
            name: Foreign::new(&snapshot.name),
            vm_state_size: snapshot.vm_state_bytes,
            date_sec: snapshot.date_seconds,
            date_nsec: snapshot.date_nanoseconds,
            vm_clock_sec: snapshot.vm_clock_nanoseconds / NANOSECONDS,
            vm_clock_nsec: snapshot.vm_clock_nanoseconds % NANOSECONDS,
            icount: snapshot.instruction_count,
        }
    }
}

impl Display for SnapshotFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = UNIX_EPOCH + Duration::from_secs(self.date_sec.into());
        let date = humantime::format_rfc3339_seconds(date);
        let vm_state = Bytes(self.vm_state_size);
        write!(
            f,
            "{} \"{}\", {date}, VM state {vm_state}",
            self.id, self.name
        )
    }
}

#[derive(Debug, Serialize)]
pub(crate) struct BitmapFacts {
    flags: Vec<&'static str>,
    name: Foreign,
    granularity: u64,
}

impl BitmapFacts {
    pub(crate) fn new(bitmap: &BitmapDirectoryEntry) -> Self {
        let flags = [(BitmapFlags::IN_USE, "in-use"), (BitmapFlags::AUTO, "auto")];
        let set = flags
            .iter()
            .filter(|(flag, _)| bitmap.flags.contains(*flag));
        Self {
            flags: set.map(|(_, name)| *name).collect(),
            name: Foreign::new(&bitmap.name),
            granularity: 1 << bitmap.granularity_bits,
        }
    }
}

impl Display for BitmapFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\", granularity {}", self.name, self.granularity)?;
        self.flags.iter().try_for_each(|flag| write!(f, ", {flag}"))
    }
}
