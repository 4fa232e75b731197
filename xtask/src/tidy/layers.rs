//! Which crate may import which: the table of ARCHITECTURE.md against what
//! cargo knows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand, Package};

use super::finding::{File, Finding};
use crate::task::Failure;

/// The document with the table, whose rows are a folder, its job, its imports.
const TABLE: &str = "ARCHITECTURE.md";

/// What a row says of a crate.
#[derive(Debug, PartialEq, Eq)]
struct Layer {
    line: usize,
    imports: Imports,
}

/// The crates of the workspace that a crate may depend on.
#[derive(Debug, PartialEq, Eq)]
enum Imports {
    All,
    These(BTreeSet<String>),
}

/// Compares the dependencies of every crate with the table. Those of tests are
/// exempt.
pub(super) fn check(root: &Path, files: &[File]) -> Result<Vec<Finding>, Failure> {
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .map_err(|error| Failure::new(format!("cargo metadata: {error}")))?;
    let Some(document) = files.iter().find(|file| file.path == Path::new(TABLE)) else {
        return Err(Failure::new(format!("{TABLE} is missing")));
    };
    let packages = metadata.workspace_packages();
    let mut findings = compare(document, &layers(&document.text), &ours(&packages, root));
    findings.extend(files.iter().filter_map(without_lints));
    Ok(findings)
}

/// The folders of the workspace's crates, each with the folders of those it
/// depends on.
fn ours(packages: &[&Package], root: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let folder = |path: &Path| {
        let inside = path.strip_prefix(root).unwrap_or(path);
        inside.to_string_lossy().into_owned()
    };
    let dependencies = |package: &Package| {
        package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind != DependencyKind::Development)
            .filter_map(|dependency| dependency.path.as_ref())
            .map(|path| folder(path.as_std_path()))
            .collect()
    };
    packages
        .iter()
        .filter_map(|package| Some((package.manifest_path.parent()?, package)))
        .map(|(path, package)| (folder(path.as_std_path()), dependencies(package)))
        .collect()
}

/// The rows of the table in `text`: `| `folder` | job | imports |`.
fn layers(text: &str) -> BTreeMap<String, Layer> {
    let row = |(index, line): (usize, &str)| {
        let cells: Vec<_> = line.split('|').map(str::trim).collect();
        let [_, folder, _, imports, _] = cells.as_slice() else {
            return None;
        };
        let folder = folder.strip_prefix('`')?.strip_suffix('`')?;
        let imports = match *imports {
            "all" => Imports::All,
            "none" => Imports::These(BTreeSet::new()),
            names => Imports::These(names.split(", ").map(str::to_owned).collect()),
        };
        let line = index + 1;
        Some((folder.to_owned(), Layer { line, imports }))
    };
    text.lines().enumerate().filter_map(row).collect()
}

fn compare(
    document: &File,
    layers: &BTreeMap<String, Layer>,
    crates: &BTreeMap<String, BTreeSet<String>>,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (folder, dependencies) in crates {
        let manifest = Path::new(folder).join("Cargo.toml");
        let Some(layer) = layers.get(folder) else {
            let text = format!("{TABLE} has no row for `{folder}`");
            findings.push(Finding::new(manifest, 1, text));
            continue;
        };
        let Imports::These(allowed) = &layer.imports else {
            continue;
        };
        let used: BTreeSet<_> = dependencies.iter().map(|folder| name(folder)).collect();
        for name in used.difference(allowed) {
            let text = format!("the table in {TABLE} does not allow {name}");
            findings.push(Finding::new(&manifest, 1, text));
        }
        for name in allowed.difference(&used) {
            let text = format!("{folder} does not depend on {name}");
            findings.push(document.finding(layer.line, text));
        }
    }
    for (folder, layer) in layers {
        if !crates.contains_key(folder) {
            findings.push(document.finding(layer.line, format!("there is no crate `{folder}`")));
        }
    }
    findings
}

/// The name of the crate in `folder`.
fn name(folder: &str) -> String {
    folder.rsplit('/').next().unwrap_or(folder).to_owned()
}

/// A manifest of a crate that does not take the lints of the workspace, which
/// cargo does not tell.
fn without_lints(file: &File) -> Option<Finding> {
    let is_crate = file.path.ends_with("Cargo.toml") && file.path != Path::new("Cargo.toml");
    let has_lints = file.text.contains("[lints]\nworkspace = true");
    (is_crate && !has_lints).then(|| file.finding(1, "`[lints] workspace = true` is missing"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    fn said(table: &str, crates: &[(&str, &[&str])]) -> Vec<String> {
        let document = File {
            path: TABLE.into(),
            text: table.into(),
        };
        let crates = crates
            .iter()
            .map(|(folder, used)| ((*folder).to_owned(), set(used)))
            .collect();
        compare(&document, &layers(table), &crates)
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    const ROWS: &str = "# Rooms\n\n| crate | its one job | imports of ours |\n|---|---|---|\n\
        | `crates/low` | bytes | none |\n| `crates/high` | more | low |\n| `top` | glue | all |\n";

    #[test]
    fn what_the_table_says_is_what_cargo_knows() {
        let right: [(&str, &[&str]); 3] = [
            ("crates/low", &[]),
            ("crates/high", &["crates/low"]),
            ("top", &["crates/low", "crates/high"]),
        ];
        assert_eq!(said(ROWS, &right), Vec::<String>::new());
    }

    #[test]
    fn every_difference_is_found() {
        let wrong: [(&str, &[&str]); 3] = [
            ("crates/low", &["crates/high"]),
            ("crates/high", &[]),
            ("crates/new", &[]),
        ];
        assert_eq!(
            said(ROWS, &wrong),
            [
                "ARCHITECTURE.md:6: crates/high does not depend on low",
                "crates/low/Cargo.toml:1: the table in ARCHITECTURE.md does not allow high",
                "crates/new/Cargo.toml:1: ARCHITECTURE.md has no row for `crates/new`",
                "ARCHITECTURE.md:7: there is no crate `top`",
            ]
        );
    }

    #[test]
    fn lints_are_taken_from_the_workspace() {
        let manifest = |path: &str, text: &str| File {
            path: path.into(),
            text: text.into(),
        };
        let lints = "[lints]\nworkspace = true\n";
        assert_eq!(without_lints(&manifest("a/Cargo.toml", lints)), None);
        assert_eq!(without_lints(&manifest("Cargo.toml", "")), None);
        let found = without_lints(&manifest("a/Cargo.toml", "")).unwrap();
        let want = "a/Cargo.toml:1: `[lints] workspace = true` is missing";
        assert_eq!(found.to_string(), want);
    }
}
