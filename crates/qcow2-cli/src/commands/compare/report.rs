//! What came of a comparison.

use std::fmt::{self, Display};

use blockio::ReadAt;
use serde::Serialize;

use crate::args::SideArgs;
use crate::output::SCHEMA;
use crate::source::steady::Steady;
use crate::text::Bytes;

/// How two disks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub(super) enum Difference {
    /// In a byte; it is the first one.
    Content { offset: u64, a: u8, b: u8 },
    /// In length, where that matters.
    Size,
    /// In where they hold data; from this byte on.
    Allocation { offset: u64 },
}

/// What came of a comparison.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    schema: u32,
    command: &'static str,
    a: Side,
    b: Side,
    pub(super) strict: bool,
    /// What was compared: `all`, or what the filesystems on A need.
    content: &'static str,
    /// Why everything of A was compared, where that was not asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    kept_whole: Option<String>,
    identical: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    difference: Option<Difference>,
    /// A source in use was read.
    pub(super) may_have_changed: bool,
    pub(super) seconds: f64,
}

#[derive(Debug, Serialize)]
struct Side {
    source: String,
    format: &'static str,
    disk_bytes: u64,
}

impl Report {
    pub(super) fn new(sides: &[SideArgs; 2], disks: &[Steady; 2]) -> Self {
        let side = |args: &SideArgs, disk: &Steady| Side {
            source: args.path.display().to_string(),
            format: disk.disk.format(),
            disk_bytes: disk.size(),
        };
        Self {
            schema: SCHEMA,
            command: "compare",
            a: side(&sides[0], &disks[0]),
            b: side(&sides[1], &disks[1]),
            strict: false,
            content: "all",
            kept_whole: None,
            identical: false,
            difference: None,
            may_have_changed: false,
            seconds: 0.0,
        }
    }

    /// Notes what was compared.
    pub(super) fn used(&mut self, content: &'static str, kept_whole: Option<String>) {
        self.content = content;
        self.kept_whole = kept_whole;
    }

    /// Notes what came of it.
    pub(super) fn found(&mut self, difference: Option<Difference>) {
        self.identical = difference.is_none();
        self.difference = difference;
    }

    /// What is said of disks that are the same.
    fn same(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = [self.a.disk_bytes, self.b.disk_bytes];
        match self.content {
            "all" => writeln!(f, "identical: {} of disk", Bytes(a.max(b)))?,
            _ => writeln!(f, "identical in what A needs of its {}", Bytes(a))?,
        }
        match (a == b, self.content) {
            (false, "all") => {
                let rest = Bytes(a.abs_diff(b));
                let longer = if a > b { "A" } else { "B" };
                writeln!(f, "note: {longer} is longer, by {rest} of zeros")
            }
            _ => Ok(()),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(why) = &self.kept_whole {
            writeln!(f, "note: everything of A counts: {why}")?;
        }
        if self.may_have_changed {
            writeln!(f, "note: they are in use, and may have changed meanwhile")?;
        }
        match self.difference {
            None => self.same(f),
            Some(Difference::Size) => writeln!(
                f,
                "different: A has {} bytes, B has {}",
                self.a.disk_bytes, self.b.disk_bytes
            ),
            Some(Difference::Allocation { offset }) => writeln!(
                f,
                "different: at byte {offset} ({offset:#x}) one holds data and the other does not, \
                 or in another way"
            ),
            Some(Difference::Content { offset, a, b }) => writeln!(
                f,
                "different: byte {offset} ({offset:#x}) is {a:#04x} in A and {b:#04x} in B"
            ),
        }
    }
}
