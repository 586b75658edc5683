//! Every model and every special algorithm against brute force over all orders, on small random histories:
//! valid ones, and valid ones that were spoilt.

mod common;
mod simulated;

use std::collections::BTreeMap;

use checker::engine::search::{Limits, Searched, search};
use checker::model::{Calls, Model, Recorded};
use checker::objects::{
    Counter, Lease, LeaseOp, LeaseState, Monotonic, MultiRegister, ReentrantLock, Semaphore, Set,
    UnorderedQueue, VersionedRegister,
};
use checker::objects::{FencedLock, FifoQueue, KvAppend, ListAppend, Lock, Mutex, UniqueIds, find};
use checker::objects::{Watched, WatchedOp};
use checker::{Call, Decision, Options, Rule, Verdict, check_key, engine::validate};
use common::{all, brute_force};
use history::{Answer, History, MicroOp, OPEN, Op, OpKind, Operation, Outcome, Value};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use simulated::objects::{self, Objects, Values};
use simulated::{Object, Shape, simulate, spoil};

/// What came out how often; a generator that stops making something interesting is found out by the asserts.
#[derive(Default, Debug)]
struct Tally {
    valid: usize,
    invalid: usize,
    algorithms: BTreeMap<String, usize>,
    rules: BTreeMap<Rule, usize>,
    unconfirmed: usize,
    unreadable: usize,
}

const HISTORIES: u64 = 40_000;

/// The seed's history: of at most `most` operations, spoilt in most cases.
fn small(seed: u64, most: usize, object: &mut dyn Object) -> History {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let shape = Shape {
        operations: rng.random_range(1..=most),
        clients: rng.random_range(1..=4),
        info_per_mille: [0, 50, 200][rng.random_range(0..3)],
        fail_per_mille: [0, 100][rng.random_range(0..2)],
    };
    let mut history = simulate(&mut rng, shape, object);
    for _ in 0..rng.random_range(0..6) {
        spoil(&mut rng, &mut history);
    }
    history
}

/// Judges each history by the model's own procedure, by the search, and by brute force.
fn agree<M: Recorded>(name: &str, model: &M, most: usize, object: impl Fn(u64) -> Box<dyn Object>) -> Tally {
    agree_with(name, None, model, most, object, |_| true)
}

/// Likewise, of a model beside which something else must hold.
fn agree_with<M: Recorded>(
    name: &str,
    initial: Option<i64>,
    model: &M,
    most: usize,
    object: impl Fn(u64) -> Box<dyn Object>,
    also: fn(&History) -> bool,
) -> Tally {
    let entry = find(name).unwrap();
    let options = Options {
        model: entry,
        initial: initial.map(Value::Int),
        ..Options::default()
    };
    let mut tally = Tally::default();
    for seed in 0..HISTORIES {
        let history = small(seed, most, &mut *object(seed));
        let calls = Calls::read(model, &history, &all(&history));
        let has_order = brute_force(model, &calls.calls);
        let expected = has_order && also(&history);
        let (decision, algorithm) = check_key(&history, &all(&history), &options);
        let verdict = if expected {
            Verdict::Valid
        } else {
            Verdict::Invalid
        };
        if matches!(&decision, Decision::Unknown(why) if why.to_string().contains("is expected, not")) {
            tally.unreadable += 1;
            continue;
        }
        let context = || {
            format!(
                "{name}, seed {seed}: {decision:?} by {algorithm:?}\n{}",
                list(&history)
            )
        };
        assert_eq!(decision.verdict(), verdict, "{}", context());
        match &decision {
            Decision::Valid(order) => {
                let shown = validate::linearization(model, &calls.calls, &calls.numbers(order));
                assert_eq!(shown, Ok(()), "{}", context());
            }
            Decision::Invalid(conflict) => {
                *tally.rules.entry(conflict.rule).or_default() += 1;
                tally.unconfirmed += usize::from(!conflict.confirmed);
                assert!((1..=6).contains(&conflict.operations.len()), "{}", context());
                assert!((1..=3).contains(&conflict.sentences.len()), "{}", context());
                let is_sentence = |text: &String| text.ends_with('.') && text.starts_with(char::is_uppercase);
                let sentences = common::plain(&history, &conflict.sentences);
                assert!(sentences.iter().all(is_sentence), "{}", context());
            }
            Decision::Unknown(_) => {}
        }
        let searched = search(model, &calls.calls, &Limits::default());
        let found = matches!(searched, Searched::Found(_));
        assert!(
            found == has_order && !matches!(searched, Searched::GaveUp(_)),
            "{searched:?} {}",
            context()
        );
        *tally.algorithms.entry(algorithm.0.to_owned()).or_default() += 1;
        tally.valid += usize::from(expected);
        tally.invalid += usize::from(!expected);
    }
    println!("{name}: {tally:?}");
    let least = HISTORIES as usize / 10;
    assert!(
        tally.valid > least && tally.invalid > least && tally.unconfirmed == 0,
        "{name}: {tally:?}"
    );
    assert!(tally.unreadable < least, "{name}: {tally:?}");
    tally
}

