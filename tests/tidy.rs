//! Keeps the tree readable: module comments, file sizes, and who may know whom.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The longest file that is still read in a sitting.
const MOST_LINES: usize = 800;

/// The rooms and the rooms that each may depend on (the code map in the README says why).
const ARROWS: &[(&str, &[&str])] = &[
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

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn rust_files() -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = ARROWS.iter().map(|(room, _)| root().join(room)).collect();
    folders.extend([root().join("src"), root().join("tests")]);
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    assert!(
        files.len() > 50,
        "only {} files found: is the list of rooms right?",
        files.len()
    );
    files
}

#[test]
fn every_file_says_what_it_is_for() {
    let silent: Vec<_> = rust_files()
        .into_iter()
        .filter(|path| !std::fs::read_to_string(path).unwrap().starts_with("//! "))
        .collect();
    assert!(silent.is_empty(), "no module comment in {silent:#?}");
}

#[test]
fn no_file_is_too_long() {
    let long: Vec<_> = rust_files()
        .into_iter()
        .map(|path| (std::fs::read_to_string(&path).unwrap().lines().count(), path))
        .filter(|(lines, _)| *lines > MOST_LINES)
        .collect();
    assert!(
        long.is_empty(),
        "over {MOST_LINES} lines, probably two things: {long:#?}"
    );
}

#[test]
fn rooms_know_only_whom_they_may_know() {
    let rooms: BTreeSet<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    for (room, allowed) in ARROWS {
        let manifest = std::fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        // What tests need is their own affair.
        let manifest = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for line in manifest.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if rooms.contains(name) && line.contains("workspace") {
                assert!(allowed.contains(&name), "{room} must not depend on {name}");
            }
        }
    }
}

#[test]
fn only_two_places_know_the_bundled_cluster() {
    for path in rust_files() {
        let relative = path.strip_prefix(root()).unwrap();
        let may = relative.starts_with("raft")
            || relative == Path::new("systems/src/bundled.rs")
            || relative == Path::new("src/commands/node.rs")
            || relative.starts_with("tests");
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(
            may || !text.contains("raft::"),
            "{} names raft",
            relative.display()
        );
    }
}
