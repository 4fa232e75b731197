//! Filesystems of every make, size and fill level, and unusual disks, through the
//! program.

mod distrust;
mod fill_levels;
mod interop;
mod makes;
mod source;
mod special;

use std::io;
use std::num::NonZeroUsize;
use std::path::Path;

use crate::arguments::Arguments;
use crate::roundtrip::{Bench, DONE, Report};
use crate::verdict::{Count, Verdict};
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
    cases.extend(fill_levels::cases());
    cases.extend(special::cases());
    cases.extend(distrust::cases());
    cases.extend(interop::cases());
    cases
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_different() {
        let mut names: Vec<_> = all_cases().into_iter().map(|case| case.name).collect();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
    }
}
