//! What is said when the page is written.

use std::fmt::{self, Display};

use qcow2_report::{Survey, Totals};
use serde::Serialize;

use crate::args::ReportArgs;
use crate::output::SCHEMA;
use crate::source::Opening;
use crate::text::{Bytes, printable};

/// What is said when the page is written.
#[derive(Debug, Serialize)]
pub(super) struct Done {
    schema: u32,
    command: &'static str,
    source: String,
    source_format: &'static str,
    page: String,
    page_bytes: u64,
    totals: Totals,
    /// What a check of the image found; `None` for a raw disk.
    findings: Option<u64>,
}

impl Done {
    pub(super) fn new(
        args: &ReportArgs,
        source: &Opening,
        survey: &Survey,
        page_bytes: usize,
    ) -> Self {
        Self {
            schema: SCHEMA,
            command: "report",
            source: args.image.display().to_string(),
            source_format: source.format(),
            page: args.page.display().to_string(),
            page_bytes: u64::try_from(page_bytes).unwrap_or(u64::MAX),
            totals: survey.totals,
            findings: survey.findings.as_ref().map(|found| found.count),
        }
    }

    pub(super) fn has_findings(&self) -> bool {
        self.findings.is_some_and(|count| count > 0)
    }
}

impl Display for Done {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let totals = &self.totals;
        let size = Bytes(totals.disk_bytes);
        writeln!(f, "source   {}: {size}", printable(&self.source))?;
        let (used, free) = (Bytes(totals.used_bytes), Bytes(totals.free_bytes));
        writeln!(f, "disk     {used} used, {free} free")?;
        let (stored, stale) = (Bytes(totals.stored_bytes), Bytes(totals.stale_bytes));
        writeln!(f, "stored   {stored}, of which {stale} are free")?;
        match self.findings {
            None | Some(0) => {}
            Some(count) => writeln!(f, "check    {count} findings")?,
        }
        let bytes = Bytes(self.page_bytes);
        writeln!(f, "page     {}: {bytes}", printable(&self.page))
    }
}
