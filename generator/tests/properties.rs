//! What holds for every tree of combinators: nothing lost, nothing twice, time goes forwards, the same seed
//! gives the same run, and there is an end.

use std::collections::BTreeMap;

use generator::sim::{End, Run, Sim, ok};
use generator::{
    Action, Context, Generator, Next, Thread, any as soonest, delay, each_thread, limit, list, mix, phases,
    rate, repeat, sequence, sleep, time_limit,
};
use history::{Op, Value};
use proptest::prelude::*;

/// A generator as data.
#[derive(Clone, Debug)]
enum Tree {
    Writes(u8),
    Sleep(u64),
    EachThread(u8),
    Repeat(u8, u8),
    Delay(u64, Box<Tree>),
    Rate(u64, u32, bool, Box<Tree>),
    Mix(u64, Vec<(u32, Tree)>),
    Any(Vec<Tree>),
    Sequence(Vec<Tree>),
    Phases(Vec<Tree>),
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = prop_oneof![
        4 => (0..20u8).prop_map(Tree::Writes),
        1 => (0..1000u64).prop_map(Tree::Sleep),
        1 => (0..5u8).prop_map(Tree::EachThread),
        1 => (0..4u8, 0..4u8).prop_map(|(rounds, count)| Tree::Repeat(rounds, count)),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        let several = || prop::collection::vec(inner.clone(), 0..4);
        prop_oneof![
            (0..500u64, inner.clone()).prop_map(|(ns, child)| Tree::Delay(ns, Box::new(child))),
            (
                prop::num::u64::ANY,
                1..100_000_000u32,
                prop::bool::ANY,
                inner.clone()
            )
                .prop_map(|(seed, rate, even, child)| Tree::Rate(
                    seed,
                    rate,
                    even,
                    Box::new(child)
                )),
            (
                prop::num::u64::ANY,
                prop::collection::vec((0..4u32, inner.clone()), 0..4)
            )
                .prop_map(|(seed, children)| Tree::Mix(seed, children)),
            several().prop_map(Tree::Any),
            several().prop_map(Tree::Sequence),
            several().prop_map(Tree::Phases),
        ]
    })
}

/// Builds the generator. Every list of writes gets its own key, which names each expected write.
struct Builder {
    keys: i64,
    threads: i64,
    expected: BTreeMap<(i64, i64), usize>,
}

impl Builder {
    fn writes(&mut self, count: u8, copies: usize) -> impl Fn() -> Box<dyn Generator> + Send + use<> {
        self.keys += 1;
        let key = self.keys;
        for value in 0..i64::from(count) {
            *self.expected.entry((key, value)).or_default() += copies;
        }
        move || {
            Box::new(list((0..i64::from(count)).map(|value| {
                Action::Op(Op::Write {
                    key: key.into(),
                    value: value.into(),
                })
            })))
        }
    }

    fn build(&mut self, tree: &Tree) -> Box<dyn Generator> {
        let threads = self.threads as usize;
        match tree {
            Tree::Writes(count) => self.writes(*count, 1)(),
            Tree::Sleep(ns) => Box::new(sleep(*ns)),
            Tree::EachThread(count) => {
                let make = self.writes(*count, threads);
                Box::new(each_thread(move |_| make()))
            }
            Tree::Repeat(rounds, count) => {
                let make = self.writes(*count, threads * usize::from(*rounds));
                Box::new(repeat(Some(u64::from(*rounds)), move |_| make()))
            }
            Tree::Delay(ns, child) => Box::new(delay(*ns, self.build(child))),
            Tree::Rate(seed, per_second, even, child) => {
                let child = rate(f64::from(*per_second), *seed, self.build(child));
                Box::new(if *even { child.evenly() } else { child })
            }
            Tree::Mix(seed, children) => {
                let children = children
                    .iter()
                    .map(|(weight, child)| (*weight, self.build(child)));
                Box::new(mix(*seed, children.collect()))
            }
            Tree::Any(children) => Box::new(soonest(self.build_all(children))),
            Tree::Sequence(children) => Box::new(sequence(self.build_all(children))),
            Tree::Phases(children) => Box::new(phases(self.build_all(children))),
        }
    }

