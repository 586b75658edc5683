//! The examples of the README and of docs/ work: those that need nothing but this machine and a moment are
//! run, one after the other in one directory as a reader would run them; the flags of all others are checked
//! against `--help`, and the names in them against `perjury list`.
//!
//! An example is a line of a code block, or a piece of code in the text, that begins with `perjury` or
//! `cargo run --release --`. A run that an example makes is shortened.

mod examples;
mod tables;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use examples::{Example, examples};

/// How long the clients of an example are active.
const SHORT: &str = "2s";

/// What an example's exit code may be where its verdict is open: a run of two seconds shows little.
const ANY_VERDICT: &[i32] = &[0, 1, 2];

fn perjury(arguments: &[String], directory: &Path) -> Output {
    Command::new(assert_cmd::cargo::cargo_bin!("perjury"))
        .args(arguments)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

#[test]
fn flags_and_names_exist() {
    let here = Path::new(".");
    let list = text(&perjury(&["list".to_owned()], here));
    let names: Vec<&str> = list.split_whitespace().collect();
    let mut wrong = Vec::new();
    let all = examples();
    assert!(
        all.len() > 60,
        "only {} examples found: are they recognized?",
        all.len()
    );
    for example in &all {
        for arguments in example.commands() {
            // Flags are read from left to right, so that `--help` at the end proves all before it.
            let help: Vec<String> = arguments.iter().cloned().chain(["--help".to_owned()]).collect();
            let output = perjury(&help, here);
            if output.status.code() != Some(0) {
                wrong.push(format!("{example}\n{}", text(&output)));
            }
        }
        for name in example.names() {
            if !names.iter().any(|known| known.trim_end_matches(':') == name) {
                wrong.push(format!("{example}: `perjury list` knows no {name}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn schedules_can_be_read() {
    let schedules = examples::blocks("docs/schedules.md", "toml");
    assert!(schedules.len() >= 2);
    for text in schedules {
        nemeses::Schedule::parse(&text).unwrap_or_else(|why| panic!("{why}: {text}"));
    }
}

#[test]
fn examples_work() {
    let directory = tempfile::tempdir().unwrap();
    let at = directory.path();
    // The files that examples name.
    std::fs::create_dir_all(at.join("docs/ci")).unwrap();
    for seed in ["1", "2"] {
        let first = ["test", "--env", "local", "--time-limit", SHORT, "--seed", seed].map(str::to_owned);
        let output = perjury(&first, at);
        assert!(
            output
                .status
                .code()
                .is_some_and(|code| ANY_VERDICT.contains(&code)),
            "{}",
            text(&output)
        );
    }
    let runs = runs(at);
    assert_eq!(runs.len(), 2);
    let mut run = 0;
    let mut done: Vec<Vec<String>> = Vec::new();
    for example in examples() {
        let Some((arguments, codes)) = runnable(&example, &runs) else {
            continue;
        };
        if done.contains(&arguments) {
            continue;
        }
        let started = std::time::Instant::now();
        let output = perjury(&arguments, at);
        println!(
            "{:?} in {:.1} s: {example}",
            output.status.code(),
            started.elapsed().as_secs_f64()
        );
        let is_expected = output.status.code().is_some_and(|code| codes.contains(&code));
        assert!(is_expected, "{example}\nrun as {arguments:?}\n{}", text(&output));
        done.push(arguments);
        run += 1;
    }
    assert!(run >= 12, "only {run} examples were run: are they recognized?");
}

/// The runs in a directory, oldest first.
fn runs(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory.join("runs")).unwrap();
    let mut runs: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    runs.retain(|path| path.join("results.json").is_file());
    runs.sort();
    runs
}

/// The arguments with which an example is run, and the exit codes that it may have; `None` if it takes too
/// much: another store, other hosts, an hour, a browser.
fn runnable(example: &Example, runs: &[PathBuf]) -> Option<(Vec<String>, &'static [i32])> {
    let [first, second] = runs else {
        panic!("two runs are made first")
    };
    if !example.is_to_type {
        return None;
    }
    let real = |argument: &String| {
        let path = |run: &Path| run.display().to_string();
        match argument.as_str() {
            "runs/<the run>" | "runs/A" | "runs/new-*" => path(first),
            "runs/B" | "runs/old-*" => path(second),
            _ => argument.clone(),
        }
    };
    let mut arguments: Vec<String> = example.arguments.iter().map(real).collect();
    // What is not built does not work.
    if !cfg!(feature = "parquet") && arguments.iter().any(|argument| argument.contains("parquet")) {
        return None;
    }
    match arguments.first()?.as_str() {
        "list" | "heal" | "report" | "check" | "export" | "bench" => Some((arguments, &[0])),
        "doctor" if arguments.len() == 1 => Some((arguments, &[0])),
        "compare" => Some((arguments, &[0, 1])),
        "test" if example.is_local_test() => {
            set(&mut arguments, "--time-limit", SHORT);
            Some((arguments, ANY_VERDICT))
        }
        _ => None,
    }
}

/// Sets a flag, whether it is there or not.
fn set(arguments: &mut Vec<String>, flag: &str, value: &str) {
    match arguments.iter().position(|argument| argument == flag) {
        Some(at) => arguments[at + 1] = value.to_owned(),
        None => arguments.extend([flag.to_owned(), value.to_owned()]),
    }
}
