//! Who asks for holes: `blockio::Holes`, which remembers the answer, and nobody else.

use std::ffi::OsStr;

use syn::visit::{self, Visit};
use syn::{Expr, ExprMethodCall, ImplItemFn, Item, Member};

use super::finding::{File, Finding};
use super::imports::is_for_tests;

/// The method that is to be called through [`HOLDER`], but to pass it on from the
/// same method of other storage.
const METHOD: &str = "next_data";
const HOLDER: &str = "holes";

/// Finds the calls in the crates that are not made through what remembers. Tests are
/// exempt.
pub(super) fn check(files: &[File]) -> Vec<Finding> {
    let is_source = |file: &&File| {
        let is_test = |part: &OsStr| part == "tests" || part == "tests.rs" || part == "benches";
        file.path.starts_with("crates")
            && file.path.extension() == Some(OsStr::new("rs"))
            && !file.path.iter().any(is_test)
    };
    files.iter().filter(is_source).filter_map(calls).collect()
}

fn calls(file: &File) -> Option<Finding> {
    let mut calls = Calls::default();
    calls.visit_file(&syn::parse_file(&file.text).ok()?);
    let count = calls.count;
    (count > 0).then(|| {
        let text = format!(
            "asks for holes {count} times other than through blockio::Holes, which remembers the answer"
        );
        file.finding(1, text)
    })
}

#[derive(Default)]
struct Calls {
    count: usize,
}

impl<'ast> Visit<'ast> for Calls {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if item.sig.ident != METHOD {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        if call.method == METHOD && !is_holder(&call.receiver) {
            self.count += 1;
        }
        visit::visit_expr_method_call(self, call);
    }
}

/// Whether an expression ends in the name of what remembers.
fn is_holder(receiver: &Expr) -> bool {
    match receiver {
        Expr::Path(path) => path.path.is_ident(HOLDER),
        Expr::Field(field) => matches!(&field.member, Member::Named(name) if name == HOLDER),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn findings(path: &str, text: &str) -> Vec<String> {
        let file = File {
            path: path.into(),
            text: text.into(),
        };
        check(&[file]).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_remembers_or_passes_on_may_call() {
        let code = "impl ReadAt for A {\n    fn next_data(&self, at: u64) -> R {\n        \
                    self.0.next_data(at)\n    }\n}\nfn f(a: &A, holes: &Holes) {\n    \
                    holes.next_data(a, 0);\n    // a.next_data(0)\n    self\n        .holes\n        \
                    .next_data(a, 1);\n    a.next_data(2);\n}\n";
        let want = "crates/a/src/b.rs:1: asks for holes 1 times other than through blockio::Holes, \
                    which remembers the answer";
        assert_eq!(findings("crates/a/src/b.rs", code), [want]);
        let none = Vec::<String>::new();
        assert_eq!(findings("crates/a/src/b/tests.rs", code), none);
        assert_eq!(findings("crates/a/tests/b.rs", code), none);
        assert_eq!(findings("xtask/src/b.rs", code), none);
        let tests = format!("fn g() {{}}\n#[cfg(test)]\nmod tests {{\n{code}\n}}\n");
        assert_eq!(findings("crates/a/src/b.rs", &tests), none);
    }
}
