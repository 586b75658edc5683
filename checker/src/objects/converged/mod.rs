//! Objects that promise no more than to converge: sets that only grow (`g-set`) and counters (`pn-counter`).
//!
//! They are judged by what processes read last ([`last_reads`]), and never guessed: a store that promises
//! more would be let off. Only of reads that are known to be final is it certain that the store had the time
//! to converge before them; without such, nothing is wrong but what no read can show at any time.

mod g_set;
mod last_reads;
mod pn_counter;

use history::{History, OpKind, Value};

use crate::engine::search::Limits;
use crate::objects::counter;
use crate::objects::entry::{Entry, judged_at_the_end, promises_no_order};
use crate::objects::set;
use crate::verdict::{Algorithm, Decision};

const LAST_READS: Algorithm = Algorithm("last-reads");

pub(crate) const G_SET: Entry = Entry {
    name: "g-set",
    about: "a set that only grows: the last reads hold every acknowledged add",
    promise: "converged",
    operations: &[OpKind::Add, OpKind::Read],
    suits: |_| false,
    weaken: promises_no_order,
    monitor: judged_at_the_end,
    ways: &[LAST_READS],
    decide: decide_g_set,
    ..set::ENTRY
};

fn decide_g_set(history: &History, indices: &[usize], initial: &Value, _: &Limits) -> (Decision, Algorithm) {
    let initial = set::elements(initial).unwrap_or_default();
    (g_set::decide(history, indices, initial), LAST_READS)
}

pub(crate) const PN_COUNTER: Entry = Entry {
    name: "pn-counter",
    about: "a counter that converges: the last reads are possible sums",
    promise: "converged",
    operations: &[OpKind::Add, OpKind::Read],
    suits: |_| false,
    weaken: promises_no_order,
    monitor: judged_at_the_end,
    ways: &[LAST_READS],
    decide: decide_pn_counter,
    ..counter::ENTRY
};

fn decide_pn_counter(
    history: &History,
    indices: &[usize],
    initial: &Value,
    _: &Limits,
) -> (Decision, Algorithm) {
    let Some(initial) = counter::count(initial) else {
        return (
            Decision::unknown(counter::WRONG_INITIAL.to_owned()),
            Algorithm::NONE,
        );
    };
    (pn_counter::decide(history, indices, initial), LAST_READS)
}
