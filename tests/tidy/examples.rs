//! Tidy itself on trial: small texts and what is found in them. A rule that finds nothing here would find
//! nothing there.

use crate::arrows::circles;
use crate::code::{Parsed, function_lengths, reasons, unused_public_items};
use crate::planted;
use crate::text;
use crate::tree::{Finding, Source};

fn source(path: &str, text: &str) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_owned(),
    }
}

/// What is found, one line each.
fn list(findings: impl IntoIterator<Item = Finding>) -> String {
    findings
        .into_iter()
        .map(|finding| format!("{finding}\n"))
        .collect()
}

#[test]
fn lines() {
    let check = |text: &str, expected: &str| {
        let source = source("checker/src/a.rs", text);
        let mut findings: Vec<Finding> = text::module_comment(&source).into_iter().collect();
        findings.extend(text::comment_columns(&source));
        findings.extend(text::characters(&source));
        findings.extend(text::words(&source));
        findings.extend(text::purity(&source));
        assert_eq!(list(findings), expected);
    };
    let head = "//! What it is for.\n";
    check(head, "");
    check(
        "// No module comment.\n",
        "checker/src/a.rs:1: error: no module comment: begin with `//! What this file is for.`\n",
    );
    check(&format!("{head}// {}\n", "é ".repeat(54).trim_end()), "");
    check(
        &format!("{head}// {}\n", "long ".repeat(25).trim_end()),
        "checker/src/a.rs:2: error: 127 columns instead of at most 110\n",
    );
    check(&format!("{head}// https://{}\n", "x".repeat(120)), "");
    check(
        &format!("{head}let a = \"{}\";\n", "code is rustfmt's ".repeat(9)),
        "",
    );
    check(
        &format!("{head}\tlet a = 1; \n"),
        "checker/src/a.rs:2: error: a control character, '\\t': write it as an escape\n\
         checker/src/a.rs:2: error: space at the end of the line\n",
    );
    check(
        &format!("{head}// Nobody knows; troubled waters.\n// TODO\n"),
        "checker/src/a.rs:2: error: `nobody`: write no process, no one; or: it is unknown\n\
         checker/src/a.rs:3: error: `TODO`: write the code, or an issue\n",
    );
    check(
        &format!(
            "{head}let now = Instant::now();\n// Instant::now is not called.\n#[cfg(test)]\nmod tests {{ std::fs }}\n"
        ),
        "checker/src/a.rs:2: error: Instant::now in code that does no I/O and knows no clock\n",
    );
}

#[test]
fn lengths() {
    let of = |lines: usize| source("a.js", &"x\n".repeat(lines));
    assert_eq!(text::file_length(&of(text::FILE_LINES)), None);
    assert!(text::file_length(&of(text::FILE_LINES + 1)).is_some());
    let wide = source("a.js", &"x".repeat(text::SCRIPT_COLUMNS + 1));
    assert_eq!(text::script_columns(&wide).len(), 1);
}

#[test]
fn code() {
    let check = |text: &str, expected: &str| {
        let parsed = Parsed::of(&source("a.rs", text));
        assert_eq!(
            list(function_lengths(&parsed).into_iter().chain(reasons(&parsed))),
            expected
        );
    };
    let of = |lines: usize| {
        format!(
            "struct S;\nimpl S {{\nfn f() {{\n{}}}\n}}\n",
            "x();\n".repeat(lines)
        )
    };
    check(&of(98), "");
    check(&of(99), "a.rs:3: error: f has 101 lines instead of at most 100\n");
    check(
        "#[allow(dead_code, reason = \"it is for others\")]\nfn f() {}\n",
        "",
    );
    check(
        "fn f() {\n    #[allow(dead_code)]\n    let a = 1;\n}\n",
        "a.rs:2: error: an exception without its reason: `#[expect(…, reason = \"…\")]`\n",
    );
}

#[test]
fn users() {
    let check = |others: &str, expected: &str| {
        let library = "/// Used, says `unused`.\npub fn used() {}\npub fn unused() {}\nstruct S;\nimpl S { pub fn name(&self) {} }\n\
                       #[cfg(test)]\nmod tests { fn t() { super::unused() } }\n";
        let files = [
            Parsed::of(&source("room/src/lib.rs", library)),
            Parsed::of(&source(
                "src/main.rs",
                "pub use room::unused;\nfn main() { room::used() }\n",
            )),
        ];
        let found = unused_public_items(
            &files,
            |path| path.starts_with("room/"),
            others,
            &[("name", "why not")],
        );
        assert_eq!(list(found), expected);
    };
    let unused = "room/src/lib.rs:3: error: `unused` is public, and no code but tests uses it: remove it\n";
    check("", unused);
    check("{{ it.unused() }}", "");
}

