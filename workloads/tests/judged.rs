//! The register workload together with the checker: honest stores are valid, others are not.

mod memory;

use std::collections::BTreeMap;

use checker::Verdict;
use generator::sim::{End, Run, Sim};
use generator::{limit, phases};
use history::{EventKind, History, Process};
use memory::Store;
use workloads::{WorkloadOptions, find};

/// The history of a run; a thread goes on under a new process number after an `info`, as the runner does it.
fn history(run: &Run, clients: u64) -> History {
    let mut processes: BTreeMap<generator::Thread, u64> = BTreeMap::new();
    let events = run.steps.iter().map(|step| {
        let generator::Thread::Client(thread) = step.thread else {
            panic!("a workload has nothing to do for the nemesis");
        };
        let process = processes.entry(step.thread).or_insert(thread as u64);
        let number = *process;
        if matches!(&step.event, EventKind::Complete(outcome) if outcome.is_info()) {
            *process += clients;
        }
        history::Event {
            time_ns: step.time_ns,
            process: Process::Client(number),
            kind: step.event.clone(),
        }
    });
    History::from_events(events).expect("the simulation keeps the order of events")
}

/// What the checker says of 3,000 operations on a store, followed by the last reads.
fn judged(seed: u64, mut store: Store) -> Verdict {
    let clients = 6;
    let mut workload = (find("register").expect("in the list").make)(&WorkloadOptions {
        seed,
        clients,
        ..WorkloadOptions::default()
    });
    let last = workload.final_generator.take().expect("register has last reads");
    let check = workload.check;
    let mut generator = phases(vec![Box::new(limit(3_000, workload.generator)), last]);
    let sim = Sim {
        seed,
        clients,
        ..Sim::default()
    };
    let run = sim.run(&mut generator, |_, action| store.perform(action));
    assert_eq!(run.end, End::Done);
    check(&history(&run, clients as u64)).verdict
}

#[test]
fn an_honest_store_is_valid_and_a_forgetful_one_is_not() {
    for seed in 0..5 {
        let honest = |timeout_every| Store {
            timeout_every,
            ..Store::default()
        };
        assert_eq!(judged(seed, honest(0)), Verdict::Valid, "seed {seed}");
        assert_eq!(
            judged(seed, honest(50)),
            Verdict::Valid,
            "seed {seed}, with timeouts"
        );
        let forgetful = Store {
            forgets_at: 1_500,
            ..Store::default()
        };
        assert_eq!(
            judged(seed, forgetful),
            Verdict::Invalid,
            "seed {seed}, forgetful"
        );
    }
}
