//! What `qcow2 check` reports.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::ops::Range;

use qcow2_check::{Audit, DiskId, Entry, Fault, Owner, Repair, Severity};
use qcow2_edit::Repaired;
use serde::Serialize;

use crate::args::CheckArgs;
use crate::text::{Bytes, escaped};

/// The report of a check. The keys up to `leaks` are those of `qemu-img check`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct Report {
    filename: String,
    format: &'static str,
    check_errors: u64,
    #[serde(skip_serializing_if = "is_zero")]
    image_end_offset: u64,
    #[serde(skip_serializing_if = "is_zero")]
    total_clusters: u64,
    #[serde(skip_serializing_if = "is_zero")]
    allocated_clusters: u64,
    #[serde(skip_serializing_if = "is_zero")]
    fragmented_clusters: u64,
    #[serde(skip_serializing_if = "is_zero")]
    compressed_clusters: u64,
    #[serde(skip_serializing_if = "is_zero")]
    corruptions: u64,
    #[serde(skip_serializing_if = "is_zero")]
    leaks: u64,
    #[serde(skip_serializing_if = "is_zero")]
    corruptions_fixed: u64,
    #[serde(skip_serializing_if = "is_zero")]
    leaks_fixed: u64,
    /// What may hold wrong bytes after a repair.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    doubtful: Vec<Doubtful>,
    /// Number of faults of each kind.
    totals: BTreeMap<&'static str, u64>,
    findings: Vec<Finding>,
    #[serde(skip)]
    is_with_data: bool,
    /// What is said of the repair.
    #[serde(skip)]
    repair: Option<&'static str>,
}

/// A part of a disk that may not hold what was written to it.
#[derive(Debug, Serialize)]
struct Doubtful {
    /// Index in the snapshot table, if it is of a snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<usize>,
    guest: Place,
}

/// A fault. Ranges are in bytes.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
struct Finding {
    kind: &'static str,
    severity: &'static str,
    structure: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<Place>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<InTable>,
    owners: Vec<Owned>,
    repair: &'static str,
    text: String,
}

/// Bytes of the file or of a disk.
#[derive(Debug, Serialize)]
struct Place {
    start: u64,
    length: u64,
}

/// An entry of a table.
#[derive(Debug, Serialize)]
struct InTable {
    table: String,
    index: u64,
    offset: u64,
    value: u64,
}

/// What refers to the bytes with the fault.
#[derive(Debug, Serialize)]
struct Owned {
    structure: String,
    /// Index in the snapshot table, if it is of a snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshot: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guest: Option<Place>,
    host: Place,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<InTable>,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Place {
    fn of(range: &Range<u64>) -> Self {
        Self {
            start: range.start,
            length: range.end.saturating_sub(range.start),
        }
    }
}

impl InTable {
    fn of(entry: Entry) -> Self {
        Self {
            table: entry.table.to_string(),
            index: entry.index,
            offset: entry.host,
            value: entry.raw,
        }
    }
}

impl Owned {
    fn of(owner: &Owner) -> Self {
        Self {
            structure: owner.structure.to_string(),
            snapshot: match owner.disk {
                Some(DiskId::Snapshot(index)) => Some(index),
                _ => None,
            },
            guest: owner.guest.as_ref().map(Place::of),
            host: Place::of(&owner.host),
            entry: owner.entry.map(InTable::of),
        }
    }
}

impl Finding {
    fn of(fault: &Fault) -> Self {
        Self {
            kind: fault.kind.name(),
            severity: match fault.kind.severity() {
                Severity::Corruption => "corruption",
                Severity::Leak => "leak",
                Severity::Note => "note",
            },
            structure: fault.structure.to_string(),
            host: fault.host.as_ref().map(Place::of),
            entry: fault.entry().map(InTable::of),
            owners: fault.owners.iter().map(Owned::of).collect(),
            repair: name_of(fault.repair),
            text: fault.to_string(),
        }
    }
}

/// The name of a repair in JSON.
fn name_of(repair: Repair) -> &'static str {
    match repair {
        Repair::Leaks => "leaks",
        Repair::Refcounts => "refcounts",
        Repair::Copied => "copied",
        Repair::Reserved => "reserved-bits",
        Repair::Dirty => "dirty",
        Repair::Doubtful => "decision",
        _ => "none",
    }
}

