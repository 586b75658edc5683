//! Every mistake gets one clear line and the right exit code, and leaves nothing behind.

use assert_cmd::Command;

const USAGE: i32 = 254;

fn perjury() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perjury"));
    command.timeout(std::time::Duration::from_secs(60));
    command
}

/// Runs it in a fresh directory; asserts one line on standard error and an empty directory afterwards.
fn refused(args: &[&str], expected: &str) {
    let dir = tempfile::tempdir().unwrap();
    let output = perjury().args(args).current_dir(dir.path()).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(USAGE), "{args:?}: {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{args:?} says:\n{stderr}");
    assert!(stderr.contains(expected), "{args:?} says: {stderr}");
    let left: Vec<_> = std::fs::read_dir(dir.path()).unwrap().collect();
    assert!(left.is_empty(), "{args:?} left {left:?}");
}

#[test]
fn mistakes_in_flags() {
    let cases: &[(&[&str], &str)] = &[
        (
            &["test", "zookeper"],
            "there is no system `zookeper`; choose bundled",
        ),
        (
            &["test", "--workload", "bank"],
            "there is no workload `bank`; choose register",
        ),
        (&["test", "--nemesis", "earthquake"], "earthquake"),
        (&["test", "--bug", "haste"], "there is no planted bug `haste`"),
        (
            &["test", "--env", "local", "--links", "iptables"],
            "--links has no meaning with --env local",
        ),
        (
            &["test", "--env", "local", "--nemesis", "kill,partition"],
            "cannot work with --env local",
        ),
        (
            &["test", "--nodes", "2", "--nemesis", "partition:majority"],
            "at least 3 nodes",
        ),
        (&["test", "--nodes", "many"], "--nodes"),
        (&["test", "--time-limit", "forever"], "--time-limit"),
        (&["test", "--concurrency", "none"], "--concurrency none"),
        (&["test", "--colour", "red"], "--colour"),
        (&["frobnicate"], "frobnicate"),
    ];
    for (args, expected) in cases {
        refused(args, expected);
    }
}

#[test]
fn mistakes_in_files() {
    refused(&["check", "nowhere"], "nowhere");
    refused(&["report", "nowhere"], "nowhere is not a run directory");
    refused(&["heal", "nowhere"], "nowhere");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("history.jsonl");
    std::fs::write(&file, "{\"time_ns\":1,\"process\":0,\"type\":\"ok\"}\n").unwrap();
    refused(
        &["check", file.to_str().unwrap()],
        "process 0 completes an operation that it never invoked",
    );
    std::fs::write(&file, "what is this?\n").unwrap();
    refused(
        &["check", file.to_str().unwrap()],
        "history.jsonl: its format was not recognized",
    );
    refused(
        &["check", "--format", "journal", file.to_str().unwrap()],
        "history.jsonl:1: not a journal event",
    );
    refused(&["check", dir.path().to_str().unwrap()], "is not a run directory");
}

#[test]
fn a_directory_of_runs_that_cannot_be_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    // A file in the way stops root as well, whom permissions do not.
    let runs = file.join("runs");
    refused(
        &["test", "--time-limit", "1s", "--runs", runs.to_str().unwrap()],
        "cannot use the directory of runs",
    );
}

