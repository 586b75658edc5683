//! Runs that never happened: seeded, small or large, with faults, changes of leader and, on request, a
//! planted conflict.
//!
//! The registers are honest: every operation takes effect at one instant between its invocation and its
//! completion, but for the planted stale read.

#![allow(dead_code, reason = "each test and example uses a part")]

use std::collections::HashMap;

use checker::Analysis;
use history::{
    ErrorClass, Event, EventKind, History, Hold, NemesisAction, NemesisOp, NemesisOutcome, Note, NoteKind,
    Op, Outcome, Process, TestRecord, Value,
};

/// What to make.
pub struct Options {
    pub seed: u64,
    pub clients: u64,
    pub duration_s: f64,
    /// The mean latency, milliseconds; it sets the number of operations.
    pub latency_ms: f64,
    pub plant: bool,
}

/// A whole run.
pub struct Run {
    pub record: TestRecord,
    pub events: Vec<Event>,
    pub history: History,
    pub analysis: Analysis,
}

/// SplitMix64 (Steele, Lea, Flood 2014): enough for pictures.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Long-tailed around 1.
    fn latency(&mut self) -> f64 {
        let sum: f64 = (0..6).map(|_| self.unit()).sum();
        ((sum - 3.0) * 0.9).exp() * if self.below(400) == 0 { 6.0 } else { 1.0 }
    }
}

/// An operation while it is made. Times are nanoseconds.
struct Draft {
    process: u64,
    node: u16,
    invoked: u64,
    effect: u64,
    completed: u64,
    op: Op,
    outcome: Outcome,
}

const SECOND: f64 = 1e9;

/// The faults of a run: name, target, what was done, nodes.
const FAULTS: &[(&str, &str, &str, &[&str])] = &[
    ("partition", "leader", "n2 | n1 n3 n4 n5", &["n2"]),
    ("kill", "one", "killed n4", &["n4"]),
    ("pause", "minority", "paused n1 n5", &["n1", "n5"]),
    (
        "partition",
        "majorities-ring",
        "n1 ~ n2 ~ n3 ~ n4 ~ n5",
        &["n1", "n2", "n3", "n4", "n5"],
    ),
    ("kill", "leader", "killed n3 (leader)", &["n3"]),
];

pub fn record(options: &Options) -> TestRecord {
    TestRecord {
        perjury_version: "0.1.0".into(),
        host: "Linux 6.18.0 x86_64".into(),
        command: [
            "test",
            "--seed",
            "7",
            "--bug",
            "stale-read",
            "--nemesis",
            "kill,pause,partition",
        ]
        .map(String::from)
        .to_vec(),
        time_zero: None,
        colours: Default::default(),
        started_at: "2026-11-23T10:15:00Z".into(),
        system: "bundled".into(),
        system_version: "0.1.0".into(),
        read_mode: None,
        endpoints: Vec::new(),
        left_behind: Vec::new(),
        requested_faults: Some("kill,pause,partition".into()),
        fault_interval_ms: Some(5_000),
        min_faults: 0,
        log_patterns: Vec::new(),
        fail_on: Vec::new(),
        recovers_within_s: None,
        error_rules: Vec::new(),
        bug: options.plant.then(|| "stale-read".into()),
        env: "netns".into(),
        links: "iptables".into(),
        lost: vec!["clocks: a namespace shares the clock of its host".into()],
        nodes: ["n1", "n2", "n3", "n4", "n5"].map(String::from).to_vec(),
        workload: "register".into(),
        model: "cas-register".into(),
        nemesis: ["kill", "pause", "partition"].map(String::from).to_vec(),
        concurrency: options.clients as u32,
        rate_per_s: None,
        time_limit_s: options.duration_s,
        ops: None,
        op_timeout_ms: 1000,
        seed: options.seed,
        client_retries: "clients never retry, and neither does the HTTP library below them".into(),
    }
}

