//! Cases as tests with names, and how much of them is tested.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use fixtures::{E2fs, Program};
use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::judge::Judge;
use super::round_trip::Bench;
use super::verdict::Verdict;

/// Says how much is tested: nothing, `long` or `full`.
const LEVEL: &str = "QCOW2_TESTS";

/// How much is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    /// What `cargo test` runs; long cases are listed as ignored.
    Quick,
    /// What is tested before a change goes in.
    Long,
    /// All there is.
    Full,
}

/// How much was asked for.
///
/// # Panics
///
/// Where the variable says something else.
pub(crate) fn level() -> Level {
    match variable(LEVEL).as_deref() {
        None => Level::Quick,
        Some("long") => Level::Long,
        Some("full") => Level::Full,
        Some(other) => panic!("{LEVEL} is {other}, not long or full"),
    }
}

/// The variable `name`, if it is set to anything.
pub(crate) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// The program under test: ours, or the one `QCOW2_BIN` names.
pub(crate) fn program() -> Program {
    let named = variable("QCOW2_BIN").map(PathBuf::from);
    Program::at(named.unwrap_or_else(|| env!("CARGO_BIN_EXE_qcow2").into()))
}

/// A case that takes long: ignored unless [`LEVEL`] or `--include-ignored` asks
/// for it.
pub(crate) fn trial(
    name: impl Into<String>,
    run: impl FnOnce() -> io::Result<Verdict> + Send + 'static,
) -> Trial {
    Trial::ignorable_test(name, || ended(run())).with_ignored_flag(level() == Level::Quick)
}

/// The same of a case that needs e2fsprogs and qemu-img.
pub(crate) fn judged(
    name: impl Into<String>,
    run: impl FnOnce(&Bench) -> io::Result<Verdict> + Send + 'static,
) -> Trial {
    trial(name, || with_bench(E2fs::find(), "e2fsprogs", run))
}

/// What `run` finds with `tools`, named `name`, and qemu-img.
pub(crate) fn with_bench<J: Judge>(
    tools: Option<J>,
    name: &str,
    run: impl FnOnce(&Bench<J>) -> io::Result<Verdict>,
) -> io::Result<Verdict> {
    match Bench::find(program(), tools) {
        Some(bench) => run(&bench),
        None => missing(&format!(
            "{name} and qemu-img are needed (`cargo xtask test --install`)"
        )),
    }
}

/// What a case comes to that lacks what it needs.
pub(crate) fn missing(text: &str) -> io::Result<Verdict> {
    if fixtures::strict() {
        return Err(io::Error::other(format!("CI is true, and {text}")));
    }
    Ok(Verdict::Skipped(text.into()))
}

fn ended(verdict: io::Result<Verdict>) -> Result<Completion, Failed> {
    match verdict? {
        Verdict::Ran(problems) if problems.is_empty() => Ok(Completion::Completed),
        Verdict::Ran(problems) => Err(problems.join("; ").into()),
        Verdict::Skipped(reason) => {
            eprintln!("SKIPPED: {reason}");
            Ok(Completion::ignored_with(format!("SKIPPED: {reason}")))
        }
    }
}

/// A test of the suite itself, which fails by panicking.
pub(crate) fn check(name: &str, run: fn()) -> Trial {
    Trial::test(format!("the suite: {name}"), move || {
        run();
        Ok(())
    })
}

/// Runs the tests that the command line asks for.
///
/// # Panics
///
/// Where two have the same name.
pub(crate) fn run(trials: Vec<Trial>) -> ExitCode {
    let mut names: Vec<_> = trials.iter().map(Trial::name).collect();
    names.sort_unstable();
    let twice = names.windows(2).find(|pair| pair[0] == pair[1]);
    assert_eq!(twice, None, "names are different");
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
