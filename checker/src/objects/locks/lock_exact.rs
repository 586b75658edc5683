//! Locks with owner, with and without tokens: exact, O(n log n).
//!
//! A process does one thing after the other, so each of its takings and the release that follows make a
//! section, and sections must not overlap ([`sections`]). A release of unknown outcome ends its section
//! sometime: without it the section must be the last, which binds more. A taking of unknown outcome is left
//! out: its process is retired, so it could only be the last, where no one misses it. Tokens rank the
//! sections ([`chain`]); where one is not known, or the lock was found held, the search must help.

use history::OPEN;
use rustc_hash::FxHashMap;

use super::fenced::FencedLockOp;
use super::held::{Held, ranked, section_of, shown};
use super::lock::LockOp;
use crate::engine::chain::{self, Inversion};
use crate::engine::publish::{Contradiction, Judged};
use crate::engine::sections::{self, Section};
use crate::model::Calls;
use crate::sentence::{op, sentence};
use crate::verdict::Rule;

/// Judges a lock without tokens.
pub(crate) fn judge(calls: &Calls<LockOp>) -> Judged {
    let step = |op: &LockOp| match *op {
        LockOp::Acquire(process) => Some((process, true)),
        LockOp::Release(process) => Some((process, false)),
        LockOp::Held => None,
    };
    let held = match held(calls, step) {
        Ok(held) => held,
        Err(contradiction) => return Judged::Contradiction(contradiction),
    };
    let times: Vec<Section> = held.iter().map(|&held| times(held, calls)).collect();
    match sections::order(&times) {
        // Where it was found held asks for more.
        Ok(_) if calls.calls.iter().any(|call| call.op == LockOp::Held) => Judged::Other,
        Ok(order) => Judged::Order(
            order
                .into_iter()
                .flat_map(|number| held[number].calls())
                .collect(),
        ),
        Err((one, other)) => Judged::Contradiction(overlap(held[one], held[other])),
    }
}

/// Judges a lock with tokens.
pub(crate) fn judge_fenced(calls: &Calls<FencedLockOp>) -> Judged {
    let step = |op: &FencedLockOp| match *op {
        FencedLockOp::Acquire(process, _) => Some((process, true)),
        FencedLockOp::Release(process) => Some((process, false)),
        FencedLockOp::Held => None,
    };
    let held = match held(calls, step) {
        Ok(held) => held,
        Err(contradiction) => return Judged::Contradiction(contradiction),
    };
    let mut by_token: Vec<(i64, Held)> = Vec::with_capacity(held.len());
    for held in held {
        match calls.calls[held.taking].op {
            FencedLockOp::Acquire(_, Some(token)) => by_token.push((token, held)),
            _ => return Judged::Other,
        }
    }
    by_token.sort_by_key(|(token, held)| (*token, held.taking));
    for pair in by_token.windows(2) {
        let [(token, one), (next, other)] = [pair[0], pair[1]];
        if token == next {
            return Judged::Contradiction(same_token(one, other));
        }
        if one.release.is_none() {
            return Judged::Contradiction(never_released(one, other));
        }
    }
    let mut ranked = ranked(&by_token);
    match chain::sort(&calls.calls, &mut ranked) {
        Ok(()) if calls.calls.iter().any(|call| call.op == FencedLockOp::Held) => Judged::Other,
        Ok(()) => Judged::Order(ranked.into_iter().map(|ranked| ranked.number).collect()),
        Err(inversion) => {
            let sections = [inversion.first, inversion.then].map(|ranked| section_of(ranked, &by_token));
            Judged::Contradiction(against_tokens(inversion, sections))
        }
    }
}

fn times<O>(held: Held, calls: &Calls<O>) -> Section {
    Section {
        first_finish: calls.calls[held.taking].finish,
        last_start: held.release.map_or(u64::MAX, |number| calls.calls[number].start),
    }
}

/// The sections, or a process that gave back what it did not hold or took what it held.
fn held<O>(calls: &Calls<O>, step: impl Fn(&O) -> Option<(u32, bool)>) -> Result<Vec<Held>, Contradiction> {
    let mut order: Vec<usize> = (0..calls.calls.len()).collect();
    order.sort_by_key(|&number| calls.calls[number].start);
    let wrong = |shown: Vec<usize>, why: &'static str| {
        let sentences = vec![sentence![op(shown[0]), why]];
        Contradiction::whole(Rule::TwoHolders, shown, sentences)
    };
    let mut holding: FxHashMap<u32, usize> = FxHashMap::default();
    let mut sections: Vec<Held> = Vec::new();
    for number in order {
        let call = &calls.calls[number];
        let Some((process, takes)) = step(&call.op) else {
            continue;
        };
        let is_open = call.finish == OPEN;
        match (takes, holding.get(&process).copied()) {
            (true, _) if is_open => {}
            (true, Some(section)) => {
                let shown = vec![number, sections[section].taking];
                return Err(wrong(
                    shown,
                    " succeeded although its process already held the lock.",
                ));
            }
            (true, None) => {
                holding.insert(process, sections.len());
                sections.push(Held {
                    taking: number,
                    release: None,
                });
            }
            (false, Some(section)) => {
                sections[section].release = Some(number);
                holding.remove(&process);
            }
            (false, None) if is_open => {}
            (false, None) => {
                return Err(wrong(
                    vec![number],
                    " succeeded although its process did not hold the lock.",
                ));
            }
        }
    }
    Ok(sections)
}

fn overlap(one: Held, other: Held) -> Contradiction {
    let until = |held: Held| match held.release {
        Some(release) => sentence!["before ", op(release), " began"],
        None => "and its process never released the lock".into(),
    };
    let sentences = vec![
        sentence![op(one.taking), " had completed ", until(other), "."],
        sentence![op(other.taking), " had completed ", until(one), "."],
        "So both held the lock at the same time.".into(),
    ];
    let shown = one.calls().chain(other.calls()).collect();
    Contradiction::whole(Rule::TwoHolders, shown, sentences)
}

fn same_token(one: Held, other: Held) -> Contradiction {
    let takings = [one.taking, other.taking].into_iter();
    let shown = takings.chain(one.release).chain(other.release).collect();
    let why = sentence![
        op(one.taking),
        " and ",
        op(other.taking),
        " were given the same token."
    ];
    Contradiction::whole(Rule::Duplicate, shown, vec![why])
}

fn never_released(one: Held, next: Held) -> Contradiction {
    let sentences = vec![
        sentence![
            op(one.taking),
            " was given a smaller token than ",
            op(next.taking),
            "."
        ],
        "But the process that acquired the lock first never released it.".into(),
    ];
    let shown = one.calls().chain(next.calls()).collect();
    Contradiction::whole(Rule::TwoHolders, shown, sentences)
}

fn against_tokens(
    Inversion { first, then }: Inversion,
    [(smaller, held), (greater, next)]: [(i64, Held); 2],
) -> Contradiction {
    let sentences = vec![
        sentence![
            op(first.number),
            " began after ",
            op(then.number),
            " had completed."
        ],
        format!("But it belongs to token {smaller}, and what had completed belongs to token {greater}.")
            .into(),
    ];
    Contradiction::whole(Rule::OutOfOrder, shown([first, then], [held, next]), sentences)
}
