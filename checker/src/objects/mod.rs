//! The objects that can be judged: a folder each, one list ([`MODELS`]).
//!
//! Invariant: an entry decides any history whose operations it names, and says `unknown` rather than something wrong.

mod counter;
mod guess;
mod ids;
mod list;
mod locks;
mod multi;
mod queue;
pub(crate) mod register;
mod set;
mod text;
mod versioned;
mod watch;

use std::collections::{BTreeMap, BTreeSet};

use history::{Answer, History, OpKind, Operation, Outcome, Value, tell};

use crate::consistency::{self, Still};
use crate::engine::search::{Limits, Searched, search};
use crate::engine::validate;
use crate::model::{Calls, Recorded};
use crate::stream::MakeWatch;
use crate::verdict::{Algorithm, Conflict, Decision};
use crate::{Options, sentences};

pub use counter::{Counter, CounterOp};
pub use guess::Seen;
pub use ids::{UniqueIds, UniqueIdsOp};
pub use list::{AppendedList, ListAppend, ListMicro};
pub use locks::{
    FencedLock, FencedLockOp, FencedLockState, Lease, LeaseOp, LeaseState, Lock, LockOp, Mutex, MutexOp,
};
pub use multi::{MultiRegister, RegisterMicro};
pub use queue::{FifoQueue, QueueOp, UnorderedQueue};
pub use register::{Register, RegisterOp};
pub use set::{ElementFate, Fate, Set, SetFull, SetOp, set_full};
pub use text::{KvAppend, KvAppendOp};
pub use versioned::{VersionedRegister, VersionedRegisterOp, VersionedRegisterState};
pub use watch::{Watched, WatchedOp, WatchedState};

/// Whether a model can make sense of an operation's values, else what it expects.
pub type Readable = fn(&Operation) -> Result<(), &'static str>;

/// Says what a history that is not linearizable still is.
pub type Weaken = fn(&History, &Value, &consistency::Limits) -> Result<Still, String>;

/// One line of the list of models.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// What a valid history is, as an adjective: `linearizable` but where the model asks for more or less than that.
    pub promise: &'static str,
    /// The operations that it understands.
    pub operations: &'static [OpKind],
    /// Whether every key is an object of its own, judged by itself. Linearizability allows it (Herlihy and Wing 1990,
    /// theorem 1) where no operation addresses two keys.
    pub per_key: bool,
    /// Whether a history of its operations looks like its own, to tell it from models with the same operations.
    pub suits: fn(&Seen) -> bool,
    /// What an object holds at first, where the user names nothing else.
    pub initial: fn() -> Value,
    /// Whether it can make sense of an operation's values; nothing to ask where it always can.
    pub readable: Option<Readable>,
    /// Says what an invalid history still is.
    pub weaken: Weaken,
    /// Tells what became of what was written, for models that have more to tell than a verdict.
    pub account: Option<fn(&History) -> Vec<String>>,
    /// Watches one object while a run goes on.
    pub(crate) watch: MakeWatch,
    /// Judges the operations at these indices, which address one object and are readable.
    pub(crate) decide: fn(&History, &[usize], &Options) -> (Decision, Algorithm),
}

/// Every model. The order matters for [`guess`]; the first one is the default.
pub static MODELS: &[Entry] = &[
    register::CAS_REGISTER,
    register::REGISTER,
    versioned::ENTRY,
    list::ENTRY,
    multi::ENTRY,
    text::ENTRY,
    locks::fenced::ENTRY,
    locks::mutex::ENTRY,
    locks::lock::ENTRY,
    locks::lease::ENTRY,
    set::ENTRY,
    counter::ENTRY,
    queue::unordered::ENTRY,
    queue::fifo::ENTRY,
    ids::ENTRY,
    watch::ENTRY,
];

/// The model of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    MODELS.iter().find(|entry| entry.name == name)
}

/// The model that a history suggests, if one does: the first of the list that understands all its operations and
/// finds its values in what was written and answered. Where two fit, the one that promises less.
pub fn guess(history: &History) -> Option<&'static Entry> {
    let seen = Seen::new(history);
    MODELS
        .iter()
        .find(|entry| entry.stranger(history).is_none() && (entry.suits)(&seen))
}

/// What every object of a history held at first, if it is one of `entry`'s and the user names nothing else: the model's
/// own idea of it, or nil where transactions saw nil, which nobody wrote, and nothing tells for that idea. (Knossos'
/// registers begin with 0, Elle's with nil.)
pub fn guess_initial(entry: &Entry, history: &History) -> Value {
    let initial = (entry.initial)();
    let of_several_registers = entry.name == multi::ENTRY.name;
    match of_several_registers && multi::began_with_nil(history, &initial) {
        true => Value::Nil,
        false => initial,
    }
}

impl Entry {
    /// Why it cannot judge an operation, if it cannot.
    pub(crate) fn refusal(&self, operation: &Operation) -> Option<String> {
        let kind = operation.op.kind();
        if !self.operations.contains(&kind) {
            return Some(self.lacks(kind));
        }
        let expected = self.readable?(operation).err()?;
        Some(format!("{expected} is expected, not {}", tell::long(operation)))
    }

    /// Whether its objects can begin with this value, else what they begin with.
    ///
    /// # Errors
    /// What they begin with, such as "a counter begins with an integer".
    pub fn accepts_initial(&self, initial: &Value) -> Result<(), String> {
        if *initial == (self.initial)() {
            return Ok(());
        }
        let name = self.name;
        let begins = match name {
            "set" if set::elements(initial).is_none() => "a set begins with a list of elements".to_owned(),
            "mutex" | "lock" | "fenced-lock" | "lease" => format!("a {name} begins free: nil"),
            "watch" => "what is watched begins unwritten: nil".to_owned(),
            "unique-ids" => format!("{name} begin with none given out: nil"),
            _ => return (self.watch)(initial, &Limits::default()).map(drop),
        };
        Err(begins)
    }

    /// That it can make nothing of the answers of a kind of operation: the history is another object's. `None` if it can
    /// judge at least one of each kind that it cannot always judge.
    pub fn misfit(&self, history: &History) -> Option<String> {
        let readable = self.readable?;
        let mut fits: BTreeSet<OpKind> = BTreeSet::new();
        let mut first: BTreeMap<OpKind, &Operation> = BTreeMap::new();
        for operation in &history.operations {
            let kind = operation.op.kind();
            match readable(operation) {
                // Where there was no answer there was nothing to make sense of.
                Ok(()) if answer(operation).is_some_and(|value| !value.is_nil()) => {
                    fits.insert(kind);
                }
                Ok(()) => {}
                Err(_) => {
                    first.entry(kind).or_insert(operation);
                }
            }
        }
        let (_, operation) = first.into_iter().find(|(kind, _)| !fits.contains(kind))?;
        self.refusal(operation)
    }

    /// That it does not know this kind of operation.
    pub(crate) fn lacks(&self, kind: OpKind) -> String {
        format!("the model {} has no {kind}", self.name)
    }

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

/// What an operation that happened answered, if it did.
pub(crate) fn answer(operation: &Operation) -> Option<&Value> {
    match &operation.outcome {
        Outcome::Ok(Answer { value }) => value.as_ref(),
        Outcome::Fail(_) | Outcome::Info(_) => None,
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
        Searched::Stuck(stuck) => {
            let state = calls.state_after(model, &stuck.prefix);
            let stuck = stuck.map(|number| calls.indices[number]);
            Decision::Invalid(Box::new(sentences::no_order(history, stuck, state)))
        }
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