#[test]
fn circles_are_found() {
    let check = |files: &[(&str, &str)], expected: &[&str]| {
        let files: Vec<Parsed> = files
            .iter()
            .map(|(path, text)| Parsed::of(&source(&format!("c/src/{path}"), text)))
            .collect();
        let found: Vec<String> = circles("c/src", &files)
            .iter()
            .map(|circle| circle.join(" "))
            .collect();
        assert_eq!(found, expected);
    };
    let lib = ("lib.rs", "mod a;\nmod b;\npub use a::A;\npub use b::B;\n");
    check(
        &[lib, ("a.rs", "use crate::b::B;"), ("b.rs", "pub struct B;")],
        &[],
    );
    check(
        &[lib, ("a.rs", "use crate::b::B;"), ("b.rs", "use crate::a::A;")],
        &["c/src/a.rs c/src/b.rs"],
    );
    // Through a re-export, a path in code, a macro, a parent's import.
    check(
        &[
            lib,
            ("a.rs", "use crate::B;"),
            ("b.rs", "fn f() -> crate::A { todo }"),
        ],
        &["c/src/a.rs c/src/b.rs"],
    );
    check(
        &[
            lib,
            ("a.rs", "use crate::b;"),
            ("b.rs", "fn f() { print!(\"{}\", super::a::f()) }"),
        ],
        &["c/src/a.rs c/src/b.rs"],
    );
    check(
        &[
            lib,
            ("a.rs", "use crate::b;"),
            ("b.rs", "#[cfg(test)]\nmod tests { use crate::a::A; }"),
        ],
        &[],
    );
    // A module's file and its children are one family, but their children must not need each other.
    let parent = (
        "a/mod.rs",
        "mod x;\nmod y;\npub struct A;\nfn f() { x::f(); y::f() }",
    );
    let lib = ("lib.rs", "mod a;");
    check(
        &[
            lib,
            parent,
            ("a/x.rs", "use super::A;"),
            ("a/y.rs", "use super::A;\nuse super::x::f;"),
        ],
        &[],
    );
    check(
        &[
            lib,
            parent,
            ("a/x.rs", "use super::A;\nuse super::y::f;"),
            ("a/y.rs", "use super::A;\nuse super::x::f;"),
        ],
        &["c/src/a/mod.rs c/src/a/x.rs c/src/a/y.rs"],
    );
}

#[test]
fn planted_bugs() {
    let check = |files: &[(&str, &str)], expected: Option<&str>| {
        let sources: Vec<Source> = files.iter().map(|(path, text)| source(path, text)).collect();
        let found = planted::misplaced("Lie", &sources);
        assert_eq!(found.as_deref(), expected, "{files:?}");
    };
    let plant = "fn rule(&self) -> bool { self.breaks(Bug::Lie) }";
    let other = "fn rule(&self) -> bool { self.breaks(Bug::LieTwice) }";
    let test = ("raft/src/core/tests.rs", "const ARMED: Bug = Bug::Lie;");
    let armed = "#[cfg(test)] mod tests { const ARMED: Bug = Bug::Lie; }";
    check(&[("raft/src/core/a.rs", plant), test], None);
    check(&[("raft/src/core/a.rs", &format!("{plant} {armed}"))], None);
    check(
        &[("raft/src/core/a.rs", plant), ("raft/src/bug/log.rs", plant)],
        Some("no test shows that Lie is armed"),
    );
    check(
        &[("raft/src/core/a.rs", other), test],
        Some("Lie is planted in 0 places: []"),
    );
    check(
        &[("raft/src/lib.rs", plant), test],
        Some("Lie is planted in raft/src/lib.rs, where no bug belongs"),
    );
    let thrice = [plant, plant, plant].join(" ");
    check(
        &[("raft/src/core/a.rs", &thrice), test],
        Some(
            "Lie is planted in 3 places: [\"raft/src/core/a.rs\", \"raft/src/core/a.rs\", \"raft/src/core/a.rs\"]",
        ),
    );
}
