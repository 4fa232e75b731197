//! No file imports in a circle, inside a crate either. An import is of the file
//! that defines what is named, whatever re-exports it lies behind; to declare a
//! module is no import.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::finding::{File, Finding};
use super::imports::{Names, Reference, read};

/// Follows at most as many re-exports of one name.
const REEXPORTS_MAX: usize = 16;

/// The files of one crate by their module paths, each with what it names.
type Modules<'f> = BTreeMap<Vec<String>, (&'f File, Names)>;

/// Files by module, each with the modules that it imports.
type Imports = BTreeMap<Vec<String>, BTreeSet<Vec<String>>>;

/// Finds the circles of each crate; each is reported once, at its first file.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let mut crates: BTreeMap<PathBuf, Modules<'_>> = BTreeMap::new();
    let mut findings = Vec::new();
    for file in files {
        let Some((root, module)) = module_of(&file.path) else {
            continue;
        };
        match read(&file.text) {
            Ok(names) => {
                let modules = crates.entry(root).or_default();
                modules.insert(module, (file, names));
            }
            Err(error) => findings.push(file.finding(1, format!("cannot be parsed: {error}"))),
        }
    }
    for modules in crates.values() {
        for circle in circles(&imports(modules)) {
            let paths: Vec<_> = circle
                .iter()
                .filter_map(|module| modules.get(module))
                .map(|(file, _)| file)
                .collect();
            let names: Vec<_> = paths
                .iter()
                .map(|file| file.path.to_string_lossy())
                .collect();
            if let Some(first) = paths.first() {
                findings
                    .push(first.finding(1, format!("a circle of imports: {}", names.join(", "))));
            }
        }
    }
    findings
}

/// The crate that the source file `path` belongs to, and its module there. Tests
/// see everything, so they are no part of this.
fn module_of(path: &Path) -> Option<(PathBuf, Vec<String>)> {
    let mut parts: Vec<_> = path.iter().map(|part| part.to_string_lossy()).collect();
    let source = parts.iter().position(|part| part == "src")?;
    let mut inside = parts.split_off(source + 1);
    let last = inside.pop()?;
    let name = last.strip_suffix(".rs")?;
    if name == "tests" || inside.iter().any(|part| part == "tests") {
        return None;
    }
    let mut module: Vec<_> = inside.iter().map(ToString::to_string).collect();
    if !(module.is_empty() && matches!(name, "lib" | "main")) {
        module.push(name.to_owned());
    }
    Some((parts.iter().map(AsRef::<str>::as_ref).collect(), module))
}

fn imports(modules: &Modules<'_>) -> Imports {
    let of = |(module, (_, names)): (&Vec<String>, &(&File, Names))| {
        let found = names
            .references
            .iter()
            .filter_map(|reference| absolute(modules, module, reference))
            .filter_map(|path| definer(modules, path))
            .filter(|other| other != module)
            .collect();
        (module.clone(), found)
    };
    modules.iter().map(of).collect()
}

/// The path from the root of the crate of what `module` names; `None` where that
/// is no part of the crate.
fn absolute(
    modules: &Modules<'_>,
    module: &[String],
    Reference(path): &Reference,
) -> Option<Vec<String>> {
    let (first, rest) = path.split_first()?;
    match first.as_str() {
        "crate" => Some(rest.to_vec()),
        "self" => Some([module, rest].concat()),
        "super" => {
            let (_, above) = module.split_last()?;
            let ups = rest.iter().take_while(|part| *part == "super").count();
            let above = above.get(..above.len().checked_sub(ups)?)?;
            Some([above, rest.get(ups..)?].concat())
        }
        name => {
            let child = [module, std::slice::from_ref(first)].concat();
            if modules.contains_key(&child) {
                return Some([child.as_slice(), rest].concat());
            }
            let (_, names) = modules.get(module)?;
            let imported = names.imported.get(name)?;
            // What a `use` names is a reference of its own.
            if imported.0.first() == Some(first) {
                return None;
            }
            let whole = absolute(modules, module, imported)?;
            Some([whole.as_slice(), rest].concat())
        }
    }
}