#[test]
fn a_journal_is_judged_by_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("history.jsonl");
    let write = |value: i64, time: u64| {
        format!(
            "{{\"time_ns\":{time},\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"key\":1,\"value\":{value}}}\n\
             {{\"time_ns\":{},\"process\":0,\"type\":\"ok\"}}\n",
            time + 1
        )
    };
    let read = |value: i64, time: u64| {
        format!(
            "{{\"time_ns\":{time},\"process\":1,\"type\":\"invoke\",\"f\":\"read\",\"key\":1}}\n\
             {{\"time_ns\":{},\"process\":1,\"type\":\"ok\",\"value\":{value}}}\n",
            time + 1
        )
    };
    let many: String = (0..20)
        .map(|n| write(n, n as u64 * 100) + &read(n, n as u64 * 100 + 50))
        .collect();
    let stale = format!("{many}{}", read(3, 5000));
    std::fs::write(&file, &many).unwrap();
    let output = perjury()
        .args(["check", "--memory-limit", "1MB"])
        .arg(&file)
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    // Where the system tells how much memory is in use.
    if cfg!(target_os = "linux") {
        assert_eq!(output.status.code(), Some(2), "{stdout}");
        assert!(stdout.contains("than the limit of 1.0 MB leaves"), "{stdout}");
    }
    let cases = [(many, 0), (stale, 1), (String::new(), 2)];
    for (text, expected) in cases {
        std::fs::write(&file, &text).unwrap();
        let output = perjury().arg("check").arg(&file).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(expected), "{stdout}");
        if expected == 1 {
            assert!(stdout.contains("invalid") && stdout.contains('3'), "{stdout}");
        }
    }
}

