//! Imports among the files of a package. In: the sources of the core, the driver, the filter and the sidecar.
//! Out: files that import each other, in a ring of two or more: who changes one of them has to read them all.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use anyhow::{Context, Result};
use petgraph::{algo::tarjan_scc, graphmap::DiGraphMap};
use syn::{
    Attribute, ItemMod, ItemUse, UseTree,
    visit::{self, Visit},
};

use super::{shown, tidy::files};

/// The packages without such rings.
const PACKAGES: [&str; 6] =
    ["core/src", "core/driver/src", "core/policy/src", "core/text/src", "filter/src", "sidecar/src"];

/// A module, by its path in the package.
type Module = Vec<String>;

pub fn check(root: &Path) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for package in PACKAGES {
        let source = root.join(package);
        let mut modules = BTreeMap::new();
        for file in files(&source, "rs")? {
            let text = fs::read_to_string(&file).with_context(|| shown(root, &file))?;
            let parsed = syn::parse_file(&text).with_context(|| shown(root, &file))?;
            let name = file.strip_prefix(&source).unwrap_or(&file).with_extension("");
            let mut module: Module = name.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            if module.last().is_some_and(|last| last == "mod" || last == "lib") {
                module.pop();
            }
            modules.insert(module, parsed);
        }
        let rings = rings(&modules);
        complaints.extend(
            rings.iter().map(|ring| format!("{package}: these import each other: {}", ring.join(", "))),
        );
    }
    Ok(complaints)
}

fn rings(modules: &BTreeMap<Module, syn::File>) -> Vec<Vec<String>> {
    let names: Vec<&Module> = modules.keys().collect();
    let mut graph = DiGraphMap::<usize, ()>::new();
    for (at, (module, file)) in modules.iter().enumerate() {
        let mut imports = Imports { module, modules, found: BTreeSet::new() };
        imports.visit_file(file);
        for found in imports.found {
            if let Ok(to) = names.binary_search(&&found) {
                graph.add_edge(at, to, ());
            }
        }
    }
    let shown = |at: &usize| names.get(*at).map(|module| module.join("::"));
    let ring = |ring: Vec<usize>| -> Vec<String> {
        let mut ring: Vec<String> = ring.iter().filter_map(shown).collect();
        ring.sort();
        ring
    };
    tarjan_scc(&graph).into_iter().filter(|ring| ring.len() > 1).map(ring).collect()
}

struct Imports<'a> {
    module: &'a Module,
    modules: &'a BTreeMap<Module, syn::File>,
    found: BTreeSet<Module>,
}

impl Imports<'_> {
    /// Notes the file that a path leads to, where it is another one of the package. The root is none: it only
    /// says what there is.
    fn note(&mut self, path: &[String]) {
        let mut rest = path;
        let mut at = self.module.clone();
        match path.first().map(String::as_str) {
            Some("crate") => {
                (at, rest) = (Vec::new(), path.get(1..).unwrap_or_default());
            }
            Some("self") => rest = path.get(1..).unwrap_or_default(),
            _ => {
                while let Some(("super", after)) =
                    rest.split_first().map(|(first, after)| (first.as_str(), after))
                {
                    at.pop();
                    rest = after;
                }
            }
        }
        for part in rest {
            let mut below = at.clone();
            below.push(part.clone());
            if !self.modules.contains_key(&below) {
                break;
            }
            at = below;
        }
        if at != *self.module && !at.is_empty() {
            self.found.insert(at);
        }
    }

    fn note_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.note_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.note(&with(&name.ident)),
            UseTree::Rename(rename) => self.note(&with(&rename.ident)),
            UseTree::Glob(_) => self.note(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.note_tree(before, tree)),
        }
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        if item.leading_colon.is_none() && !is_of_tests(&item.attrs) {
            self.note_tree(&[], &item.tree);
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() && path.segments.len() > 1 {
            let parts: Vec<String> = path.segments.iter().map(|part| part.ident.to_string()).collect();
            self.note(&parts);
        }
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if !is_of_tests(&item.attrs) {
            visit::visit_item_mod(self, item);
        }
    }
}

fn is_of_tests(attributes: &[Attribute]) -> bool {
    let is_test = |attribute: &Attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    };
    attributes.iter().any(is_test)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rings_of(files: &[(&str, &str)]) -> Vec<Vec<String>> {
        let parse = |(name, text): &(&str, &str)| {
            (name.split("::").map(str::to_owned).collect(), syn::parse_file(text).unwrap())
        };
        rings(&files.iter().map(parse).collect())
    }

    #[test]
    fn files_that_import_each_other_are_found_however_they_do() {
        for (one, other) in [
            ("use crate::b::B;", "use crate::a::A;"),
            ("use crate::{b::B, c};", "fn f() -> super::a::A { todo!() }"),
            ("fn f() { crate::b::f() }", "use super::a;"),
            ("use super::b::*;", "use crate::a as other;"),
        ] {
            let rings = rings_of(&[("a", one), ("b", other), ("c", "use crate::a::A;")]);
            assert!(
                rings.iter().any(|ring| ring.contains(&"a".into()) && ring.contains(&"b".into())),
                "{one}"
            );
        }
        let parent = [("a", "mod b; use b::B;"), ("a::b", "use super::A;")];
        assert_eq!(rings_of(&parent), [["a", "a::b"]]);
        let three = [("a", "use crate::b::B;"), ("b", "use crate::c::C;"), ("c", "use crate::a::A;")];
        assert_eq!(rings_of(&three), [["a", "b", "c"]]);
    }

    #[test]
    fn tests_and_files_that_import_one_way_are_no_ring() {
        let none: [Vec<String>; 0] = [];
        let tests = "#[cfg(test)] mod tests { use crate::a::A; } #[cfg(test)] use crate::a::A;";
        assert_eq!(rings_of(&[("a", "use crate::b::B;"), ("b", tests)]), none);
        assert_eq!(
            rings_of(&[("a", "mod b; pub use b::B;"), ("a::b", "use super::super::c;"), ("c", "")]),
            none
        );
        assert_eq!(rings_of(&[("a", "use std::b::B; use other::b;"), ("b", "use crate::a::A;")]), none);
    }
}
