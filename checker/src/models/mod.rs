//! The models that come with perjury: one file each, one list ([`MODELS`]).
//!
//! Invariant: an entry decides any history whose operations it names, and says `unknown` rather than something wrong.

mod register;

use std::collections::BTreeSet;

use history::{History, OpKind, Value};

use crate::model::{Calls, Recorded};
use crate::search::{Searched, search};
use crate::verdict::{Algorithm, Conflict, Decision};
use crate::{Options, sentences, validate};

pub use register::{Register, RegisterOp};

/// One line of the list of models.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// The operations that it understands.
    pub operations: &'static [OpKind],
    /// Whether every key is an object of its own, judged by itself. Linearizability allows it (Herlihy and Wing 1990,
    /// theorem 1) where no operation addresses two keys.
    pub per_key: bool,
    /// What an object holds at first, where the user names nothing else.
    pub initial: fn() -> Value,
    /// Judges the operations at these indices, which address one object.
    pub decide: fn(&History, &[usize], &Options) -> (Decision, Algorithm),
}

/// Every model.
pub static MODELS: &[Entry] = &[register::CAS_REGISTER, register::REGISTER];

/// The model of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    MODELS.iter().find(|entry| entry.name == name)
}

/// The model that the operations of a history suggest, if one does: the first of the list that understands them all.
pub fn guess(history: &History) -> Option<&'static Entry> {
    MODELS.iter().find(|entry| entry.stranger(history).is_none())
}

impl Entry {
    /// A kind of operation in the history that this model does not understand.
    pub fn stranger(&self, history: &History) -> Option<OpKind> {
        let kinds: BTreeSet<OpKind> = history
            .operations
            .iter()
            .map(|operation| operation.op.kind())
            .collect();
        kinds.into_iter().find(|kind| !self.operations.contains(kind))
    }
}

impl PartialEq for Entry {
    fn eq(&self, other: &Entry) -> bool {
        self.name == other.name
    }
}

impl Eq for Entry {}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Entry({})", self.name)
    }
}

/// Judges by the search, and re-checks what it says.
pub(crate) fn by_search<M: Recorded>(
    model: &M,
    history: &History,
    indices: &[usize],
    options: &Options,
) -> (Decision, Algorithm) {
    let calls = Calls::read(model, history, indices);
    let found = search(model, &calls.calls, &options.limits);
    (searched(model, history, &calls, found), Algorithm::SEARCH)
}

/// What a search found, in terms of the history, and re-checked.
pub(crate) fn searched<M: Recorded>(
    model: &M,
    history: &History,
    calls: &Calls<M::Op>,
    found: Searched,
) -> Decision {
    let decision = match found {
        Searched::Found(order) => Decision::Valid(calls.to_indices(&order)),
        Searched::Stuck(stuck) => Decision::Invalid(Box::new(sentences::no_order(
            history,
            stuck.map(|number| calls.indices[number]),
        ))),
        Searched::GaveUp(why) => Decision::Unknown(why),
    };
    verified(model, calls, decision)
}

/// Lets pass only what the validators accept.
pub(crate) fn verified<M: Recorded>(model: &M, calls: &Calls<M::Op>, decision: Decision) -> Decision {
    match decision {
        Decision::Valid(order) => {
            match validate::linearization(model, &calls.calls, &calls.numbers(&order)) {
                Ok(()) => Decision::Valid(order),
                Err(why) => Decision::Unknown(format!("internal: the linearization is wrong: {why}")),
            }
        }
        Decision::Invalid(conflict) => match validate::no_order(model, calls, &conflict) {
            Ok(confirmed) => Decision::Invalid(Box::new(Conflict {
                confirmed,
                ..*conflict
            })),
            Err(why) => Decision::Unknown(format!("internal: the conflict is wrong: {why}")),
        },
        Decision::Unknown(why) => Decision::Unknown(why),
    }
}