#[test]
fn the_list_names_everything() {
    let output = perjury().arg("list").output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    for name in [
        "bundled",
        "register",
        "kill",
        "pause",
        "partition",
        "majorities-ring",
        "stale-read",
        "forget-vote",
    ] {
        assert!(text.contains(name), "{text}");
    }
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let program = assert_cmd::cargo::cargo_bin!("perjury");
    // The reader ends at once, before the list is out.
    let output = std::process::Command::new("bash")
        .args(["-c", "set -o pipefail; \"$0\" list | true"])
        .arg(program)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

/// Times that were not recorded are not shown as if they had been.
#[test]
fn a_set_is_accounted_for_and_times_are_only_told_where_there_are_any() {
    let history = [
        "{:type :invoke, :f :add, :value 1, :process 0, :time 1000000}",
        "{:type :ok, :f :add, :value 1, :process 0, :time 2000000}",
        "{:type :invoke, :f :read, :value nil, :process 1, :time 5000000}",
        "{:type :ok, :f :read, :value [1], :process 1, :time 6000000}",
        "{:type :invoke, :f :read, :value nil, :process 1, :time 9000000}",
        "{:type :ok, :f :read, :value [], :process 1, :time 9500000}",
    ];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("set.edn");
    for (is_timed, expected) in [
        (
            true,
            "Lost: 1 (known at 2.000 ms, last seen at 5.000 ms, last missed at 9.000 ms).",
        ),
        (false, "Lost: 1.\n"),
    ] {
        let lines = history.map(|line| match is_timed {
            true => line.to_owned(),
            false => format!("{}}}", line.split(", :time").next().unwrap()),
        });
        std::fs::write(&file, lines.join("\n")).unwrap();
        let output = perjury().arg("check").arg(&file).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(text.contains(expected), "{text}");
        assert!(
            text.contains("0 stable, 0 stale for a while, 1 lost, 0 known but never read."),
            "{text}"
        );
        // The same process saw it and then did not.
        assert!(text.contains("violated: sequential consistency"), "{text}");
    }
}

/// What a file of a format begins with is part of the format, whether or not the model is guessed.
#[test]
fn the_guess_knows_what_objects_begin_with() {
    let put = "{:process 0, :type :invoke, :f :put, :key \"a\", :value \"x\"}";
    let get = |value: &str| {
        ["invoke", "ok"].map(|kind| {
            let value = if kind == "ok" { value } else { "nil" };
            format!("{{:process 1, :type :{kind}, :f :get, :key \"a\", :value {value}}}\n")
        })
    };
    let txn = |answer: &str| {
        ["invoke", "ok"].map(|kind| {
            let answer = if kind == "ok" { answer } else { "nil" };
            format!("{{:process 0, :type :{kind}, :f :txn, :value [[:r :x {answer}] [:w :y 1]]}}\n")
        })
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("history");
    for (text, expected, code) in [
        (get("\"\"").concat() + put, "register (guessed), \"\" at first", 0),
        (get("nil").concat() + put, "register (guessed), nil at first", 0),
        (txn("nil").concat(), "multi-register (guessed), nil at first", 0),
        (txn("0").concat(), "multi-register (guessed), 0 at first", 0),
        (txn("2").concat(), "multi-register (guessed), 0 at first", 1),
    ] {
        std::fs::write(&file, &text).unwrap();
        let output = perjury().arg("check").arg(&file).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(told.contains(expected), "{text}{told}");
        assert_eq!(output.status.code(), Some(code), "{text}{told}");
    }
}

const STALE: [&str; 6] = [
    "{:process 0, :type :invoke, :f :write, :value 1, :time 1000000}",
    "{:process 0, :type :ok, :f :write, :value 1, :time 2000000}",
    "{:process 0, :type :invoke, :f :write, :value 2, :time 3000000}",
    "{:process 0, :type :ok, :f :write, :value 2, :time 4000000}",
    "{:process 1, :type :invoke, :f :read, :value nil, :time 5000000}",
    "{:process 1, :type :ok, :f :read, :value 1, :time 6000000}",
];

/// Runs it in `dir`; asserts the exit code, and gives all that it says.
fn said(dir: &std::path::Path, args: &[&str], code: i32) -> String {
    let output = perjury().args(args).current_dir(dir).output().unwrap();
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    text
}

/// What is read is told, operation by operation, and not judged: the file contradicts itself.
#[test]
fn how_a_file_is_understood_can_be_asked() {
    let dir = tempfile::tempdir().unwrap();
    let history = "{:process 0 :type :invoke :f :write :value 1}
        {:process 0 :type :info :f :write :value 1}
        {:process 1 :type :invoke :f :read :value nil}
        {:process 1 :type :ok :f :read :value 2}";
    std::fs::write(dir.path().join("h.edn"), history).unwrap();
    let expected = "h.edn: 2 operations, read as edn
  by 2 processes, on one object
  read: 1 ok, 0 fail, 0 info
  write: 0 ok, 0 fail, 1 info
  model register (guessed), nil at first; --model can also be cas-register, multi-register, causal
  note: no operation has a time: instead the events are counted
  note: 1 operation has no completion and counts as info
  process 0's write of 1 of unknown outcome (from event 1, no answer); it may have happened at any later time, or never
  process 1's read of 2 (events 3–4)
";
    assert_eq!(
        said(dir.path(), &["check", "--explain-reading", "h.edn"], 0),
        expected
    );
    let with_model = ["check", "--explain-reading", "--model", "cas-register", "h.edn"];
    assert!(said(dir.path(), &with_model, 0).contains("model cas-register, nil at first"));
}

/// What is wrong with one of several files keeps none of the others from being judged.
#[test]
fn the_others_are_judged_when_one_cannot_be_read() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("empty.edn"), "").unwrap();
    std::fs::write(dir.path().join("h.edn"), STALE.join("\n")).unwrap();
    let text = said(dir.path(), &["check", "empty.edn", "h.edn"], USAGE);
    for expected in [
        "empty.edn: it is empty",
        "h.edn: invalid",
        "1 history: 0 valid, 1 invalid, 0 unknown",
        "1 of 2 could not be judged",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let text = said(
        dir.path(),
        &["check", "--explain-reading", "empty.edn", "h.edn"],
        USAGE,
    );
    for expected in [
        "empty.edn: it is empty",
        "h.edn: 3 operations, read as",
        "1 of 2 could not be read",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
}

/// Whatever stands where the page is to go, only another page is overwritten.
#[test]
fn a_page_overwrites_nothing_but_a_page() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("h.edn"), STALE.join("\n")).unwrap();
    std::fs::write(path("notes.html"), "<!doctype html>\nmine").unwrap();
    std::fs::create_dir(path("run")).unwrap();
    std::fs::write(path("run/test.json"), "{}").unwrap();
    let cases = [
        ("h.edn", "that is the history to be judged"),
        ("./run/../h.edn", "that is the history to be judged"),
        ("notes.html", "is not a page that perjury wrote"),
        ("run/report.html", "keeps its own files there"),
        ("run/why.html", "keeps its own files there"),
        ("run", "exists, but is not a file"),
        (
            "nowhere/why.html",
            "its directory cannot be used: No such file or directory; make it first",
        ),
    ];
    for (html, expected) in cases {
        let text = said(dir.path(), &["check", "--html", html, "h.edn"], USAGE);
        assert!(text.contains(expected), "{html}: {text}");
        assert_eq!(text.lines().count(), 1, "{html}: {text}");
    }
    assert_eq!(std::fs::read_to_string(path("h.edn")).unwrap(), STALE.join("\n"));
    for _ in 0..2 {
        let text = said(dir.path(), &["check", "--html", "why.html", "h.edn"], 1);
        assert!(text.contains("drawn in why.html"), "{text}");
    }
    let mut names: Vec<_> = std::fs::read_dir(dir.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["h.edn", "notes.html", "run", "why.html"]);
}

