//! What the reports of small and strange runs say.

mod scripts;
mod synthetic;

use checker::{Analysis, Conflict, Rule, Verdict};
use history::{
    ErrorClass, Event, EventKind, History, Hold, NemesisAction, NemesisOp, NemesisOutcome, Note, NoteKind,
    Op, Outcome, Process, RunDir, TestRecord, Value,
};
use scripts::without_scripts;

use reports::{CheckName, NodeLogs, Results, summary_text, write_all};

const MS: u64 = 1_000_000;

fn summarize(record: &TestRecord, history: &History, analysis: &Analysis) -> Results {
    reports::summarize(record, history, analysis, &NodeLogs::default())
}

fn invoke(time_ms: u64, process: u64, op: Op) -> Event {
    let kind = EventKind::Invoke {
        op,
        node: Some((process % 5) as u16),
    };
    Event {
        time_ns: time_ms * MS,
        process: Process::Client(process),
        kind,
    }
}

fn complete(time_ms: u64, process: u64, outcome: Outcome) -> Event {
    Event {
        time_ns: time_ms * MS,
        process: Process::Client(process),
        kind: EventKind::Complete(outcome),
    }
}

fn fault(time_ms: u64, action: NemesisAction, hold: Option<Hold>) -> Vec<Event> {
    fault_of("partition", time_ms, action, hold)
}

fn fault_of(nemesis: &str, time_ms: u64, action: NemesisAction, hold: Option<Hold>) -> Vec<Event> {
    let op = NemesisOp {
        nemesis: nemesis.into(),
        action,
        target: "leader".into(),
    };
    let event = |time_ms: u64, kind| Event {
        time_ns: time_ms * MS,
        process: Process::Nemesis,
        kind,
    };
    let mut events = vec![event(time_ms, EventKind::NemesisInvoke(op))];
    if let Some(hold) = hold {
        let outcome = NemesisOutcome {
            nodes: vec!["n2".into()],
            detail: "n2 | n1 n3".into(),
            exact: Default::default(),
            hold,
        };
        events.push(event(time_ms + 5, EventKind::NemesisComplete(Box::new(outcome))));
    }
    events
}

fn read(key: i64) -> Op {
    Op::Read { key: key.into() }
}

fn write(key: i64, value: i64) -> Op {
    Op::Write {
        key: key.into(),
        value: value.into(),
    }
}

fn cas(key: i64, expected: i64, new: i64) -> Op {
    Op::Cas {
        key: key.into(),
        expected: expected.into(),
        new: new.into(),
    }
}

fn history(events: Vec<Event>) -> History {
    History::from_events(events).expect("the events are a history")
}

fn analysis(history: &History, conflicts: Vec<Conflict>) -> Analysis {
    let keys = checker::partition(history).len();
    Analysis {
        verdict: if conflicts.is_empty() {
            Verdict::Valid
        } else {
            Verdict::Invalid
        },
        keys,
        operations: history.operations.len(),
        conflicts_total: conflicts.len(),
        conflicts,
        decided_by: [("register-exact", keys)].into(),
        ..checker::check(&History::default(), &checker::Options::default())
    }
}

fn conflict(operations: &[usize], links: &[usize]) -> Conflict {
    Conflict {
        key: 1.into(),
        operations: operations.to_vec(),
        links: links.to_vec(),
        sentences: vec![
            "write 2 completed before the read began.".into(),
            "The read still saw 1.".into(),
        ],
        rule: Rule::ComesBack,
        stale_by_ns: Some(10 * MS),
        prefix: Vec::new(),
        confirmed: true,
    }
}

fn record() -> TestRecord {
    synthetic::record(&synthetic::Options {
        seed: 7,
        clients: 4,
        duration_s: 0.5,
        latency_ms: 2.0,
        plant: true,
    })
}

