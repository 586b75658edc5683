//! Runs whose answers are fine and which are invalid all the same: the store does not come back, or the user
//! wants the run to fail on what was observed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

fn perjury(dir: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perjury"));
    command
        .args(args.split_whitespace())
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

fn text(output: &Output) -> String {
    let text = |bytes| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stdout) + &text(&output.stderr)
}

/// Waits until something is there, or fails with `what`.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "{what} within 30 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The run below `dir`, once its journal holds this text.
fn run_that_says(dir: &Path, said: &str) -> PathBuf {
    wait_for(said, || {
        let run = std::fs::read_dir(dir.join("runs")).ok()?.next()?.ok()?.path();
        let journal = std::fs::read_to_string(run.join("history.jsonl")).ok()?;
        journal.contains(said).then_some(run)
    })
}

fn results(run: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(run.join("results.json")).unwrap()).unwrap()
}

fn start(dir: &Path, args: &str) -> Child {
    perjury(dir, args).spawn().unwrap()
}

/// The number of the process whose command line holds this text.
fn process_with(said: &str) -> String {
    let output = Command::new("ps").args(["-Ao", "pid,command"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let line = text.lines().find(|line| line.contains(said));
    let pid = line.and_then(|line| line.split_whitespace().next());
    pid.unwrap_or_else(|| panic!("no process with {said}:\n{text}"))
        .to_owned()
}

/// What was observed in a run, by name.
fn observed<'a>(results: &'a Value, what: &str) -> Vec<&'a Value> {
    let all = results["observations"].as_array().unwrap();
    all.iter().filter(|one| one["what"] == what).collect()
}

#[test]
fn a_store_that_does_not_come_back_has_failed() {
    let dir = tempfile::tempdir().unwrap();
    let schedule = "[[fault]]\nat = '1s'\nlasts = '4s'\nnemesis = 'kill'\ntarget = 'all'\n";
    std::fs::write(dir.path().join("kill.toml"), schedule).unwrap();
    let args = "test --env local --nodes 3 --schedule kill.toml --time-limit 6s --recovery-limit 5s";
    let child = start(dir.path(), args);
    let run = run_that_says(dir.path(), "killed n1");
    // Nothing can be written there any more, for no reason of perjury's.
    for node in ["n1", "n2"] {
        let data = run.join(node).join("data");
        std::fs::rename(&data, run.join(node).join("away")).unwrap();
        std::fs::write(&data, "no directory").unwrap();
    }
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains("The store failed (not-recovered)"),
        "{}",
        text(&output)
    );
    let found = results(&run);
    let found = observed(&found, "not-recovered");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0]["proves"], true);
    let said = found[0]["evidence"].to_string();
    assert!(
        said.contains("n1 ended by itself") && said.contains("last words"),
        "{said}"
    );
    // The run directory is enough to judge it again.
    let again = perjury(dir.path(), "report").arg(&run).output().unwrap();
    assert_eq!(again.status.code(), Some(1), "{}", text(&again));
}

#[test]
fn a_run_fails_on_what_it_is_asked_to() {
    let dir = tempfile::tempdir().unwrap();
    let args = "test --env local --nodes 3 --nemesis none --time-limit 5s --fail-on crash,election";
    let child = start(dir.path(), args);
    let run = run_that_says(dir.path(), "\"type\":\"ok\"");
    let data = std::fs::canonicalize(&run).unwrap().join("n2/data");
    let pid = process_with(&format!("--data={}", data.display()));
    let killed = Command::new("kill").args(["-9", &pid]).status();
    assert!(killed.unwrap().success(), "{pid}");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let found = results(&run);
    let crashes = observed(&found, "crash");
    assert_eq!(crashes.len(), 1, "{crashes:?}");
    assert_eq!(
        (&crashes[0]["node"], &crashes[0]["fails"]),
        (&"n2".into(), &true.into())
    );
    assert_eq!(crashes[0]["proves"], false);
    // Started again after the last heal: it came back.
    assert!(observed(&found, "not-recovered").is_empty(), "{found}");
    let junit = std::fs::read_to_string(run.join("junit.xml")).unwrap();
    assert!(
        junit.contains("<failure message=\"crash: the process of n2 ended by itself once\""),
        "{junit}"
    );
    // Told all the same, and no reason to fail.
    let again = perjury(dir.path(), "report --fail-on none")
        .arg(&run)
        .output()
        .unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    assert!(
        text(&again).contains("observed: crash: the process of n2"),
        "{}",
        text(&again)
    );
}