#[test]
fn what_is_no_history_or_no_model_is_refused_before_anything_is_judged() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name);
    std::fs::write(path("h.edn"), STALE.join("\n")).unwrap();
    std::fs::write(path("empty.edn"), "\n").unwrap();
    std::fs::write(path("h.gz"), b"\x1f\x8b\x08\0").unwrap();
    std::fs::create_dir_all(path("runs/one")).unwrap();
    std::fs::create_dir(path("none")).unwrap();
    std::fs::write(path("runs/one/test.json"), "{}").unwrap();
    let counter = "{:process 0, :type :invoke, :f :add, :value 1}\n{:process 0, :type :ok, :f :add, :value 1}\n\
                   {:process 0, :type :invoke, :f :read}\n{:process 0, :type :ok, :f :read, :value 1}\n";
    std::fs::write(path("counter.edn"), counter).unwrap();
    let locks = counter
        .replace(":add, :value 1", ":acquire")
        .replace(":read, :value 1", ":release");
    std::fs::write(path("lock.edn"), locks.replace(":f :read", ":f :release")).unwrap();
    let cases: &[(&[&str], &str)] = &[
        (
            &["h.edn", "nowhere"],
            "cannot read nowhere: No such file or directory",
        ),
        (&["empty.edn"], "it is empty"),
        (&["--format", "edn", "empty.edn"], "it is empty"),
        (&["h.gz"], "it is compressed (gzip): gunzip it first"),
        (&["runs"], "give one of them, such as the newest, runs/one"),
        (&["none"], "a run directory holds test.json and history.jsonl"),
        (
            &["runs/one/test.json"],
            "is not a history; give the run directory, runs/one",
        ),
        (
            &["--model", "set", "counter.edn"],
            "a list of elements is expected",
        ),
        (
            &["--initial", "foo", "counter.edn"],
            "a counter begins with an integer",
        ),
        (&["--initial", "free", "lock.edn"], "begins free: nil"),
        (
            &["--initial", "99999999999999999999", "h.edn"],
            "integers have 64 bits",
        ),
        (&["--initial", "{:a", "h.edn"], "it does not end"),
        (
            &["--memory-limit", "3TB", "h.edn"],
            "(B, kB, KiB, MB, MiB, GB, GiB)",
        ),
    ];
    for (args, expected) in cases {
        let args = [&["check"], *args].concat();
        let text = said(dir.path(), &args, USAGE);
        assert!(text.contains(expected), "{args:?}: {text}");
        assert!(
            !text.contains("h.edn: invalid"),
            "{args:?} judged something: {text}"
        );
    }
    refused(&["bench", "check", "--ops", "0"], "--ops");
    refused(&["bench", "check", "--ops", "99999999999999"], "--ops");
}

