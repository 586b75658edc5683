//! From a history to its analysis. [`check`] is the order in which things are tried:
//!
//! 1. Does the model know all kinds of operations? If not, the history is `unknown`.
//! 2. The operations are split by key ([`partition`]), and the keys judged in parallel. Models of
//!    transactions get all operations at once, and split them into components that share no key
//!    (`engine/components`). Either are judged in slices of work, so that a hard one keeps no other from
//!    being judged (`engine/slices`).
//! 3. Does every operation of the key end after it begins, and can the model read its values? If not, it is
//!    `unknown`.
//! 4. The model's `decide` tries its ways ([`Entry::ways`]) in this order, until one decides:
//!
//!    | Model | Judged in | Ways |
//!    |---|---|---|
//!    | `cas-register` | `objects/register` | register-exact, counting, search |
//!    | `register` | `objects/register` | register-exact, counting, search |
//!    | `versioned-register` | `objects/versioned` | versioned-register-exact, search |
//!    | `list-append` | `objects/list` | list-revisions, list-append-exact, unwritten, growing, search |
//!    | `multi-register` | `objects/multi` | register-exact, counting, unwritten, search |
//!    | `kv-append` | `objects/text` | append-exact, unwritten, text-blocks, growing, search |
//!    | `fenced-lock` | `objects/locks` | fenced-lock-exact, search |
//!    | `mutex` | `objects/locks` | mutex-exact, search |
//!    | `lock` | `objects/locks` | lock-exact, search |
//!    | `lease` | `objects/locks` | lease-exact, search |
//!    | `reentrant-lock` | `objects/reentrant` | reentrant-lock-exact, search |
//!    | `semaphore` | `objects/semaphore` | semaphore-exact, search |
//!    | `set` | `objects/set` | set-exact, set-removals, search |
//!    | `g-set` | `objects/converged` | last-reads |
//!    | `counter` | `objects/counter` | counter-bounds, counter-exact, residues, counter-sums, beam, search |
//!    | `pn-counter` | `objects/converged` | last-reads |
//!    | `bank` | `objects/bank` | bank-reads |
//!    | `bank-overdraft` | `objects/bank` | bank-reads |
//!    | `unordered-queue` | `objects/queue` | unordered-queue-exact, search |
//!    | `fifo-queue` | `objects/queue` | fifo-queue-exact, search |
//!    | `unique-ids` | `objects/ids` | unique-ids-exact, search |
//!    | `monotonic` | `objects/monotonic` | monotonic-exact, search |
//!    | `watch` | `objects/watch` | watch-exact, search |
//!    | `causal` | `objects/causal` | causal-order |
//!    | `causal-reverse` | `objects/causal` | real-time-of-writes |
//!    | `long-fork` | `objects/causal` | pairs-of-keys |
//!
//! 5. Whatever a way found is checked again before it is a decision: an order is replayed on the model, a
//!    contradiction derived again from the operations that it names (`engine/publish`, `engine/by_search`,
//!    `objects/register/validate`, and `holds` or `follows` beside some algorithms). What fails there is left
//!    to the search, or is `unknown`. (Two reads of a counter that falls show it themselves.)
//! 6. The decisions are merged ([`Analysis`]): invalid before unknown before valid.
//! 7. [`explain`] adds which weaker guarantees an invalid history still gives ([`consistency`]), and the
//!    model's account.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use history::{History, Key, Value};

use crate::analysis::Analysis;
use crate::consistency;
use crate::engine::search::Limits;
use crate::engine::slices;
use crate::model::finish;
use crate::objects::{self, Entry};
use crate::partition::partition;
use crate::survey::Survey;
use crate::verdict::{Algorithm, Decision, Verdict};

/// What to judge by, and how hard to try.
#[derive(Clone, Debug)]
pub struct Options {
    /// The model.
    pub model: &'static Entry,
    /// What every object holds at first; the model's own idea of it where there is none.
    pub initial: Option<Value>,
    /// The limits of the search, for each key. Exact procedures need none.
    pub limits: Limits,
    /// Whether searches of other keys end as soon as one key is known not to be linearizable. The verdict is
    /// settled then, but how many keys stay undecided is left to chance.
    pub early_stop: bool,
    /// Whether the analysis keeps the orders that show keys to be valid; together they are as long as the
    /// history.
    pub keep_orders: bool,
}

impl Default for Options {
    /// A register with compare-and-set, nil at first.
    fn default() -> Self {
        Options {
            model: &objects::MODELS[0],
            initial: None,
            limits: Limits::default(),
            early_stop: false,
            keep_orders: false,
        }
    }
}

impl Options {
    /// What every object holds at first.
    pub fn initial(&self) -> Value {
        self.initial.clone().unwrap_or_else(self.model.initial)
    }
}

/// Judges a history as [`check`] does, gives the model's own account of it, and if it is invalid, says what
/// it still is.
pub fn judge(history: &History, options: &Options) -> Analysis {
    let mut analysis = check(history, options);
    explain(history, options, &mut analysis);
    analysis
}