/// A run with one of everything: a stale read (operation 4), errors, a fault that ended, an open operation.
fn small() -> (TestRecord, History, Analysis) {
    let mut events = vec![
        Event {
            time_ns: MS,
            process: Process::Nemesis,
            kind: EventKind::Note(Box::new(Note {
                node: "n1".into(),
                ..Note::new(NoteKind::Leader)
            })),
        },
        invoke(10, 0, write(1, 1)),
        complete(12, 0, Outcome::ok()),
        invoke(14, 1, write(1, 2)),
        invoke(15, 0, cas(1, 9, 3)),
        complete(18, 0, Outcome::mismatch(Some(Value::Int(2)))),
        complete(19, 1, Outcome::ok()),
        invoke(20, 0, cas(1, 2, 4)),
        complete(
            21,
            0,
            Outcome::fail(ErrorClass::ConnectionRefused, "connection refused (os error 111)"),
        ),
        invoke(30, 2, read(1)),
        complete(33, 2, Outcome::ok_value(Value::Int(1))),
    ];
    events.extend(fault(34, NemesisAction::Start, Some(Hold::Verified)));
    events.push(invoke(40, 3, write(2, 5)));
    events.push(complete(
        140,
        3,
        Outcome::info(ErrorClass::Timeout, "no answer within 100 ms"),
    ));
    for n in 0..10 {
        events.push(invoke(150 + 4 * n, 2, read(2)));
        events.push(complete(152 + 4 * n, 2, Outcome::ok_value(Value::Int(5))));
    }
    events.push(invoke(191, 2, cas(2, 5, 6)));
    events.push(complete(193, 2, Outcome::ok()));
    events.extend(fault(200, NemesisAction::Stop, Some(Hold::Verified)));
    events.push(invoke(210, 4, read(2)));
    events.push(Event {
        time_ns: 500 * MS,
        process: Process::Nemesis,
        kind: EventKind::Note(Box::new(Note {
            node: "n3".into(),
            detail: "its process ended".into(),
            ..Note::new(NoteKind::Crash)
        })),
    });
    let history = history(events);
    let analysis = analysis(&history, vec![conflict(&[0, 1, 4], &[])]);
    (record(), history, analysis)
}

/// Writes all reports and gives three of them: results, report.html, junit.xml.
fn written(record: &TestRecord, history: &History, analysis: &Analysis) -> (Results, String, String) {
    let dir = tempfile::tempdir().expect("a directory");
    let run = RunDir::new(dir.path());
    let results = write_all(&run, record, history, analysis).expect("the reports can be written");
    let text = |path| std::fs::read_to_string(path).expect("the report was written");
    let json: Results = serde_json::from_str(&text(run.results())).expect("results.json can be read back");
    assert_eq!(json, results);
    let junit = text(run.junit()).replace(&dir.path().display().to_string(), "RUN");
    let html = text(run.report()).replace(&dir.path().display().to_string(), "RUN");
    let names: Vec<_> = std::fs::read_dir(dir.path()).expect("a directory").collect();
    assert_eq!(names.len(), 5, "something was left behind: {names:?}");
    (results, html, junit)
}

/// Fails unless the tags of an SVG or XML text are balanced.
fn assert_well_formed(text: &str) {
    let mut open: Vec<&str> = Vec::new();
    let mut rest = text;
    while let Some(from) = rest.find('<') {
        rest = &rest[from + 1..];
        let to = rest.find('>').expect("a tag ends");
        let tag = &rest[..to];
        assert!(!tag.contains('<'), "a tag in a tag: {tag}");
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name), "closed out of order");
        } else if !tag.ends_with('/') && !tag.starts_with(['?', '!']) {
            open.push(tag.split([' ', '\n']).next().unwrap_or_default());
        }
        rest = &rest[to + 1..];
    }
    assert!(open.is_empty(), "never closed: {open:?}");
}

fn svgs(html: &str) -> Vec<&str> {
    html.match_indices("<svg")
        .map(|(from, _)| &html[from..from + html[from..].find("</svg>").expect("ends") + 6])
        .collect()
}

