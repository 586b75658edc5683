//! Planted bugs stand in the rules that they break, one or two places each, and each has a test that shows
//! that it is armed. One that no rule names is not there; one smeared over many files is not one mistake.

use quote::ToTokens;

use crate::code::Parsed;
use crate::tree::Source;

/// Where plants may stand.
const GROUNDS: &[&str] = &[
    "raft/src/core/",
    "raft/src/machine/",
    "raft/src/node/",
    "raft/src/storage/",
    "raft/src/transport/",
];

/// Where bugs are described, and nothing is planted.
const GALLERY: &str = "raft/src/bug/";

/// The most places of one plant.
const PLACES: usize = 2;

/// What is wrong with a bug's places.
pub fn misplaced(bug: &str, sources: &[Source]) -> Option<String> {
    let mut planted = Vec::new();
    let mut named = 0;
    for source in sources
        .iter()
        .filter(|source| source.path.starts_with("raft/") && !source.path.starts_with(GALLERY))
    {
        named += count(&source.text, &format!("Bug::{bug}"));
        if !source.is_test() {
            let shipped = Parsed::of(source).file.to_token_stream().to_string();
            let places = count(&shipped, &format!("Bug :: {bug}"));
            planted.extend(std::iter::repeat_n(source.path.clone(), places));
        }
    }
    let outside = |path: &&String| !GROUNDS.iter().any(|ground| path.starts_with(ground));
    if let Some(path) = planted.iter().find(outside) {
        return Some(format!("{bug} is planted in {path}, where no bug belongs"));
    }
    if planted.is_empty() || planted.len() > PLACES {
        return Some(format!(
            "{bug} is planted in {} places: {planted:?}",
            planted.len()
        ));
    }
    (named == planted.len()).then(|| format!("no test shows that {bug} is armed"))
}

/// How often a name occurs, not counting longer ones that it begins.
fn count(text: &str, name: &str) -> usize {
    let ends = |rest: &str| !rest.starts_with(|char: char| char.is_alphanumeric() || char == '_');
    text.match_indices(name)
        .filter(|(at, _)| ends(&text[at + name.len()..]))
        .count()
}
