//! A file has one job and stays short. Clippy counts the lines of functions.

use std::path::Path;

use super::finding::{File, Finding};

/// Most lines of a source file.
const FILE_LINES_MAX: usize = 400;

/// Files that may be longer, each with the reason.
const LONGER: &[(&str, &str)] = &[(
    "crates/qcow2-format/src/error.rs",
    "one flat enum: a variant, its message and its documented fields for every rule of the format",
)];

/// Finds long files, and exceptions no longer needed.
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
    }
}
