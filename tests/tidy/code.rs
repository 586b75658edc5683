//! Rules for Rust code as the compiler reads it: the length of functions, the reasons of `allow`, public
//! items without a user.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{Attribute, ImplItemFn, Item, ItemFn, Visibility};

use crate::tree::{Finding, Source};

/// The longest function, in lines from its signature to its closing brace.
pub const FUNCTION_LINES: usize = 100;

/// A parsed file without what is compiled for tests alone.
pub struct Parsed {
    pub path: String,
    /// What is left without `#[cfg(test)]` items.
    pub file: syn::File,
}

impl Parsed {
    /// Parses a file.
    pub fn of(source: &Source) -> Parsed {
        let mut file = syn::parse_file(&source.text)
            .unwrap_or_else(|error| panic!("{}:{}: {error}", source.path, error.span().start().line));
        file.items.retain(|item| !is_for_tests(attributes(item)));
        Parsed {
            path: source.path.clone(),
            file,
        }
    }

    fn finding(&self, line: usize, what: String) -> Finding {
        Finding {
            path: self.path.clone(),
            line,
            what,
        }
    }
}

/// Functions that are too long.
pub fn function_lengths(parsed: &Parsed) -> Vec<Finding> {
    struct Functions(Vec<(String, usize, usize)>);
    impl Functions {
        fn add(&mut self, name: &syn::Ident, block: &syn::Block) {
            let (from, to) = (name.span().start().line, block.span().end().line);
            self.0.push((name.to_string(), from, to + 1 - from));
        }
    }
    impl<'ast> Visit<'ast> for Functions {
        fn visit_item_fn(&mut self, item: &'ast ItemFn) {
            self.add(&item.sig.ident, &item.block);
            visit::visit_item_fn(self, item);
        }

        fn visit_impl_item_fn(&mut self, item: &'ast ImplItemFn) {
            self.add(&item.sig.ident, &item.block);
            visit::visit_impl_item_fn(self, item);
        }
    }
    let mut functions = Functions(Vec::new());
    functions.visit_file(&parsed.file);
    let long = functions
        .0
        .into_iter()
        .filter(|(_, _, lines)| *lines > FUNCTION_LINES);
    long.map(|(name, line, lines)| {
        parsed.finding(
            line,
            format!("{name} has {lines} lines instead of at most {FUNCTION_LINES}"),
        )
    })
    .collect()
}

/// Each `allow` or `expect` without a reason.
pub fn reasons(parsed: &Parsed) -> Vec<Finding> {
    struct Exceptions(Vec<usize>);
    impl<'ast> Visit<'ast> for Exceptions {
        fn visit_attribute(&mut self, attribute: &'ast Attribute) {
            let is_exception = attribute.path().is_ident("allow") || attribute.path().is_ident("expect");
            if is_exception && !attribute.to_token_stream().to_string().contains("reason") {
                self.0.push(attribute.span().start().line);
            }
        }
    }
    let mut exceptions = Exceptions(Vec::new());
    exceptions.visit_file(&parsed.file);
    let what = "an exception without its reason: `#[expect(…, reason = \"…\")]`";
    exceptions
        .0
        .into_iter()
        .map(|line| parsed.finding(line, what.to_owned()))
        .collect()
}

/// Public items and methods that no code but tests uses, of files that `is_library` names.
///
/// A use is the identifier anywhere else: as a token, in a string (serde and askama name things there), or in
/// a word of `others`, such as the templates. It finds too little where two things share a name, and never
/// too much.
pub fn unused_public_items(
    files: &[Parsed],
    is_library: impl Fn(&str) -> bool,
    others: &str,
    known: &[(&str, &str)],
) -> Vec<Finding> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for word in others.split(|char: char| !char.is_alphanumeric() && char != '_') {
        *seen.entry(word.to_owned()).or_default() += 1;
    }
    let mut defined: BTreeMap<String, Vec<(usize, usize)>> = BTreeMap::new();
    for (number, parsed) in files.iter().enumerate() {
        for item in &parsed.file.items {
            // A re-export is no use.
            if !matches!(item, Item::Use(item) if is_public(&item.vis)) {
                count_words(item.to_token_stream(), &mut seen);
            }
        }
        if is_library(&parsed.path) {
            for (name, line) in public_items(&parsed.file) {
                defined.entry(name).or_default().push((number, line));
            }
        }
    }
    let known: BTreeSet<&str> = known.iter().map(|(name, _)| *name).collect();
    let mut findings = Vec::new();
    for (name, places) in &defined {
        let uses = seen.get(name).copied().unwrap_or_default();
        if uses <= places.len() && !known.contains(name.as_str()) {
            for &(number, line) in places {
                let what = format!("`{name}` is public, and no code but tests uses it: remove it");
                findings.push(files[number].finding(line, what));
            }
        }
    }
    findings
}

/// The public items of a file and their lines, methods of types among them; methods of traits are the
/// trait's.
fn public_items(file: &syn::File) -> Vec<(String, usize)> {
    let mut items = Vec::new();
    let mut add = |vis: &Visibility, name: &syn::Ident| {
        if is_public(vis) {
            items.push((name.to_string(), name.span().start().line));
        }
    };
    for item in &file.items {
        match item {
            Item::Const(item) => add(&item.vis, &item.ident),
            Item::Enum(item) => add(&item.vis, &item.ident),
            Item::Fn(item) => add(&item.vis, &item.sig.ident),
            Item::Static(item) => add(&item.vis, &item.ident),
            Item::Struct(item) => add(&item.vis, &item.ident),
            Item::Trait(item) => add(&item.vis, &item.ident),
            Item::Type(item) => add(&item.vis, &item.ident),
            Item::Impl(item) if item.trait_.is_none() => {
                for item in &item.items {
                    match item {
                        syn::ImplItem::Fn(item) => add(&item.vis, &item.sig.ident),
                        syn::ImplItem::Const(item) => add(&item.vis, &item.ident),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    items
}

fn is_public(vis: &Visibility) -> bool {
    matches!(vis, Visibility::Public(_))
}

/// Counts identifiers, and words in strings other than documentation.
fn count_words(tokens: TokenStream, seen: &mut BTreeMap<String, usize>) {
    let mut after_doc = 0;
    for token in tokens {
        match token {
            TokenTree::Group(group) => count_words(group.stream(), seen),
            TokenTree::Ident(ident) => {
                // `#[doc = "…"]`: what stands there is no use.
                after_doc = if ident == "doc" { 2 } else { 0 };
                *seen.entry(ident.to_string()).or_default() += 1;
            }
            TokenTree::Punct(_) => {}
            TokenTree::Literal(_) if after_doc > 0 => after_doc = 0,
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                for word in text.split(|char: char| !char.is_alphanumeric() && char != '_') {
                    *seen.entry(word.to_owned()).or_default() += 1;
                }
            }
        }
    }
}

/// Whether attributes keep an item out of what is shipped.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let text = attribute.to_token_stream().to_string().replace(' ', "");
        text.starts_with("#[cfg(test)]") || text.starts_with("#[cfg(all(test") || text == "#[test]"
    })
}

/// The attributes of an item.
pub fn attributes(item: &Item) -> &[Attribute] {
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