/// Makes a run.
pub fn run(options: &Options) -> Run {
    let mut random = Random(options.seed);
    let spans = fault_spans(options.duration_s);
    let mut drafts = drafts(options, &mut random, &spans);
    drafts.sort_by_key(|draft| draft.effect);
    let mut registers: HashMap<Value, Value> = HashMap::new();
    for draft in &mut drafts {
        take_effect(draft, &mut registers, &mut random);
    }
    if options.plant {
        plant(&mut drafts, options.duration_s);
    }
    let mut events: Vec<Event> = Vec::with_capacity(drafts.len() * 2);
    for draft in drafts {
        let process = Process::Client(draft.process);
        let Draft {
            node,
            invoked,
            completed,
            op,
            outcome,
            ..
        } = draft;
        events.push(Event {
            time_ns: invoked,
            process,
            kind: EventKind::Invoke { op, node: Some(node) },
        });
        events.push(Event {
            time_ns: completed,
            process,
            kind: EventKind::Complete(outcome),
        });
    }
    events.extend(nemesis_events(&spans));
    // Stable: an invocation stays before its own completion.
    events.sort_by_key(|event| event.time_ns);
    let history = History::from_events(events.iter().cloned()).expect("the synthetic events are a history");
    let analysis = checker::check(&history, &checker::Options::default());
    Run {
        record: record(options),
        events,
        history,
        analysis,
    }
}

/// When each of [`FAULTS`] is in force, over and over; seconds.
fn fault_spans(duration_s: f64) -> Vec<(usize, f64, f64)> {
    let mut spans = Vec::new();
    let mut at = 1.6;
    while at + 2.5 < duration_s {
        let which = spans.len() % FAULTS.len();
        let length = [2.2, 0.7, 1.9, 2.6, 1.1][which];
        spans.push((which, at, at + length));
        at += length + 1.3;
    }
    spans
}

fn drafts(options: &Options, random: &mut Random, spans: &[(usize, f64, f64)]) -> Vec<Draft> {
    let mut drafts = Vec::new();
    let mut fresh = options.clients;
    let mut next_value = 0;
    for client in 0..options.clients {
        let mut process = client;
        let mut now = random.unit() * 4e6;
        while now < options.duration_s * SECOND {
            let now_s = now / SECOND;
            let fault = spans.iter().find(|(_, from, to)| now_s >= *from && now_s < *to);
            let mut latency = options.latency_ms * 1e6 * random.latency();
            let node = random.below(5) as u16;
            let key = Value::Int((now_s / 4.0) as i64 * 5 + random.below(5) as i64);
            next_value += 1;
            let op = match random.below(4) {
                0 | 1 => Op::Read { key },
                2 => Op::Write {
                    key,
                    value: Value::Int(next_value),
                },
                _ => Op::Cas {
                    key,
                    expected: Value::Nil,
                    new: Value::Int(next_value),
                },
            };
            let mut outcome = Outcome::ok();
            if let Some((which, from, _)) = fault {
                latency *= 1.5 + 4.0 * (1.0 - ((now_s - from) / 1.2).min(1.0));
                outcome = match (FAULTS[*which].0, random.below(60)) {
                    ("kill", 0..=3) => Outcome::fail(
                        ErrorClass::ConnectionRefused,
                        "connect: connection refused (os error 111)",
                    ),
                    ("kill", 4) => Outcome::info(
                        ErrorClass::ConnectionLost,
                        "connection reset by peer (os error 104)",
                    ),
                    ("partition", 0) | ("pause", 0..=1) => {
                        latency = 1e9;
                        Outcome::info(ErrorClass::Timeout, "no answer within 1000 ms")
                    }
                    (_, 5..=8) => Outcome::fail(
                        ErrorClass::Unavailable,
                        "no leader is known; nothing was appended",
                    ),
                    _ => outcome,
                };
            }
            let completed = now + latency;
            let effect = now + latency * (0.2 + 0.6 * random.unit());
            let retired = outcome.is_info();
            drafts.push(Draft {
                process,
                node,
                invoked: now as u64,
                effect: effect as u64,
                completed: completed as u64,
                op,
                outcome,
            });
            now = completed + 20_000.0 + random.unit() * 60_000.0;
            if retired {
                process = fresh;
                fresh += 1;
            }
        }
    }
    drafts
}

