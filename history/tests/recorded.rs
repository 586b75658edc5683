//! Histories that others recorded, if they are here: every file is read, as the format that its label names.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use history::formats;
use history::{OpKind, Outcome};

/// The folder: `PERJURY_HISTORIES`, or beside the project.
fn folder() -> Option<PathBuf> {
    let folder = match std::env::var_os("PERJURY_HISTORIES") {
        Some(folder) => PathBuf::from(folder),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/histories"),
    };
    let found = folder.join("labels.tsv").is_file();
    if !found {
        eprintln!("skipped: no recorded histories (PERJURY_HISTORIES names their folder)");
    }
    found.then_some(folder)
}

#[test]
fn every_labelled_file_is_read() {
    let Some(folder) = folder() else { return };
    let labels = std::fs::read_to_string(folder.join("labels.tsv")).unwrap();
    let mut files = 0;
    for label in labels.lines().skip(1) {
        let fields: Vec<&str> = label.split('\t').collect();
        let path = folder.join(fields[0]);
        let imported = formats::read(&path, None).unwrap();
        assert_eq!(imported.format, fields[1], "{}", fields[0]);
        let operations = &imported.history.operations;
        let text = std::fs::read_to_string(&path).unwrap();
        let invocations = text.matches(":invoke").count();
        assert_eq!(operations.len(), invocations, "{}", fields[0]);
        let kinds: &[OpKind] = match fields[2] {
            "cas-register" => &[OpKind::Read, OpKind::Write, OpKind::Cas],
            "mutex" => &[OpKind::Acquire, OpKind::Release],
            "kv-append" => &[OpKind::Read, OpKind::Write, OpKind::Append],
            "multi-register" => &[OpKind::Txn],
            other => panic!("{}: unknown model {other}", fields[0]),
        };
        let is_expected = |kind: OpKind| kinds.contains(&kind);
        assert!(
            operations
                .iter()
                .all(|operation| is_expected(operation.op.kind())),
            "{}",
            fields[0]
        );
        for remark in &imported.remarks {
            assert!(
                !remark.to_string().contains("independent"),
                "{}: {remark}",
                fields[0]
            );
        }
        files += 1;
    }
    assert!(files > 0, "labels.tsv names no file");
    println!("{files} files were read");
}

#[test]
fn etcd_logs_hold_what_grep_finds() {
    let Some(folder) = folder() else { return };
    let mut found: BTreeMap<(OpKind, &str), usize> = BTreeMap::new();
    let mut lines: BTreeMap<(OpKind, &str), usize> = BTreeMap::new();
    for entry in std::fs::read_dir(folder.join("etcd")).unwrap() {
        let path = entry.unwrap().path();
        for operation in formats::read(&path, None).unwrap().history.operations {
            let outcome = match (&operation.outcome, operation.completed_ns) {
                (Outcome::Info(_), None) => continue,
                (outcome, _) => outcome.name(),
            };
            *found.entry((operation.op.kind(), outcome)).or_default() += 1;
        }
        for line in std::fs::read_to_string(&path).unwrap().lines() {
            for kind in [OpKind::Read, OpKind::Write, OpKind::Cas] {
                for outcome in ["ok", "fail", "info"] {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    if words.contains(&format!(":{outcome}").as_str())
                        && words.contains(&format!(":{kind}").as_str())
                    {
                        *lines.entry((kind, outcome)).or_default() += 1;
                    }
                }
            }
        }
    }
    assert_eq!(found, lines);
}
