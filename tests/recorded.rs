//! Histories that others recorded, with the verdicts that they expect. They are not part of the project: the
//! folder that holds them and their `labels.tsv` is named by `PERJURY_HISTORIES`, or is at
//! `../shared/histories`.

#[path = "support/missing.rs"]
mod missing;

use std::path::PathBuf;
use std::process::Command;

use missing::missing;

fn folder() -> Option<PathBuf> {
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/histories");
    let folder = std::env::var_os("PERJURY_HISTORIES").map_or(beside, PathBuf::from);
    folder.join("labels.tsv").is_file().then_some(folder)
}

#[test]
fn every_label_is_confirmed() {
    let Some(folder) = folder() else {
        missing("histories", "set PERJURY_HISTORIES to the folder that holds them");
        return;
    };
    let labels = std::fs::read_to_string(folder.join("labels.tsv")).unwrap();
    let (mut tried, mut wrong) = (0, Vec::new());
    for line in labels.lines().skip(1) {
        let [file, _, model, initial, verdict] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("not a label: {line}");
        };
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("perjury"));
        command
            .arg("check")
            .arg(folder.join(file))
            .args(["--model", model]);
        // Some objects have but one beginning, and the label says so in words.
        if !matches!(initial, "free" | "empty string") {
            command.args(["--initial", initial]);
        }
        let output = command.output().unwrap();
        let expected = if verdict == "valid" { 0 } else { 1 };
        tried += 1;
        // Two of Knossos' histories consist of failures alone. Nothing contradicts them, but nothing was
        // tested.
        let is_vacuous = verdict == "valid"
            && output.status.code() == Some(2)
            && String::from_utf8_lossy(&output.stdout).contains("too little happened");
        if output.status.code() != Some(expected) && !is_vacuous {
            wrong.push(format!("{line}: {}", String::from_utf8_lossy(&output.stdout)));
        }
    }
    println!("{tried} recorded histories");
    assert!(wrong.is_empty() && tried > 0, "{wrong:#?}");
}
