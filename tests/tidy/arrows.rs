//! Who knows whom: arrows between rooms, and circles between the files of one crate.
//!
//! A file knows another one if it names something of it: in a `use`, or by a path such as
//! `crate::verdict::Rule`. What a module only re-exports is looked for where it comes from; `mod child;`
//! alone is no arrow.
//!
//! A circle is allowed between a module's file and its direct children, as long as the children alone are
//! free of circles: `mod.rs` may hold the types of its children and call them. All others make a reader walk
//! in circles too.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;
use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Item, UseTree, Visibility};

use crate::code::Parsed;

/// The rooms and the rooms that each may depend on (the README has the same list).
pub const ROOMS: &[(&str, &[&str])] = &[
    ("history", &[]),
    ("raft", &[]),
    ("checker", &["history"]),
    ("generator", &["history"]),
    ("control", &["history"]),
    ("systems", &["control", "history", "raft"]),
    ("nemeses", &["control", "generator", "history"]),
    ("workloads", &["generator", "checker", "history"]),
    ("reports", &["history", "checker"]),
];

/// A module by its path from the root of the crate.
type Module = Vec<String>;

/// What is imported under a name: a path from the root of the crate.
type Imports = BTreeMap<String, Vec<String>>;

/// The files of one crate, by module.
struct Crate<'a> {
    files: BTreeMap<Module, &'a Parsed>,
    /// What each module re-exports or imports.
    imports: BTreeMap<Module, Imports>,
}

/// The circles between files of the crate whose source is below `folder`, such as `checker/src`; each as a
/// sorted list of paths.
pub fn circles(folder: &str, files: &[Parsed]) -> Vec<Vec<String>> {
    let files: BTreeMap<Module, &Parsed> = files
        .iter()
        .filter_map(|parsed| Some((module(folder, &parsed.path)?, parsed)))
        .collect();
    let mut this = Crate {
        files,
        imports: BTreeMap::new(),
    };
    for (module, parsed) in &this.files {
        let imports = imports(module, &parsed.file, &this);
        this.imports.insert(module.clone(), imports);
    }
    let arrows: BTreeSet<(Module, Module)> = this
        .files
        .keys()
        .flat_map(|from| this.known_by(from).into_iter().map(move |to| (from.clone(), to)))
        .filter(|(from, to)| from != to)
        .collect();
    let mut found: Vec<Vec<String>> = components(&arrows)
        .into_iter()
        .filter(|circle| !is_family(circle, &arrows))
        .map(|circle| {
            circle
                .iter()
                .map(|module| this.files[module].path.clone())
                .collect()
        })
        .collect();
    found.sort();
    found
}

/// Sets of modules that all reach each other.
fn components(arrows: &BTreeSet<(Module, Module)>) -> Vec<BTreeSet<Module>> {
    let mut graph: DiGraph<Module, ()> = DiGraph::new();
    let mut nodes = BTreeMap::new();
    for (from, to) in arrows {
        let [from, to] = [from, to].map(|module| {
            *nodes
                .entry(module.clone())
                .or_insert_with(|| graph.add_node(module.clone()))
        });
        graph.add_edge(from, to, ());
    }
    kosaraju_scc(&graph)
        .into_iter()
        .filter(|nodes| nodes.len() > 1)
        .map(|nodes| nodes.into_iter().map(|node| graph[node].clone()).collect())
        .collect()
}

/// Whether a circle is a module's file and some of its direct children, of which no two need each other.
fn is_family(circle: &BTreeSet<Module>, arrows: &BTreeSet<(Module, Module)>) -> bool {
    let Some(parent) = circle.iter().min_by_key(|module| module.len()) else {
        return true;
    };
    let is_child = |module: &Module| module.len() == parent.len() + 1 && module.starts_with(parent);
    let between_children = arrows
        .iter()
        .filter(|(from, to)| circle.contains(from) && circle.contains(to) && from != parent && to != parent)
        .cloned()
        .collect();
    circle.iter().all(|module| module == parent || is_child(module))
        && components(&between_children).is_empty()
}

/// The module of a file, if it belongs to the crate: `src/a/b.rs` and `src/a/b/mod.rs` are both `a::b`.
fn module(folder: &str, path: &str) -> Option<Module> {
    let inside = path
        .strip_prefix(folder)?
        .strip_prefix('/')?
        .strip_suffix(".rs")?;
    let mut module: Module = inside.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) {
        module.pop();
    }
    Some(module)
}