#[test]
fn the_terminal_is_told() {
    let (record, history, analysis) = small();
    insta::assert_snapshot!(summary_text(&summarize(&record, &history, &analysis)));
}

#[test]
fn results_json_is_stable() {
    let (record, history, analysis) = small();
    let results = summarize(&record, &history, &analysis);
    insta::assert_snapshot!(serde_json::to_string_pretty(&results).expect("results are JSON"));
}

#[test]
fn ci_is_told() {
    let (record, history, analysis) = small();
    let (_, _, junit) = written(&record, &history, &analysis);
    assert_well_formed(&junit);
    insta::assert_snapshot!(junit);
}

#[test]
fn the_page_tells_what_matters() {
    let (record, history, analysis) = small();
    let (_, html, _) = written(&record, &history, &analysis);
    for fact in [
        "✗</span> invalid",
        "The read still saw 1.",
        "① write 1",
        "③ read → 1",
        "cas 9→3 ✗ 2",
        "process 2",
        "connection-refused",
        "no connection was made, so nothing was sent",
        "no answer in time: it may have happened, or may yet happen",
        "partition (leader)",
        "n2 | n1 n3",
        "✓ verified",
        "▾n1",
        "crash n3",
        "perjury test --seed 7 --bug stale-read",
        "perjury check RUN",
        "clients never retry",
        "iptables",
        "a namespace shares the clock of its host",
        "RUN</code>",
    ] {
        assert!(html.contains(fact), "the page does not say {fact:?}");
    }
    let svgs = svgs(&html);
    assert_eq!(svgs.len(), 6, "gradients, one timeline, four plots");
    for svg in svgs {
        assert_well_formed(svg);
    }
}

#[test]
fn the_page_needs_no_network() {
    let (record, history, analysis) = small();
    let (_, html, _) = written(&record, &history, &analysis);
    let bare = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
    let (bare, scripts) = without_scripts(&bare);
    assert_eq!(scripts.len(), 2, "the data of the timeline and its script");
    for reference in [
        "fetch(",
        "XMLHttpRequest",
        "import",
        "WebSocket",
        "innerHTML",
        "eval(",
        "http:",
        "https:",
    ] {
        assert!(!scripts[1].contains(reference), "the script contains {reference}");
    }
    for reference in [
        "http://", "https://", "<script", "<link", "<img", "src=", "@import",
    ] {
        assert!(!bare.contains(reference), "the page contains {reference}");
    }
}

#[test]
fn hostile_words_stay_words() {
    let (mut record, _, _) = small();
    let evil = "</text></svg><script>alert(1)</script>&\"'\u{0}\u{1b}[31m";
    record.system_version = evil.into();
    record.lost = vec![evil.into()];
    record.nodes = vec![evil.into(), evil.into()];
    let write = Op::Write {
        key: Value::text(evil),
        value: Value::text(evil),
    };
    let mut events = vec![
        invoke(1, 0, write.clone()),
        complete(2, 0, Outcome::ok()),
        invoke(3, 1, write),
        complete(4, 1, Outcome::info(ErrorClass::Protocol, evil)),
        invoke(
            5,
            0,
            Op::Read {
                key: Value::text(evil),
            },
        ),
        complete(6, 0, Outcome::ok_value(Value::text(evil))),
    ];
    events.push(Event {
        time_ns: 7 * MS,
        process: Process::Nemesis,
        kind: EventKind::Note(Box::new(Note {
            node: evil.into(),
            detail: evil.into(),
            ..Note::new(NoteKind::Leader)
        })),
    });
    events.extend(fault(8, NemesisAction::Start, Some(Hold::Failed(evil.into()))));
    let history = history(events);
    let mut conflict = conflict(&[0, 1, 2], &[]);
    conflict.key = Value::text(evil);
    conflict.sentences = vec![evil.into()];
    let analysis = analysis(&history, vec![conflict]);
    let (_, html, junit) = written(&record, &history, &analysis);
    let (html, scripts) = without_scripts(&html);
    assert_eq!(scripts.len(), 2);
    assert!(scripts.iter().all(|script| !script.contains("<script>alert")));
    assert!(html.contains("&lt;script&gt;") || html.contains("&#60;script&#62;"));
    for svg in svgs(&html) {
        assert_well_formed(svg);
    }
    assert!(!junit.contains("<script"));
    assert_well_formed(&junit);
}

