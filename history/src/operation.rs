//! Histories: events paired into operations, the form in which checkers and reports read them.

use std::fmt;
use std::num::NonZeroU64;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::{Hold, Key, NemesisOp, NemesisOutcome, Note, Op, Outcome, Value};

/// The completion position of an operation that never ended, or ended with `info`: later than every event.
pub const OPEN: u64 = u64::MAX;

/// One client operation: its invocation and its end.
///
/// x precedes y in real time iff `x.completed < y.invoked`. The two positions count events of the history
/// from 0, so they are distinct and there are no ties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The process that invoked it.
    pub process: u32,
    /// What was invoked.
    pub op: Op,
    /// How it ended. An operation without a completion event has an `info`.
    pub outcome: Outcome,
    /// Position of the invocation.
    pub invoked: u64,
    /// Position of the completion; [`OPEN`] iff the outcome is `info`.
    pub completed: u64,
    /// Time of the invocation, nanoseconds since the run's start.
    pub invoked_ns: u64,
    /// Time of the completion event. For an `info` the time at which the client gave up, if it did:
    /// good for drawing, never for judging.
    pub completed_ns: Option<Ns>,
    /// The node that it was sent to, by index into the test's list of nodes.
    pub node: Option<u16>,
}

/// A time in nanoseconds whose `Option` takes no extra memory, because histories hold millions.
///
/// The last of the 2^64 times is stored as the one before it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ns(NonZeroU64);

/// One act of the nemesis, with its end if it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NemesisSpan {
    /// What was requested.
    pub op: NemesisOp,
    /// What was done; `None` if the history ends before that is known.
    pub outcome: Option<NemesisOutcome>,
    /// Time of the invocation, nanoseconds since the run's start.
    pub invoked_ns: u64,
    /// Time of the completion.
    pub completed_ns: Option<u64>,
}

/// All that happened in a run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Client operations, in the order of their invocations.
    pub operations: Vec<Operation>,
    /// Acts of the nemesis, in the order of their invocations.
    pub nemesis: Vec<NemesisSpan>,
    /// Notes with their times, nanoseconds since the run's start, in order.
    pub notes: Vec<(u64, Note)>,
    /// The time of the last event, nanoseconds since the run's start.
    pub end_ns: u64,
    /// What the times of all these are.
    pub times: Times,
    /// A reader gave processes new numbers because they continued after an `info`: which process did what is
    /// uncertain.
    pub is_renumbered: bool,
    /// The positions of the invocations of reads that are the last, made once the store has had the time to
    /// settle: who recorded the history says so.
    pub final_reads: FxHashSet<u64>,
    /// Why another reading of what was recorded may be the right one; nothing that is wrong by this one is
    /// certain.
    pub doubts: Vec<Doubt>,
}

/// What the times of a history are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Times {
    /// Nanoseconds since the start of the run.
    #[default]
    Recorded,
    /// None were recorded: the first event stands at 0, and each later one [`Times::EVENT_NS`] after the one
    /// before.
    Places,
}

impl Times {
    /// How far apart events stand whose times are not known, nanoseconds.
    pub const EVENT_NS: u64 = 1_000_000;

    /// The place of an event among all, from 1, whose time is not known.
    pub fn place(time_ns: u64) -> u64 {
        time_ns / Times::EVENT_NS + 1
    }
}

/// What a record leaves open that decides what happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Doubt {
    /// Something was taken out of queues of which no operation tells: by drains that did not end.
    UnknownTaken,
    /// Operations of locks name something: the locks, or something else.
    UnknownLocks,
    /// Some operations that may have changed something do not say what they asked for.
    UnknownAsked,
    /// Values are pairs: of a key and a value, or of something else.
    UnknownKeys,
}

impl NemesisSpan {
    /// Whether it was not tried.
    pub fn is_skipped(&self) -> bool {
        matches!(
            &self.outcome,
            Some(NemesisOutcome {
                hold: Hold::Skipped(_),
                ..
            })
        )
    }
}

impl Ns {
    /// The time `ns`.
    pub fn new(ns: u64) -> Self {
        Ns(NonZeroU64::MIN.saturating_add(ns))
    }

    /// Nanoseconds since the run's start.
    pub fn get(self) -> u64 {
        self.0.get() - 1
    }
}

impl From<u64> for Ns {
    fn from(ns: u64) -> Self {
        Ns::new(ns)
    }
}

impl From<Ns> for u64 {
    fn from(ns: Ns) -> Self {
        ns.get()
    }
}

impl fmt::Debug for Ns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.get().fmt(f)
    }
}

impl History {
    /// Turns each read that returned nil into a read without a value, which claims nothing; returns how many.
    ///
    /// For registers that can never hold nil (their initial value is another and no process writes nil): a
    /// nil that was recorded there means "unknown". Knossos reads every nil so (`knossos.model`: "nil reads
    /// are always legal"); perjury's readers keep nil, because a register that starts with nil can lose a
    /// write and show it. In transactions, nil cannot be distinguished from no claim, so they stay as they
    /// are.
    pub fn forget_nil_reads(&mut self) -> u64 {
        let mut forgotten = 0;
        for operation in &mut self.operations {
            if let (Op::Read { .. }, Outcome::Ok(answer)) = (&operation.op, &mut operation.outcome)
                && answer.value == Some(Value::Nil)
            {
                answer.value = None;
                forgotten += 1;
            }
        }
        forgotten
    }

    /// Takes the last read of each process and key for one that was made once the store had had the time to
    /// settle, if nothing else followed it.
    pub fn take_last_reads_for_final(&mut self) {
        let mut last: FxHashMap<(u32, &Key), &Operation> = FxHashMap::default();
        for operation in &self.operations {
            let place = last
                .entry((operation.process, operation.op.key()))
                .or_insert(operation);
            if place.invoked < operation.invoked {
                *place = operation;
            }
        }
        let reads = last
            .into_values()
            .filter(|operation| matches!(operation.op, Op::Read { .. }));
        self.final_reads = reads.map(|operation| operation.invoked).collect();
    }
}
