//! Numbers that grow: exact, O(n log n).
//!
//! The numbers rank everything, what generated one before what read it ([`chain`]).

use rustc_hash::FxHashMap;

use super::model::{Monotonic, MonotonicOp};
use crate::engine::chain::{self, Inversion, Ranked};
use crate::engine::publish::{Contradiction, Judged};
use crate::model::Calls;
use crate::sentence::{op, sentence};
use crate::verdict::Rule;

pub(super) fn judge(monotonic: &Monotonic, calls: &Calls<MonotonicOp>) -> Judged {
    match order(monotonic, calls) {
        Ok(order) => Judged::Order(order),
        Err(contradiction) => Judged::Contradiction(contradiction),
    }
}

fn order(monotonic: &Monotonic, calls: &Calls<MonotonicOp>) -> Result<Vec<usize>, Contradiction> {
    let of = |number: usize| calls.calls[number].op;
    let is_read = |number: usize| matches!(of(number), MonotonicOp::Read(_));
    let mut generated: FxHashMap<i128, usize> = FxHashMap::default();
    let mut sorted: Vec<usize> = (0..calls.calls.len()).collect();
    sorted.sort_by_key(|&number| (of(number).number(), is_read(number), calls.calls[number].start));
    for &number in &sorted {
        let is_too_small = monotonic.initial.is_some_and(|initial| match of(number) {
            MonotonicOp::Generate(new) => new <= initial,
            MonotonicOp::Read(seen) => seen < initial,
        });
        if is_too_small {
            let why = sentence![op(number), " shows a number that is not beyond the first one."];
            return Err(Contradiction::whole(Rule::OutOfBounds, vec![number], vec![why]));
        }
        if is_read(number) {
            continue;
        }
        if let Some(other) = generated.insert(of(number).number(), number) {
            let why = sentence![op(other), " and ", op(number), " were given the same number."];
            return Err(Contradiction::whole(
                Rule::Duplicate,
                vec![other, number],
                vec![why],
            ));
        }
    }
    let mut ranked: Vec<Ranked> = Vec::with_capacity(sorted.len());
    let (mut rank, mut last) = (0, None);
    for number in sorted {
        let here = (of(number).number(), is_read(number));
        rank += u64::from(last.is_some_and(|last| last != here));
        last = Some(here);
        ranked.push(Ranked { rank, number });
    }
    match chain::sort(&calls.calls, &mut ranked) {
        Ok(()) => Ok(ranked.into_iter().map(|ranked| ranked.number).collect()),
        Err(inversion) => Err(back(calls, inversion)),
    }
}

fn back(calls: &Calls<MonotonicOp>, Inversion { first, then }: Inversion) -> Contradiction {
    let (late, early) = (first.number, then.number);
    let [smaller, greater] = [late, early].map(|number| calls.calls[number].op.number());
    let why = match smaller == greater {
        true => "Yet the number had been seen before.".to_owned(),
        false => format!("Yet {smaller} is less than {greater}."),
    };
    let sentences = vec![
        sentence![op(late), " began after ", op(early), " had completed."],
        why.into(),
    ];
    Contradiction::whole(Rule::OutOfOrder, vec![late, early], sentences)
}
