//! Every workload on stores in memory, honest and not.

mod adds;
mod append;
mod contract;
mod judged;
mod lock;
mod memory;
mod register;
mod watch;

use generator::sim::{End, Run, Sim};
use generator::{limit, nothing};
use workloads::{Workload, WorkloadOptions, find};

use memory::Store;

/// The workload of that name, with that seed and so many clients.
fn make(name: &str, seed: u64, clients: usize) -> Workload {
    let options = WorkloadOptions {
        seed,
        clients,
        ..WorkloadOptions::default()
    };
    (find(name).expect("in the list").make)(&options)
}

/// So many operations of the main phase.
fn run(workload: &mut Workload, clients: usize, ops: u64, store: &mut Store) -> Run {
    let sim = Sim {
        clients,
        nemesis: true,
        ..Sim::default()
    };
    let main = std::mem::replace(&mut workload.generator, Box::new(nothing()));
    let run = sim.run(&mut limit(ops, main), |ctx, action| store.perform(ctx, action));
    assert_eq!(run.end, End::Done, "{}", workload.model);
    assert_eq!(run.ops().len() as u64, ops, "{}", workload.model);
    run
}
