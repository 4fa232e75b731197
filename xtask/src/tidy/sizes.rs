//! A file has one job and stays short. Clippy counts the lines of functions.

use super::finding::{File, Finding};

/// Most lines of a source file.
const FILE_LINES_MAX: usize = 400;

/// Finds long files.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let rust = |file: &&File| file.path.extension().is_some_and(|end| end == "rs");
    files.iter().filter(rust).filter_map(check_file).collect()
}

fn check_file(file: &File) -> Option<Finding> {
    let lines = file.text.lines().count();
    let text = || format!("{lines} lines; {FILE_LINES_MAX} are allowed");
    (lines > FILE_LINES_MAX).then(|| file.finding(1, text()))
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
