//! What is observed in small histories: each kind, where it shows, where it does not, and what excuses it.

use history::{
    Event, EventKind, Fact, FailOn, History, Hold, LogPattern, LogWeight, NemesisAction, NemesisOp,
    NemesisOutcome, Note, NoteKind, Observed, Op, Outcome, Process, Size, StateHash, TestRecord,
};

use super::{Looked, observe};
use crate::measure::faults::fault_rows;
use crate::node_logs::{FoundText, NodeLogs};
use crate::results::{Availability, LatencyRow, Observation};

/// Something at a second.
type At = (u64, Happened);

#[derive(Clone)]
enum Happened {
    Note(Note),
    /// A fault on n1, with its target, for so many seconds.
    Fault(&'static str, &'static str, u64),
    /// An operation that is answered, or not.
    Op(bool),
    /// The same at n1, n2 or n3, counted from 0.
    At(u16, bool),
    /// The last heal.
    Healed,
}
use Happened::{At as CalledAt, Fault, Healed, Op as Called};

fn note(kind: NoteKind, node: &str, fact: Option<Fact>) -> Happened {
    Happened::Note(Note {
        node: node.into(),
        fact,
        ..Note::new(kind)
    })
}

fn crash(node: &str) -> Happened {
    note(NoteKind::Crash, node, None)
}

fn leader(node: &str) -> Happened {
    note(NoteKind::Leader, node, None)
}

fn led(node: &str, terms: &[u64]) -> Happened {
    note(NoteKind::Led, node, Some(Fact::Led(terms.to_vec())))
}

fn state(node: &str, index: u64, base: u64, hash: &str) -> Happened {
    let hash = hash.to_owned();
    note(
        NoteKind::State,
        node,
        Some(Fact::State(StateHash { index, base, hash })),
    )
}

fn size(memory_mb: u64) -> Happened {
    let size = Size {
        memory_bytes: memory_mb << 20,
        data_bytes: 1 << 20,
    };
    note(NoteKind::Size, "n1", Some(Fact::Size(size)))
}

fn history(happened: &[At]) -> History {
    let mut events: Vec<(u64, Process, EventKind)> = Vec::new();
    for (number, (second, what)) in (0u64..).zip(happened) {
        let ns = second * 1_000_000_000 + number;
        match what {
            Happened::Note(note) => {
                events.push((ns, Process::Nemesis, EventKind::Note(Box::new(note.clone()))));
            }
            Fault(..) | Healed => {
                let act = |nemesis: &str, action, target: &str| NemesisOp {
                    nemesis: nemesis.into(),
                    action,
                    target: target.into(),
                };
                let acts = match what {
                    Fault(nemesis, target, length) => vec![
                        (ns, act(nemesis, NemesisAction::Start, target)),
                        (
                            ns + length * 1_000_000_000,
                            act(nemesis, NemesisAction::Stop, target),
                        ),
                    ],
                    _ => vec![(ns, NemesisOp::heal())],
                };
                for (at, op) in acts {
                    let outcome = NemesisOutcome {
                        nodes: vec!["n1".into()],
                        detail: String::new(),
                        exact: Default::default(),
                        hold: Hold::Verified,
                    };
                    events.push((at, Process::Nemesis, EventKind::NemesisInvoke(op)));
                    events.push((
                        at,
                        Process::Nemesis,
                        EventKind::NemesisComplete(Box::new(outcome)),
                    ));
                }
            }
            Called(is_answered) | CalledAt(_, is_answered) => {
                let node = match what {
                    CalledAt(node, _) => Some(*node),
                    _ => None,
                };
                let process = Process::Client(number);
                let op = Op::Write {
                    key: 1.into(),
                    value: (number as i64).into(),
                };
                let outcome = match is_answered {
                    true => Outcome::ok(),
                    false => Outcome::info(history::ErrorClass::Timeout, "no answer"),
                };
                events.push((ns, process, EventKind::Invoke { op, node }));
                events.push((ns + 1_000, process, EventKind::Complete(outcome)));
            }
        }
    }
    events.sort_by_key(|(ns, ..)| *ns);
    let events = events.into_iter().map(|(time_ns, process, kind)| Event {
        time_ns,
        process,
        kind,
    });
    History::from_events(events).unwrap()
}

fn looked(happened: &[At], fail_on: &[(Observed, Option<f64>)], logs: Vec<FoundText>) -> Vec<Observation> {
    looked_at(happened, fail_on, logs, &[])
}

