//! What is special about judging a history that was read from a file: what its objects held at first, which
//! answers claim nothing, and which accusations something else than the store may explain.
//!
//! Invariants:
//! - What a file leaves open accuses no one: such a history is `unknown`, and never `invalid`.
//! - What was not answered is not praised: a history without an answer is `unknown`, and never `valid`.

use history::formats::{self, Imported, JOURNAL, Order, PARQUET};
use history::{Doubt, History, Op, Outcome, Value};

use crate::objects::{self, Entry};
use crate::{Analysis, Verdict};

/// What every object held at first, where the user says nothing.
pub fn initial(imported: &Imported, entry: &Entry) -> Value {
    let saw_nil = |operation: &history::Operation| operation.outcome == Outcome::ok_value(Value::Nil);
    match objects::guess_initial(entry, &imported.history) {
        Value::Nil if !imported.history.operations.iter().any(saw_nil) => {
            formats::find(imported.format).map_or(Value::Nil, |format| (format.initial)())
        }
        initial => initial,
    }
}

/// Where nothing can ever hold nil, a read of nil is taken to claim nothing, as Knossos' `cas-register` takes
/// it. Returns how many reads that is.
///
/// In a journal and in columns nil is an answer like any other: there was no value. And other objects than
/// registers know what it stands for: the empty list, nought.
pub fn forget_nil_reads(imported: &mut Imported, entry: &Entry, initial: &Value) -> u64 {
    let writes_nil = |op: &Op| match op {
        Op::Write { value, .. } | Op::Cas { new: value, .. } => value.is_nil(),
        _ => false,
    };
    let is_of_registers = ![JOURNAL, PARQUET].contains(&imported.format) && (entry.initial)().is_nil();
    let mut operations = imported.history.operations.iter();
    if !is_of_registers || initial.is_nil() || operations.any(|operation| writes_nil(&operation.op)) {
        return 0;
    }
    imported.history.forget_nil_reads()
}

/// What else may explain what contradicts.
pub fn in_words(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::UnknownTaken => "what is missing may have been taken by a drain that did not end",
        Doubt::UnknownAsked => {
            "what contradicts may have been changed by operations that do not say what they asked for: record their \
             invocations"
        }
        Doubt::UnknownLocks => {
            "what is acquired and released may be several locks: record [lock nil] tuples, or nothing for one lock"
        }
        Doubt::UnknownKeys => {
            "pairs may be [key value] tuples or values: record keys in a field of their own, such as :key"
        }
    }
}

/// What is to be known of a whole history, of which maybe only a part is judged.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// It has no operation.
    pub is_empty: bool,
    /// The store answered at least once.
    pub is_answered: bool,
    /// As in [`History::is_renumbered`].
    pub is_renumbered: bool,
    /// As in [`History::doubts`].
    pub doubts: Vec<Doubt>,
}

impl About {
    /// What is to be known of `history`.
    pub fn new(history: &History) -> About {
        let mut operations = history.operations.iter();
        About {
            is_empty: history.operations.is_empty(),
            is_answered: operations.any(|operation| operation.outcome.is_answer()),
            is_renumbered: history.is_renumbered,
            doubts: history.doubts.clone(),
        }
    }
}

/// Takes back what cannot be said of a history as it stands, because of what was not recorded, or because no
/// one was told anything. `doubt` is why `entry` may be the wrong model.
pub fn reserve(analysis: &mut Analysis, about: &About, entry: &Entry, doubt: Option<&str>) {
    if analysis.verdict == Verdict::Invalid {
        if entry.owned && about.is_renumbered {
            withdraw(
                analysis,
                "processes do more than one thing at a time, so that no one can say who held what; --model mutex asks for no \
                 owner",
            );
        } else if let Some(doubt) = about.doubts.first() {
            withdraw(analysis, in_words(*doubt));
        } else if let Some(doubt) = doubt {
            withdraw(analysis, doubt);
        }
        return;
    }
    if about.is_empty {
        // Everything explains nothing.
        withdraw(analysis, "there is no operation, so there is nothing to judge");
    } else if !about.is_answered && analysis.verdict == Verdict::Valid {
        withdraw(
            analysis,
            "no operation was answered, so there is nothing that could be wrong: too little happened",
        );
    }
}

/// Takes a verdict back that differs from that of the same file whose events are put into another order,
/// where nothing tells which of these `orders` is right: first that of `analysis`, then that of `other`.
pub fn differ(analysis: &mut Analysis, other: &Analysis, orders: [Order; 2]) {
    if analysis.verdict != other.verdict {
        let [by, instead] = orders;
        let why = format!(
            "in the order of {} it is {}, in that of {} {}, and nothing tells which is right: --order {by} or --order \
             {instead} says so",
            by.what(),
            analysis.verdict,
            instead.what(),
            other.verdict
        );
        withdraw(analysis, &why);
    }
}

/// Makes a verdict `unknown`.
fn withdraw(analysis: &mut Analysis, why: &str) {
    analysis.verdict = Verdict::Unknown;
    analysis.orders.clear();
    analysis.conflicts.clear();
    analysis.conflicts_total = 0;
    analysis.still = None;
    // It comes before what else is unknown, such as keys that were not judged because one was wrong.
    analysis.unknown.insert(0, (Value::Nil, why.to_owned()));
}