    fn build_all(&mut self, trees: &[Tree]) -> Vec<Box<dyn Generator>> {
        trees.iter().map(|tree| self.build(tree)).collect()
    }
}

fn run(tree: &Tree, seed: u64, clients: usize) -> (Run, BTreeMap<(i64, i64), usize>) {
    let mut builder = Builder {
        keys: 0,
        threads: clients as i64,
        expected: BTreeMap::new(),
    };
    let mut generator = builder.build(tree);
    let sim = Sim {
        seed,
        clients,
        ..Sim::default()
    };
    let mut latency_ns = seed % 997;
    let run = sim.run(&mut generator, |_, action| {
        latency_ns = latency_ns * 31 % 997;
        (latency_ns, ok(action))
    });
    (run, builder.expected)
}

fn number(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        other => panic!("{other} was never generated"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_is_done_twice(tree in trees(), seed: u64, clients in 1..6usize) {
        let (run, expected) = run(&tree, seed, clients);
        prop_assert_eq!(run.end, End::Done);
        let mut seen = BTreeMap::new();
        for (_, _, op) in run.ops() {
            match op {
                Op::Write { key, value } => *seen.entry((number(key), number(value))).or_insert(0) += 1,
                other => prop_assert!(false, "{} was never generated", other),
            }
        }
        let expected: BTreeMap<_, _> = expected.into_iter().filter(|(_, count)| *count > 0).collect();
        prop_assert_eq!(seen, expected);
        prop_assert!(run.steps.windows(2).all(|pair| pair[0].time_ns <= pair[1].time_ns));
    }

    #[test]
    fn equal_seeds_give_equal_runs(tree in trees(), seed: u64, clients in 1..6usize) {
        prop_assert_eq!(run(&tree, seed, clients).0, run(&tree, seed, clients).0);
    }

    /// Called directly, without a simulation that would correct the times.
    #[test]
    fn times_handed_to_a_thread_never_go_backwards(tree in trees(), waits in prop::collection::vec((0..3usize, 0..300u64), 1..200)) {
        let mut builder = Builder { keys: 0, threads: 3, expected: BTreeMap::new() };
        let mut generator = builder.build(&tree);
        let mut now_ns = 0;
        let mut last_ns = [0; 3];
        let mut done = [false; 3];
        for (thread, wait_ns) in waits {
            now_ns += wait_ns;
            let ctx = Context { now_ns, thread: Thread::Client(thread), clients: 3 };
            match generator.next(&ctx) {
                Next::Do { at_ns, .. } => {
                    prop_assert!(!done[thread], "something after done");
                    prop_assert!(at_ns >= last_ns[thread]);
                    last_ns[thread] = at_ns;
                    now_ns = now_ns.max(at_ns);
                }
                Next::Pending { until_ns } => prop_assert!(!done[thread] && until_ns.is_none_or(|until| until > now_ns)),
                Next::Done => done[thread] = true,
            }
        }
    }

    #[test]
    fn limits_hold(tree in trees(), seed: u64, count in 0..30u64, length_ns in 0..3000u64) {
        let mut builder = Builder { keys: 0, threads: 3, expected: BTreeMap::new() };
        let child = builder.build(&tree);
        let mut generator = limit(count, time_limit(length_ns, child));
        let run = Sim { seed, ..Sim::default() }.run_ok(&mut generator, 10);
        prop_assert_eq!(run.end, End::Done);
        prop_assert!(run.ops().len() as u64 <= count);
        prop_assert!(run.ops().iter().all(|(time_ns, ..)| *time_ns < length_ns));
    }
}
