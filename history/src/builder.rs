//! Pairs events into operations, one event at a time.
//!
//! Invariants:
//! - A process has at most one operation at a time, and none after an `info`.
//! - Positions are those of the events, counted from 0. An operation's `completed` is the position of its
//!   `ok` or `fail`, and [`OPEN`] if it has neither.

use rustc_hash::FxHashMap;
use thiserror::Error;

use crate::{Event, EventKind, History, NemesisSpan, Ns, OPEN, Operation, Outcome, Process};

/// Why a sequence of events is not a history.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum HistoryError {
    /// A process invoked a second operation before its first one ended, or continued after an `info`.
    #[error("event {position}: process {process} invokes while its previous operation is still open")]
    Overlap {
        /// Position of the event, from 0.
        position: u64,
        /// The process.
        process: Process,
    },
    /// A completion without an invocation.
    #[error("event {position}: process {process} completes an operation that it never invoked")]
    Orphan {
        /// Position of the event, from 0.
        position: u64,
        /// The process.
        process: Process,
    },
    /// A process number that does not fit into 32 bits.
    #[error("event {position}: the process number {process} is too large")]
    Number {
        /// Position of the event, from 0.
        position: u64,
        /// The process.
        process: Process,
    },
}

/// A history that grows event by event.
#[derive(Debug, Default)]
pub struct HistoryBuilder {
    history: History,
    /// The index of each client's open operation, and whether an `info` has retired the client.
    open: FxHashMap<u64, (usize, bool)>,
    /// The index of the nemesis' open span.
    acting: Option<usize>,
    position: u64,
}

impl History {
    /// Pairs events into operations.
    ///
    /// # Errors
    /// When a process overlaps itself or completes what it did not invoke.
    pub fn from_events(events: impl IntoIterator<Item = Event>) -> Result<History, HistoryError> {
        let mut builder = HistoryBuilder::new();
        for event in events {
            builder.push(event)?;
        }
        Ok(builder.finish())
    }
}

impl HistoryBuilder {
    /// A history without events.
    pub fn new() -> Self {
        Self::default()
    }

    /// How many events it has taken, which is the position of the next one.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Takes the next position for something that is no event, so that it has a place of its own among them.
    pub(crate) fn take_position(&mut self) -> u64 {
        self.position += 1;
        self.position - 1
    }

    /// Takes the next event.
    ///
    /// # Errors
    /// When a process overlaps itself or completes what it did not invoke. The builder must not be used after
    /// that.
    pub fn push(&mut self, event: Event) -> Result<(), HistoryError> {
        let Event {
            time_ns,
            process,
            kind,
        } = event;
        let position = self.position;
        self.position += 1;
        self.history.end_ns = self.history.end_ns.max(time_ns);
        match (process, kind) {
            (_, EventKind::Note(note)) => self.history.notes.push((time_ns, *note)),
            (Process::Client(number), EventKind::Invoke { op, node }) => {
                let index = self.history.operations.len();
                let small = u32::try_from(number).map_err(|_| HistoryError::Number { position, process })?;
                if self.open.insert(number, (index, false)).is_some() {
                    return Err(HistoryError::Overlap { position, process });
                }
                self.history.operations.push(Operation {
                    process: small,
                    op,
                    outcome: Outcome::unrecorded(),
                    invoked: position,
                    completed: OPEN,
                    invoked_ns: time_ns,
                    completed_ns: None,
                    node,
                });
            }
            (Process::Client(number), EventKind::Complete(outcome)) => {
                let index = match self.open.get_mut(&number) {
                    Some((index, retired @ false)) => {
                        *retired = true;
                        *index
                    }
                    _ => return Err(HistoryError::Orphan { position, process }),
                };
                let operation = &mut self.history.operations[index];
                operation.completed_ns = Some(Ns::new(time_ns));
                if !outcome.is_info() {
                    operation.completed = position;
                    self.open.remove(&number);
                }
                operation.outcome = outcome;
            }
            (Process::Nemesis, EventKind::NemesisInvoke(op)) => {
                if self.acting.is_some() {
                    return Err(HistoryError::Overlap { position, process });
                }
                self.acting = Some(self.history.nemesis.len());
                self.history.nemesis.push(NemesisSpan {
                    op,
                    outcome: None,
                    invoked_ns: time_ns,
                    completed_ns: None,
                });
            }
            (Process::Nemesis, EventKind::NemesisComplete(outcome)) => {
                let index = self
                    .acting
                    .take()
                    .ok_or(HistoryError::Orphan { position, process })?;
                self.history.nemesis[index].outcome = Some(*outcome);
                self.history.nemesis[index].completed_ns = Some(time_ns);
            }
            _ => return Err(HistoryError::Orphan { position, process }),
        }
        Ok(())
    }

    /// The history so far. What is still open stays open.
    pub fn finish(self) -> History {
        self.history
    }

    /// The index of the operation that `process` has open, unless an `info` has ended it.
    pub(crate) fn open_index(&self, process: u64) -> Option<usize> {
        match self.open.get(&process) {
            Some((index, false)) => Some(*index),
            _ => None,
        }
    }

    /// Whether an `info` has retired `process`.
    pub(crate) fn is_retired(&self, process: u64) -> bool {
        matches!(self.open.get(&process), Some((_, true)))
    }

    /// The history so far, so that readers of other formats can add what is not an event.
    pub(crate) fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }
}