fn looked_at(
    happened: &[At],
    fail_on: &[(Observed, Option<f64>)],
    logs: Vec<FoundText>,
    latency: &[LatencyRow],
) -> Vec<Observation> {
    let history = history(happened);
    let record = TestRecord {
        system: "etcd".into(),
        nodes: ["n1", "n2", "n3"].map(str::to_owned).to_vec(),
        fail_on: (fail_on.iter())
            .map(|&(what, bound)| FailOn { what, bound })
            .collect(),
        ..TestRecord::default()
    };
    observe(&Looked {
        record: &record,
        history: &history,
        faults: &fault_rows(&history),
        logs: &NodeLogs { found: logs },
        latency,
        availability: Some(Availability {
            slice_ms: 100.0,
            share_of_time: 0.9,
            share_of_operations: 1.0,
            longest_gap_ms: 0.0,
        }),
    })
}

/// What was observed, with `!` where it proves a broken promise and `?` where a fault explains it.
fn told(found: &[Observation]) -> Vec<String> {
    let mark = |one: &Observation| match (one.proves, &one.explained_by) {
        (true, _) => "!",
        (false, Some(_)) => "?",
        (false, None) => "",
    };
    found
        .iter()
        .map(|one| format!("{}{} ×{}: {}", one.what, mark(one), one.count, one.text))
        .collect()
}

fn check(happened: &[At], expected: &[&str]) {
    assert_eq!(told(&looked(happened, &[], Vec::new())), expected);
}

#[test]
fn crashes() {
    check(&[], &[]);
    check(
        &[(1, crash("n2")), (2, crash("n2")), (3, crash("n1"))],
        &[
            "crash ×2: the process of n2 ended by itself 2 times",
            "crash ×1: the process of n1 ended by itself once",
        ],
    );
    // A store may end itself when its disk fails, also later, but not before and not elsewhere.
    check(
        &[
            (1, crash("n1")),
            (2, Fault("disk-full", "", 3)),
            (3, crash("n1")),
            (9, crash("n2")),
        ],
        &[
            "crash ×1: the process of n1 ended by itself once",
            "crash? ×1: the process of n1 ended by itself once",
            "crash ×1: the process of n2 ended by itself once",
        ],
    );
    // No kill explains that a process ends by itself.
    check(
        &[(1, Fault("kill", "n1", 1)), (3, crash("n1"))],
        &["crash ×1: the process of n1 ended by itself once"],
    );
}

#[test]
fn elections() {
    let calm = [(0, leader("n1")), (20, leader("n2"))];
    let text =
        "election ×1: another node came to lead although no fault had touched the leader or a majority";
    check(&calm, &[text]);
    // The same node, in a term that is not known; too soon after the first one.
    check(&[(0, leader("n1")), (20, leader("n1"))], &[]);
    check(&[(0, leader("n1")), (3, leader("n2"))], &[]);
    for (start, length, expected) in [
        (19, 2, vec![]),
        (10, 6, vec![]),
        (10, 2, vec![text]),
        (21, 2, vec![text]),
    ] {
        let mut happened = calm.to_vec();
        happened.push((start, Fault("partition", "", length)));
        check(&happened, &expected);
    }
    // n1 comes back: it may have led, or it must not unseat n2.
    for (before, nemesis, target, expected) in [
        ("n1", "partition", "one", vec![]),
        ("n2", "partition", "one", vec![text]),
        ("n2", "partition", "halves", vec![]),
        ("n2", "kill", "one", vec![text]),
        ("n2", "packet", "delay", vec![]),
        ("n2", "transfer", "one", vec![]),
    ] {
        let fault = Fault(nemesis, target, 2);
        check(&[(0, leader(before)), (16, fault), (19, leader("n3"))], &expected);
    }
}