/// A second nemesis with a single turn, in which there was nothing to act on, beside one that took hold.
#[test]
fn one_turn_that_was_skipped_is_told_and_two_make_the_run_unknown() {
    for (turns, expected, told) in [
        (
            1,
            Verdict::Valid,
            "the only fault of kill was skipped; a longer run",
        ),
        (2, Verdict::Unknown, "all 2 faults of kill were skipped"),
    ] {
        let mut events = vec![invoke(0, 99, write(1, 1)), complete(1, 99, Outcome::ok())];
        for n in 0..20 {
            events.push(invoke(10 + n, 0, read(1)));
            events.push(complete(10 + n, 0, Outcome::ok_value(Value::Int(1))));
        }
        events.extend(fault(40, NemesisAction::Start, Some(Hold::Verified)));
        events.extend(fault(50, NemesisAction::Stop, Some(Hold::Verified)));
        for turn in 0..turns {
            let (start, stop) = (60 + 20 * turn, 70 + 20 * turn);
            events.extend(fault_of(
                "kill",
                start,
                NemesisAction::Start,
                Some(Hold::Verified),
            ));
            let nothing = Hold::Skipped("nothing ran".into());
            events.extend(fault_of("kill", stop, NemesisAction::Stop, Some(nothing)));
        }
        let history = history(events);
        let record = TestRecord {
            nemesis: vec!["partition".into(), "kill".into()],
            ..record()
        };
        let results = summarize(&record, &history, &analysis(&history, Vec::new()));
        assert_eq!(results.verdict, expected, "{:?}", results.checks);
        let said: Vec<&str> = results
            .reasons()
            .chain(results.remarks.iter().map(String::as_str))
            .collect();
        assert!(said.join("; ").contains(told), "{said:?}");
    }
}

#[test]
fn too_little_is_unknown_and_invalid_beats_it() {
    // `ok` reads, whether writes are answered, what becomes of the fault, whether there is a conflict.
    let check = |reads: u64,
                 writes: Outcome,
                 start: Hold,
                 stop: Hold,
                 invalid: bool,
                 expected: Verdict,
                 why: &str| {
        let mut events = vec![invoke(0, 99, write(1, 1)), complete(1, 99, writes)];
        events.extend(fault(2, NemesisAction::Start, Some(start)));
        for n in 0..reads {
            events.push(invoke(10 + n, 0, read(1)));
            events.push(complete(10 + n, 0, Outcome::ok_value(Value::Int(1))));
        }
        events.extend(fault(900, NemesisAction::Stop, Some(stop)));
        let history = history(events);
        let conflicts = if invalid {
            vec![conflict(&[0], &[])]
        } else {
            Vec::new()
        };
        let analysis = analysis(&history, conflicts);
        let results = summarize(&record(), &history, &analysis);
        assert_eq!(results.verdict, expected, "{:?}", results.checks);
        let reasons: Vec<&str> = results.reasons().collect();
        assert!(reasons.join("; ").contains(why), "{reasons:?}");
        assert_eq!(reasons.is_empty(), expected == Verdict::Valid);
    };
    use Hold::{Failed, Skipped, Verified};
    use Verdict::{Invalid, Unknown, Valid};
    let lost = || Outcome::info(ErrorClass::Timeout, "");
    check(20, Outcome::ok(), Verified, Verified, false, Valid, "");
    check(9, Outcome::ok(), Verified, Verified, false, Valid, "");
    check(
        8,
        Outcome::ok(),
        Verified,
        Verified,
        false,
        Unknown,
        "only 9 of 9 operations were ok",
    );
    check(
        20,
        lost(),
        Verified,
        Verified,
        false,
        Unknown,
        "no write operation was answered (1 invoked)",
    );
    check(
        20,
        Outcome::ok(),
        Failed("leaks".into()),
        Verified,
        false,
        Unknown,
        "leaks",
    );
    check(
        20,
        Outcome::ok(),
        Verified,
        Failed("still cut".into()),
        false,
        Unknown,
        "did not end: still cut",
    );
    check(
        20,
        Outcome::ok(),
        Skipped("no leader".into()),
        Verified,
        false,
        Unknown,
        "the only fault of partition was skipped",
    );
    check(
        20,
        Outcome::ok(),
        Verified,
        Skipped("never called".into()),
        false,
        Unknown,
        "the only fault of partition was skipped",
    );
    check(
        1,
        Outcome::ok(),
        Failed("leaks".into()),
        Verified,
        true,
        Invalid,
        "not linearizable",
    );
}

