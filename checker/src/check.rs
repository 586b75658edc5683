//! From a history to its analysis: key by key, in parallel.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use history::{History, Key, Operation, Value};
use rayon::prelude::*;

use crate::analysis::Analysis;
use crate::consistency;
use crate::engine::search::Limits;
use crate::model::finish;
use crate::objects::{self, Entry};
use crate::partition::partition;
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
    /// Whether searches of other keys end as soon as one key is known not to be linearizable. The verdict is settled
    /// then, but how many keys stay undecided is left to chance.
    pub early_stop: bool,
    /// Whether the analysis keeps the orders that show keys to be valid; together they are as long as the history.
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

/// Judges a history as [`check`] does, gives the model's own account of it, and if it is invalid, says what it still is.
pub fn judge(history: &History, options: &Options) -> Analysis {
    let mut analysis = check(history, options);
    explain(history, options, &mut analysis);
    analysis
}

/// Adds what an invalid history still is, and what became of what was written, to what [`check`] found. It takes limits of
/// its own, since it can take far longer than the verdict.
pub fn explain(history: &History, options: &Options, analysis: &mut Analysis) {
    if analysis.verdict == Verdict::Invalid {
        let most = consistency::Limits::default();
        let limits = consistency::Limits {
            cells: most.cells.min(options.limits.memory_bytes / size_of::<u32>()),
            stop: options.limits.stop.clone(),
            ..most
        };
        // Whoever could not read the initial value found nothing invalid.
        analysis.still = (options.model.weaken)(history, &options.initial(), &limits).ok();
    }
    // What the model cannot read it cannot account for.
    let is_readable =
        || (history.operations.iter()).all(|operation| options.model.refusal(operation).is_none());
    if let Some(account) = options.model.account
        && is_readable()
    {
        analysis.account = account(history);
    }
}

/// Judges a history, key by key where the model allows it.
///
/// A history without operations is valid; whether it is enough to go by is not judged here. One with operations that the
/// model does not understand is unknown.
pub fn check(history: &History, options: &Options) -> Analysis {
    let mut analysis = Analysis::empty(history.operations.len(), options.model, options.initial());
    let survey = Survey::of(history, options.model);
    if !survey.only_known
        && let Some(kind) = options.model.stranger(history)
    {
        return Analysis::undecided(history, options, options.model.lacks(kind));
    }
    let all = || (0..history.operations.len()).collect();
    let keys: Vec<(Key, Vec<usize>)> = match history.operations.first() {
        _ if !options.model.per_key => vec![(Key::Nil, all())],
        Some(first) if survey.one_key => vec![(first.op.key().clone(), all())],
        _ => partition(history).into_iter().collect(),
    };
    analysis.keys = keys.len();
    let settled = Arc::new(AtomicBool::new(false));
    let mut options = options.clone();
    if options.early_stop {
        options.limits.stop.push(settled.clone());
    }
    let decisions: Vec<(Decision, Algorithm)> = keys
        .par_iter()
        .map(|(_, indices)| {
            let (decision, algorithm) = if survey.in_time {
                decide(history, indices, &options)
            } else {
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
        })
        .collect();
    for ((key, _), (decision, algorithm)) in keys.into_iter().zip(decisions) {
        analysis.add(key, decision, algorithm);
    }
    analysis
}

/// What one look at all operations tells, so that nobody needs a second one for it.
#[derive(Clone, Copy)]
struct Survey {
    /// The model understands them all.
    only_known: bool,
    /// They address the same object.
    one_key: bool,
    /// Each begins before it ends.
    in_time: bool,
}

impl Survey {
    /// How many operations one thread looks at: where there are fewer, a second thread does not pay.
    const SHARE: usize = 1 << 16;

    fn of(history: &History, model: &Entry) -> Survey {
        let key = history.operations.first().map(|first| first.op.key());
        let nothing = Survey {
            only_known: true,
            one_key: true,
            in_time: true,
        };
        let look = |seen: Survey, x: &Operation| Survey {
            only_known: seen.only_known & model.operations.contains(&x.op.kind()),
            one_key: seen.one_key & (Some(x.op.key()) == key),
            in_time: seen.in_time & (finish(x) > x.invoked),
        };
        let parts = history.operations.par_chunks(Self::SHARE);
        parts
            .map(|part| part.iter().fold(nothing, look))
            .reduce(|| nothing, Survey::and)
    }

    fn and(self, other: Survey) -> Survey {
        Survey {
            only_known: self.only_known && other.only_known,
            one_key: self.one_key && other.one_key,
            in_time: self.in_time && other.in_time,
        }
    }
}

/// Judges the operations `indices` of `history`, which must all address one object and be of the kinds that the model
/// understands, and tells which algorithm did.
///
/// # Panics
/// If an index is not one of the history's.
pub fn check_key(history: &History, indices: &[usize], options: &Options) -> (Decision, Algorithm) {
    for &index in indices {
        let operation = &history.operations[index];
        if finish(operation) <= operation.invoked {
            let why = format!("operation {index} of the history ends before it begins");
            return (Decision::Unknown(why), Algorithm::NONE);
        }
    }
    decide(history, indices, options)
}

/// Judges operations that are of kinds that the model understands.
fn decide(history: &History, indices: &[usize], options: &Options) -> (Decision, Algorithm) {
    if options.model.readable.is_some() {
        let operations = indices.iter().map(|&index| &history.operations[index]);
        if let Some(why) = operations
            .into_iter()
            .find_map(|operation| options.model.refusal(operation))
        {
            return (Decision::Unknown(why), Algorithm::NONE);
        }
    }
    (options.model.decide)(history, indices, &options.initial(), &options.limits)
}

impl Analysis {
    /// The analysis of a history that cannot be judged at all, and why.
    pub fn undecided(history: &History, options: &Options, why: String) -> Analysis {
        let mut analysis = Analysis::empty(history.operations.len(), options.model, options.initial());
        analysis.add(Key::Nil, Decision::Unknown(why), Algorithm::NONE);
        analysis
    }
}
