//! Histories: events paired into operations, the form in which checkers and reports read them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use thiserror::Error;

use crate::{ErrorClass, Event, EventKind, NemesisOp, NemesisOutcome, Op, Outcome, Process};

/// The completion position of an operation that never ended, or ended with `info`: later than every event.
pub const OPEN: u64 = u64::MAX;

/// One client operation: its invocation and its end.
///
/// x precedes y in real time iff `x.completed < y.invoked`. The two positions count events of the history from 0,
/// so they are distinct and there are no ties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The process that asked.
    pub process: u64,
    /// What it asked.
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
    pub completed_ns: Option<u64>,
    /// The node that it was sent to, by index into the test's list of nodes.
    pub node: Option<u16>,
}

/// One act of the nemesis, with its end if it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NemesisSpan {
    /// What was asked.
    pub op: NemesisOp,
    /// What was done; `None` if the history ends before.
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
    /// Notes, as `(time_ns, note, node, detail)`, in order.
    pub notes: Vec<(u64, String, String, String)>,
    /// The time of the last event, nanoseconds since the run's start.
    pub end_ns: u64,
}

/// Why a sequence of events is not a history.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HistoryError {
    /// A process asked for a second operation before its first one ended, or went on after an `info`.
    #[error("event {position}: process {process} invokes while its previous operation is still open")]
    Overlap {
        /// Position of the event, from 0.
        position: u64,
        /// Who.
        process: Process,
    },
    /// A completion without an invocation.
    #[error("event {position}: process {process} completes an operation that it never invoked")]
    Orphan {
        /// Position of the event, from 0.
        position: u64,
        /// Who.
        process: Process,
    },
}

impl History {
    /// Pairs events into operations.
    ///
    /// # Errors
    /// When a process overlaps itself or completes what it did not invoke.
    pub fn from_events(events: impl IntoIterator<Item = Event>) -> Result<History, HistoryError> {
        let mut history = History::default();
        // The index of each client's last operation; it stays here after an `info`, which retires the process.
        let mut open: HashMap<u64, usize> = HashMap::new();
        let mut acting: Option<usize> = None;
        for (position, event) in (0u64..).zip(events) {
            let Event {
                time_ns,
                process,
                kind,
            } = event;
            history.end_ns = history.end_ns.max(time_ns);
            match (process, kind) {
                (_, EventKind::Note { note, node, detail }) => {
                    history.notes.push((time_ns, note, node, detail));
                }
                (Process::Client(number), EventKind::Invoke { op, node }) => {
                    let index = history.operations.len();
                    match open.entry(number) {
                        Entry::Occupied(_) => return Err(HistoryError::Overlap { position, process }),
                        Entry::Vacant(entry) => entry.insert(index),
                    };
                    history.operations.push(Operation {
                        process: number,
                        op,
                        outcome: Outcome::info(ErrorClass::Aborted, "no completion was recorded"),
                        invoked: position,
                        completed: OPEN,
                        invoked_ns: time_ns,
                        completed_ns: None,
                        node,
                    });
                }
                (Process::Client(number), EventKind::Complete(outcome)) => {
                    let index = *open
                        .get(&number)
                        .ok_or(HistoryError::Orphan { position, process })?;
                    let operation = &mut history.operations[index];
                    if operation.completed_ns.is_some() {
                        return Err(HistoryError::Orphan { position, process });
                    }
                    operation.completed_ns = Some(time_ns);
                    if !outcome.is_info() {
                        operation.completed = position;
                        open.remove(&number);
                    }
                    operation.outcome = outcome;
                }
                (Process::Nemesis, EventKind::NemesisInvoke(op)) => {
                    if acting.is_some() {
                        return Err(HistoryError::Overlap { position, process });
                    }
                    acting = Some(history.nemesis.len());
                    history.nemesis.push(NemesisSpan {
                        op,
                        outcome: None,
                        invoked_ns: time_ns,
                        completed_ns: None,
                    });
                }
                (Process::Nemesis, EventKind::NemesisComplete(outcome)) => {
                    let index = acting.take().ok_or(HistoryError::Orphan { position, process })?;
                    history.nemesis[index].outcome = Some(outcome);
                    history.nemesis[index].completed_ns = Some(time_ns);
                }
                _ => return Err(HistoryError::Orphan { position, process }),
            }
        }
        Ok(history)
    }
}