#[test]
fn a_bare_history_is_judged_however_short() {
    let one = history(vec![invoke(0, 0, write(1, 1)), complete(1, 0, Outcome::ok())]);
    let verdict = |history: &History| {
        summarize(&TestRecord::default(), history, &analysis(history, Vec::new())).verdict
    };
    assert_eq!(verdict(&one), Verdict::Valid);
    assert_eq!(verdict(&History::default()), Verdict::Unknown);
}

#[test]
fn strange_runs_are_reported_all_the_same() {
    let check = |events: Vec<Event>, conflicts: Vec<Conflict>| {
        let history = history(events);
        let analysis = analysis(&history, conflicts);
        for record in [
            record(),
            TestRecord::default(),
            TestRecord {
                time_limit_s: f64::NAN,
                ..record()
            },
        ] {
            let results = summarize(&record, &history, &analysis);
            assert_eq!(results.checks.len(), CheckName::ALL.len());
            let dir = tempfile::tempdir().expect("a directory");
            let run = RunDir::new(dir.path());
            write_all(&run, &record, &history, &analysis).expect("the reports can be written");
            let html = std::fs::read_to_string(run.report()).expect("the report was written");
            svgs(&html).into_iter().for_each(assert_well_formed);
            assert!(
                !html.contains("NaN\"") && !html.contains("inf\""),
                "a picture with impossible numbers"
            );
        }
    };
    // Nothing at all; no faults; one operation; an operation that never ended; a fault that never began to
    // hold.
    check(Vec::new(), Vec::new());
    check(
        vec![
            invoke(1, 0, read(1)),
            complete(2, 0, Outcome::ok_value(Value::Nil)),
        ],
        Vec::new(),
    );
    check(
        vec![
            invoke(0, 0, read(1)),
            complete(0, 0, Outcome::ok_value(Value::Nil)),
        ],
        vec![conflict(&[0], &[])],
    );
    check(vec![invoke(5, 0, write(1, 2))], vec![conflict(&[0], &[0])]);
    check(fault(3, NemesisAction::Start, None), Vec::new());
    check(
        fault(3, NemesisAction::Stop, Some(Hold::Failed("no".into()))),
        Vec::new(),
    );
    // A conflict that names what is not there.
    check(vec![invoke(5, 0, write(1, 2))], vec![conflict(&[7], &[8])]);
    check(Vec::new(), vec![conflict(&[], &[])]);
    // Times far apart, and a long latency.
    check(
        vec![
            invoke(0, 0, write(1, 2)),
            complete(1, 0, Outcome::ok()),
            invoke(9_000_000, 1, read(1)),
            complete(99_000_000, 1, Outcome::ok_value(Value::Nil)),
        ],
        vec![conflict(&[0, 1], &[])],
    );
}