/// Adds what an invalid history still is, and what became of what was written, to what [`check`] found. It
/// takes limits of its own, since it can take far longer than the verdict.
pub fn explain(history: &History, options: &Options, analysis: &mut Analysis) {
    if analysis.verdict == Verdict::Invalid {
        let most = consistency::Limits::default();
        let limits = consistency::Limits {
            cells: most.cells.min(options.limits.memory_bytes / size_of::<u32>()),
            stop: options.limits.stop.clone(),
            ..most
        };
        // Anyone who could not read the initial value found nothing invalid.
        analysis.still = (options.model.weaken)(history, &options.initial(), &limits).ok();
    }
    // What the model cannot read it cannot account for.
    let is_readable = || {
        (history.operations.iter()).all(|operation| options.model.refusal(operation, history.times).is_none())
    };
    if let Some(account) = options.model.account
        && is_readable()
    {
        analysis.account = account(history);
    }
}

/// Judges a history, key by key where the model allows it.
///
/// A history without operations is valid; whether it is enough to go by is not judged here. One with
/// operations that the model does not understand is unknown.
pub fn check(history: &History, options: &Options) -> Analysis {
    let survey = Survey::of(history, options.model);
    if !survey.only_known
        && let Some(kind) = options.model.stranger(history)
    {
        return Analysis::undecided(history, options, options.model.lacks(kind));
    }
    let keys = keys(history, options.model, &survey);
    let mut analysis = Analysis::empty(history.operations.len(), options.model, options.initial());
    analysis.keys = keys.len();
    let decisions = decide_all(history, &keys, options, &survey);
    for ((key, _), (decision, algorithm)) in keys.into_iter().zip(decisions) {
        analysis.add(key, decision, algorithm);
    }
    analysis
}

/// The operations to be judged together; all of them, under no key, where the model judges its keys together.
fn keys(history: &History, model: &Entry, survey: &Survey) -> Vec<(Key, Vec<usize>)> {
    let all = || (0..history.operations.len()).collect();
    match history.operations.first() {
        _ if !model.per_key => vec![(Key::Nil, all())],
        Some(first) if survey.one_key => vec![(first.op.key().clone(), all())],
        _ => partition(history).into_iter().collect(),
    }
}

/// Judges the keys in parallel, and in slices ([`slices`]).
fn decide_all(
    history: &History,
    keys: &[(Key, Vec<usize>)],
    options: &Options,
    survey: &Survey,
) -> Vec<(Decision, Algorithm)> {
    let settled = Arc::new(AtomicBool::new(false));
    let mut options = options.clone();
    if options.early_stop {
        options.limits.stop.push(settled.clone());
    }
    let judge = |(_, indices): &(Key, Vec<usize>), limits: &Limits| {
        let (decision, algorithm) = if survey.in_time {
            decide(history, indices, &options, limits)
        } else {
            let options = Options {
                limits: limits.clone(),
                ..options.clone()
            };
            check_key(history, indices, &options)
        };
        let decision = match decision {
            Decision::Invalid(_) => {
                settled.store(true, Ordering::Relaxed);
                decision
            }
            Decision::Valid(_) if !options.keep_orders => Decision::Valid(Vec::new()),
            Decision::Valid(_) | Decision::Unknown(_) => decision,
        };
        (decision, algorithm)
    };
    slices::judge(keys, &options.limits, options.early_stop, judge)
}

/// Judges the operations `indices` of `history`, which must all address one object and be of the kinds that
/// the model understands, and tells which algorithm did.
///
/// # Panics
/// If an index is not one of the history's.
pub fn check_key(history: &History, indices: &[usize], options: &Options) -> (Decision, Algorithm) {
    for &index in indices {
        let operation = &history.operations[index];
        if finish(operation) <= operation.invoked {
            let why = format!("operation {index} of the history ends before it begins");
            return (Decision::unknown(why), Algorithm::NONE);
        }
    }
    decide(history, indices, options, &options.limits)
}

/// Judges operations that are of kinds that the model understands.
fn decide(history: &History, indices: &[usize], options: &Options, limits: &Limits) -> (Decision, Algorithm) {
    if options.model.readable.is_some() {
        let operations = indices.iter().map(|&index| &history.operations[index]);
        if let Some(why) = operations
            .into_iter()
            .find_map(|operation| options.model.refusal(operation, history.times))
        {
            return (Decision::unknown(why), Algorithm::NONE);
        }
    }
    let model = options.model;
    let (decision, by) = (model.decide)(history, indices, &options.initial(), limits);
    debug_assert!(
        model.ways.contains(&by) || by == Algorithm::NONE || (by == Algorithm::COMPONENTS && !model.per_key),
        "{model:?} decides by {by}, which its ways do not name"
    );
    (decision, by)
}

impl Analysis {
    /// The analysis of a history that cannot be judged at all, and why.
    pub fn undecided(history: &History, options: &Options, why: String) -> Analysis {
        let mut analysis = Analysis::empty(history.operations.len(), options.model, options.initial());
        analysis.add(Key::Nil, Decision::unknown(why), Algorithm::NONE);
        analysis
    }
}