#[test]
fn nil_in_a_journal_is_an_answer_whatever_was_there_at_first() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"time_ns":0,"process":0,"type":"invoke","f":"write","value":1}"#,
        r#"{"time_ns":1,"process":0,"type":"ok"}"#,
        r#"{"time_ns":2,"process":0,"type":"invoke","f":"read"}"#,
        r#"{"time_ns":3,"process":0,"type":"ok","value":null}"#,
    ];
    std::fs::write(dir.path().join("h.jsonl"), lines.join("\n") + "\n").unwrap();
    said(dir.path(), &["check", "--initial", "0", "h.jsonl"], 1);
    // Elsewhere Knossos' way is followed, and said.
    said(
        dir.path(),
        &["export", "--to", "edn", "-o", "h.edn", "h.jsonl"],
        0,
    );
    let text = said(dir.path(), &["check", "--initial", "0", "h.edn"], 0);
    assert!(text.contains("1 read of nil set aside as not known"), "{text}");
    assert!(!text.contains("taken for what was seen"), "{text}");
    said(dir.path(), &["check", "h.edn"], 1);
}

#[test]
fn a_page_shows_the_order_that_was_judged() {
    let dir = tempfile::tempdir().unwrap();
    let lines = [
        r#"{"time_ns":0,"process":0,"type":"invoke","f":"read"}"#,
        r#"{"time_ns":2000000,"process":0,"type":"ok","value":7}"#,
    ];
    std::fs::write(dir.path().join("h.jsonl"), lines.join("\n") + "\n").unwrap();
    for (initial, code, symbol, points) in [("7", 0, "✓", 1), ("8", 1, "✗", 0)] {
        let page = format!("{initial}.html");
        said(
            dir.path(),
            &["check", "--initial", initial, "--html", &page, "h.jsonl"],
            code,
        );
        let html = std::fs::read_to_string(dir.path().join(page)).unwrap();
        assert!(html.contains(&format!("{symbol}</span>")), "{initial}");
        assert_eq!(html.matches("<circle").count(), points, "{initial}");
    }
}

/// No one waits for what an invalid history still is, and no one is told to type a long value.
#[test]
fn a_verdict_does_not_wait_for_words() {
    let dir = tempfile::tempdir().unwrap();
    let event = |process: usize, kind: &str, f: &str, value: &str| {
        format!("{{:process {process}, :type :{kind}, :f :{f}, :value {value}}}\n")
    };
    // Many additions at the same time, and two reads that contradict each other.
    let adds =
        |kind: &'static str| (0..40).map(move |number| event(number, kind, "add", &number.to_string()));
    let mut text: String = adds("invoke").collect();
    for seen in ["#{1 2}", "#{2 3}"] {
        text += &(event(50, "invoke", "read", "nil") + &event(50, "ok", "read", seen));
    }
    text.extend(adds("ok"));
    std::fs::write(dir.path().join("slow.edn"), text).unwrap();
    let began = std::time::Instant::now();
    let told = said(dir.path(), &["check", "slow.edn"], 1);
    assert!(told.contains("diverged"), "{told}");
    assert!(began.elapsed() < std::time::Duration::from_secs(20), "{told}");

    let many: Vec<String> = (0..300).map(|number| number.to_string()).collect();
    let seen = format!("#{{{}}}", many.join(" "));
    let text = event(0, "invoke", "read", "nil") + &event(0, "ok", "read", &seen);
    std::fs::write(dir.path().join("flood.edn"), text).unwrap();
    let told = said(dir.path(), &["check", "--model", "set", "flood.edn"], 1);
    assert!(!told.contains("--initial"), "{told}");
    assert!(told.lines().all(|line| line.len() < 400), "{told}");
}