#[test]
fn a_long_proof_stays_readable() {
    let mut events = Vec::new();
    for n in 0..300 {
        events.push(invoke(10 * n, n, cas(1, n as i64, n as i64 + 1)));
        events.push(complete(10 * n + 4, n, Outcome::ok()));
    }
    let history = history(events);
    let links: Vec<usize> = (2..300).collect();
    let (results, html, _) = written(
        &record(),
        &history,
        &analysis(&history, vec![conflict(&[0, 1], &links)]),
    );
    assert_eq!(results.conflicts[0].links_total, 298);
    assert_eq!(results.conflicts[0].links.len(), 100);
    let timeline = svgs(&html)[1];
    assert!(
        timeline.matches("<rect").count() <= 45,
        "{}",
        timeline.matches("<rect").count()
    );
}

#[test]
fn a_large_run_makes_a_small_page() {
    let options = synthetic::Options {
        seed: 3,
        clients: 30,
        duration_s: 20.0,
        latency_ms: 2.0,
        plant: true,
    };
    let run = synthetic::run(&options);
    assert!(run.history.operations.len() > 50_000);
    let (results, html, _) = written(&run.record, &run.history, &run.analysis);
    assert_eq!(results.verdict, Verdict::Invalid);
    assert!(html.len() < 5_000_000, "{} bytes", html.len());
}

#[test]
fn a_million_operations_with_large_values_fit_on_a_page() {
    let options = synthetic::Options {
        seed: 3,
        clients: 30,
        duration_s: 200.0,
        latency_ms: 2.0,
        plant: true,
    };
    let mut run = synthetic::run(&options);
    assert!(
        run.history.operations.len() > 1_000_000,
        "{}",
        run.history.operations.len()
    );
    // The analysis was of the same operations with small values: what is drawn and written is what counts
    // here.
    for operation in &mut run.history.operations {
        if let Op::Write {
            value: Value::Int(value),
            ..
        } = &mut operation.op
        {
            *value += 1 << 50;
        }
    }
    let (_, html, _) = written(&run.record, &run.history, &run.analysis);
    assert!(html.len() < 5_000_000, "{} bytes", html.len());
    assert!(html.len() > 2_000_000, "{} bytes", html.len());
}

#[test]
fn a_store_that_answers_only_in_peace_is_unknown() {
    const SECOND: u64 = 1_000_000_000;
    let calm = || {
        let mut events = Vec::new();
        for n in 0..20 {
            events.push(invoke(10 + n, 0, read(1)));
            events.push(complete(10 + n, 0, Outcome::ok_value(Value::Nil)));
        }
        events
    };
    let judged = |events: Vec<history::Event>| {
        let history = history(events);
        let results = summarize(&record(), &history, &analysis(&history, Vec::new()));
        let reasons = results.reasons().collect::<Vec<_>>().join("; ");
        (results.verdict, reasons)
    };
    // No fault at all, although some were required.
    let (verdict, reasons) = judged(calm());
    assert_eq!(verdict, Verdict::Unknown);
    assert!(reasons.contains("before the first fault was due"), "{reasons}");
    // Faults, and from then on silence.
    let mut silent = calm();
    silent.extend(fault(100, NemesisAction::Start, Some(Hold::Verified)));
    silent.push(invoke(200, 0, read(1)));
    silent.push(complete(2 * SECOND, 0, Outcome::fail(ErrorClass::Timeout, "")));
    silent.extend(fault(3 * SECOND, NemesisAction::Stop, Some(Hold::Verified)));
    let (verdict, reasons) = judged(silent.clone());
    assert_eq!(verdict, Verdict::Unknown);
    assert!(
        reasons.contains("nothing was answered after the first fault"),
        "{reasons}"
    );
    // One answer is enough for that.
    silent.push(invoke(4 * SECOND, 0, read(1)));
    silent.push(complete(4 * SECOND, 0, Outcome::ok_value(Value::Nil)));
    assert_eq!(judged(silent.clone()), (Verdict::Valid, String::new()));
    // It was not there any more to be read a last time.
    silent.push(Event {
        time_ns: 5 * SECOND * MS,
        process: Process::Nemesis,
        kind: EventKind::Note(Box::new(Note {
            detail: "n1 ended by itself".into(),
            ..Note::new(NoteKind::NotBack)
        })),
    });
    let (verdict, reasons) = judged(silent);
    assert_eq!(verdict, Verdict::Unknown);
    assert!(
        reasons.contains("did not come back") && reasons.contains("n1 ended by itself"),
        "{reasons}"
    );
}

