//! Which crate may import which: the table, the manifests, the imports.

use std::path::Path;

use super::source::{code_only, without_tests};
use super::{File, Finding};

/// A crate of ours, the folder it is in, and the crates of ours it may import.
/// Tests are exempt, and so are dev-dependencies.
const LAYERS: &[(&str, &str, &[&str])] = &[
    ("blockio", "crates/blockio", &[]),
    ("pipeline", "crates/pipeline", &[]),
    ("qcow2-format", "crates/qcow2-format", &[]),
    ("ext-blocks", "crates/ext-blocks", &["blockio", "pipeline"]),
    (
        "qcow2-writer",
        "crates/qcow2-writer",
        &["blockio", "pipeline", "qcow2-format"],
    ),
    (
        "qcow2-reader",
        "crates/qcow2-reader",
        &["blockio", "pipeline", "qcow2-format"],
    ),
    (
        "qcow2-cli",
        "crates/qcow2-cli",
        &[
            "blockio",
            "pipeline",
            "qcow2-format",
            "ext-blocks",
            "qcow2-writer",
            "qcow2-reader",
        ],
    ),
    ("fixtures", "fixtures", &["blockio"]),
    (
        "xtask",
        "xtask",
        &[
            "blockio",
            "fixtures",
            "pipeline",
            "qcow2-format",
            "qcow2-reader",
            "qcow2-writer",
        ],
    ),
];

/// Compares manifests and imports with the table.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files {
        let Some((name, folder, may)) = layer_of(&file.path) else {
            if file.path.starts_with("crates") && file.path.ends_with("Cargo.toml") {
                findings.push(file.finding(1, "no layer is given for this crate"));
            }
            continue;
        };
        let inside = file.path.strip_prefix(folder).unwrap_or(&file.path);
        if inside == Path::new("Cargo.toml") {
            findings.extend(manifest(file, name, may));
        } else if is_program_source(inside) {
            findings.extend(imports(file, name, may));
        }
    }
    findings
}

fn layer_of(path: &Path) -> Option<&'static (&'static str, &'static str, &'static [&'static str])> {
    LAYERS
        .iter()
        .find(|(_, folder, _)| path.starts_with(folder))
}

/// Whether a file, given inside its crate, becomes part of what others build.
fn is_program_source(inside: &Path) -> bool {
    let is_test = |part: &std::ffi::OsStr| part == "tests" || part == "tests.rs";
    inside
        .extension()
        .is_some_and(|extension| extension == "rs")
        && !inside.iter().any(is_test)
        && !inside.starts_with("benches")
}

fn manifest(file: &File, name: &str, may: &[&str]) -> Vec<Finding> {
    let mut findings: Vec<_> = dependencies(&file.text)
        .into_iter()
        .filter(|(_, dependency)| is_ours(dependency) && !may.contains(dependency))
        .map(|(line, dependency)| {
            file.finding(line, format!("{name} must not depend on {dependency}"))
        })
        .collect();
    if !file.text.contains("[lints]\nworkspace = true") {
        findings.push(file.finding(1, "`[lints] workspace = true` is missing"));
    }
    findings
}

fn is_ours(name: &str) -> bool {
    LAYERS.iter().any(|(ours, _, _)| *ours == name)
}

/// The dependencies of a manifest with their lines, without dev-dependencies.
fn dependencies(manifest: &str) -> Vec<(usize, &str)> {
    let mut found = Vec::new();
    let mut inside = false;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(section) = line.strip_prefix('[') {
            let section = section.trim_end_matches(']');
            let (table, name) = section
                .rsplit_once("dependencies.")
                .unwrap_or((section, ""));
            inside = section.ends_with("dependencies") && !section.contains("dev-");
            if !name.is_empty() && !table.contains("dev-") {
                found.push((index + 1, name));
            }
        } else if inside && !line.is_empty() && !line.starts_with('#') {
            let end = line.find(['.', '=', ' ']).unwrap_or(line.len());
            found.push((index + 1, &line[..end]));
        }
    }
    found
}

fn imports(file: &File, name: &str, may: &[&str]) -> Vec<Finding> {
    let code = without_tests(&code_only(&file.text));
    LAYERS
        .iter()
        .map(|(other, _, _)| *other)
        .filter(|other| *other != name && !may.contains(other))
        .filter(|other| is_imported(&code, &other.replace('-', "_")))
        .map(|other| file.finding(1, format!("{name} must not import {other}")))
        .collect()
}

/// Whether `code` names the crate `name`: `name::…`, `use name;`, `use name as`.
fn is_imported(code: &str, name: &str) -> bool {
    code.match_indices(name).any(|(at, _)| {
        let before = &code[..at];
        let behind = &code[at + name.len()..];
        let part_of_more = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '.';
        let starts = !before.ends_with(part_of_more) || before.ends_with(" ::");
        let used = before.trim_end().ends_with("use");
        starts && (behind.starts_with("::") || used && behind.starts_with([';', ' ']))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(path: &str, text: &str) -> Vec<String> {
        let file = File {
            path: path.into(),
            text: text.into(),
        };
        check(&[file]).iter().map(ToString::to_string).collect()
    }

    const LINTS: &str = "[lints]\nworkspace = true\n";

    #[test]
    fn manifests_keep_to_the_table() {
        let path = "crates/ext-blocks/Cargo.toml";
        let good = "[dependencies]\nblockio.workspace = true\nbitvec = \"1\"\n";
        assert_eq!(said(path, &format!("{good}{LINTS}")), Vec::<String>::new());
        let bad = format!("{good}qcow2-format = {{ path = \"x\" }}\n{LINTS}");
        assert_eq!(
            said(path, &bad),
            ["crates/ext-blocks/Cargo.toml:4: ext-blocks must not depend on qcow2-format"]
        );
        let table =
            format!("[target.'cfg(unix)'.dependencies.qcow2-format]\nworkspace = true\n{LINTS}");
        assert_eq!(said(path, &table).len(), 1);
        let exempt = format!("[dev-dependencies]\nfixtures.workspace = true\n{LINTS}");
        assert_eq!(said(path, &exempt), Vec::<String>::new());
        assert_eq!(said(path, good).len(), 1, "no lints");
        assert_eq!(said("crates/unknown/Cargo.toml", LINTS).len(), 1);
    }

    #[test]
    fn imports_keep_to_the_table() {
        let path = "crates/qcow2-reader/src/lib.rs";
        for good in [
            "use blockio::ReadAt;",
            "use crate::ext_blocks::x;",
            "// ext_blocks::detect\nlet a = \"ext_blocks::b\";",
            "#[cfg(test)]\nmod tests { use fixtures::qcow2; }",
            "let my_ext_blocks = 1;",
        ] {
            assert_eq!(said(path, good), Vec::<String>::new(), "{good}");
        }
        for bad in [
            "use ext_blocks::Info;",
            "fn f() { ext_blocks::detect() }",
            "use ext_blocks;",
            "use ext_blocks as e;",
        ] {
            assert_eq!(
                said(path, bad),
                ["crates/qcow2-reader/src/lib.rs:1: qcow2-reader must not import ext-blocks"],
                "{bad}"
            );
        }
        assert_eq!(
            said("crates/qcow2-reader/tests/a.rs", "use ext_blocks::Info;"),
            Vec::<String>::new()
        );
    }
}
