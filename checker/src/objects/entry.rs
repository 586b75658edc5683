//! What the list of objects says of each: its name, what it understands, and who judges it.

use std::collections::{BTreeMap, BTreeSet};

use history::{History, OpKind, Operation, Times, Value, tell};

use crate::consistency::{self, Findings};
use crate::engine::search::Limits;
use crate::model::answer;
use crate::monitor::{MakeMonitor, Monitor};
use crate::objects::guess::Seen;
use crate::verdict::{Algorithm, Decision};

/// Whether a model can make sense of an operation's values, else what it expects.
pub type Readable = fn(&Operation) -> Result<(), &'static str>;

/// Says what a history that is not linearizable still is.
pub type Weaken = fn(&History, &Value, &consistency::Limits) -> Result<Findings, String>;

/// One line of the list of models.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for people.
    pub about: &'static str,
    /// What a valid history is, as an adjective: `linearizable` but where the model asks for more or less
    /// than that.
    pub promise: &'static str,
    /// The operations that it understands.
    pub operations: &'static [OpKind],
    /// Whether every key is an object of its own, judged by itself. Linearizability allows it (Herlihy and
    /// Wing 1990, theorem 1) where no operation addresses two keys.
    pub per_key: bool,
    /// Whether a history of its operations looks like its own, to tell it from models with the same
    /// operations.
    pub suits: fn(&Seen) -> bool,
    /// What an object holds at first, where the user names nothing else.
    pub initial: fn() -> Value,
    /// Whether an object can begin with this value, else what it begins with, such as "a counter begins with
    /// an integer".
    pub initial_is: fn(&Value) -> Result<(), String>,
    /// Whether it matters which process did what.
    pub owned: bool,
    /// Whether it can make sense of an operation's values; nothing to ask where it always can.
    pub readable: Option<Readable>,
    /// Says what an invalid history still is.
    pub weaken: Weaken,
    /// Tells what became of what was written, for models that have more to tell than a verdict.
    pub account: Option<fn(&History) -> Vec<String>>,
    /// Watches one object while a run goes on.
    pub(crate) monitor: MakeMonitor,
    /// The algorithms by which [`Entry::decide`] may decide, in the order in which it tries them.
    pub ways: &'static [Algorithm],
    /// Judges the operations at these indices, which address one object and are readable, by the first of
    /// [`Entry::ways`] that can, and says by which.
    pub(crate) decide: fn(&History, &[usize], &Value, &Limits) -> (Decision, Algorithm),
}

impl Entry {
    /// Why it cannot judge an operation, if it cannot.
    pub(crate) fn refusal(&self, operation: &Operation, times: Times) -> Option<String> {
        let kind = operation.op.kind();
        if !self.operations.contains(&kind) {
            return Some(self.lacks(kind));
        }
        let expected = self.readable?(operation).err()?;
        Some(format!(
            "{expected} is expected, not {}",
            tell::long(operation, times)
        ))
    }

    /// That it can make nothing of the answers of a kind of operation: the history is another object's.
    /// `None` if it can judge at least one of each kind that it cannot always judge.
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
        self.refusal(operation, history.times)
    }

    /// Whether it promises that one order of all operations explains the answers.
    pub fn promises_order(&self) -> bool {
        // No order is found without the search, and nothing else needs it.
        self.ways.contains(&Algorithm::SEARCH)
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

/// For models whose histories are nothing less where they are not what is promised.
pub(crate) fn promises_no_order(_: &History, _: &Value, _: &consistency::Limits) -> Result<Findings, String> {
    Err("it promises no order".to_owned())
}

/// For models that judge no history before its end.
pub(crate) fn judged_at_the_end(_: &Value, _: &Limits) -> Result<Box<dyn Monitor>, String> {
    Err("it is judged when all has been read".to_owned())
}

/// Accepts nothing but nil as what an object begins with.
pub(crate) fn only_nil(initial: &Value, begins: &str) -> Result<(), String> {
    match initial.is_nil() {
        true => Ok(()),
        false => Err(begins.to_owned()),
    }
}