#[test]
fn a_key_that_never_answers_after_the_heal_may_hide_what_it_lost() {
    let heal = |time_ms: u64| {
        let outcome = NemesisOutcome {
            nodes: Vec::new(),
            detail: String::new(),
            exact: Default::default(),
            hold: Hold::Verified,
        };
        [
            EventKind::NemesisInvoke(NemesisOp::heal()),
            EventKind::NemesisComplete(Box::new(outcome)),
        ]
        .map(|kind| Event {
            time_ns: time_ms * MS,
            process: Process::Nemesis,
            kind,
        })
    };
    let dead = || Outcome::fail(ErrorClass::Timeout, "");
    let alive = || Outcome::ok_value(Value::Nil);
    // How the last reads of the keys 1 and 2 end, two tries each, and the reason for doubt.
    let cases = [
        ([alive(), alive(), alive(), alive()], ""),
        ([dead(), alive(), dead(), alive()], ""),
        (
            [alive(), alive(), dead(), dead()],
            "1 of 2 keys could not be read after",
        ),
        (
            [dead(), dead(), dead(), dead()],
            "no operation after the last heal was answered",
        ),
    ];
    let record = TestRecord {
        nemesis: Vec::new(),
        ..record()
    };
    for (outcomes, expected) in cases {
        let mut events = Vec::new();
        for n in 0..20 {
            events.push(invoke(10 + n, 0, read(1)));
            events.push(complete(10 + n, 0, alive()));
        }
        events.extend(heal(100));
        for (n, outcome) in outcomes.into_iter().enumerate() {
            let time_ms = 200 + 10 * n as u64;
            events.push(invoke(time_ms, 0, read(1 + n as i64 / 2)));
            events.push(complete(time_ms + 5, 0, outcome));
        }
        let history = history(events);
        let results = summarize(&record, &history, &analysis(&history, Vec::new()));
        let reasons = results.reasons().collect::<Vec<_>>().join("; ");
        match expected {
            "" => assert_eq!((results.verdict, reasons.as_str()), (Verdict::Valid, "")),
            expected => {
                assert_eq!(results.verdict, Verdict::Unknown);
                assert!(reasons.contains(expected), "{reasons}");
            }
        }
    }
}

#[test]
fn what_else_a_reader_should_know() {
    let (mut record, _, _) = small();
    record.nodes.truncate(1);
    record.left_behind = vec!["all keys that begin with x".into()];
    let mut events = vec![
        invoke(1, 0, read(1)),
        complete(2, 0, Outcome::ok_value(Value::Nil)),
    ];
    events.push(Event {
        time_ns: 1_500 * MS,
        process: Process::Nemesis,
        kind: EventKind::Note(Box::new(Note {
            detail: "a signal requested it".into(),
            ..Note::new(NoteKind::Stopped)
        })),
    });
    let history = history(events);
    let remarks = summarize(&record, &history, &analysis(&history, Vec::new())).remarks;
    for expected in [
        "stopped after 1.5 s of",
        "no other node to agree with",
        "left in the store: all keys that begin with x",
    ] {
        assert!(
            remarks.iter().any(|remark| remark.contains(expected)),
            "{remarks:?}"
        );
    }
}
