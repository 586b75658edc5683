//! Keeps the tree readable, and itself honest: each rule is one file's business, and `examples` shows that it
//! bites.
//!
//! Every finding is one line, `file:line: error: what, and what to do instead`.

mod arrows;
mod code;
mod examples;
mod planted;
mod text;
mod tree;

use std::collections::BTreeSet;

use arrows::ROOMS;
use code::Parsed;
use tree::{Finding, Source, assert_none, root, sources};

/// Public items that only tests and users of the libraries need, each with who that is.
const FOR_OTHERS: &[(&str, &str)] = &[
    ("both_ways", "tests of environments cut links with it"),
    (
        "from_events",
        "users of the checker's library make histories with it",
    ),
    ("func", "tests make generators of closures"),
    ("log_base", "the simulation checks Raft's invariants by it"),
    ("run_ok", "tests run generators with it"),
];

/// The folders of the crates, each with that of its sources.
fn crates() -> impl Iterator<Item = String> {
    let rooms = ROOMS.iter().map(|(room, _)| format!("{room}/src"));
    rooms.chain(["src".to_owned()])
}

fn rust() -> Vec<Source> {
    let sources = sources(&[".rs"]);
    assert!(
        sources.len() > 300,
        "only {} files found: is the list of folders right?",
        sources.len()
    );
    sources
}

/// The files that are shipped, parsed.
fn shipped() -> Vec<Parsed> {
    rust()
        .iter()
        .filter(|source| !source.is_test())
        .map(Parsed::of)
        .collect()
}

#[test]
fn every_file_says_what_it_is_for() {
    assert_none(rust().iter().filter_map(text::module_comment).collect());
}

#[test]
fn no_file_is_too_long() {
    let sources = sources(&[".rs", ".js", ".css", ".html", ".sh"]);
    assert_none(sources.iter().filter_map(text::file_length).collect());
}

#[test]
fn no_line_is_too_long() {
    let mut findings: Vec<Finding> = rust().iter().flat_map(text::comment_columns).collect();
    findings.extend(sources(&[".js", ".css"]).iter().flat_map(text::script_columns));
    assert_none(findings);
}

#[test]
fn no_character_is_invisible() {
    let sources = sources(&[
        ".rs",
        ".js",
        ".css",
        ".html",
        ".md",
        ".toml",
        ".sh",
        ".ci/run",
        ".ci/nightly",
    ]);
    assert_none(sources.iter().flat_map(text::characters).collect());
}

#[test]
fn words_are_plain() {
    // The list of banned words names them all.
    let sources = sources(&[
        ".rs",
        ".js",
        ".html",
        ".md",
        ".toml",
        ".sh",
        ".ci/run",
        ".ci/nightly",
    ]);
    let sources = sources
        .iter()
        .filter(|source| !source.path.starts_with("tests/tidy/"));
    assert_none(sources.flat_map(text::words).collect());
}

#[test]
fn pure_rooms_do_no_io() {
    assert_none(rust().iter().flat_map(text::purity).collect());
}

#[test]
fn functions_are_short_and_exceptions_have_reasons() {
    let mut findings = Vec::new();
    for source in rust() {
        let parsed = Parsed::of(&source);
        findings.extend(code::reasons(&parsed));
        // A test may be one long table of cases.
        if !source.is_test() {
            findings.extend(code::function_lengths(&parsed));
        }
    }
    assert_none(findings);
}

#[test]
fn every_public_item_has_a_user() {
    // Fuzz targets and benchmarks are users, tests are not.
    let files: Vec<Parsed> = rust()
        .iter()
        .filter(|source| {
            !source.is_test() || source.path.contains("/benches/") || source.path.starts_with("fuzz/")
        })
        .map(Parsed::of)
        .collect();
    let templates: String = sources(&[".html"])
        .into_iter()
        .map(|source| source.text)
        .collect();
    let is_library = |path: &str| {
        ROOMS
            .iter()
            .any(|(room, _)| path.starts_with(&format!("{room}/src/")))
    };
    assert_none(code::unused_public_items(
        &files, is_library, &templates, FOR_OTHERS,
    ));
}

