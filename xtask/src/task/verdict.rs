//! How the cases of a task end, and how they are counted.

use std::fmt::Write;
use std::io;

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

#[derive(Default)]
pub(crate) struct Count {
    pub(crate) passed: usize,
    pub(crate) failed: usize,
    pub(crate) skipped: Vec<String>,
}

impl Count {
    /// Counts a case and prints its line.
    pub(crate) fn add(&mut self, name: &str, verdict: io::Result<Verdict>) {
        match verdict {
            Ok(verdict) if verdict.is_well() => {
                self.passed += 1;
                println!("ok   {name}");
            }
            Ok(Verdict::Ran(problems)) => {
                self.failed += 1;
                println!("FAIL {name}: {}", problems.join("; "));
            }
            Ok(Verdict::Skipped(reason)) => {
                println!("SKIPPED {name}: {reason}");
                self.skipped.push(name.to_owned());
            }
            Err(error) => {
                self.failed += 1;
                println!("FAIL {name}: {error}");
            }
        }
    }

    pub(crate) fn summary(&self) -> String {
        let mut text = format!("{} passed, {} failed", self.passed, self.failed);
        if !self.skipped.is_empty() {
            let (count, names) = (self.skipped.len(), self.skipped.join(", "));
            write!(text, ", {count} SKIPPED: {names}").expect("a String takes all");
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_add_up() {
        let (good, bad) = (|| Verdict::check(true, "x"), || Verdict::check(false, "x"));
        assert_eq!(good().and(good()), Verdict::Ran(vec![]));
        assert_eq!(bad().and(bad()), Verdict::Ran(vec!["x".into(), "x".into()]));
        let skipped = || Verdict::Skipped("why".into());
        assert_eq!(bad().and(skipped()), skipped());
        assert_eq!(skipped().and(good()), skipped());
    }

    #[test]
    fn the_summary_names_what_was_skipped() {
        let mut count = Count::default();
        count.add("a", Ok(Verdict::Ran(vec![])));
        count.add("b", Err(io::Error::other("broken")));
        count.add("c", Ok(Verdict::Skipped("no root".into())));
        assert_eq!(count.summary(), "1 passed, 1 failed, 1 SKIPPED: c");
    }
}
