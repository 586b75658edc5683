//! Counters, counted modulo a number that divides nearly all amounts: few additions show then, and where
//! there is no order of these and the reads, there is none at all.
//!
//! The moduli tried are the greatest common divisors of all amounts but those of one size. An addition that
//! was lost cannot be made up for by others then.

use std::collections::BTreeSet;

use history::{History, OPEN};

use super::model::{Counter, CounterOp};
use crate::engine::publish::{self, Contradiction};
use crate::engine::search::{Limits, Searched, search};
use crate::engine::second_opinion::{Replay, replay};
use crate::model::{Call, Calls, Effect, Model};
use crate::sentence::{Sentence, op, sentence};
use crate::verdict::{Decision, Rule};

/// How many additions may show.
const MOST_SHOWING: usize = 16;
/// How many moduli are tried.
const MOST_MODULI: usize = 8;
/// How many steps the search takes for each.
const STEPS: u64 = 2_000_000;

/// What a counter is modulo a number; what is done to it is taken modulo that number, too.
struct Residue {
    initial: i128,
    modulus: i128,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum ResidueOp {
    Add(i128),
    Read(i128),
}

impl Model for Residue {
    type Op = ResidueOp;
    type State = i128;

    fn init(&self) -> i128 {
        self.initial
    }

    fn apply(&self, state: &mut i128, op: &ResidueOp) -> bool {
        match *op {
            ResidueOp::Add(amount) => {
                *state = (*state + amount) % self.modulus;
                true
            }
            ResidueOp::Read(seen) => *state == seen,
        }
    }

    fn effect(&self, op: &ResidueOp) -> Effect {
        match op {
            ResidueOp::Add(_) => Effect::Change,
            ResidueOp::Read(_) => Effect::Pure,
        }
    }
}

/// The decision that there is no order, if it is found out in this way.
pub(super) fn refuted(
    counter: &Counter,
    history: &History,
    calls: &Calls<CounterOp>,
    limits: &Limits,
) -> Option<Decision> {
    let moduli = moduli(&calls.calls);
    let moduli = moduli.into_iter().rev().take(MOST_MODULI);
    moduli.into_iter().find_map(|modulus| {
        let residue = Residue {
            initial: counter.initial.rem_euclid(modulus),
            modulus,
        };
        residue.refuted(history, calls, limits)
    })
}

/// The greatest common divisors of all amounts but those of one size, and of all.
fn moduli(calls: &[Call<CounterOp>]) -> BTreeSet<i128> {
    let mut sizes: BTreeSet<i128> = BTreeSet::new();
    for call in calls {
        if let CounterOp::Add(amount) = call.op
            && amount != 0
        {
            sizes.insert(i128::from(amount).abs());
        }
    }
    let sizes: Vec<i128> = sizes.into_iter().collect();
    // Of those from each place on.
    let mut behind = vec![0; sizes.len() + 1];
    for place in (0..sizes.len()).rev() {
        behind[place] = gcd(sizes[place], behind[place + 1]);
    }
    let mut moduli = BTreeSet::from([behind[0]]);
    let mut before = 0;
    for (place, &size) in sizes.iter().enumerate() {
        moduli.insert(gcd(before, behind[place + 1]));
        before = gcd(before, size);
    }
    moduli.retain(|&modulus| modulus > 1);
    moduli
}

fn gcd(one: i128, other: i128) -> i128 {
    match other {
        0 => one,
        _ => gcd(other, one % other),
    }
}

impl Residue {
    fn refuted(&self, history: &History, calls: &Calls<CounterOp>, limits: &Limits) -> Option<Decision> {
        let (mut residues, mut numbers, mut showing) = (Vec::new(), Vec::new(), Vec::new());
        for (number, call) in calls.calls.iter().enumerate() {
            let op = match call.op {
                CounterOp::Add(amount) => ResidueOp::Add(i128::from(amount).rem_euclid(self.modulus)),
                CounterOp::Read(seen) => ResidueOp::Read(seen.rem_euclid(self.modulus)),
            };
            match op {
                ResidueOp::Add(0) => continue,
                ResidueOp::Add(_) => showing.push(number),
                ResidueOp::Read(_) => {}
            }
            let (start, finish) = (call.start, call.finish);
            residues.push(Call { op, start, finish });
            numbers.push(number);
        }
        if showing.len() > MOST_SHOWING {
            return None;
        }
        let few = Limits {
            steps: limits.steps.min(STEPS),
            ..limits.clone()
        };
        let Searched::Stuck(stuck) = search(self, &residues, &few) else {
            return None;
        };
        let read = numbers[stuck.operation];
        // The read by itself, or together with all others.
        let is_needed = |call: &&Call<ResidueOp>| matches!(call.op, ResidueOp::Add(_));
        let mut alone: Vec<Call<ResidueOp>> = residues.iter().filter(is_needed).copied().collect();
        alone.extend(
            matches!(residues[stuck.operation].op, ResidueOp::Read(_)).then(|| residues[stuck.operation]),
        );
        let (rule, confirmed) = match replay(self, &alone, OPEN - 1) {
            Replay::Impossible => (Rule::OutOfBounds, true),
            _ => match replay(self, &residues, OPEN - 1) {
                Replay::Possible => return None,
                outcome => (Rule::NoOrder, outcome == Replay::Impossible),
            },
        };
        Some(publish::conflict(
            history,
            calls,
            self.contradiction(rule, read, &showing),
            Vec::new(),
            confirmed,
        ))
    }

    fn contradiction(&self, rule: Rule, read: usize, showing: &[usize]) -> Contradiction {
        /// How many additions are named.
        const MOST_NAMED: usize = 4;
        let modulus = self.modulus;
        let named: Vec<usize> = showing
            .iter()
            .copied()
            .filter(|&number| number != read)
            .take(MOST_NAMED)
            .collect();
        let only = match named.is_empty() {
            true => format!("All amounts are multiples of {modulus}.").into(),
            false => {
                let names = Sentence::join(named.iter().map(|&number| op(number)), ", ");
                let more = match showing.len() > named.len() {
                    true => " and others".to_owned(),
                    false => String::new(),
                };
                sentence![
                    format!("All amounts are multiples of {modulus} but for those of "),
                    names,
                    more,
                    "."
                ]
            }
        };
        let why = match rule {
            Rule::NoOrder => sentence![
                "Whatever the others make up, no order explains ",
                op(read),
                " together with the other reads."
            ],
            _ => sentence![
                "Whatever the others make up, ",
                op(read),
                " cannot have been the count."
            ],
        };
        let mut shown = vec![read];
        shown.extend(named);
        Contradiction::whole(rule, shown, vec![only, why])
    }
}
