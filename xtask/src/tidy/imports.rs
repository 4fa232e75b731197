//! What a source file imports, and what it names.

use std::collections::BTreeMap;

use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemUse, Macro, UseTree};

/// A path as it is written, without what follows the types in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reference(pub(super) Vec<String>);

/// The paths in a file, outside its tests.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// What `use` brings in, by the name it has here.
    pub(super) imported: BTreeMap<String, Reference>,
    /// All paths of two parts and more, those of `use` included.
    pub(super) references: Vec<Reference>,
}

/// Reads the source file `text`.
pub(super) fn read(text: &str) -> syn::Result<Names> {
    let mut names = Names::default();
    names.visit_file(&syn::parse_file(text)?);
    Ok(names)
}

impl Names {
    fn add_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&with(path.ident.to_string()), &path.tree),
            UseTree::Name(name) if name.ident == "self" => {
                if let Some(last) = before.last() {
                    self.add(last.clone(), before.to_vec());
                }
            }
            UseTree::Name(name) => {
                let name = name.ident.to_string();
                self.add(name.clone(), with(name));
            }
            UseTree::Rename(rename) if rename.ident == "self" => {
                self.add(rename.rename.to_string(), before.to_vec());
            }
            UseTree::Rename(rename) => {
                self.add(rename.rename.to_string(), with(rename.ident.to_string()));
            }
            UseTree::Glob(_) => self.references.push(Reference(with("*".to_owned()))),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(before, tree);
                }
            }
        }
    }

    fn add(&mut self, name: String, path: Vec<String>) {
        self.references.push(Reference(path.clone()));
        self.imported.insert(name, Reference(path));
    }
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item(&mut self, item: &'ast Item) {
        if !is_for_tests(item) {
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
        if !item.attrs.iter().any(is_test) {
            visit::visit_impl_item_fn(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() {
            self.add_tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            let parts = path.segments.iter().map(|part| part.ident.to_string());
            self.references.push(Reference(parts.collect()));
        }
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        // What a macro makes of its words is not known; paths are paths.
        let spaced = call.tokens.to_string();
        self.references
            .extend(paths_in(&spaced.replace(" :: ", "::")));
        visit::visit_macro(self, call);
    }
}

/// The paths in the text of tokens.
fn paths_in(text: &str) -> impl Iterator<Item = Reference> {
    let part = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    text.split(move |c| !part(c))
        .filter(|word| word.contains("::") && !word.starts_with(':'))
        .map(|word| Reference(word.split("::").map(str::to_owned).collect()))
}

fn is_test(attribute: &Attribute) -> bool {
    let is_cfg = attribute.path().is_ident("cfg");
    is_cfg
        && attribute
            .parse_args::<syn::Path>()
            .is_ok_and(|path| path.is_ident("test"))
}

/// Whether an item is there in tests only.
pub(super) fn is_for_tests(item: &Item) -> bool {
    attributes(item).iter().any(is_test)
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}
