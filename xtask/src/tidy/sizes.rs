//! A file has one job and stays short; so does a function.

use std::path::Path;

use super::source::{code_only, functions};
use super::{File, Finding};

/// Most lines of a source file.
const FILE_LINES_MAX: usize = 400;
/// Most lines of a function, from `fn` to its closing brace.
const FUNCTION_LINES_MAX: usize = 70;

/// Files that may be longer, each with the reason.
const LONGER: &[(&str, &str)] = &[(
    "crates/qcow2-format/src/error.rs",
    "one flat enum: a variant, its message and its documented fields for every rule of the format",
)];

/// Finds long files, long functions, and exceptions no longer needed.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let rust = |file: &&File| file.path.extension().is_some_and(|end| end == "rs");
    files.iter().filter(rust).flat_map(check_file).collect()
}

fn check_file(file: &File) -> Vec<Finding> {
    let lines = file.text.lines().count();
    let excepted = LONGER.iter().any(|(path, _)| Path::new(path) == file.path);
    let mut findings = Vec::new();
    if lines > FILE_LINES_MAX && !excepted {
        let text = format!("{lines} lines; {FILE_LINES_MAX} are allowed");
        findings.push(file.finding(1, text));
    }
    if lines <= FILE_LINES_MAX && excepted {
        findings.push(file.finding(1, "no longer needs to be an exception"));
    }
    for function in functions(&code_only(&file.text)) {
        if function.lines > FUNCTION_LINES_MAX {
            let text = format!(
                "`{}` has {} lines; {FUNCTION_LINES_MAX} are allowed",
                function.name, function.lines
            );
            findings.push(file.finding(function.line, text));
        }
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: String) -> Vec<String> {
        let file = File {
            path: "a.rs".into(),
            text,
        };
        check(&[file]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn lengths_are_counted_exactly() {
        assert_eq!(said("\n".repeat(400)), Vec::<String>::new());
        assert_eq!(
            said("\n".repeat(401)),
            ["a.rs:1: 401 lines; 400 are allowed"]
        );
        let body = |lines: usize| format!("\nfn f() {{{}}}\n", "\n".repeat(lines - 1));
        assert_eq!(said(body(70)), Vec::<String>::new());
        assert_eq!(said(body(71)), ["a.rs:2: `f` has 71 lines; 70 are allowed"]);
    }
}
