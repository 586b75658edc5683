//! Models: what an object does when no one else is there.
//!
//! A model speaks of its own operations ([`Model::Op`]): what was asked together with what was answered.
//! Users bring their own; the built-in ones ([`crate::objects`]) also know how to read theirs out of a
//! history ([`Recorded`]).

use std::fmt::Debug;
use std::hash::Hash;

use history::{Answer, History, OPEN, Operation, Outcome, Value};

/// What an operation can do to the state. A model that does not know says [`Effect::Change`]: the search is
/// then right all the same, only slower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It leaves the state unchanged in *every* state in which it is legal.
    ///
    /// A write of the value that a register already holds is not of this kind: it may be needed later, after
    /// another write.
    Pure,
    /// It may change the state.
    Change,
    /// It is legal in every state, and the state after it does not depend on the state before: a write to a
    /// register.
    Overwrite,
}

/// A sequential object.
///
/// ```
/// use checker::model::Model;
///
/// /// A light switch that answers with the light's new state.
/// struct Switch;
///
/// impl Model for Switch {
///     type Op = bool;
///     type State = bool;
///
///     fn init(&self) -> bool {
///         false
///     }
///
///     fn apply(&self, is_on: &mut bool, answer: &bool) -> bool {
///         std::mem::replace(is_on, *answer) != *answer
///     }
/// }
/// ```
pub trait Model {
    /// An operation: what was asked, and the answer where there is one. Operations that are equal are
    /// interchangeable.
    type Op: Clone + Eq + Hash + Debug;
    /// What the object holds.
    type State: Clone + Eq + Hash + Debug;

    /// Whether the search asks of every operation that may change something whether it changes the state at
    /// hand, which makes branching where it does not needless. Worth its while where states are small, and
    /// operations often leave them as they are.
    const LOOPS: bool = false;

    /// What it holds at first.
    fn init(&self) -> Self::State;

    /// Does `op` to `state`. Returns false if the operation is impossible there, or if its answer would be
    /// another one; what is then left in `state` has no meaning.
    fn apply(&self, state: &mut Self::State, op: &Self::Op) -> bool;

    /// What it holds after `op`, or `None` where [`Model::apply`] returns false.
    fn step(&self, state: &Self::State, op: &Self::Op) -> Option<Self::State> {
        let mut next = state.clone();
        self.apply(&mut next, op).then_some(next)
    }

    /// Whether `op` can lead to more states than one. Then [`Model::steps`] lists them, and [`Model::apply`]
    /// may choose any.
    fn branches(&self, _op: &Self::Op) -> bool {
        false
    }

    /// All states that `op` can lead to.
    fn steps(&self, state: &Self::State, op: &Self::Op, next: &mut Vec<Self::State>) {
        next.extend(self.step(state, op));
    }

    /// What `op` can do, in any state.
    fn effect(&self, _op: &Self::Op) -> Effect {
        Effect::Change
    }

    /// About how many bytes a state takes beside its own size, on the heap: the search's limit of memory
    /// counts them.
    fn heap_bytes(&self, _state: &Self::State) -> usize {
        0
    }

    /// The state as the end of a sentence, such as "the value is 3"; `None` where that would be too long.
    fn describe(&self, _state: &Self::State) -> Option<String> {
        None
    }
}

/// One operation of a model in time.
///
/// x precedes y iff `x.finish < y.start`. A `finish` of [`OPEN`] means that the outcome is unknown: it may
/// have happened at any time after `start`, or never.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call<O> {
    /// What was done.
    pub op: O,
    /// When it was invoked: any number that grows with time. No two invocations or completions share one, so
    /// each call ends later than it begins; [`crate::engine::search::search`] judges none that does not.
    pub start: u64,
    /// When it completed, on the same scale; [`OPEN`] if no one knows.
    pub finish: u64,
}

/// About how many bytes the nodes of a B-tree of `entries` entries of type `T` take: half full, as growing
/// leaves them.
pub(crate) fn tree_bytes<T>(entries: usize) -> usize {
    const ENTRIES_OF_A_NODE: usize = 11;
    /// Links, counts, and what the allocator adds.
    const OVERHEAD: usize = 32;
    match entries {
        0 => 0,
        _ => (1 + entries / 6) * (ENTRIES_OF_A_NODE * size_of::<T>() + OVERHEAD),
    }
}