impl Crate<'_> {
    /// The modules whose things a module names.
    fn known_by(&self, from: &Module) -> BTreeSet<Module> {
        let mut paths: Vec<Vec<String>> = Vec::new();
        for item in &self.files[from].file.items {
            match item {
                Item::Use(item) if !matches!(item.vis, Visibility::Inherited) => {}
                Item::Use(item) => paths.extend(
                    leaves(&item.tree)
                        .into_iter()
                        .filter_map(|(path, _)| self.absolute(from, &path)),
                ),
                Item::Mod(item) if item.content.is_none() => {}
                item => {
                    let mut found = Vec::new();
                    paths_in(item.to_token_stream(), &mut found);
                    paths.extend(found.into_iter().filter_map(|path| self.absolute(from, &path)));
                }
            }
        }
        paths.iter().filter_map(|path| self.home(path, 0)).collect()
    }

    /// A path from the root of the crate, if the path leads into the crate.
    fn absolute(&self, from: &Module, path: &[String]) -> Option<Vec<String>> {
        let (first, rest) = path.split_first()?;
        let mut base = match first.as_str() {
            "crate" => Vec::new(),
            "self" => from.clone(),
            "super" => from.split_last()?.1.to_vec(),
            name => {
                let child: Module = from.iter().cloned().chain([name.to_owned()]).collect();
                match self.files.contains_key(&child) {
                    true => child,
                    false => self.imports.get(from)?.get(name)?.clone(),
                }
            }
        };
        for segment in rest {
            match segment.as_str() {
                "super" => drop(base.pop()?),
                "self" => {}
                name => base.push(name.to_owned()),
            }
        }
        Some(base)
    }

    /// The module in which the thing at a path is defined.
    fn home(&self, path: &[String], depth: usize) -> Option<Module> {
        /// Re-exports of re-exports end somewhere.
        const MOST: usize = 8;
        let known = (0..=path.len())
            .rev()
            .find(|&length| self.files.contains_key(&path[..length]))?;
        let module: Module = path[..known].to_vec();
        let name = path.get(known);
        let exported = name.and_then(|name| self.imports.get(&module)?.get(name));
        match exported {
            Some(from) if depth < MOST && from != path => self.home(from, depth + 1),
            _ => Some(module),
        }
    }
}

/// What a file imports or re-exports from its own crate, by name.
fn imports(module: &Module, file: &syn::File, of: &Crate<'_>) -> Imports {
    let mut imports = Imports::new();
    for item in &file.items {
        let Item::Use(item) = item else { continue };
        for (path, name) in leaves(&item.tree) {
            if let Some(path) = of.absolute(module, &path) {
                imports.insert(name, path);
            }
        }
    }
    imports
}

/// The paths that a `use` names, each with the name under which it is known.
fn leaves(tree: &UseTree) -> Vec<(Vec<String>, String)> {
    fn walk(tree: &UseTree, above: &[String], found: &mut Vec<(Vec<String>, String)>) {
        let with =
            |name: &syn::Ident| -> Vec<String> { above.iter().cloned().chain([name.to_string()]).collect() };
        match tree {
            UseTree::Path(path) => walk(&path.tree, &with(&path.ident), found),
            UseTree::Name(name) if name.ident == "self" => {
                found.push((above.to_vec(), above.last().cloned().unwrap_or_default()));
            }
            UseTree::Name(name) => found.push((with(&name.ident), name.ident.to_string())),
            UseTree::Rename(name) => found.push((with(&name.ident), name.rename.to_string())),
            UseTree::Glob(_) => found.push((above.to_vec(), "*".to_owned())),
            UseTree::Group(group) => group.items.iter().for_each(|tree| walk(tree, above, found)),
        }
    }
    let mut found = Vec::new();
    walk(tree, &[], &mut found);
    found
}

/// The paths of two segments or more in some code, macros' arguments among it.
fn paths_in(tokens: TokenStream, found: &mut Vec<Vec<String>>) {
    let mut path: Vec<String> = Vec::new();
    let mut colons = 0;
    for token in tokens {
        match token {
            TokenTree::Ident(ident) if colons == 2 && !path.is_empty() => {
                path.push(ident.to_string());
                colons = 0;
            }
            TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
            token => {
                if path.len() > 1 {
                    found.push(std::mem::take(&mut path));
                }
                path.clear();
                colons = 0;
                match token {
                    TokenTree::Ident(ident) => path.push(ident.to_string()),
                    TokenTree::Group(group) => paths_in(group.stream(), found),
                    _ => {}
                }
            }
        }
    }
    if path.len() > 1 {
        found.push(path);
    }
}