#[test]
fn stalls() {
    // Answered until 3 s and from 15 s on; asked all the time.
    let silence = || {
        let answers = |second| second <= 3 || second >= 15;
        (0..20)
            .map(move |second| (second, Called(answers(second))))
            .collect::<Vec<At>>()
    };
    let text =
        "stall ×1: no update was acknowledged for 12.0 s, although faults left a majority of the nodes alone";
    check(&silence(), &[text]);
    for (fault, expected) in [
        // A minority may be gone.
        ((3, Fault("pause", "one", 13)), vec![text]),
        ((3, Fault("partition", "leader", 13)), vec![text]),
        // These may take more than that.
        ((3, Fault("partition", "halves", 13)), vec![]),
        ((3, Fault("packet", "delay", 13)), vec![]),
        // What is left of the silence is not long enough.
        ((6, Fault("partition", "ring", 4)), vec![]),
    ] {
        let mut happened = silence();
        happened.push(fault);
        check(&happened, &expected);
    }
    // Where everything is slow it is no stall, unless the user says so; a few slow answers say nothing.
    for (count, p90_ms, fail_on, expected) in [
        (500, 500.0, &[][..], vec![]),
        (500, 300.0, &[], vec![text]),
        (100, 500.0, &[], vec![text]),
        (500, 500.0, &[(Observed::Stall, Some(6.0))], vec![text]),
    ] {
        let row = LatencyRow {
            f: history::OpKind::Write,
            count,
            latency_ms_p50: 1.0,
            latency_ms_p90: p90_ms,
            latency_ms_p99: 9_000.0,
            latency_ms_p999: 9_000.0,
            latency_ms_max: 9_000.0,
        };
        assert_eq!(
            told(&looked_at(&silence(), fail_on, Vec::new(), &[row])),
            expected
        );
    }
    // Who asks only the node that a fault holds waits for it.
    for (node, expected) in [(0, vec![]), (1, vec![text])] {
        let at = |(second, called)| match called {
            Called(is_answered) => (second, CalledAt(node, is_answered)),
            other => (second, other),
        };
        let mut happened: Vec<At> = silence().into_iter().map(at).collect();
        happened.push((2, Fault("pause", "one", 13)));
        let found = looked(&happened, &[], Vec::new());
        let stalls: Vec<Observation> = (found.into_iter())
            .filter(|one| one.what == Observed::Stall)
            .collect();
        assert_eq!(told(&stalls), expected);
    }
    // Clients that ask for nothing are answered nothing.
    let asked_little: Vec<At> = silence()
        .into_iter()
        .filter(|(second, _)| !(6..14).contains(second))
        .collect();
    check(&asked_little, &[]);
}

#[test]
fn silent_nodes() {
    // All three are asked all the time; n2 answers nothing from some second on, and in a second the heal
    // comes, if any does.
    let run = |silent: std::ops::Range<u64>, healed_at: Option<u64>, fault: Option<At>| {
        let asked = |second| (0..3).map(move |node| (second, node));
        let mut happened: Vec<At> = (0..30)
            .filter(|second| healed_at.is_none_or(|at| !(at..at + 4).contains(second)))
            .flat_map(asked)
            .map(|(second, node)| (second, CalledAt(node, node != 1 || !silent.contains(&second))))
            .collect();
        happened.extend(healed_at.map(|at| (at, Healed)));
        happened.extend(fault);
        told(&looked(&happened, &[], Vec::new()))
    };
    let text = |seconds: &str| {
        vec![format!(
            "silent-node ×1: n2 answered nothing for {seconds} s, although faults left it and a majority of the nodes \
             alone"
        )]
    };
    let none = Vec::<String>::new();
    assert_eq!(run(10..19, None, None), text("10.0"));
    assert_eq!(run(10..14, None, None), none);
    assert_eq!(
        run(10..19, None, Some((12, Fault("partition", "halves", 3)))),
        none
    );
    // n1 was hit, and the two others could go on.
    assert_eq!(
        run(10..19, None, Some((12, Fault("kill", "one", 3)))),
        text("10.0")
    );
    // It never comes back: no client asks while the store is healed, which is no silence.
    assert_eq!(run(18..24, Some(20), None), none);
    assert_eq!(run(18..30, Some(20), None), none);
    assert_eq!(run(18..30, Some(15), None), text("10.0"));
    assert_eq!(
        run(14..30, Some(15), Some((10, Fault("corrupt", "bitflip", 1)))),
        none
    );
}

/// A node whose disk failed, and that ended because of it, is silent until it is started again.
#[test]
fn a_node_that_a_fault_ended_is_silent() {
    let run = |fault: &'static str, answers_until: u64| {
        let asked = |second| (0..3).map(move |node| (second, node));
        let answers = |second, node| node != 0 || second < 8 || (12..answers_until).contains(&second);
        let mut happened: Vec<At> = (0..30)
            .flat_map(asked)
            .map(|(second, node)| (second, CalledAt(node, answers(second, node))))
            .collect();
        happened.extend([(7, Fault(fault, "fail", 1)), (8, crash("n1"))]);
        let mut found = looked(&happened, &[], Vec::new());
        found.retain(|found| found.what == Observed::SilentNode);
        found.len()
    };
    assert_eq!(run("fsync", 12), 0);
    assert_eq!(run("kill", 12), 1, "a kill explains no end by itself");
    assert_eq!(run("fsync", 14), 1, "it was back");
}