#[test]
fn hints_for_those_who_were_misunderstood() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("h.edn");
    std::fs::write(
        &path,
        format!(
            "{}\n{{:process 2, :type :invoke, :f :read, :time 7000000}}",
            STALE.join("\n").replace("value 1, :time 6", "value 0, :time 6")
        ),
    )
    .unwrap();
    let text = said(dir.path(), &["check", "h.edn"], 1);
    for expected in [
        "note: if the store holds 0 at first, say --initial 0",
        "note: 1 operation has no completion and counts as info",
        "no consistency model explains a value that was never written.",
    ] {
        assert!(text.contains(expected), "{text}");
    }
    assert!(!text.contains("violates"), "{text}");
    // What is lost is said only if something is.
    let told = said(
        dir.path(),
        &["export", "--to", "edn", "-o", "again.edn", "h.edn"],
        0,
    );
    assert!(!told.contains("cannot record"), "{told}");
    let told = said(
        dir.path(),
        &["export", "--to", "porcupine-kv", "-o", "again.txt", "h.edn"],
        0,
    );
    assert!(told.contains("cannot record"), "{told}");
    // Standard input is a file as any other.
    let again = std::fs::read(dir.path().join("again.edn")).unwrap();
    let output = perjury()
        .args(["check", "-"])
        .write_stdin(again)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
}

#[test]
fn the_doctor_tells_of_every_nemesis_and_store() {
    let output = perjury().arg("doctor").output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    let text = String::from_utf8(output.stdout).unwrap();
    for name in [
        "netns",
        "local",
        "docker",
        "ssh",
        "kill",
        "crash-loop",
        "restart",
        "pause",
        "corrupt",
        "partition",
        "client-partition",
        "packet",
        "clock",
        "fsync",
        "power",
        "disk-full",
        "bundled",
        "etcd",
        "consul",
        "zookeeper",
        "redis",
    ] {
        assert!(
            text.contains(&format!("\n  {name} ")),
            "{name} is not in:\n{text}"
        );
    }
}

#[test]
fn a_hunt_that_makes_no_sense_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for (args, expected) in [
        (
            vec!["hunt", "--", "--nemesis", "kill"],
            "the hunt chooses the faults itself",
        ),
        (vec!["hunt", "--", "--nods", "3"], "after `--`: "),
        (vec!["hunt", "--nemesis", "kil"], "there is no nemesis `kil`"),
        (vec!["hunt", "--", "etcdd"], "there is no system `etcdd`"),
        (
            vec!["hunt", "--", "--bug", "forgetvote"],
            "there is no planted bug `forgetvote`",
        ),
        (
            vec!["hunt", "--", "etcd", "--endpoints", "http://127.0.0.1:1"],
            "--endpoints",
        ),
    ] {
        let output = perjury().current_dir(&dir).args(&args).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(254), "{args:?}: {text}");
        assert!(text.contains(expected), "{args:?}: {text}");
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 0, "{args:?}");
    }
}

#[test]
fn a_matrix_that_makes_no_sense_is_refused_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    for (text, expected) in [
        ("systems = [\"etcdd\"]", "there is no system `etcdd`"),
        ("nemeses = [\"kil\"]", "there is no nemesis `kil`"),
        ("sytems = []", "line 1: unknown field `sytems`"),
        (
            "flags = [\"--seed\", \"3\"]",
            "leave out --seed: the matrix says it",
        ),
        ("systems = []", "the matrix contains no test"),
        ("\nx", "line 2: "),
        (
            "systems = [\"redis\"]\nnemeses = [\"membership\"]",
            "does not know how to do that to `redis`",
        ),
    ] {
        std::fs::write(dir.path().join("matrix.toml"), text).unwrap();
        let output = perjury()
            .current_dir(&dir)
            .args(["test-all", "matrix.toml"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        // Where there is no Redis, that is what it says.
        let is_missing = said.contains("redis-server");
        assert_eq!(output.status.code(), Some(254), "{text}: {said}");
        assert!(said.contains(expected) || is_missing, "{text}: {said}");
        assert!(!dir.path().join("runs").exists(), "{text}");
    }
}
