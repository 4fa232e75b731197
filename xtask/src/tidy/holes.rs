//! Who asks for holes: `blockio::Holes`, which remembers the answer, and nobody else.

use std::ffi::OsStr;

use super::source::{code_only, functions, without_tests};
use super::{File, Finding};

/// The call that is to be made through [`HOLDER`], but to pass it on.
const CALL: &str = ".next_data(";
const HOLDER: &str = "holes";
/// What passes it on: the same method of other storage.
const METHOD: &str = "next_data";

/// Finds the calls in the crates that are not made through what remembers. Tests are
/// exempt.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let is_source = |file: &&File| {
        let is_test = |part: &OsStr| part == "tests" || part == "tests.rs" || part == "benches";
        file.path.starts_with("crates")
            && file.path.extension() == Some(OsStr::new("rs"))
            && !file.path.iter().any(is_test)
    };
    let sources = files.iter().filter(is_source);
    sources.flat_map(calls).collect()
}

fn calls(file: &File) -> Vec<Finding> {
    // Without the tests lines move: they are looked up in all of the code.
    let all = code_only(&file.text);
    let code = without_tests(&all);
    let functions = functions(&all);
    let passes_on = |line: usize| {
        let mut holders = functions.iter().filter(|function| function.name == METHOD);
        holders.any(|function| (function.line..function.line + function.lines).contains(&line))
    };
    let in_tests = all.matches(CALL).count() - code.matches(CALL).count();
    let last = all.matches(CALL).count() - in_tests;
    all.match_indices(CALL)
        .take(last)
        .filter(|(at, _)| !all[..*at].trim_end().ends_with(HOLDER))
        .map(|(at, _)| all[..at].matches('\n').count() + 1)
        .filter(|line| !passes_on(*line))
        .map(|line| {
            let text = "holes are asked for through blockio::Holes, which remembers the answer";
            file.finding(line, text)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<usize> {
        let file = File {
            path: path.into(),
            text: text.into(),
        };
        let findings = check(&[file]);
        findings.iter().map(|finding| finding.line).collect()
    }

    #[test]
    fn only_what_remembers_or_passes_on_may_call() {
        let code = "impl ReadAt for A {\n    fn next_data(&self, at: u64) -> R {\n        \
                    self.0.next_data(at)\n    }\n}\nfn f(a: &A, holes: &Holes) {\n    \
                    holes.next_data(a, 0);\n    // a.next_data(0)\n    self\n        .holes\n        \
                    .next_data(a, 1);\n    a.next_data(2);\n}\n";
        assert_eq!(findings("crates/a/src/b.rs", code), [12]);
        assert_eq!(findings("crates/a/src/b/tests.rs", code), []);
        assert_eq!(findings("crates/a/tests/b.rs", code), []);
        assert_eq!(findings("xtask/src/b.rs", code), []);
        let tests = format!("fn g() {{}}\n#[cfg(test)]\nmod tests {{\n{code}\n}}\n");
        assert_eq!(findings("crates/a/src/b.rs", &tests), []);
    }
}