/// What silences several nodes is told once.
#[test]
fn several_silent_nodes() {
    let asked = |second| (0..3).map(move |node| (second, node));
    let is_answered = |second: u64, node: u16| node == 0 || !(10..19 + u64::from(node)).contains(&second);
    let happened: Vec<At> = (0..30)
        .flat_map(asked)
        .map(|(second, node)| (second, CalledAt(node, is_answered(second, node))))
        .collect();
    check(
        &happened,
        &[
            "silent-node ×2: n3 answered nothing for 12.0 s, although faults left it and a majority of the nodes alone; n2 \
             too, for more than 6.0 s",
        ],
    );
}

#[test]
fn two_leaders_in_one_term() {
    check(
        &[
            (1, led("n1", &[1, 2])),
            (2, led("n2", &[3])),
            (3, led("n1", &[4])),
        ],
        &[],
    );
    let both = [(1, led("n1", &[1, 2])), (2, led("n2", &[2]))];
    check(
        &both,
        &["two-leaders! ×1: n1 and n2 led in term 2, which has one leader"],
    );
    // Frozen and cut-off nodes, and those that were killed, keep their votes; those whose disk lied do not
    // once they have lost their power.
    let lie_and_power = [(0, Fault("fsync", "lie", 1)), (1, Fault("power", "all", 1))];
    for (faults, mark) in [
        (&[(0, Fault("pause", "n1", 1))][..], "!"),
        (&[(0, Fault("kill", "n1", 1))], "!"),
        (&[(0, Fault("power", "all", 1))], "!"),
        (&[(0, Fault("fsync", "lie", 1))], "!"),
        (&lie_and_power, "?"),
        (&[(0, Fault("corrupt", "truncate", 1))], "?"),
        // Too late to have done it.
        (&[(5, Fault("corrupt", "truncate", 1))], "!"),
    ] {
        let mut happened = both.to_vec();
        happened.extend(faults.iter().cloned());
        check(
            &happened,
            &[&*format!(
                "two-leaders{mark} ×1: n1 and n2 led in term 2, which has one leader"
            )],
        );
    }
}

#[test]
fn leaders_by_their_logs() {
    let text = |node: &str, terms: &[u64]| FoundText {
        node: node.into(),
        pattern: LogPattern::new("became leader at term ", "it leads", LogWeight::Leads),
        count: terms.len() as u64,
        time_s: None,
        lines: Vec::new(),
        numbers: terms
            .iter()
            .map(|term| (*term, format!("became leader at term {term}")))
            .collect(),
    };
    let found = |logs| looked(&[(1, led("n3", &[9]))], &[], logs);
    assert_eq!(
        told(&found(vec![
            text("n1", &[2, 5]),
            text("n2", &[3]),
            text("n3", &[9])
        ])),
        [""; 0]
    );
    let both = found(vec![text("n1", &[2, 5]), text("n2", &[5, 9])]);
    assert_eq!(
        told(&both),
        [
            "two-leaders! ×1: n1 and n2 led in term 5, which has one leader",
            "two-leaders! ×1: n2 and n3 led in term 9, which has one leader",
        ]
    );
    assert_eq!(both[0].evidence[1], "n2 logged: became leader at term 5");
}

#[test]
fn states_that_differ() {
    let same = [
        (1, state("n1", 256, 0, "aa")),
        (2, state("n2", 256, 0, "aa")),
        (3, state("n2", 512, 0, "bb")),
    ];
    check(&same, &[]);
    // Not comparable.
    check(&[(1, state("n1", 9, 0, "aa")), (1, state("n2", 9, 4, "bb"))], &[]);
    let mut differ = same.to_vec();
    differ.push((4, state("n3", 256, 0, "cc")));
    check(&differ, &["diverged! ×1: the nodes' states differ at index 256"]);
    differ.push((5, state("n3", 512, 0, "dd")));
    differ.push((6, state("n3", 512, 0, "dd")));
    let found = looked(&differ, &[], Vec::new());
    assert_eq!(
        told(&found),
        ["diverged! ×2: the nodes' states differ at index 256, and at 1 later one"]
    );
    assert_eq!(found[0].evidence.len(), 3);
    assert_eq!(found[0].evidence[2], "n3: cc (read at 4.00 s)");
    differ.push((0, Fault("corrupt", "bitflip", 1)));
    check(
        &differ,
        &["diverged? ×2: the nodes' states differ at index 256, and at 1 later one"],
    );
}

