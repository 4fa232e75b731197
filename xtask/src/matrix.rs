//! Filesystems of every make, size and fill level, and unusual disks, through the
//! program.

mod case;
mod distrust;
mod fill_levels;
mod interop;
mod makes;
mod source;
mod special;

use std::io;
use std::num::NonZeroUsize;

use crate::roundtrip::Bench;
use crate::task::arguments::Arguments;
use crate::task::verdict::Count;
use crate::task::{Failure, TaskResult};
use case::Case;

/// Cases worked on at a time.
const THREADS: NonZeroUsize = NonZeroUsize::new(2).expect("two");

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
