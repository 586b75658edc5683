//! Judging event by event against judging every prefix as a whole; and that memory does not grow with the
//! history.

mod common;
mod simulated;

use checker::objects::find;
use checker::stream::Stream;
use checker::synthetic::{self, Synthetic};
use checker::{Options, Verdict, check};
use common::{Long, long_history, random_history};
use history::{Event, EventKind, History, OPEN, Op, OpKind, Outcome, Process, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simulated::objects::{self, Objects, Values};
use simulated::{Object, Shape, simulate, spoil};

/// The events of a history, in order. Anyone who got an `info` is told so at some later moment, or never.
fn events(history: &History, rng: &mut ChaCha8Rng) -> Vec<Event> {
    let end = history.operations.iter().map(|o| o.invoked).max().unwrap_or(0) + 10;
    events_with(history, |invoked| {
        let told = rng.random_ratio(2, 3);
        told.then(|| rng.random_range(invoked..end))
    })
}

/// The same where an `info` comes after a while, as a client's timeout makes sure.
fn timely_events(history: &History) -> Vec<Event> {
    events_with(history, |invoked| Some(invoked + 50))
}

fn events_with(history: &History, mut told_at: impl FnMut(u64) -> Option<u64>) -> Vec<Event> {
    let mut events = Vec::new();
    for operation in &history.operations {
        let process = Process::Client(operation.process.into());
        let event = |time_ns, kind| Event {
            time_ns,
            process,
            kind,
        };
        let invoke = EventKind::Invoke {
            op: operation.op.clone(),
            node: None,
        };
        events.push((2 * operation.invoked, event(operation.invoked_ns, invoke)));
        let complete = EventKind::Complete(operation.outcome.clone());
        let at = match operation.completed {
            OPEN => match told_at(operation.invoked) {
                Some(at) => 2 * at + 1,
                None => continue,
            },
            completed => 2 * completed,
        };
        events.push((at, event(at * 500_000, complete)));
    }
    events.sort_by_key(|(at, _)| *at);
    events.into_iter().map(|(_, event)| event).collect()
}

fn prefix(events: &[Event]) -> History {
    History::from_events(events.iter().cloned()).unwrap()
}

/// One event a line.
fn list(events: &[Event]) -> String {
    let line = |(position, event): (usize, &Event)| match &event.kind {
        EventKind::Invoke { op, .. } => format!("{position:3} {} invoke {op}\n", event.process),
        kind => format!("{position:3} {} {kind:?}\n", event.process),
    };
    events.iter().enumerate().map(line).collect()
}

#[derive(Default, Debug)]
struct Tally {
    valid: usize,
    invalid: usize,
    lost: usize,
    missed: usize,
}

/// Feeds a history. What is reported must be a violation of the prefix; with `at_once` every violation must
/// be reported with the event that makes it one, otherwise at the end at the latest.
fn feed(options: &Options, events: &[Event], at_once: bool, tally: &mut Tally, context: &str) {
    let mut stream = Stream::new(options);
    let judge = |upto: usize| {
        let analysis = check(&prefix(&events[..upto]), options);
        (analysis.verdict, analysis.unknown)
    };
    for (position, event) in events.iter().enumerate() {
        let violation = stream.push(event).unwrap().cloned();
        let is_completion = matches!(event.kind, EventKind::Complete(_));
        if violation.is_some() || at_once && is_completion {
            let (verdict, why) = judge(position + 1);
            let told = || {
                format!(
                    "{context}, event {position}: {verdict} {why:?}, {violation:?}\n{}",
                    list(events)
                )
            };
            match violation {
                Some(ref violation) => {
                    assert_eq!(verdict, Verdict::Invalid, "{}", told());
                    assert_eq!(violation.position, position as u64, "{}", told());
                    assert!((1..=4).contains(&violation.operations.len()), "{}", told());
                    assert!(violation.plain().ends_with('.'), "{}", told());
                    tally.invalid += 1;
                    return;
                }
                None => assert_ne!(verdict, Verdict::Invalid, "{}", told()),
            }
        }
    }
    let is_violated = stream.finish().is_some();
    let (verdict, _) = judge(events.len());
    if stream.lost_total() > 0 {
        tally.lost += 1;
        return;
    }
    match (is_violated, verdict) {
        (true, _) => {
            assert_eq!(
                verdict,
                Verdict::Invalid,
                "{context}, at the end:\n{}",
                list(events)
            );
            tally.invalid += 1;
        }
        (false, Verdict::Invalid) => tally.missed += 1,
        (false, _) => tally.valid += 1,
    }
}

/// Whether a cas failed without telling what it found: what it did not find is left to the judgement of the
/// whole history.
fn is_silent(history: &History) -> bool {
    let is_silent = |operation: &history::Operation| {
        operation.op.kind() == OpKind::Cas && operation.outcome == common::found_other()
    };
    history.operations.iter().any(is_silent)
}

#[test]
fn registers_with_values_written_once_are_judged_at_once() {
    let options = common::options();
    let mut tally = Tally::default();
    for seed in 0..60_000 {
        let history = random_history(seed, 12, true);
        if is_silent(&history) {
            continue;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        feed(
            &options,
            &events(&history, &mut rng),
            true,
            &mut tally,
            &format!("seed {seed}"),
        );
    }
    println!("{tally:?}");
    assert!(tally.valid > 5_000 && tally.invalid > 5_000, "{tally:?}");
    assert!(tally.lost == 0 && tally.missed == 0, "{tally:?}");
}

#[test]
fn registers_with_repeated_values_are_judged() {
    let options = common::options();
    let mut tally = Tally::default();
    for seed in 0..20_000 {
        let history = random_history(seed, 12, false);
        if is_silent(&history) {
            continue;
        }
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        feed(
            &options,
            &events(&history, &mut rng),
            false,
            &mut tally,
            &format!("seed {seed}"),
        );
    }
    println!("{tally:?}");
    assert!(tally.valid > 3_000 && tally.invalid > 3_000, "{tally:?}");
    assert!(tally.lost == 0 && tally.missed == 0, "{tally:?}");
}

type Make = fn(u64) -> Box<dyn Object>;

fn few(seed: u64) -> Values {
    if seed.is_multiple_of(2) {
        Values::Few
    } else {
        Values::Fresh
    }
}

/// The models, and what behaves like them.
const OBJECTS: [(&str, Make); 14] = [
    ("set", |seed| Box::new(objects::Set::new(few(seed), 50))),
    ("unique-ids", |_| Box::new(objects::Ids::default())),
    ("counter", |_| {
        let amounts = vec![1, 2, -1];
        Box::new(objects::Counter { amounts, count: 0 })
    }),
    ("mutex", |_| Box::new(objects::Lock::default())),
    ("lock", |_| {
        Box::new(objects::Lock {
            has_owners: true,
            ..objects::Lock::default()
        })
    }),
    ("fenced-lock", |_| {
        Box::new(objects::Lock {
            has_owners: true,
            has_tokens: true,
            ..objects::Lock::default()
        })
    }),
    ("lease", |_| Box::new(objects::Lease::new(10))),
    ("watch", |seed| Box::new(objects::Watched::new(few(seed), 10))),
    ("fifo-queue", |seed| queue(true, seed)),
    ("unordered-queue", |seed| queue(false, seed)),
    ("kv-append", |_| Box::new(objects::Text::default())),
    ("versioned-register", |seed| {
        Box::new(objects::Versioned::new(few(seed), seed.is_multiple_of(3), 10))
    }),
    ("multi-register", |seed| {
        Box::new(Objects::new(false, few(seed), 2, 2))
    }),
    ("list-append", |seed| {
        Box::new(Objects::new(true, few(seed), 2, 2))
    }),
];

fn queue(is_fifo: bool, seed: u64) -> Box<dyn Object> {
    Box::new(objects::Queue {
        is_fifo,
        values: few(seed),
        last: 0,
        holds: Default::default(),
    })
}

fn options(name: &str) -> Options {
    Options {
        model: find(name).unwrap(),
        ..Options::default()
    }
}

#[test]
fn every_other_model_is_judged() {
    for (name, make) in OBJECTS {
        let options = options(name);
        let mut tally = Tally::default();
        for seed in 0..1_500 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            // Longer than a stretch, so that there are several.
            let shape = Shape {
                operations: rng.random_range(1..=80),
                clients: rng.random_range(1..=5),
                info_per_mille: [0, 20, 50][rng.random_range(0..3)],
                fail_per_mille: [0, 100][rng.random_range(0..2)],
            };
            let mut history = simulate(&mut rng, shape, &mut *make(seed));
            for _ in 0..rng.random_range(0..3) {
                spoil(&mut rng, &mut history);
            }
            let events = events(&history, &mut rng);
            feed(
                &options,
                &events,
                false,
                &mut tally,
                &format!("{name}, seed {seed}"),
            );
        }
        println!("{name}: {tally:?}");
        // Where possibilities are joined a violation may be missed. Of watches not all is looked at.
        assert!(tally.valid > 100 && tally.invalid > 100, "{name}: {tally:?}");
        let share = if name == "watch" { 1 } else { 50 };
        assert!(tally.missed * share < tally.invalid, "{name}: {tally:?}");
    }
}

/// The most operations held while a history is fed, none of which may look wrong.
fn most_held(options: &Options, history: &History) -> usize {
    let mut stream = Stream::new(options);
    let mut most = 0;
    for event in timely_events(history) {
        assert_eq!(stream.push(&event).unwrap(), None);
        most = most.max(stream.held());
    }
    assert_eq!(stream.finish(), None);
    assert_eq!(stream.lost(), []);
    most
}

#[test]
fn memory_does_not_grow_with_the_history_of_a_register() {
    for values in [None, Some(4)] {
        let long = Long {
            operations: 100_000,
            clients: 8,
            values,
            info_per_mille: 0,
            telling: 10,
        };
        let most = most_held(&common::options(), &long_history(1, long));
        println!("{values:?}: {most}");
        assert!(most < 1_000, "{most} of {} operations are held", long.operations);
    }
}

#[test]
fn memory_does_not_grow_with_the_history_of_others() {
    // Sets, ids and lists hold what they were given for ever; so must anyone who watches them. In a queue all
    // orders of what was put in at the same time stay possible until it is taken out: too many to watch.
    for (name, make) in OBJECTS {
        if [
            "set",
            "unique-ids",
            "kv-append",
            "list-append",
            "fifo-queue",
            "watch",
        ]
        .contains(&name)
        {
            continue;
        }
        let shape = Shape {
            operations: 10_000,
            clients: 5,
            info_per_mille: 0,
            fail_per_mille: 10,
        };
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let history = simulate(&mut rng, shape, &mut *make(1));
        let most = most_held(&options(name), &history);
        println!("{name}: {most} of {}", history.operations.len());
        assert!(most < 1_000, "{name}: {most}");
    }
}

#[test]
fn writes_of_unknown_outcome_are_held_and_nothing_else() {
    let spec = Synthetic {
        operations: 50_000,
        clients: 20,
        open: 1_000,
        values: None,
        violation: None,
        seed: 3,
    };
    let most = most_held(&common::options(), &synthetic::register(&spec));
    println!("{most}");
    assert!((500..5_000).contains(&most), "{most}");
}

#[test]
fn planted_violations_of_long_histories_show_when_they_happen() {
    for values in [None, Some(5)] {
        for violation in synthetic::Violation::ALL {
            let spec = Synthetic {
                operations: 20_000,
                clients: 10,
                open: 0,
                values,
                violation: Some(violation),
                seed: 1,
            };
            let history = synthetic::register(&spec);
            let events = timely_events(&history);
            let mut stream = Stream::new(&common::options());
            let found = events
                .iter()
                .find_map(|event| stream.push(event).unwrap().cloned());
            let found = found.unwrap_or_else(|| panic!("{values:?}, {violation:?}: nothing shows"));
            let invalid = check(&prefix(&events[..=found.position as usize]), &common::options());
            assert_eq!(invalid.verdict, Verdict::Invalid);
            // It lies behind three quarters.
            let place = found.position as usize * 100 / events.len();
            assert!(
                (70..85).contains(&place),
                "{values:?}, {violation:?}: at {place} %"
            );
        }
    }
}

#[test]
fn what_cannot_be_watched_is_lost_and_never_wrong() {
    let write = |value: Value| Op::Write {
        key: history::Key::Nil,
        value,
    };
    let event = |process, kind| Event {
        time_ns: 0,
        process: Process::Client(process),
        kind,
    };
    let mut stream = Stream::new(&options("counter"));
    let invoke = EventKind::Invoke {
        op: write(Value::Int(1)),
        node: None,
    };
    assert_eq!(stream.push(&event(0, invoke)).unwrap(), None);
    assert_eq!(
        stream
            .push(&event(0, EventKind::Complete(Outcome::ok())))
            .unwrap(),
        None
    );
    assert_eq!(stream.finish(), None);
    assert_eq!(stream.lost_total(), 1);
    assert_eq!(stream.lost()[0].1, "the model counter has no write");
}
