//! Filesystems of every make, and what is known to break other tools, through
//! the program.

mod crash;
mod distrust;
mod interop;
mod makes;
mod source;
mod special;

use std::fmt::Write;
use std::io;
use std::num::NonZeroUsize;
use std::path::Path;

use crate::arguments::Arguments;
use crate::roundtrip::{Bench, DONE, Report};
use crate::{Failure, TaskResult};

/// Cases worked on at a time.
const THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("two");

/// What a case does: with the program and its judges, in an empty folder.
type Run = Box<dyn Fn(&Bench, &Path) -> io::Result<Verdict> + Send + Sync>;

/// One filesystem and what must hold for it.
struct Case {
    name: String,
    /// Whether it runs without `--full`.
    quick: bool,
    run: Run,
}

impl Case {
    fn new(
        name: impl Into<String>,
        quick: bool,
        run: impl Fn(&Bench, &Path) -> io::Result<Verdict> + Send + Sync + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            quick,
            run: Box::new(run),
        }
    }
}

/// How a case ends.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// What is not as it should be; empty where all is well.
    Ran(Vec<String>),
    /// Why it cannot run here.
    Skipped(String),
}

impl Verdict {
    /// Of a round trip that had to end with `code`; with 0, free bytes may not
    /// be kept.
    fn of(report: Report, code: i32) -> Self {
        let ended = report.code;
        let report = if code == DONE {
            report.must_be_lean()
        } else {
            report
        };
        let text = format!("pack ended with {ended:?}, not {code}");
        Self::Ran(report.problems).and(Self::check(ended == Some(code), text))
    }

    /// Well, if `holds`; else what `text` says.
    fn check(holds: bool, text: impl Into<String>) -> Self {
        Self::Ran(if holds { vec![] } else { vec![text.into()] })
    }

    /// This, and what `other` found too.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Ran(mut problems), Self::Ran(more)) => {
                problems.extend(more);
                Self::Ran(problems)
            }
            (skipped @ Self::Skipped(_), _) | (_, skipped) => skipped,
        }
    }
}

/// `cargo xtask matrix`.
pub(crate) fn run(mut arguments: Arguments) -> TaskResult {
    let full = arguments.flag("--full");
    let program = arguments.option("--bin")?;
    let only = arguments.option("--only")?.unwrap_or_default();
    arguments.finish()?;
    let Some(bench) = Bench::require(program)? else {
        return Ok(());
    };
    let mut cases = all_cases();
    cases.retain(|case| (full || case.quick) && case.name.contains(&only));
    let mut count = Count::default();
    pipeline::ordered_map(
        THREADS,
        cases.into_iter().map(Ok),
        |case| {
            let folder = tempfile::tempdir()?;
            let verdict = (case.run)(&bench, folder.path());
            Ok((case.name, verdict))
        },
        |(name, verdict)| {
            count.add(&name, verdict);
            Ok::<_, io::Error>(())
        },
    )?;
    println!("{}", count.summary());
    if count.failed > 0 {
        return Err(Failure::new("not every filesystem came back as it was"));
    }
    if count.passed == 0 && count.skipped.is_empty() {
        return Err(Failure::new(format!("no case is called {only}")));
    }
    Ok(())
}

fn all_cases() -> Vec<Case> {
    let mut cases = makes::cases();
    cases.extend(special::cases());
    cases.extend(distrust::cases());
    cases.extend(interop::cases());
    cases.extend(crash::cases());
    cases
}

#[derive(Default)]
struct Count {
    passed: usize,
    failed: usize,
    skipped: Vec<String>,
}

impl Count {
    /// Counts a case and prints its line.
    fn add(&mut self, name: &str, verdict: io::Result<Verdict>) {
        match verdict {
            Ok(Verdict::Ran(problems)) if problems.is_empty() => {
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

    fn summary(&self) -> String {
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

    #[test]
    fn names_are_different() {
        let mut names: Vec<_> = all_cases().into_iter().map(|case| case.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