impl Report {
    pub(super) fn new(args: &CheckArgs, audit: &Audit) -> Self {
        Self {
            filename: args.image.display().to_string(),
            format: "qcow2",
            check_errors: 0,
            image_end_offset: audit.image_end,
            total_clusters: audit.clusters.total,
            allocated_clusters: audit.clusters.allocated,
            fragmented_clusters: audit.clusters.fragmented,
            compressed_clusters: audit.clusters.compressed,
            corruptions: audit.corruptions,
            leaks: audit.leaks,
            totals: audit.totals.clone(),
            findings: audit.faults.iter().map(Finding::of).collect(),
            is_with_data: args.data,
            corruptions_fixed: 0,
            leaks_fixed: 0,
            doubtful: Vec::new(),
            repair: args.dry_run.then_some("dry run: nothing was changed"),
        }
    }

    /// The same after a repair of what was found `before`.
    pub(super) fn repaired(self, before: &Audit, repaired: Option<Repaired>) -> Self {
        let Some(repaired) = repaired else {
            let is_for_all = |fault: &Fault| {
                let repair = fault.repair;
                repair != Repair::Doubtful && repair != Repair::No
            };
            let is_for_all = before.faults.iter().all(is_for_all);
            return Self {
                repair: Some(match is_for_all {
                    true => "nothing was changed: --repair all repairs more than leaks",
                    false => "nothing was changed: the damage needs a decision",
                }),
                ..self
            };
        };
        let doubtful = repaired.doubtful.iter().map(|doubt| Doubtful {
            snapshot: doubt.snapshot,
            guest: Place::of(&doubt.guest),
        });
        Self {
            corruptions_fixed: before.corruptions.saturating_sub(self.corruptions),
            leaks_fixed: before.leaks.saturating_sub(self.leaks),
            doubtful: doubtful.collect(),
            repair: Some("what needs no decision was repaired"),
            ..self
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "image    {}", escaped(self.filename.as_bytes()))?;
        let percent = |part: u64, whole: u64| {
            let hundredths = u128::from(part) * 1000 / u128::from(whole.max(1));
            format!("{}.{} %", hundredths / 10, hundredths % 10)
        };
        writeln!(
            f,
            "clusters {} of {} allocated ({}), {} fragmented, {} compressed",
            self.allocated_clusters,
            self.total_clusters,
            percent(self.allocated_clusters, self.total_clusters),
            self.fragmented_clusters,
            self.compressed_clusters
        )?;
        writeln!(f, "used     {} of the file", Bytes(self.image_end_offset))?;
        for finding in &self.findings {
            let text = escaped(finding.text.as_bytes());
            let repair = match finding.repair {
                "none" => "no repair",
                "decision" => "repair needs a decision",
                other => other,
            };
            writeln!(f, "{:<10} {text} [{repair}]", finding.severity)?;
        }
        for (kind, total) in &self.totals {
            let kept = self.findings.iter().filter(|finding| finding.kind == *kind);
            let kept = u64::try_from(kept.count()).unwrap_or(u64::MAX);
            let more = total.saturating_sub(kept);
            if more > 0 {
                writeln!(f, "and {more} more of kind {kind}")?;
            }
        }
        for doubtful in &self.doubtful {
            let Place { start, length } = doubtful.guest;
            let end = start.saturating_add(length);
            write!(f, "doubtful   guest bytes {start:#x}..{end:#x}")?;
            match doubtful.snapshot {
                Some(index) => writeln!(f, " of snapshot {index}")?,
                None => writeln!(f)?,
            }
        }
        if let Some(repair) = self.repair {
            let (corruptions, leaks) = (self.corruptions_fixed, self.leaks_fixed);
            writeln!(
                f,
                "repair   {repair}; {corruptions} corruptions and {leaks} leaks are gone"
            )?;
        }
        let all = if self.is_with_data {
            " and all compressed clusters"
        } else {
            ""
        };
        match (self.corruptions, self.leaks) {
            (0, 0) => writeln!(f, "clean    the metadata{all} agree"),
            (0, leaks) => writeln!(f, "result   {leaks} leaked clusters, no corruption"),
            (corruptions, leaks) => {
                writeln!(
                    f,
                    "result   {corruptions} corruptions, {leaks} leaked clusters"
                )
            }
        }
    }
}