/// The module whose file defines what `path` names. A path to a module itself
/// names nothing in it.
fn definer(modules: &Modules<'_>, path: Vec<String>) -> Option<Vec<String>> {
    let mut path = path;
    for _ in 0..REEXPORTS_MAX {
        let length = (0..=path.len())
            .rev()
            .find(|length| modules.contains_key(path.get(..*length).unwrap_or_default()))?;
        let (module, rest) = path.split_at(length);
        let (name, behind) = rest.split_first()?;
        let (_, names) = modules.get(module)?;
        let Some(imported) = names.imported.get(name) else {
            return Some(module.to_vec());
        };
        let Some(whole) = absolute(modules, module, imported) else {
            return Some(module.to_vec());
        };
        path = [whole.as_slice(), behind].concat();
    }
    None
}

/// The sets of files of which each imports every other, directly or not.
fn circles(imports: &Imports) -> Vec<BTreeSet<Vec<String>>> {
    let reached: BTreeMap<_, _> = imports
        .keys()
        .map(|module| (module, reach(imports, module)))
        .collect();
    let mut circles: Vec<BTreeSet<Vec<String>>> = Vec::new();
    for (module, others) in &reached {
        if !others.contains(*module) || circles.iter().any(|circle| circle.contains(*module)) {
            continue;
        }
        let back =
            |other: &&Vec<String>| reached.get(*other).is_some_and(|set| set.contains(*module));
        circles.push(others.iter().filter(back).cloned().collect());
    }
    circles
}

/// All that `module` imports, directly or not.
fn reach(imports: &Imports, module: &[String]) -> BTreeSet<Vec<String>> {
    let mut reached = BTreeSet::new();
    let mut ahead = vec![module.to_vec()];
    while let Some(next) = ahead.pop() {
        for other in imports.get(&next).into_iter().flatten() {
            if reached.insert(other.clone()) {
                ahead.push(other.clone());
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(files: &[(&str, &str)]) -> Vec<String> {
        let files: Vec<_> = files
            .iter()
            .map(|(path, text)| File {
                path: format!("crates/x/src/{path}").into(),
                text: (*text).to_owned(),
            })
            .collect();
        check(&files).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn imports_that_go_one_way_are_fine() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
            ("a.rs", "mod c; use crate::B; pub struct A(B, c::C);"),
            ("a/c.rs", "use std::fmt; pub struct C(fmt::Error);"),
            (
                "b.rs",
                "pub struct B; #[cfg(test)] mod tests { use crate::A; }",
            ),
            ("b/tests.rs", "use crate::A;"),
        ];
        assert_eq!(said(&files), Vec::<String>::new());
    }

    #[test]
    fn re_exports_hide_no_circle() {
        let files = [
            ("lib.rs", "mod a; mod b; pub use a::A; pub use b::B;"),
            ("a.rs", "use crate::B; pub struct A(B);"),
            ("b.rs", "pub struct B(Box<crate::A>);"),
        ];
        assert_eq!(
            said(&files),
            ["crates/x/src/a.rs:1: a circle of imports: crates/x/src/a.rs, crates/x/src/b.rs"]
        );
    }

    #[test]
    fn a_child_that_takes_from_its_parent_is_a_circle_only_if_used_there() {
        let child = ("a/c.rs", "use super::A; pub fn c(_: A) {}");
        let declared = [
            ("lib.rs", "mod a;"),
            ("a.rs", "mod c; pub struct A;"),
            child,
        ];
        assert_eq!(said(&declared), Vec::<String>::new());
        let used = [
            ("lib.rs", "mod a;"),
            ("a.rs", "mod c; pub struct A; fn f() { c::c(A) }"),
            child,
        ];
        assert_eq!(said(&used).len(), 1);
    }

    #[test]
    fn names_in_macros_count() {
        let files = [
            ("lib.rs", "mod a; mod b;"),
            (
                "a.rs",
                "pub const A: u8 = 1; fn f() { assert!(crate::b::B > 0) }",
            ),
            (
                "b.rs",
                "use crate::a; pub const B: u8 = 1; fn f() { println!(\"{}\", a::A) }",
            ),
        ];
        assert_eq!(said(&files).len(), 1);
    }

    #[test]
    fn the_longest_way_round_is_found() {
        let files = [
            ("lib.rs", "mod a; mod b; mod c;"),
            ("a.rs", "use crate::b::B; pub struct A(B);"),
            ("b.rs", "use super::c::{C, D as E}; pub struct B(C, E);"),
            ("c.rs", "pub struct C; pub struct D(Vec<crate::a::A>);"),
        ];
        assert_eq!(said(&files).len(), 1);
    }
}