/// One operation a line.
fn list(history: &History) -> String {
    let line = |operation: &history::Operation| {
        let (from, to) = (operation.invoked, operation.completed as i64);
        format!(
            "{from:3} {to:3} {} {} {:?}\n",
            operation.process, operation.op, operation.outcome
        )
    };
    history.operations.iter().map(line).collect()
}

impl Tally {
    /// Which algorithms and rules must have come up, and how often at least.
    fn expect(&self, algorithms: &[(&str, usize)], rules: &[(Rule, usize)]) {
        for (name, least) in algorithms {
            assert!(self.algorithms.get(*name) >= Some(least), "{name} in {self:?}");
        }
        for (rule, least) in rules {
            assert!(self.rules.get(rule) >= Some(least), "{rule} in {self:?}");
        }
    }
}

#[test]
fn sets() {
    let of = |seed| if seed % 2 == 0 { Values::Fresh } else { Values::Few };
    let tally = agree("set", &Set::default(), 7, |seed| {
        Box::new(objects::Set::new(of(seed), 50))
    });
    let rules = [
        (Rule::Duplicate, 100),
        (Rule::NeverWritten, 100),
        (Rule::Diverged, 100),
        (Rule::Lost, 100),
        (Rule::OutOfOrder, 100),
    ];
    tally.expect(&[("set-exact", HISTORIES as usize)], &rules);
}

#[test]
fn sets_with_removals() {
    let of = |seed| if seed % 2 == 0 { Values::Fresh } else { Values::Few };
    let tally = agree("set", &Set::default(), 7, |seed| {
        let mut set = objects::Set::new(of(seed), 50);
        set.removes = true;
        Box::new(set)
    });
    let rules = [
        (Rule::Duplicate, 100),
        (Rule::NeverWritten, 100),
        (Rule::ComesBack, 20),
        (Rule::Lost, 100),
        (Rule::Diverged, 100),
        (Rule::NoOrder, 1),
    ];
    tally.expect(&[("set-removals", 10_000), ("search", 1)], &rules);
}

#[test]
fn ids() {
    let tally = agree("unique-ids", &UniqueIds, 7, |_| Box::new(objects::Ids::default()));
    tally.expect(
        &[("unique-ids-exact", HISTORIES as usize)],
        &[(Rule::Duplicate, 2000)],
    );
}

#[test]
fn counters() {
    let tally = agree("counter", &Counter::default(), 7, |seed| {
        let amounts = match seed % 9 {
            0 | 1 => vec![1],
            2 => vec![-2, 0],
            3 | 4 => vec![1, 2, 4, 0, 3],
            5 => vec![-5, -1, -2],
            6 => vec![6, -4, 5],
            _ => vec![1, 2, -1],
        };
        Box::new(objects::Counter { amounts, count: 0 })
    });
    let algorithms = [
        ("counter-exact", 5000),
        ("counter-bounds", 1000),
        ("residues", 50),
        ("counter-sums", 5000),
        ("beam", 200),
        ("search", 1),
    ];
    tally.expect(
        &algorithms,
        &[
            (Rule::OutOfBounds, 1000),
            (Rule::OutOfOrder, 50),
            (Rule::NoOrder, 50),
        ],
    );
}

