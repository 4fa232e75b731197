//! How a case ends.

use super::round_trip::{DONE, Report};

/// How a case ends.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// What is not as it should be; empty where all is well.
    Ran(Vec<String>),
    /// Why it cannot run here.
    Skipped(String),
}

impl Verdict {
    /// Well, if `holds`; else what `text` says.
    pub(crate) fn check(holds: bool, text: impl Into<String>) -> Self {
        Self::Ran(if holds { vec![] } else { vec![text.into()] })
    }

    /// Nothing was found.
    pub(crate) fn good() -> Self {
        Self::Ran(vec![])
    }

    /// What is not as it should be.
    pub(crate) fn wrong(text: String) -> Self {
        Self::Ran(vec![text])
    }

    /// Whether it ran, and nothing was found.
    pub(crate) fn is_well(&self) -> bool {
        matches!(self, Self::Ran(problems) if problems.is_empty())
    }

    /// This, and what `other` found too.
    pub(crate) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Ran(mut problems), Self::Ran(more)) => {
                problems.extend(more);
                Self::Ran(problems)
            }
            (skipped @ Self::Skipped(_), _) | (_, skipped) => skipped,
        }
    }
}

impl Verdict {
    /// Of a round trip that had to end with `code`; with 0, free bytes may not
    /// be kept.
    pub(crate) fn of(report: Report, code: i32) -> Self {
        let ended = report.code;
        let report = if code == DONE {
            report.must_be_lean()
        } else {
            report
        };
        let text = format!("pack ended with {ended:?}, not {code}");
        Self::Ran(report.problems).and(Self::check(ended == Some(code), text))
    }
}
