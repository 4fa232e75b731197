//! The documents exist and do not drift.

use std::path::Path;

use super::finding::{File, Finding};
use crate::task::TASKS;

/// Documents the project has.
const DOCUMENTS: [&str; 8] = [
    "README.md",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "docs/decisions.md",
    "docs/format.md",
    "docs/ext.md",
    "docs/testing.md",
    "docs/readers.md",
];

/// Finds missing documents, dead links, unknown tasks and dependencies nobody
/// gave a reason for.
pub(super) fn check(root: &Path, files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for name in DOCUMENTS {
        if !root.join(name).is_file() {
            findings.push(Finding::new(name, 1, "this document is missing"));
        }
    }
    for file in files {
        if file.path.extension().is_some_and(|end| end == "md") {
            let folder = root.join(&file.path);
            let folder = folder.parent().unwrap_or(root);
            findings.extend(dead_links(file, folder));
            findings.extend(unknown_tasks(file));
        }
    }
    findings.extend(reasonless_dependencies(files));
    findings
}

/// Relative links whose target is not there.
fn dead_links(file: &File, folder: &Path) -> Vec<Finding> {
    prose(&file.text)
        .into_iter()
        .flat_map(|(line, text)| links(&text).into_iter().map(move |link| (line, link)))
        .filter(|(_, link)| !folder.join(link).exists())
        .map(|(line, link)| file.finding(line, format!("the link `{link}` leads nowhere")))
        .collect()
}

/// The lines of a document, from 1, without its blocks and pieces of code.
fn prose(text: &str) -> Vec<(usize, String)> {
    let mut fenced = false;
    let mut lines = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        } else if !fenced {
            let outside = line.split('`').step_by(2).collect::<Vec<_>>();
            lines.push((index + 1, outside.join("code")));
        }
    }
    lines
}

/// The relative links of a line, without their anchors.
fn links(line: &str) -> Vec<String> {
    line.split("](")
        .skip(1)
        .filter_map(|behind| behind.split([')', ' ', '#']).next())
        .filter(|link| !link.is_empty() && !link.contains("://") && !link.starts_with("mailto:"))
        .map(str::to_owned)
        .collect()
}

/// `cargo xtask NAME` where no task has that name.
fn unknown_tasks(file: &File) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, line) in file.text.lines().enumerate() {
        for behind in line.split("cargo xtask ").skip(1) {
            let word = |c: char| !(c.is_ascii_lowercase() || c == '-');
            let name = behind.split(word).next().unwrap_or_default();
            let known = TASKS.iter().any(|task| task.name == name);
            if !known && !name.is_empty() && !name.starts_with('-') {
                findings.push(file.finding(index + 1, format!("there is no task `{name}`")));
            }
        }
    }
    findings
}

/// Dependencies of others that `docs/decisions.md` does not name.
fn reasonless_dependencies(files: &[File]) -> Vec<Finding> {
    let find = |name: &str| files.iter().find(|file| file.path == Path::new(name));
    let (Some(manifest), Some(decisions)) = (find("Cargo.toml"), find("docs/decisions.md")) else {
        return Vec::new();
    };
    external_dependencies(&manifest.text)
        .into_iter()
        .filter(|(_, name)| !decisions.text.contains(&format!("`{name}`")))
        .map(|(line, name)| {
            manifest.finding(
                line,
                format!("docs/decisions.md gives no reason for `{name}`"),
            )
        })
        .collect()
}

/// The dependencies in `[workspace.dependencies]` that are no folder of ours,
/// with their lines.
fn external_dependencies(manifest: &str) -> Vec<(usize, &str)> {
    let start = manifest
        .lines()
        .position(|line| line == "[workspace.dependencies]")
        .map_or(usize::MAX, |line| line + 1);
    manifest
        .lines()
        .enumerate()
        .skip(start)
        .take_while(|(_, line)| !line.starts_with('['))
        .filter(|(_, line)| !line.contains("path ="))
        .filter_map(|(index, line)| Some((index + 1, line.split_once(" =")?.0)))
        .filter(|(_, name)| !name.starts_with('#'))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> File {
        File {
            path: path.into(),
            text: text.into(),
        }
    }

    #[test]
    fn links_outside_code_are_followed() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("there.md"), "").unwrap();
        let text = "[a](there.md#x) [b](https://e.org/x) [c](#here)\n\
                    ```\n[d](gone.md)\n```\n`[e](gone.md)` [f](gone.md)\n";
        let found = dead_links(&file("a.md", text), folder.path());
        let said: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["a.md:5: the link `gone.md` leads nowhere"]);
    }

    #[test]
    fn tasks_named_exist() {
        let text = "`cargo xtask tidy`, `cargo xtask`,\n    cargo xtask nothing --all\n";
        let found = unknown_tasks(&file("a.md", text));
        let said: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(said, ["a.md:2: there is no task `nothing`"]);
    }

    #[test]
    fn every_dependency_has_a_reason() {
        let manifest = "[workspace.dependencies]\nours = { path = \"x\" }\n# a = b\nclap = \"4\"\n\
                        lru = { version = \"1\" }\n[profile.dev]\nopt-level = 1\n";
        let files = [
            file("Cargo.toml", manifest),
            file("docs/decisions.md", "- `clap`: arguments\n"),
        ];
        let found = reasonless_dependencies(&files);
        let said: Vec<_> = found.iter().map(ToString::to_string).collect();
        assert_eq!(
            said,
            ["Cargo.toml:5: docs/decisions.md gives no reason for `lru`"]
        );
    }
}
