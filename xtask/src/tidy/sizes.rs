//! A file has one job and stays short, and a folder has few of them. Clippy counts
//! the lines of functions.

use std::collections::BTreeMap;
use std::path::Path;

use super::finding::{File, Finding};

/// Most lines of a source file.
const FILE_LINES_MAX: usize = 400;

/// Most files of a folder of sources, those in its folders not among them.
const FOLDER_FILES_MAX: usize = 15;

/// Finds long files and full folders.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let is_rust = |file: &&File| file.path.extension().is_some_and(|end| end == "rs");
    let rust: Vec<_> = files.iter().filter(is_rust).collect();
    let mut findings: Vec<_> = rust.iter().copied().filter_map(check_file).collect();
    let mut folders = BTreeMap::<&Path, usize>::new();
    for folder in rust.iter().filter_map(|file| file.path.parent()) {
        *folders.entry(folder).or_default() += 1;
    }
    findings.extend(
        folders
            .into_iter()
            .filter_map(|(folder, count)| check_folder(folder, count)),
    );
    findings
}

fn check_folder(folder: &Path, count: usize) -> Option<Finding> {
    let text = || format!("{count} files; {FOLDER_FILES_MAX} are allowed");
    (count > FOLDER_FILES_MAX).then(|| Finding::new(folder, 1, text()))
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

    #[test]
    fn files_of_a_folder_are_counted_without_those_below() {
        let file = |name: String| File {
            path: name.into(),
            text: String::new(),
        };
        let mut files: Vec<_> = (0..15).map(|n| file(format!("src/a{n}.rs"))).collect();
        files.extend([file("src/more/a.rs".into()), file("src/a.toml".into())]);
        assert_eq!(check(&files), []);
        files.push(file("src/b.rs".into()));
        let said: Vec<_> = check(&files).iter().map(ToString::to_string).collect();
        assert_eq!(said, ["src:1: 16 files; 15 are allowed"]);
    }
}