/// About how many bytes an array on the heap takes, with what the allocator adds.
pub(crate) fn array_bytes<T>(capacity: usize) -> usize {
    match capacity {
        0 => 0,
        _ => capacity * size_of::<T>() + 16,
    }
}

impl<O> Call<O> {
    /// A call that was invoked at `start` and completed at `finish`, which must be later.
    pub fn new(op: O, start: u64, finish: u64) -> Self {
        Call { op, start, finish }
    }

    /// A call of unknown outcome: it may have happened at any time after `start`, or never.
    pub fn open(op: O, start: u64) -> Self {
        Call::new(op, start, OPEN)
    }
}

/// A model whose operations can be read out of a history.
pub trait Recorded: Model {
    /// The operation that was recorded; `None` if it had no effect and tells nothing, such as a failed write
    /// or a read without an answer. It is only asked for operations of the kinds that its list entry names.
    fn op(&self, operation: &Operation) -> Option<Self::Op>;
}

/// Operations read out of a history, with where they stand there.
#[derive(Clone, Debug)]
pub struct Calls<O> {
    /// The operations that take part.
    pub calls: Vec<Call<O>>,
    /// For each call its index into [`History::operations`], ascending if the indices asked for were.
    pub indices: Vec<usize>,
}

impl<O> Calls<O> {
    /// Reads the operations `indices` of `history`.
    ///
    /// # Panics
    /// If an index is not one of the history's.
    pub fn read<M: Recorded<Op = O>>(model: &M, history: &History, indices: &[usize]) -> Self {
        let mut read = Calls {
            calls: Vec::with_capacity(indices.len()),
            indices: Vec::with_capacity(indices.len()),
        };
        for &index in indices {
            let operation = &history.operations[index];
            if let Some(op) = model.op(operation) {
                read.calls.push(Call {
                    op,
                    start: operation.invoked,
                    finish: finish(operation),
                });
                read.indices.push(index);
            }
        }
        read
    }

    /// What the object is after these calls, in words, if there is one thing that it must be.
    pub(crate) fn state_after<M: Recorded<Op = O>>(&self, model: &M, prefix: &[usize]) -> Option<String> {
        let (mut states, mut next) = (vec![model.init()], Vec::new());
        for &number in prefix {
            for state in states.drain(..) {
                model.steps(&state, &self.calls.get(number)?.op, &mut next);
            }
            std::mem::swap(&mut states, &mut next);
            states.dedup();
            // Many are not worth following: no one could be told about them.
            if states.len() > 16 {
                return None;
            }
        }
        match states.as_slice() {
            [state] => model.describe(state),
            _ => None,
        }
    }

    /// The numbers of the calls at these indices into the history; those that take no part are left out.
    pub fn numbers(&self, indices: &[usize]) -> Vec<usize> {
        let number = |index: &usize| self.indices.binary_search(index).ok();
        indices.iter().filter_map(number).collect()
    }

    /// The indices into the history of these calls.
    pub fn to_indices(&self, numbers: &[usize]) -> Vec<usize> {
        numbers.iter().map(|&number| self.indices[number]).collect()
    }
}

/// Where an operation ends for judging: an `info` never does, whatever position it carries.
pub(crate) fn finish(operation: &Operation) -> u64 {
    match operation.outcome {
        Outcome::Info(_) => OPEN,
        Outcome::Ok(_) | Outcome::Fail(_) => operation.completed,
    }
}

/// The values of a list in their order; nil is the empty one. A set has no order.
pub(crate) fn in_order(value: &Value) -> Option<&[Value]> {
    match value {
        Value::Nil => Some(&[]),
        Value::List(values) => Some(values),
        _ => None,
    }
}

/// Whether it is an integer, of whatever size.
pub(crate) fn is_integer(value: &Value) -> bool {
    match value {
        Value::Int(_) => true,
        Value::Form(form) => {
            let digits = form.strip_prefix('-').unwrap_or(form);
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        }
        _ => false,
    }
}

/// What an operation that happened answered, if it did.
pub(crate) fn answer(operation: &Operation) -> Option<&Value> {
    match &operation.outcome {
        Outcome::Ok(Answer { value }) => value.as_ref(),
        Outcome::Fail(_) | Outcome::Info(_) => None,
    }
}
