//! `perjury serve` on the wire, with requests that no browser would send, and `perjury compare` on runs whose
//! figures are known.

mod serving;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use serving::Serving;

fn perjury(directory: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perjury"));
    let output = command
        .args(args)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output();
    output.unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A small run that was judged.
fn run(directory: &Path, name: &str) -> PathBuf {
    let run = directory.join(name);
    std::fs::create_dir_all(run.join("n1")).unwrap();
    std::fs::write(run.join("n1/node.log"), "2026-11-26T20:00:00.002Z hello\n").unwrap();
    let record = json!({
        "perjury_version": "0", "host": "h", "command": ["test"], "started_at": "2026-11-26T20:00:00Z", "system": "etcd",
        "env": "local", "links": "none", "nodes": ["n1"], "workload": "register", "model": "register", "nemesis": [],
        "concurrency": 1, "time_limit_s": 1.0, "op_timeout_ms": 100, "seed": 1,
    });
    std::fs::write(run.join("test.json"), record.to_string()).unwrap();
    let event = |at: u64, kind: &str| {
        format!(
            "{{\"time_ns\":{at}000000,\"process\":0,\"type\":\"{kind}\",\"f\":\"write\",\"key\":1,\"value\":{at}}}\n"
        )
    };
    let journal: String = (0..20)
        .map(|n| event(2 * n + 1, "invoke") + &event(2 * n + 2, "ok"))
        .collect();
    std::fs::write(run.join("history.jsonl"), journal).unwrap();
    let output = perjury(directory, &["report", name]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    run
}

/// The answer to a request, byte by byte as it is given.
fn ask(serving: &Serving, method: &str, target: &str, host: Option<&str>) -> String {
    let mut stream = TcpStream::connect(&serving.address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let host = host.unwrap_or(&serving.address);
    write!(
        stream,
        "{method} {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    text(&answer)
}

fn status(answer: &str) -> &str {
    answer.split_whitespace().nth(1).unwrap_or_default()
}

#[test]
fn nothing_but_runs_is_served_and_only_to_whom_it_is_meant() {
    let directory = tempfile::tempdir().unwrap();
    let runs = directory.path().join("runs");
    run(&runs, "one");
    std::fs::write(directory.path().join("secret.log"), "the secret").unwrap();
    std::fs::write(runs.join("loose.log"), "the secret").unwrap();
    std::os::unix::fs::symlink(directory.path().join("secret.log"), runs.join("one/out.log")).unwrap();
    let serving = Serving::start(&runs);
    for (target, expected) in [
        ("/", "200"),
        ("/run/one/report.html", "200"),
        ("/run/one/results.json", "200"),
        ("/run/one/n1/node.log", "200"),
        ("/run/one/plots/latency.svg", "200"),
        ("/live/one", "303"),
        ("/state/one", "200"),
        ("/run/one/none", "404"),
        ("/live/none", "404"),
        ("/state/..", "404"),
        ("/compare", "400"),
        ("/compare?run=one&run=..%2Fsecret.log", "400"),
        ("/elsewhere", "404"),
    ] {
        let answer = ask(&serving, "GET", target, None);
        assert_eq!(status(&answer), expected, "{target}: {answer}");
        // What a run brought along is shown where it can read nothing.
        let policy = match target.starts_with("/run/") {
            true => "content-security-policy: sandbox allow-scripts allow-downloads; default-src 'none'",
            false => "content-security-policy: default-src 'none'",
        };
        assert!(answer.to_lowercase().contains(policy), "{target}: {answer}");
    }
    for target in [
        "/run/../secret.log",
        "/run/one/../../secret.log",
        "/run/%2e%2e/secret.log",
        "/run/one/%2e%2e/%2e%2e/secret.log",
        "/run/..%2fsecret.log",
        "/run/%2fetc/passwd",
        "/run//etc/passwd",
        "/run/one/out.log",
        "/run/loose.log",
        "/run/one/n1/%2e%2e/%2e%2e/loose.log",
        "/run/one%00/test.json",
    ] {
        let answer = ask(&serving, "GET", target, None);
        assert!(["400", "404"].contains(&status(&answer)), "{target}: {answer}");
        assert!(
            !answer.contains("the secret") && !answer.contains("root:"),
            "{target}: {answer}"
        );
    }
    assert_eq!(status(&ask(&serving, "GET", "/", Some("evil.example"))), "421");
    let port = serving.address.rsplit(':').next().unwrap();
    assert_eq!(
        status(&ask(&serving, "GET", "/", Some(&format!("localhost:{port}")))),
        "200"
    );
    for method in ["POST", "PUT", "DELETE"] {
        assert_eq!(
            status(&ask(&serving, method, "/run/one/test.json", None)),
            "405",
            "{method}"
        );
    }
}

#[test]
fn neither_idle_clients_nor_odd_files_hold_it_up() {
    let directory = tempfile::tempdir().unwrap();
    let runs = directory.path().join("runs");
    run(&runs, "one");
    let odd = run(&runs, "odd");
    std::fs::remove_file(odd.join("results.json")).unwrap();
    let made = Command::new("mkfifo")
        .arg(odd.join("results.json"))
        .status()
        .unwrap();
    assert!(made.success());
    let mut serving = Serving::start(&runs);
    assert_eq!(status(&ask(&serving, "GET", "/", None)), "200");
    assert_eq!(
        status(&ask(&serving, "GET", "/compare?run=one&run=odd", None)),
        "400"
    );
    // Another journal takes the place of the one that was read.
    let answer = ask(&serving, "GET", "/state/one", None);
    assert!(answer.contains("\"ok\":20"), "{answer}");
    std::fs::write(runs.join("one/history.jsonl"), "").unwrap();
    let answer = ask(&serving, "GET", "/state/one", None);
    assert!(answer.contains("\"ok\":0"), "{answer}");
    // More of them than are let in at a time.
    let idle: Vec<TcpStream> = (0..250)
        .map(|_| {
            let mut stream = TcpStream::connect(&serving.address).unwrap();
            stream.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
            stream
        })
        .collect();
    let deadline = Instant::now() + Duration::from_secs(60);
    let answered = || {
        let mut stream = TcpStream::connect(&serving.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
        let request = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", serving.address);
        stream.write_all(request.as_bytes()).unwrap();
        stream.read(&mut [0; 16]).is_ok_and(|read| read > 0)
    };
    while !answered() {
        assert!(Instant::now() < deadline, "idle clients keep others out");
    }
    let mut half = TcpStream::connect(&serving.address).unwrap();
    half.write_all(b"GET / HT").unwrap();
    serving.interrupt();
    drop((idle, half));
}

#[test]
fn mistakes_are_told_in_a_line() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), "one");
    for (args, expected) in [
        (&["serve", "--runs", "none"][..], "name the directory of the runs"),
        (&["serve", "--runs", "one/test.json"], "is not a directory"),
        (&["serve", "--runs", "one", "--listen", "here"], "--listen"),
        (&["compare", "one"], "there is only one run"),
        (&["compare", "one", "none"], "cannot read none"),
        (&["compare", "one", "one/results.json"], "is named twice"),
        (&["compare", "one", "--against", "./one"], "is named twice"),
        (&["compare", "one", "one/test.json"], "is not a results.json"),
        (&["compare"], "RUN"),
    ] {
        let output = perjury(directory.path(), args);
        let stderr = text(&output.stderr);
        assert_eq!(output.status.code(), Some(254), "{args:?}: {stderr}");
        assert!(
            stderr.contains(expected) && stderr.trim_end().lines().count() == 1,
            "{args:?}: {stderr}"
        );
    }
}

#[test]
fn what_is_clearly_worse_is_said_and_what_is_not_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let results: Value =
        serde_json::from_slice(&std::fs::read(run(directory.path(), "one").join("results.json")).unwrap())
            .unwrap();
    let write = |name: &str, version: &str, rate: f64| {
        let mut results = results.clone();
        results["ok_ops_per_s"] = json!(rate);
        results["test"]["system_version"] = json!(version);
        std::fs::write(directory.path().join(name), results.to_string()).unwrap();
        name.to_owned()
    };
    let series = |version: &str, from: u32| -> Vec<String> {
        let name = |n: u32| format!("{version}-{n}.json");
        (0..6)
            .map(|n| write(&name(n), version, f64::from(from + n)))
            .collect()
    };
    let (old, slow, same) = (series("1.0", 100), series("2.0", 50), series("3.0", 103));
    let compare = |runs: &[String], against: &[String], flag: &str| {
        let mut args = vec!["compare"];
        args.extend(runs.iter().map(String::as_str));
        args.push(flag);
        args.push("--against");
        args.extend(against.iter().map(String::as_str));
        let output = perjury(directory.path(), &args);
        (output.status.code(), text(&output.stdout) + &text(&output.stderr))
    };
    let (code, said) = compare(&slow, &old, "--fail-if-worse");
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.contains("etcd 1.0 perjury 0 (baseline): 6 runs, 6 valid"),
        "{said}"
    );
    assert!(said.contains("103 (100–105, 6 samples)"), "{said}");
    assert!(said.contains("53 (50–55, 6 samples)  × 0.51, worse"), "{said}");
    let (code, said) = compare(&same, &old, "--fail-if-worse");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("no clear difference"), "{said}");
    let (code, said) = compare(&old[..5], &slow, "--fail-if-worse");
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("too few samples"), "{said}");
    assert!(said.contains("none can be called worse"), "{said}");
    // A verdict needs no statistics.
    let mut invalid: Value = results.clone();
    invalid["verdict"] = json!("invalid");
    std::fs::write(directory.path().join("invalid.json"), invalid.to_string()).unwrap();
    let (code, said) = compare(&["invalid.json".to_owned()], &old[..1], "--fail-if-worse");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains(": the verdict is invalid"), "{said}");
    // Without a baseline the first version is it.
    let all: Vec<&str> = ["compare"]
        .into_iter()
        .chain(old.iter().chain(&slow).map(String::as_str))
        .collect();
    let said = text(&perjury(directory.path(), &all).stdout);
    assert!(
        said.contains("etcd 1.0 perjury 0 (baseline)") && said.contains("worse"),
        "{said}"
    );
}