#[test]
fn mutexes() {
    let tally = agree("mutex", &Mutex, 8, |_| Box::new(objects::Lock::default()));
    tally.expect(&[("mutex-exact", HISTORIES as usize)], &[(Rule::TwoHolders, 500)]);
}

#[test]
fn locks() {
    let tally = agree("lock", &Lock, 8, |_| {
        Box::new(objects::Lock {
            has_owners: true,
            ..objects::Lock::default()
        })
    });
    tally.expect(&[("lock-exact", HISTORIES as usize)], &[(Rule::TwoHolders, 2000)]);
}

#[test]
fn locks_that_are_tried() {
    let lock = |has_owners, has_tokens| {
        move |_| -> Box<dyn Object> {
            Box::new(objects::Lock {
                has_owners,
                has_tokens,
                is_tried: true,
                ..objects::Lock::default()
            })
        }
    };
    let algorithms = |exact| [(exact, 5000), ("search", 5000)];
    let rules = [(Rule::NoOrder, 500)];
    agree("mutex", &Mutex, 7, lock(false, false)).expect(&algorithms("mutex-exact"), &rules);
    agree("lock", &Lock, 7, lock(true, false)).expect(&algorithms("lock-exact"), &rules);
    agree("fenced-lock", &FencedLock, 7, lock(true, true)).expect(&algorithms("fenced-lock-exact"), &rules);
}

#[test]
fn reentrant_locks() {
    let tally = agree("reentrant-lock", &ReentrantLock, 8, |seed| {
        Box::new(objects::Permits {
            is_reentrant: true,
            has_tokens: seed % 4 == 0,
            is_tried: seed % 4 == 1,
            ..objects::Permits::default()
        })
    });
    tally.expect(
        &[("reentrant-lock-exact", 20_000), ("search", 2000)],
        &[(Rule::TwoHolders, 2000), (Rule::NoOrder, 500)],
    );
}

#[test]
fn semaphores() {
    for permits in [1, 2, 3] {
        let model = Semaphore {
            permits: Some(permits),
        };
        let object = |seed| -> Box<dyn Object> {
            Box::new(objects::Permits {
                permits,
                is_tried: seed % 4 == 1,
                ..objects::Permits::default()
            })
        };
        let initial = Some(i64::from(permits));
        let tally = agree_with("semaphore", initial, &model, 9, object, |_| true);
        tally.expect(
            &[("semaphore-exact", 25_000), ("search", 2000)],
            &[(Rule::TwoHolders, 2000)],
        );
    }
}

#[test]
fn growing_numbers() {
    for initial in [None, Some(1)] {
        let model = Monotonic {
            initial: initial.map(i128::from),
        };
        let object = |_| -> Box<dyn Object> { Box::new(objects::Monotonic::default()) };
        let tally = agree_with("monotonic", initial, &model, 8, object, |_| true);
        tally.expect(
            &[("monotonic-exact", HISTORIES as usize)],
            &[(Rule::OutOfOrder, 2000), (Rule::Duplicate, 500)],
        );
    }
}

#[test]
fn fenced_locks() {
    let tally = agree("fenced-lock", &FencedLock, 8, |_| {
        Box::new(objects::Lock {
            has_owners: true,
            has_tokens: true,
            ..objects::Lock::default()
        })
    });
    let rules = [
        (Rule::TwoHolders, 500),
        (Rule::OutOfOrder, 500),
        (Rule::Duplicate, 50),
    ];
    tally.expect(&[("fenced-lock-exact", 19_000)], &rules);
}

/// Tokens are told always, mostly, never.
fn lease(seed: u64) -> Box<dyn Object> {
    Box::new(objects::Lease::new([10, 10, 10, 8, 0][seed as usize % 5]))
}

#[test]
fn leases() {
    let rules = [
        (Rule::TwoHolders, 2000),
        (Rule::OutOfOrder, 1000),
        (Rule::Duplicate, 300),
    ];
    agree("lease", &Lease, 8, lease).expect(&[("lease-exact", 25_000), ("search", 500)], &rules);
}

/// A lease to which also those operations may happen of which no one knows whether they did.
struct OpenLease;

impl Model for OpenLease {
    type Op = LeaseOp;
    type State = LeaseState;

    fn init(&self) -> LeaseState {
        Lease.init()
    }

