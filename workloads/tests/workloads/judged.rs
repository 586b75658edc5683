//! The workloads together with the checker: honest stores are valid, others are not.

use std::collections::BTreeMap;

use checker::Verdict;
use generator::sim::{End, Run, Sim, Step};
use generator::{limit, phases};
use history::{Event, EventKind, History, Process};

use crate::make;
use crate::memory::{Mistake, Store};

const CLIENTS: usize = 6;
const OPS: u64 = 3_000;

/// The events of a run as they are recorded; a thread goes on under a new process number after an `info`, as
/// the runner does it.
fn events(run: &Run) -> Vec<Event> {
    let mut processes: BTreeMap<generator::Thread, u64> = BTreeMap::new();
    let record = |step: &Step| {
        let generator::Thread::Client(thread) = step.thread else {
            panic!("a workload has nothing to do for the nemesis");
        };
        let process = processes.entry(step.thread).or_insert(thread as u64);
        let number = *process;
        if matches!(&step.event, EventKind::Complete(outcome) if outcome.is_info()) {
            *process += CLIENTS as u64;
        }
        Event {
            time_ns: step.time_ns,
            process: Process::Client(number),
            kind: step.event.clone(),
        }
    };
    run.steps.iter().map(record).collect()
}

/// What the checker says of a run with the last reads, at its end and while it goes on.
fn check(name: &str, seed: u64, timeout_every: u64, mistake: Option<Mistake>, expected: Verdict) {
    let mut workload = make(name, seed, CLIENTS);
    let mut store = Store::of(workload.object);
    store.timeout_every = timeout_every;
    store.mistake = mistake.map(|mistake| (OPS / 2, mistake));
    let main = Box::new(limit(OPS, workload.generator));
    let last = workload.final_generator.take().expect("all have a last phase");
    let mut generator = phases(vec![main, last]);
    let sim = Sim {
        seed,
        clients: CLIENTS,
        ..Sim::default()
    };
    let run = sim.run(&mut generator, |ctx, action| store.perform(ctx, action));
    let about = format!("{name}, seed {seed}, a timeout in {timeout_every}, {mistake:?}");
    assert_eq!(run.end, End::Done, "{about}");
    assert_eq!(mistake.is_some(), store.mistakes > 0, "{about}: it was made");

    let events = events(&run);
    let history = History::from_events(events.clone()).expect("the simulation keeps the order of events");
    // Which weaker models an invalid history satisfies takes long to find out, and is not tested here.
    let options = checker::Options {
        model: checker::objects::find(workload.model).expect("in the list"),
        ..checker::Options::default()
    };
    let analysis = checker::check(&history, &options);
    assert_eq!(analysis.model.name, workload.model);
    assert_eq!(analysis.verdict, expected, "{about}: {:?}", analysis.unknown);
    let Some(mut stream) = workload.stream else { return };
    for event in &events {
        stream.push(event).expect("as in the history");
    }
    if expected == Verdict::Valid {
        assert_eq!(stream.finish(), None, "{about}");
    }
}

#[test]
fn honest_stores_are_valid() {
    for entry in workloads::ALL {
        for (seed, timeout_every) in [(0, 0), (1, 50), (2, 20)] {
            check(entry.name, seed, timeout_every, None, Verdict::Valid);
        }
    }
}

#[test]
fn mistakes_are_found() {
    let cases = [
        ("register", Mistake::Forgets),
        ("set", Mistake::Forgets),
        ("set", Mistake::LostAdd),
        ("set", Mistake::DoubleAdd),
        ("counter", Mistake::Forgets),
        ("counter", Mistake::LostAdd),
        ("counter", Mistake::DoubleAdd),
        ("lock", Mistake::DoubleGrant),
        ("lock-fenced", Mistake::OldToken),
        ("lock-fenced", Mistake::LateRelease),
        ("append", Mistake::LostAppend),
        ("append", Mistake::StaleList),
        ("append", Mistake::WrongVersion),
        ("watch", Mistake::MissingEvent),
        ("watch", Mistake::DuplicateEvent),
        ("watch", Mistake::SwappedEvents),
    ];
    for (name, mistake) in cases {
        for (seed, timeout_every) in [(0, 0), (1, 50)] {
            check(name, seed, timeout_every, Some(mistake), Verdict::Invalid);
        }
    }
}

#[test]
fn a_lock_may_be_lost_where_tokens_grow() {
    for (seed, timeout_every) in [(0, 0), (1, 50)] {
        let mistake = Some(Mistake::DoubleGrant);
        check("lock-fenced", seed, timeout_every, mistake, Verdict::Valid);
    }
}
