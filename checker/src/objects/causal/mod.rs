//! Histories that are judged by the order in which writes show, and not by one order of everything: `causal`,
//! `causal-reverse`, `long-fork`.
//!
//! None of them is guessed: a store that promises more would be let off.

mod long_fork;
mod reverse;

use history::{History, OpKind, Value};

use crate::consistency::{self, Finding};
use crate::engine::publish::by_themselves;
use crate::engine::search::Limits;
use crate::objects::entry::{Entry, judged_at_the_end, only_nil, promises_no_order};
use crate::objects::set;
use crate::verdict::{Algorithm, Decision, Rule};

const CAUSAL_ORDER: Algorithm = Algorithm("causal-order");
const WRITES: Algorithm = Algorithm("real-time-of-writes");
const PAIRS: Algorithm = Algorithm("pairs-of-keys");

/// Registers under causal consistency with convergence: all answers fit one order of the writes that keeps
/// every cause before its effect (as [`consistency::Guarantee::CausalConvergence`] defines it). Whatever
/// Jepsen's `tests/causal` finds, who reads and writes one register at a time, contradicts it.
pub(crate) const CAUSAL: Entry = Entry {
    name: "causal",
    about: "registers with read, write and compare-and-set, whose causes show before their effects",
    promise: "causally convergent",
    operations: &[OpKind::Read, OpKind::Write, OpKind::Cas],
    per_key: false,
    suits: |_| false,
    initial: || Value::Nil,
    initial_is: |_| Ok(()),
    owned: true,
    readable: None,
    weaken: |history, initial, limits| Ok(consistency::weaken(history, initial, limits)),
    account: None,
    monitor: judged_at_the_end,
    ways: &[CAUSAL_ORDER],
    decide: decide_causal,
};

fn decide_causal(
    history: &History,
    indices: &[usize],
    initial: &Value,
    limits: &Limits,
) -> (Decision, Algorithm) {
    let most = consistency::Limits::default();
    let limits = consistency::Limits {
        cells: most.cells.min(limits.memory_bytes / size_of::<u32>()),
        stop: limits.stop.clone(),
        ..most
    };
    let decision = match consistency::causal(history, indices, initial, &limits) {
        Finding::Holds => Decision::Valid(Vec::new()),
        Finding::Unknown { why } => Decision::unknown(why),
        Finding::Violated(evidence) => {
            let sentences = evidence.sentences.into_iter().take(3).collect();
            // One alone shows what no one wrote.
            let rule = match evidence.operations.len() {
                1 => Rule::NeverWritten,
                _ => Rule::Cycle,
            };
            by_themselves(history, rule, evidence.operations, sentences, true)
        }
    };
    (decision, CAUSAL_ORDER)
}

pub(crate) const REVERSE: Entry = Entry {
    name: "causal-reverse",
    about: "elements that are written once: a read that shows one shows all that were acknowledged before",
    promise: "free of causal reversals",
    operations: &[OpKind::Write, OpKind::Add, OpKind::Read],
    suits: |_| false,
    weaken: promises_no_order,
    account: None,
    monitor: judged_at_the_end,
    ways: &[WRITES],
    decide: decide_reverse,
    ..set::ENTRY
};

fn decide_reverse(
    history: &History,
    indices: &[usize],
    initial: &Value,
    _: &Limits,
) -> (Decision, Algorithm) {
    let initial = set::elements(initial).unwrap_or_default();
    (reverse::decide(history, indices, initial), WRITES)
}

pub(crate) const LONG_FORK: Entry = Entry {
    name: "long-fork",
    about: "transactions of keys that are written once: reads agree on the order of the writes",
    promise: "free of long forks",
    operations: &[OpKind::Txn],
    per_key: false,
    suits: |_| false,
    initial: || Value::Nil,
    initial_is: |initial| only_nil(initial, "keys of long-fork begin unwritten: nil"),
    owned: false,
    readable: Some(long_fork::readable),
    weaken: promises_no_order,
    account: None,
    monitor: judged_at_the_end,
    ways: &[PAIRS],
    decide: |history, indices, _, _| (long_fork::decide(history, indices), PAIRS),
};