    fn apply(&self, state: &mut LeaseState, op: &LeaseOp) -> bool {
        Lease.apply(state, op)
    }
}

impl Recorded for OpenLease {
    fn op(&self, operation: &Operation) -> Option<LeaseOp> {
        match (&operation.outcome, operation.op.kind()) {
            (Outcome::Info(_), OpKind::Acquire) => Some(LeaseOp::Acquire(operation.process, None)),
            (Outcome::Info(_), OpKind::Release) => Some(LeaseOp::Release(operation.process)),
            _ => Lease.op(operation),
        }
    }
}

/// What no one knows to have happened to a lease can be left out.
#[test]
fn leases_with_open_operations() {
    let (mut open, mut verdicts) = (0, [0, 0]);
    for seed in 0..HISTORIES / 2 {
        let history = small(seed, 8, &mut *lease(seed));
        let with = Calls::read(&OpenLease, &history, &all(&history));
        let without = Calls::read(&Lease, &history, &all(&history));
        let found = brute_force(&OpenLease, &with.calls);
        let message = list(&history);
        assert_eq!(
            found,
            brute_force(&Lease, &without.calls),
            "seed {seed}\n{message}"
        );
        open += usize::from(with.calls.len() > without.calls.len());
        verdicts[usize::from(found)] += usize::from(with.calls.len() > without.calls.len());
    }
    assert!(
        open > 5000 && verdicts[0] > 500 && verdicts[1] > 1000,
        "{open} {verdicts:?}"
    );
}

fn queue(is_fifo: bool) -> impl Fn(u64) -> Box<dyn Object> {
    move |seed| {
        let values = if seed % 4 == 0 { Values::Few } else { Values::Fresh };
        Box::new(objects::Queue {
            is_fifo,
            values,
            last: 0,
            holds: Default::default(),
        })
    }
}

#[test]
fn fifo_queues() {
    let tally = agree("fifo-queue", &FifoQueue::default(), 8, queue(true));
    let rules = [
        (Rule::NeverWritten, 500),
        (Rule::Duplicate, 50),
        (Rule::Lost, 500),
        (Rule::OutOfOrder, 500),
        (Rule::TooOften, 30),
        (Rule::NoOrder, 20),
    ];
    tally.expect(&[("fifo-queue-exact", 35_000), ("search", 300)], &rules);
}

#[test]
fn unordered_queues() {
    let tally = agree("unordered-queue", &UnorderedQueue::default(), 8, queue(false));
    let rules = [
        (Rule::NeverWritten, 500),
        (Rule::Duplicate, 50),
        (Rule::Lost, 500),
        (Rule::OutOfOrder, 500),
        (Rule::TooOften, 30),
    ];
    tally.expect(&[("unordered-queue-exact", 35_000), ("search", 300)], &rules);
}

#[test]
fn texts() {
    let tally = agree("kv-append", &KvAppend::default(), 7, |seed| {
        Box::new(objects::Text {
            writes: seed % 3 == 0,
            few: seed % 4 == 0,
            ..objects::Text::default()
        })
    });
    let rules = [
        (Rule::NeverWritten, 500),
        (Rule::Duplicate, 50),
        (Rule::Diverged, 200),
        (Rule::Lost, 500),
        (Rule::OutOfOrder, 100),
        (Rule::NoOrder, 50),
    ];
    let algorithms = [
        ("append-exact", 10_000),
        ("unwritten", 500),
        ("text-blocks", 2000),
        ("growing", 20),
        ("search", 1000),
    ];
    tally.expect(&algorithms, &rules);
}

#[test]
fn versioned_registers() {
    let tally = agree("versioned-register", &VersionedRegister::default(), 7, |seed| {
        let values = if seed % 2 == 0 { Values::Few } else { Values::Fresh };
        Box::new(objects::Versioned::new(
            values,
            seed % 3 == 0,
            [10, 10, 5][seed as usize % 3],
        ))
    });
    let rules = [
        (Rule::NeverWritten, 500),
        (Rule::Duplicate, 50),
        (Rule::OutOfOrder, 500),
        (Rule::NoOrder, 100),
    ];
    tally.expect(&[("versioned-register-exact", 8000), ("search", 1000)], &rules);
}