/// Lets an operation happen, and writes its answer.
fn take_effect(draft: &mut Draft, registers: &mut HashMap<Value, Value>, random: &mut Random) {
    let register = registers.entry(draft.op.key().clone()).or_default();
    let happens = match &draft.outcome {
        Outcome::Ok(_) => true,
        Outcome::Fail(_) => false,
        Outcome::Info(_) => random.below(2) == 0,
    };
    match &mut draft.op {
        Op::Cas { expected, .. } if random.below(3) > 0 => *expected = register.clone(),
        Op::Cas { expected, .. } => *expected = Value::Int(-(random.below(90) as i64) - 1),
        _ => {}
    }
    if !happens {
        return;
    }
    let is_ok = matches!(draft.outcome, Outcome::Ok(_));
    match &draft.op {
        Op::Read { .. } if is_ok => draft.outcome = Outcome::ok_value(register.clone()),
        Op::Read { .. } => {}
        Op::Write { value, .. } => *register = value.clone(),
        Op::Cas { expected, new, .. } if expected == register => *register = new.clone(),
        Op::Cas { .. } if is_ok => draft.outcome = Outcome::mismatch(Some(register.clone())),
        _ => {}
    }
}

/// Makes one read answer what had long been overwritten: the read that comes some time after an overwritten
/// write.
fn plant(drafts: &mut [Draft], duration_s: f64) {
    let from = (duration_s * 0.13 * SECOND) as u64;
    let is_ok_write =
        |draft: &Draft| matches!((&draft.op, &draft.outcome), (Op::Write { .. }, Outcome::Ok(_)));
    let Some(old) = drafts
        .iter()
        .position(|draft| draft.invoked > from && is_ok_write(draft))
    else {
        return;
    };
    let key = drafts[old].op.key().clone();
    let Op::Write { value, .. } = drafts[old].op.clone() else {
        return;
    };
    let Some(new) = (old + 1..drafts.len()).find(|&index| {
        is_ok_write(&drafts[index])
            && *drafts[index].op.key() == key
            && drafts[index].invoked > drafts[old].completed
    }) else {
        return;
    };
    let after = drafts[new].completed + 60_000_000;
    let stale = (new + 1..drafts.len()).find(|&index| {
        let draft = &drafts[index];
        matches!((&draft.op, &draft.outcome), (Op::Read { .. }, Outcome::Ok(_)))
            && *draft.op.key() == key
            && draft.invoked > after
    });
    if let Some(stale) = stale {
        drafts[stale].outcome = Outcome::ok_value(value);
    }
}

fn nemesis_events(spans: &[(usize, f64, f64)]) -> Vec<Event> {
    let mut events = Vec::new();
    let at = |time_s: f64, process, kind| Event {
        time_ns: (time_s * SECOND) as u64,
        process,
        kind,
    };
    let mut leader = 0;
    let mut lead = |events: &mut Vec<Event>, time_s: f64| {
        let node = ["n2", "n3", "n5", "n1"][leader % 4];
        leader += 1;
        let kind = EventKind::Note(Box::new(Note {
            node: node.into(),
            ..Note::new(NoteKind::Leader)
        }));
        events.push(at(time_s, Process::Nemesis, kind));
    };
    lead(&mut events, 0.002);
    for (turn, (which, from, to)) in spans.iter().enumerate() {
        let (nemesis, target, detail, nodes) = FAULTS[*which];
        let op = |action| NemesisOp {
            nemesis: nemesis.into(),
            action,
            target: target.into(),
        };
        let hold = if turn == 2 {
            Hold::Skipped("no minority of living nodes is left".into())
        } else {
            Hold::Verified
        };
        let skipped = matches!(hold, Hold::Skipped(_));
        let outcome = NemesisOutcome {
            nodes: nodes.iter().map(|node| (*node).into()).collect(),
            detail: detail.into(),
            exact: Default::default(),
            hold,
        };
        events.push(at(
            *from,
            Process::Nemesis,
            EventKind::NemesisInvoke(op(NemesisAction::Start)),
        ));
        events.push(at(
            from + 0.08,
            Process::Nemesis,
            EventKind::NemesisComplete(Box::new(outcome)),
        ));
        if skipped {
            continue;
        }
        if target == "leader" {
            lead(&mut events, from + 0.6);
        }
        let healed = NemesisOutcome {
            nodes: Vec::new(),
            detail: "healed".into(),
            exact: Default::default(),
            hold: Hold::Verified,
        };
        events.push(at(
            *to,
            Process::Nemesis,
            EventKind::NemesisInvoke(op(NemesisAction::Stop)),
        ));
        events.push(at(
            to + 0.1,
            Process::Nemesis,
            EventKind::NemesisComplete(Box::new(healed)),
        ));
    }
    events
}
