//! Ids that are given out once each: two equal ones contradict each other, any others have an order. O(n).

use history::Value;
use rustc_hash::FxHashMap;

use super::model::UniqueIdsOp;
use crate::engine::publish::{Contradiction, Judged};
use crate::model::Calls;
use crate::sentence::{op, sentence};
use crate::verdict::Rule;

pub(super) fn judge(calls: &Calls<UniqueIdsOp>) -> Judged {
    let mut given: FxHashMap<&Value, usize> = FxHashMap::default();
    let mut order: Vec<usize> = (0..calls.calls.len()).collect();
    order.sort_by_key(|&number| calls.calls[number].start);
    for &number in &order {
        let id = &calls.calls[number].op.0;
        if let Some(other) = given.insert(id, number) {
            return Judged::Contradiction(Contradiction {
                rule: Rule::Duplicate,
                shown: vec![other, number],
                about: vec![id.clone()],
                also: Vec::new(),
                sentences: vec![sentence![
                    op(other),
                    " and ",
                    op(number),
                    " were given the same id."
                ]],
                stale_by_ns: None,
            });
        }
    }
    Judged::Order(order)
}