/// Values are written once mostly; revisions are told always, mostly, never.
fn watched(seed: u64) -> Box<dyn Object> {
    let values = if seed.is_multiple_of(4) {
        Values::Few
    } else {
        Values::Fresh
    };
    Box::new(objects::Watched::new(
        values,
        [10, 10, 10, 7, 0][seed as usize % 5],
    ))
}

#[test]
fn watches() {
    let rules = [
        (Rule::NeverWritten, 500),
        (Rule::OutOfOrder, 500),
        (Rule::OutOfBounds, 300),
        (Rule::MissedEvent, 300),
        (Rule::WrongRevision, 300),
        (Rule::EndedEarly, 200),
        (Rule::NoOrder, 20),
    ];
    agree("watch", &Watched, 7, watched).expect(&[("watch-exact", 25_000), ("search", 1000)], &rules);
}

/// The definition, without any object: every write has at most one revision, those grow with time, and each
/// watch tells of exactly the writes in its range. Tries all revisions for writes that told none.
fn by_definition(calls: &[Call<WatchedOp>]) -> bool {
    let known = |call: &Call<WatchedOp>| match &call.op {
        WatchedOp::Write(_, told) => *told,
        WatchedOp::Watch { through, .. } => Some(*through),
    };
    let end = calls.iter().filter_map(known).max().unwrap_or(0) + calls.len() as i64;
    let least = calls.iter().filter_map(known).min().unwrap_or(0).min(0) - 1;
    let mut revisions: Vec<Option<i64>> = calls.iter().map(known).collect();
    any_revisions(calls, &mut revisions, 0, least..end + 1)
}

fn any_revisions(
    calls: &[Call<WatchedOp>],
    revisions: &mut Vec<Option<i64>>,
    place: usize,
    range: std::ops::Range<i64>,
) -> bool {
    let Some(call) = calls.get(place) else {
        return fits(calls, revisions);
    };
    if !matches!(call.op, WatchedOp::Write(_, None)) {
        return any_revisions(calls, revisions, place + 1, range);
    }
    let mut all: Vec<Option<i64>> = range.clone().map(Some).collect();
    all.extend((call.finish == OPEN).then_some(None));
    all.into_iter().any(|revision| {
        revisions[place] = revision;
        any_revisions(calls, revisions, place + 1, range.clone())
    })
}

fn fits(calls: &[Call<WatchedOp>], revisions: &[Option<i64>]) -> bool {
    let writes = || {
        calls
            .iter()
            .zip(revisions)
            .filter_map(|(call, revision)| match &call.op {
                WatchedOp::Write(value, _) => Some((call, (*revision)?, value)),
                WatchedOp::Watch { .. } => None,
            })
    };
    let in_time = writes().all(|(x, one, _)| {
        writes()
            .all(|(y, other, _)| std::ptr::eq(x, y) || (one != other && (x.finish > y.start || one < other)))
    });
    let watches = || {
        calls.iter().filter_map(|call| match &call.op {
            WatchedOp::Watch {
                from,
                through,
                events,
            } => Some((call, *from, *through, events)),
            WatchedOp::Write(..) => None,
        })
    };
    let told = |call: &Call<WatchedOp>, from: i64, through: i64, events: &[(i64, Value)]| {
        let mut all: Vec<(i64, Value)> = writes()
            .filter(|(_, revision, _)| (from..=through).contains(revision))
            .map(|(_, revision, value)| (revision, value.clone()))
            .collect();
        all.sort_unstable();
        let by_then = writes().all(|(write, revision, _)| match revision <= through {
            true => write.start < call.finish,
            false => write.finish > call.start,
        });
        all == *events && by_then
    };
    // What one heard of, everybody hears of who asks later.
    let grow = |x: &Call<WatchedOp>, one: i64, y: &Call<WatchedOp>, other: i64| {
        x.finish > y.start || !writes().any(|(_, revision, _)| other < revision && revision <= one)
    };
    in_time
        && watches().all(|(call, from, through, events)| {
            told(call, from, through, events)
                && watches().all(|(later, _, other, _)| grow(call, through, later, other))
        })
}