#[test]
fn lines_of_logs() {
    let text = |weight| FoundText {
        node: "n1".into(),
        pattern: LogPattern::new("broken", "something is broken", weight),
        count: 3,
        time_s: Some(5.0),
        lines: vec!["it is broken".into()],
        numbers: Default::default(),
    };
    let said = "×3: the log of n1 says in 3 lines that something is broken";
    for (weight, fault, mark) in [
        (LogWeight::Proves, "kill", "!"),
        (LogWeight::Proves, "corrupt", "?"),
        (LogWeight::Proves, "disk-full", "!"),
        (LogWeight::Told, "kill", ""),
        (LogWeight::Told, "disk-full", "?"),
        (LogWeight::Told, "corrupt", "?"),
    ] {
        let found = looked(&[(1, Fault(fault, "", 1))], &[], vec![text(weight)]);
        assert_eq!(told(&found), [format!("log{mark} {said}")], "{weight:?} {fault}");
    }
}

#[test]
fn growth() {
    let grown = |by: u64| (0..40).map(|n| (n, size(100 + n * by))).collect::<Vec<At>>();
    check(&grown(0), &[]);
    check(&grown(5), &[]);
    let found = looked(&grown(30), &[], Vec::new());
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].text.starts_with("the memory of n1 grew from"),
        "{found:?}"
    );
    // At once, and then no more.
    let step: Vec<At> = (0..40)
        .map(|n| (n, size(if n < 20 { 100 } else { 2000 })))
        .collect();
    check(&step, &[]);
    // What is written may be kept: so much an operation and no more.
    let mut busy = grown(30);
    busy.extend((0..20_000).map(|n| (n % 40, Called(true))));
    check(&busy, &[]);
    assert_eq!(
        looked(&grown(5), &[(Observed::Growth, Some(1e8))], Vec::new()).len(),
        1
    );
}

#[test]
fn slow_recoveries() {
    let run = |silent: std::ops::Range<u64>, faults: &[At]| {
        let mut happened: Vec<At> = (0..60).map(|n| (n, Called(!silent.contains(&n)))).collect();
        happened.extend(faults.iter().cloned());
        happened
    };
    // Such a silence is a stall as well, which has a test of its own.
    let slow_ones = |happened: &[At], fail_on: &[(Observed, Option<f64>)]| {
        let mut found = looked(happened, fail_on, Vec::new());
        found.retain(|one| one.what == Observed::SlowRecovery);
        told(&found)
    };
    let check = |happened: &[At], expected: &[&str]| assert_eq!(slow_ones(happened, &[]), expected);
    let kill = (10, Fault("kill", "n1", 5));
    check(&run(10..18, std::slice::from_ref(&kill)), &[]);
    let slow = "slow-recovery ×1: nothing was answered for 13.0 s after the end of the fault kill (n1)";
    check(&run(10..28, std::slice::from_ref(&kill)), &[slow]);
    // Another fault is in force, or begins soon.
    check(&run(10..28, &[kill.clone(), (12, Fault("pause", "n1", 18))]), &[]);
    check(&run(10..28, &[kill.clone(), (20, Fault("pause", "n1", 10))]), &[]);
    let bound = [(Observed::SlowRecovery, Some(2.0))];
    assert_eq!(slow_ones(&run(10..22, &[kill]), &bound).len(), 1);
}

#[test]
fn runs_fail_on_what_they_are_asked_to() {
    let happened = [(1, crash("n1")), (2, Fault("disk-full", "", 1)), (3, crash("n1"))];
    let fails = |fail_on: &[(Observed, Option<f64>)]| -> Vec<bool> {
        let found = looked(&happened, fail_on, Vec::new());
        found.iter().map(|found| found.fails).collect()
    };
    assert_eq!(fails(&[]), [false, false]);
    assert_eq!(fails(&[(Observed::Election, None)]), [false, false]);
    // Not on what perjury may have caused.
    assert_eq!(fails(&[(Observed::Crash, None)]), [true, false]);
    let unavailable = |bound| looked(&[], &[(Observed::Unavailable, Some(bound))], Vec::new());
    assert_eq!(told(&unavailable(0.2)), [""; 0]);
    assert_eq!(
        told(&unavailable(0.05)),
        ["unavailable ×1: nothing was answered for 10.0 % of the time, more than 5.0 %"]
    );
    assert!(unavailable(0.05)[0].fails);
}
