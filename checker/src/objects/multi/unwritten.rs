//! What no registers can show, whatever was written how often: a refuter in linear time, tried before any
//! search.
//!
//! - A transaction contradicts itself: it reads something else than it wrote or read just before ("internal"
//!   in K. Kingsbury and P. Alvaro, Elle, VLDB 2020, section 4).
//! - It reads what the register did not hold at first, and what no other transaction that had begun by then
//!   can have left there: no one wrote it, only a failed operation did (G1a of A. Adya, "Weak consistency",
//!   1999), or only transactions that wrote something else to it afterwards (G1b).

use history::{History, Key, Value};
use rustc_hash::FxHashMap;

use super::model::{MultiRegister, RegisterMicro};
use crate::engine::publish::{self, Contradiction};
use crate::model::{Call, Calls, Model};
use crate::sentence::{op, sentence};
use crate::verdict::{Decision, Rule};

/// The decision if something is shown that cannot be.
pub(super) fn refute(
    registers: &MultiRegister,
    history: &History,
    calls: &Calls<Vec<RegisterMicro>>,
) -> Option<Decision> {
    let found = itself(calls).or_else(|| of_no_other(registers, calls))?;
    Some(match holds(registers, &calls.calls, &found) {
        true => publish::conflict(history, calls, found, Vec::new(), true),
        false => Decision::unknown(format!("internal: the conflict is wrong: {}", found.rule)),
    })
}

/// A transaction that contradicts itself.
fn itself(calls: &Calls<Vec<RegisterMicro>>) -> Option<Contradiction> {
    let at_odds = |call: &Call<Vec<RegisterMicro>>| {
        let mut holds: FxHashMap<&Key, &Value> = FxHashMap::default();
        call.op.iter().any(|micro| match micro {
            RegisterMicro::Read(key, value) => *holds.entry(key).or_insert(value) != value,
            RegisterMicro::Not(key, value) => holds.get(key) == Some(&value),
            RegisterMicro::Write(key, value) => {
                holds.insert(key, value);
                false
            }
        })
    };
    let number = calls.calls.iter().position(at_odds)?;
    let why = sentence![
        op(number),
        " contradicts itself: what it saw does not fit what else it saw and wrote."
    ];
    Some(Contradiction::whole(Rule::OutOfOrder, vec![number], vec![why]))
}

/// A transaction that saw what no other one can have left.
fn of_no_other(registers: &MultiRegister, calls: &Calls<Vec<RegisterMicro>>) -> Option<Contradiction> {
    // The two that began first of those that leave a value: a transaction does not find what it leaves
    // itself.
    let mut left: FxHashMap<(&Key, &Value), [Option<usize>; 2]> = FxHashMap::default();
    let start = |number: usize| calls.calls[number].start;
    for (number, call) in calls.calls.iter().enumerate() {
        for (key, value) in leaves(&call.op) {
            let first = left.entry((key, value)).or_default();
            let mut all: Vec<usize> = first.iter().copied().flatten().chain([number]).collect();
            all.sort_unstable_by_key(|&number| start(number));
            *first = [all.first().copied(), all.get(1).copied()];
        }
    }
    for (number, call) in calls.calls.iter().enumerate() {
        for (key, value) in finds(&call.op) {
            let can_be = |other: usize| other != number && start(other) < call.finish;
            let first = left.get(&(key, value)).copied().unwrap_or_default();
            if *value != registers.initial && !first.into_iter().flatten().any(can_be) {
                return Some(left_by_none(number, key, value));
            }
        }
    }
    None
}

/// What a transaction found before it wrote there itself.
fn finds(op: &[RegisterMicro]) -> impl Iterator<Item = (&Key, &Value)> {
    op.iter().enumerate().filter_map(|(place, micro)| match micro {
        RegisterMicro::Read(key, value) => {
            let wrote =
                |micro: &RegisterMicro| matches!(micro, RegisterMicro::Write(other, _) if other == key);
            (!op[..place].iter().any(wrote)).then_some((key, value))
        }
        RegisterMicro::Not(..) | RegisterMicro::Write(..) => None,
    })
}

/// What it left behind where it wrote.
fn leaves(op: &[RegisterMicro]) -> impl Iterator<Item = (&Key, &Value)> {
    op.iter().enumerate().filter_map(|(place, micro)| match micro {
        RegisterMicro::Write(key, value) => {
            let wrote =
                |micro: &RegisterMicro| matches!(micro, RegisterMicro::Write(other, _) if other == key);
            (!op[place + 1..].iter().any(wrote)).then_some((key, value))
        }
        RegisterMicro::Not(..) | RegisterMicro::Read(..) => None,
    })
}

fn left_by_none(reader: usize, key: &Key, value: &Value) -> Contradiction {
    let why = sentence![
        op(reader),
        format!(" saw {value} in {key}, which no other operation can have left there by then.")
    ];
    Contradiction {
        about: vec![key.clone(), value.clone()],
        ..Contradiction::whole(Rule::NeverWritten, vec![reader], vec![why])
    }
}

/// Whether a contradiction follows, looked at anew by doing what the transactions do.
fn holds(registers: &MultiRegister, calls: &[Call<Vec<RegisterMicro>>], found: &Contradiction) -> bool {
    let Some(call) = found.shown.first().map(|&number| &calls[number]) else {
        return false;
    };
    match (found.rule, &found.about[..]) {
        // It is impossible even where the registers hold just what it reads first.
        (Rule::OutOfOrder, _) => {
            let mut state = registers.init();
            for (key, value) in finds(&call.op) {
                state.entry(key.clone()).or_insert_with(|| value.clone());
            }
            state.retain(|_, value| *value != registers.initial);
            // What a register does not hold of which nothing else is known says nothing.
            let says = |place: &usize| match &call.op[*place] {
                RegisterMicro::Not(key, _) => call.op[..*place].iter().any(|before| match before {
                    RegisterMicro::Read(other, _) | RegisterMicro::Write(other, _) => other == key,
                    RegisterMicro::Not(..) => false,
                }),
                RegisterMicro::Read(..) | RegisterMicro::Write(..) => true,
            };
            let places = (0..call.op.len()).filter(says);
            !registers.apply(&mut state, &places.map(|place| call.op[place].clone()).collect())
        }
        (Rule::NeverWritten, [key, value]) => {
            let reads = call.op.contains(&RegisterMicro::Read(key.clone(), value.clone()));
            let leaves = |other: &&Call<Vec<RegisterMicro>>| {
                let last = other
                    .op
                    .iter()
                    .rfind(|micro| matches!(micro, RegisterMicro::Write(written, _) if written == key));
                last == Some(&RegisterMicro::Write(key.clone(), value.clone()))
            };
            let others = calls.iter().filter(|other| !std::ptr::eq(*other, call));
            reads
                && *value != registers.initial
                && !others
                    .filter(|other| other.start < call.finish)
                    .any(|other| leaves(&other))
        }
        _ => false,
    }
}