/// The object, of which a state is a list of writes with bounds, says what the definition says.
#[test]
fn watches_by_definition() {
    let mut verdicts = [0, 0];
    for seed in 0..HISTORIES / 2 {
        let history = small(seed, 6, &mut *watched(seed));
        let calls = Calls::read(&Watched, &history, &all(&history));
        let untold = |call: &&Call<WatchedOp>| matches!(call.op, WatchedOp::Write(_, None));
        if calls.calls.iter().filter(untold).count() > 3 {
            continue;
        }
        let found = by_definition(&calls.calls);
        let message = list(&history);
        assert_eq!(
            found,
            brute_force(&Watched, &calls.calls),
            "seed {seed}\n{message}"
        );
        verdicts[usize::from(found)] += 1;
    }
    assert!(verdicts[0] > 2000 && verdicts[1] > 2000, "{verdicts:?}");
}

#[test]
fn several_registers() {
    let model = MultiRegister {
        initial: Value::Int(0),
    };
    let tally = agree("multi-register", &model, 6, |seed| {
        let values = if seed % 2 == 0 { Values::Few } else { Values::Fresh };
        Box::new(Objects::new(
            false,
            values,
            1 + seed as i64 % 3,
            1 + seed as usize % 4,
        ))
    });
    tally.expect(
        &[
            ("search", 5000),
            ("register-exact", 1000),
            ("components", 500),
            ("unwritten", 1000),
        ],
        &[(Rule::NeverWritten, 500), (Rule::OutOfOrder, 200)],
    );
}

#[test]
fn several_lists() {
    let tally = agree("list-append", &ListAppend, 6, |seed| {
        let values = if seed % 3 == 0 { Values::Few } else { Values::Fresh };
        Box::new(Objects::new(
            true,
            values,
            1 + seed as i64 % 3,
            1 + seed as usize % 4,
        ))
    });
    let rules = [
        (Rule::NeverWritten, 500),
        (Rule::Diverged, 100),
        (Rule::Lost, 100),
        (Rule::OutOfOrder, 500),
        (Rule::Cycle, 500),
        (Rule::TooOften, 20),
        (Rule::NoOrder, 100),
    ];
    let algorithms = [
        ("list-append-exact", 25_000),
        ("unwritten", 200),
        ("growing", 200),
        ("search", 500),
    ];
    tally.expect(&algorithms, &rules);
}

/// Whether of each list equal versions have equal revisions and greater ones greater ones, by all pairs.
fn revisions_agree(history: &History) -> bool {
    let mut told: Vec<(Value, i64, i64)> = Vec::new();
    for operation in &history.operations {
        if let (
            Op::Txn { micro_ops, .. },
            Outcome::Ok(Answer {
                value: Some(Value::List(answers)),
            }),
        ) = (&operation.op, &operation.outcome)
        {
            for (micro, answer) in micro_ops.iter().zip(&**answers) {
                let MicroOp::Version { key } = micro else { continue };
                match answer {
                    Value::List(pair) => match pair[..] {
                        [Value::Int(version), Value::Int(revision)] => {
                            told.push((key.clone(), version, revision));
                        }
                        _ => return true,
                    },
                    _ => told.push((key.clone(), 0, 0)),
                }
            }
        }
    }
    told.iter().all(|(key, version, revision)| {
        let fits = |(other, next, later): &(Value, i64, i64)| {
            key != other || version.cmp(next) == revision.cmp(later)
        };
        (*version == 0) == (*revision == 0) && told.iter().all(fits)
    })
}

#[test]
fn lists_with_versions() {
    let object = |seed: u64| -> Box<dyn Object> {
        let values = if seed.is_multiple_of(8) {
            Values::Few
        } else {
            Values::Fresh
        };
        let (keys, steps) = (1 + seed as i64 % 3, 1 + seed as usize % 4);
        Box::new(Objects::with_versions(values, keys, steps))
    };
    let tally = agree_with("list-append", None, &ListAppend, 6, object, revisions_agree);
    let algorithms = [
        ("list-append-exact", 20_000),
        ("list-revisions", 200),
        ("search", 300),
    ];
    tally.expect(&algorithms, &[(Rule::WrongVersion, 700), (Rule::Cycle, 200)]);
}
