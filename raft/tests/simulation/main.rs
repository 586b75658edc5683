//! Deterministic simulation of the core: many short lives of a cluster in bad weather, each from one seed.
//!
//! A failing seed prints the command that replays it with a trace. `PERJURY_RAFT_SEEDS` says how many seeds
//! to run and `PERJURY_RAFT_SEED` where to start, or which one to replay; `PERJURY_RAFT_BUG` plants bugs.

mod checks;
mod clients;
mod disk;
mod world;

use std::collections::BTreeMap;
use std::panic::AssertUnwindSafe;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use raft::bug::{Bug, BugInfo, Bugs, Oracle};
use world::{Plan, Violation, World};

/// How many seeds each of the two cluster sizes gets.
const SEEDS: u64 = 10_000;
/// Within how many seeds each planted bug must show.
const BUG_SEEDS: u64 = 2_000;

/// Those that take more, and within how many they show; `PERJURY_RAFT_SEEDS` with so many includes them.
const RARE: [Bug; 10] = [
    Bug::VoteBeforeDurable,
    Bug::SameTermClearsVote,
    Bug::VoteComparesBoth,
    Bug::CommitOldTerm,
    Bug::SnapshotForgetsMembership,
    Bug::SnapshotKeepsConflictingLog,
    Bug::InstallOlderSnapshot,
    Bug::TwoChangesAtOnce,
    Bug::VotesOfOldTermCount,
    Bug::ChangeBeforeOwnCommit,
];
const RARE_SEEDS: u64 = 400_000;

fn from_env(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(
        text.parse()
            .unwrap_or_else(|_| panic!("{name} must be a number, not {text:?}")),
    )
}

/// A seed says all, the cluster's size too: odd ones have three nodes, even ones five.
fn nodes(seed: u64) -> u64 {
    if seed % 2 == 1 { 3 } else { 5 }
}

fn run(seed: u64, bugs: Bugs, trace: bool) -> (Result<(), Violation>, World) {
    let mut world = World::new(
        seed,
        Plan {
            nodes: nodes(seed),
            bugs,
            trace,
        },
    );
    if bugs == Bugs::NONE {
        let result = world.run();
        return (result, world);
    }
    // A planted bug may show by a node that ends itself.
    let result = std::panic::catch_unwind(AssertUnwindSafe(|| world.run()));
    let result = result.unwrap_or_else(|panic| {
        let what = panic.downcast_ref::<String>().cloned();
        let what = what.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
        Err(Violation(format!("panic: {}", what.unwrap_or_default())))
    });
    (result, world)
}

/// Runs seeds on all cores until one fails; returns the smallest that was found.
fn first_failure(seeds: std::ops::Range<u64>, bugs: Bugs) -> Option<(u64, String)> {
    let next = AtomicU64::new(seeds.start);
    let stop = AtomicBool::new(false);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let work = || {
        while !stop.load(Ordering::Relaxed) {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                break;
            }
            if let (Err(Violation(what)), world) = run(seed, bugs, false) {
                stop.store(true, Ordering::Relaxed);
                return Some((seed, format!("{what} (at {} ms)", world.now / world::MS)));
            }
        }
        None
    };
    std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let found = handles
            .into_iter()
            .filter_map(|handle| handle.join().expect("a simulation panicked"));
        found.min()
    })
}

fn replay_command(seed: u64, bug: Option<Bug>) -> String {
    let bug = bug.map_or(String::new(), |bug| format!("PERJURY_RAFT_BUG={} ", bug.name()));
    format!(
        "{bug}PERJURY_RAFT_SEED={seed} cargo test -p perjury-raft --test simulation replay -- --nocapture"
    )
}

#[test]
fn the_properties_hold_for_every_seed() {
    let first = from_env("PERJURY_RAFT_SEED").unwrap_or(0);
    let count = from_env("PERJURY_RAFT_SEEDS").unwrap_or(2 * SEEDS);
    if let Some((seed, what)) = first_failure(first..first + count, Bugs::NONE) {
        panic!(
            "seed {seed}: {what}\nreplay it with:\n  {}",
            replay_command(seed, None)
        );
    }
}

#[test]
fn every_planted_bug_is_caught() {
    let chosen = std::env::var("PERJURY_RAFT_BUG").ok();
    let seeds = from_env("PERJURY_RAFT_SEEDS").unwrap_or(BUG_SEEDS);
    let is_due = |info: &&BugInfo| match &chosen {
        Some(list) => list.split(',').any(|name| name == info.name),
        None => {
            let in_time = seeds >= RARE_SEEDS || !RARE.contains(&info.bug);
            in_time && info.seen_by.contains(&Oracle::Simulation)
        }
    };
    let mut missed = Vec::new();
    for info in Bug::all().filter(is_due) {
        let Some((seed, what)) = first_failure(0..seeds, info.bug.into()) else {
            missed.push(info.name);
            continue;
        };
        println!(
            "{}: seed {seed}: {what}\n  {}",
            info.name,
            replay_command(seed, Some(info.bug))
        );
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

/// A simulation that never goes somewhere proves nothing about it.
#[test]
fn the_seeds_go_everywhere() {
    const EVERYWHERE: [&str; 19] = [
        "a cas failed",
        "a change came too early",
        "a change made no sense",
        "a command was applied",
        "a follower could read",
        "a follower refused",
        "a leader handed over",
        "a node crashed",
        "a read timed out",
        "a read was answered",
        "a request met a transfer",
        "a request was repeated",
        "a session was evicted",
        "a session was opened",
        "a snapshot was sent",
        "a transfer timed out",
        "leadership was lost",
        "leadership was transferred",
        "the membership was changed",
    ];
    let mut tally = BTreeMap::new();
    for seed in 0..300 {
        for (what, count) in run(seed, Bugs::NONE, false).1.tally {
            *tally.entry(what).or_insert(0) += count;
        }
    }
    println!("{tally:#?}");
    for what in EVERYWHERE {
        assert!(tally.get(what).copied().unwrap_or(0) >= 10, "{what}: {tally:#?}");
    }
}

#[test]
fn a_seed_gives_the_same_run_twice() {
    for seed in 0..20 {
        let [first, second] = [(); 2].map(|()| {
            let (result, world) = run(seed, Bugs::NONE, false);
            assert!(result.is_ok(), "seed {seed}: {result:?}");
            (
                world.steps,
                world.now,
                world.checks.committed_index(),
                world.describe(),
            )
        });
        assert_eq!(first, second, "seed {seed}");
    }
}

/// Replays `PERJURY_RAFT_SEED`, or the first seed, with a trace when asked for one.
#[test]
fn replay() {
    let chosen = from_env("PERJURY_RAFT_SEED");
    let named = std::env::var("PERJURY_RAFT_BUG").ok();
    let bugs = named.map_or(Bugs::NONE, |list| {
        Bugs::from_names(&list).unwrap_or_else(|name| panic!("no planted bug {name:?}"))
    });
    let seed = chosen.unwrap_or(0);
    let (result, world) = run(seed, bugs, chosen.is_some());
    if let Err(Violation(what)) = result {
        panic!(
            "seed {seed}: {what} (at {} ms){}",
            world.now / world::MS,
            world.describe()
        );
    }
}
