//! Each kind of pass by itself, however narrow or broad, against the exact one.
//!
//! The exact pass is held against brute force over all orders in `tests/registers_brute_force.rs` and
//! `tests/objects_brute_force.rs`.

use history::Value;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::pass::WIDTHS;
use super::*;
use crate::engine::validate;
use crate::objects::{Register, RegisterOp};

/// A few operations on a register whose values repeat.
fn random_calls(seed: u64) -> Vec<Call<RegisterOp>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let width = rng.random_range(1..20);
    let count = rng.random_range(3..12);
    (0..count)
        .map(|number: u64| {
            let mut value = || Value::Int(rng.random_range(0..3));
            let (a, b) = (value(), value());
            let op = match rng.random_range(0..6) {
                0 | 1 => RegisterOp::Read(a),
                2 => RegisterOp::Not(a),
                3 | 4 => RegisterOp::Write(a),
                _ if a == b => RegisterOp::Read(a),
                _ => RegisterOp::Cas(a, b),
            };
            // The parities keep positions apart.
            let start = number * 10 + rng.random_range(0..5);
            let finish = start + 5 + rng.random_range(0..10 * width);
            Call {
                op,
                start: start * 100 + 2 * number,
                finish: match rng.random_range(0..8) {
                    0 => OPEN,
                    _ => finish * 100 + 2 * number + 1,
                },
            }
        })
        .collect()
}

/// A register that does not know that writes overwrite, but lets the search find out where they change
/// nothing.
struct Looping(Register);

impl Model for Looping {
    type Op = RegisterOp;
    type State = Value;

    const LOOPS: bool = true;

    fn init(&self) -> Value {
        self.0.init()
    }

    fn apply(&self, state: &mut Value, op: &RegisterOp) -> bool {
        self.0.apply(state, op)
    }

    fn effect(&self, op: &RegisterOp) -> Effect {
        match self.0.effect(op) {
            Effect::Overwrite => Effect::Change,
            effect => effect,
        }
    }
}

#[test]
fn no_pass_contradicts_the_exact_one() {
    let initial = Value::Int(0);
    passes_agree(&Register { initial });
}

#[test]
fn no_pass_contradicts_the_exact_one_where_operations_may_change_nothing() {
    let initial = Value::Int(0);
    passes_agree(&Looping(Register { initial }));
}

fn passes_agree(model: &impl Model<Op = RegisterOp>) {
    let plain = Register {
        initial: Value::Int(0),
    };
    let limits = Limits::default();
    let (mut valid, mut invalid, mut found, mut refuted) = (0, 0, 0, 0);
    for seed in 0..100_000 {
        let calls = random_calls(seed);
        let mut search = Search::new(model, &calls, &limits).unwrap();
        let exact = match search.run(EFFORTS.len() - 1) {
            Searched::Found(_) => true,
            Searched::Stuck(_) => false,
            Searched::GaveUp(why) => panic!("seed {seed}: {why}"),
        };
        let shown = search_plain(&plain, &calls);
        assert_eq!(exact, shown, "seed {seed}: {calls:?}");
        valid += usize::from(exact);
        invalid += usize::from(!exact);
        let until = search.plan.events.len();
        for level in [0, 2, 4] {
            let mut pass = search.pass(level, Mode::Narrow);
            // So narrow that something is dropped even here.
            pass.set_width(1, 2);
            let passed = pass.run(until, level);
            let trace = std::mem::take(&mut pass.trace);
            match passed {
                Passed::Through(tip) => {
                    found += 1;
                    assert!(exact, "seed {seed}, level {level}: {calls:?}");
                    let order = search.order(tip, until, trace);
                    validate::linearization(model, &calls, &order).unwrap();
                }
                Passed::Ended { certain, .. } => assert!(!(certain && exact), "seed {seed}: {calls:?}"),
                Passed::Limit { limit, .. } => panic!("seed {seed}: {limit}"),
            }
        }
        let ended = matches!(search.pass(0, Mode::Broad).run(until, 0), Passed::Ended { .. });
        refuted += usize::from(ended);
        assert!(!(ended && exact), "seed {seed}: {calls:?}");
    }
    assert!(valid > 30_000 && invalid > 30_000, "{valid} {invalid}");
    // They are of use, too.
    assert!(found > valid && refuted > invalid / 2, "{found} {refuted}");
}

/// What the search says of a plain register, itself held against brute force elsewhere.
fn search_plain(register: &Register, calls: &[Call<RegisterOp>]) -> bool {
    matches!(search(register, calls, &Limits::default()), Searched::Found(_))
}

#[test]
fn efforts_grow_to_the_last_width() {
    assert!(EFFORTS.is_sorted() && EFFORTS[EFFORTS.len() - 1] == WIDTHS.len() - 1);
}

#[test]
fn a_model_whose_states_never_end_is_decided() {
    use crate::objects::{VersionedRegister, VersionedRegisterOp};
    let write = |value, version, start, finish| Call {
        op: VersionedRegisterOp::Write(Value::Int(value), version),
        start,
        finish,
    };
    let calls = [
        write(1, None, 0, OPEN),
        write(2, None, 1, OPEN),
        write(3, Some(8), 2, 5),
        write(4, None, 3, OPEN),
        write(5, None, 4, 8),
        write(6, None, 6, 10),
        write(7, Some(6), 7, 9),
    ];
    let limits = Limits {
        steps: 1_000_000,
        ..Limits::default()
    };
    let searched = search(&VersionedRegister::default(), &calls, &limits);
    assert!(matches!(searched, Searched::Stuck(_)), "{searched:?}");
}

/// What is left in the middle of an event when a limit ends it shows nothing.
#[test]
fn a_limit_never_makes_a_history_wrong() {
    let model = Register {
        initial: Value::Int(0),
    };
    let mut gave_up = 0;
    for seed in 0..20_000 {
        let calls = random_calls(seed);
        let unlimited = Limits::default();
        let exact = Search::new(&model, &calls, &unlimited)
            .unwrap()
            .run(EFFORTS.len() - 1);
        for steps in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55] {
            let limits = Limits {
                steps,
                ..Limits::default()
            };
            let mut search = Search::new(&model, &calls, &limits).unwrap();
            // The broad pass by itself too.
            let found = [
                search.run(0),
                search.broad(0, search.plan.events.len()).unwrap_or(exact.clone()),
            ];
            for found in found {
                match found {
                    Searched::GaveUp(_) => gave_up += 1,
                    Searched::Stuck(_) => {
                        assert!(matches!(exact, Searched::Stuck(_)), "seed {seed}, {steps} steps")
                    }
                    Searched::Found(_) => {
                        assert!(matches!(exact, Searched::Found(_)), "seed {seed}, {steps} steps")
                    }
                }
            }
        }
    }
    assert!(gave_up > 10_000, "{gave_up}");
}