#[test]
fn no_file_is_left_out_of_its_crate() {
    // rustc does not see a file that no `mod` names.
    let sources = rust();
    let mut findings = Vec::new();
    for source in sources
        .iter()
        .filter(|source| crates().any(|folder| source.path.starts_with(&format!("{folder}/"))))
    {
        let (folder, file) = source.path.rsplit_once('/').unwrap();
        let name = file.trim_end_matches(".rs");
        let (above, name) = match name {
            "lib" | "main" => continue,
            "mod" => folder.rsplit_once('/').unwrap(),
            name => (folder, name),
        };
        let parent = format!("{above}.rs");
        let parents = [
            format!("{above}/mod.rs"),
            format!("{above}/lib.rs"),
            format!("{above}/main.rs"),
            parent,
        ];
        let is_named = sources.iter().any(|other| {
            parents.contains(&other.path)
                && other.text.lines().any(|line| {
                    line.trim_start_matches("pub ")
                        .trim_start_matches("pub(crate) ")
                        .ends_with(&format!("mod {name};"))
                        || line.contains(&format!("path = \"{file}\""))
                })
        });
        if !is_named {
            findings.push(source.finding(1, format!("no `mod {name};` names it, so it is not compiled")));
        }
    }
    assert_none(findings);
}

#[test]
fn no_crate_has_circles() {
    let shipped = shipped();
    let circles: Vec<String> = crates()
        .flat_map(|folder| arrows::circles(&folder, &shipped))
        .map(|circle| circle.join(", "))
        .collect();
    assert!(
        circles.is_empty(),
        "files that need each other:\n{}",
        circles.join("\n")
    );
}

#[test]
fn no_command_imports_another() {
    let mut findings = Vec::new();
    for source in rust().iter().filter(|source| source.path.starts_with("src/")) {
        let own = source
            .path
            .strip_prefix("src/commands/")
            .map(|path| path.split(['/', '.']).next().unwrap());
        for (at, line) in source
            .text
            .lines()
            .enumerate()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
        {
            for (place, _) in line.match_indices("commands::") {
                let rest = &line[place + "commands::".len()..];
                let named = rest
                    .split(|char: char| !char.is_alphanumeric() && char != '_')
                    .next()
                    .unwrap();
                if own != Some(named) && source.path != "src/main.rs" {
                    findings.push(source.finding(
                        at + 1,
                        format!("names the command {named}: what both need has a place of its own"),
                    ));
                }
            }
        }
    }
    assert_none(findings);
}

#[test]
fn rooms_know_only_whom_they_may_know() {
    let rooms: BTreeSet<&str> = ROOMS.iter().map(|(room, _)| *room).collect();
    for (room, allowed) in ROOMS {
        let manifest = std::fs::read_to_string(root().join(room).join("Cargo.toml")).unwrap();
        // What tests need is their own affair.
        let manifest = manifest.split("[dev-dependencies]").next().unwrap_or_default();
        for line in manifest.lines() {
            let name = line.split(['.', ' ', '=']).next().unwrap_or_default();
            if rooms.contains(name) {
                assert!(allowed.contains(&name), "{room} must not depend on {name}");
            }
        }
    }
}

#[test]
fn planted_bugs_stand_in_the_rules_that_they_break() {
    let sources = rust();
    let bugs = raft::bug::Bug::all().map(|info| format!("{:?}", info.bug));
    let misplaced: Vec<String> = bugs
        .filter_map(|bug| planted::misplaced(&bug, &sources))
        .collect();
    assert!(misplaced.is_empty(), "{}", misplaced.join("\n"));
}

#[test]
fn only_two_places_know_the_bundled_cluster() {
    let mut findings = Vec::new();
    for source in rust() {
        let may = source.path.starts_with("raft/")
            || source.path.starts_with("systems/src/bundled")
            || source.path == "src/commands/node.rs"
            || source.path.starts_with("tests/");
        if !may && let Some(at) = source.text.lines().position(|line| line.contains("raft::")) {
            findings.push(source.finding(at + 1, "names raft: only its node and its system may"));
        }
    }
    assert_none(findings);
}
