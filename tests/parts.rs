//! Histories in parts, and such as do not fit into memory: the program as users call it.

use std::path::Path;
use std::process::{Command, Output};

fn perjury(arguments: &[&str], directory: &Path) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(assert_cmd::cargo::cargo_bin!("perjury"))
        .args(arguments)
        .current_dir(directory)
        .output()
        .unwrap();
    let text = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (status.code(), text.concat())
}

/// Ten registers; key 3 is read as it was before it was written.
fn journal() -> String {
    let mut lines = String::new();
    for key in 0..10 {
        let seen = if key == 3 { 0 } else { 7 };
        let events = [
            format!("\"process\":{key},\"type\":\"invoke\",\"f\":\"write\",\"key\":{key},\"value\":7"),
            format!("\"process\":{key},\"type\":\"ok\""),
            format!("\"process\":{key},\"type\":\"invoke\",\"f\":\"read\",\"key\":{key}"),
            format!("\"process\":{key},\"type\":\"ok\",\"value\":{seen}"),
        ];
        for (at, event) in events.iter().enumerate() {
            lines.push_str(&format!("{{\"time_ns\":{},{event}}}\n", key * 1_000 + at));
        }
    }
    lines
}

/// The exit codes of all parts.
fn parts(file: &str, of: usize, directory: &Path) -> Vec<i32> {
    let codes = (1..=of).map(|number| {
        let part = format!("{number}/{of}");
        let (code, text) = perjury(&["check", "--initial", "0", "--keys", &part, file], directory);
        assert!(text.contains(&format!("(part {part} of the keys)")), "{text}");
        code.unwrap()
    });
    codes.collect()
}

#[test]
fn parts_together_are_the_whole() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("history.jsonl"), journal()).unwrap();
    // Some of the forty parts hold no key: the others have them.
    for of in [1, 2, 40] {
        let codes = parts("history.jsonl", of, at);
        assert_eq!(codes.iter().filter(|&&code| code == 1).count(), 1, "{codes:?}");
        assert!(codes.iter().all(|code| [0, 1].contains(code)), "{codes:?}");
    }
}

#[test]
fn what_cannot_be_is_one_line() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("history.jsonl"), journal()).unwrap();
    let whole = "history.jsonl: the model multi-register judges all keys together, so they cannot be judged in parts; \
                 leave out --keys";
    let cases: &[(&[&str], &str)] = &[
        (
            &["check", "--keys", "9/8", "history.jsonl"],
            "perjury: invalid value '9/8' for '--keys <I/N>': there are only 8 parts, from 1/8 to 8/8 (see --help)\n",
        ),
        (
            &[
                "check",
                "--keys",
                "1/2",
                "--model",
                "multi-register",
                "history.jsonl",
            ],
            &format!("perjury: {whole}\n"),
        ),
    ];
    for (arguments, expected) in cases {
        let (code, text) = perjury(arguments, at);
        assert_eq!((code, text.as_str()), (Some(254), *expected));
    }
}

#[test]
#[cfg(not(feature = "parquet"))]
fn a_build_without_parquet_names_the_feature() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("history.jsonl"), journal()).unwrap();
    std::fs::write(at.join("history.parquet"), b"PAR1 and so on PAR1").unwrap();
    let feature =
        "this perjury was built without Parquet; build it with `cargo build --release --features parquet`\n";
    for (arguments, before) in [
        (&["check", "history.parquet"][..], "history.parquet: "),
        (
            &["export", "--to", "parquet", "history.jsonl"],
            "history.jsonl cannot be written as parquet: ",
        ),
        (&["bench", "columns"], ""),
    ] {
        let (code, text) = perjury(arguments, at);
        assert_eq!((code, text), (Some(254), format!("perjury: {before}{feature}")));
    }
}

#[test]
#[cfg(feature = "parquet")]
fn what_is_larger_than_the_memory_is_judged_in_groups() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    std::fs::write(at.join("history.jsonl"), journal()).unwrap();
    let export = [
        "export",
        "--to",
        "parquet",
        "-o",
        "history.parquet",
        "history.jsonl",
    ];
    assert_eq!(perjury(&export, at).0, Some(0));
    let check = ["check", "--initial", "0", "history.parquet"];
    let (code, text) = perjury(&check, at);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("key 3") && text.contains("Weaker models"), "{text}");
    assert_eq!(parts("history.parquet", 3, at).iter().max(), Some(&1));

    // Nothing at all fits into a byte: each key says so, and it takes no more than a line each.
    let (code, text) = perjury(&[&check[..], &["--memory-limit", "1B"]].concat(), at);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("key 0: its 2 operations take some"), "{text}");
    let whole = [&check[..], &["--memory-limit", "1B", "--model", "multi-register"]].concat();
    let (code, text) = perjury(&whole, at);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("judges all keys together"), "{text}");

    // No page can be drawn of what is not in memory.
    let page = [&check[..], &["--memory-limit", "1B", "--html", "why.html"]].concat();
    assert_eq!(perjury(&page, at).0, Some(254));
    // What is cut off is named.
    let bytes = std::fs::read(at.join("history.parquet")).unwrap();
    std::fs::write(at.join("cut.parquet"), &bytes[..bytes.len() / 2]).unwrap();
    let (code, text) = perjury(&["check", "cut.parquet"], at);
    assert_eq!((code, text.lines().count()), (Some(254), 1), "{text}");
    assert!(
        text.starts_with("perjury: cut.parquet: it cannot be read as Parquet"),
        "{text}"
    );
}
