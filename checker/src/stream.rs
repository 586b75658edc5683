//! Judging while a run goes on: fed event by event, a [`Stream`] reports the first violation as soon as it
//! shows.
//!
//! ```text
//!                   ┌ key 1: Monitor ── registers whose values are written once: exact, at each completion
//!  events ──► Stream ┤
//!                   └ key 2: Monitor ── everything else: the search's broad pass, stretch by stretch
//! ```
//!
//! Invariants:
//! - What is reported is certain: the events so far have no linearization, and no later event can change
//!   that. What is not reported may still turn out wrong when the whole history is judged ([`crate::check`]):
//!   where the memory would not suffice, possibilities are joined, and a key may be lost from sight
//!   altogether ([`Stream::lost`]).
//! - Memory holds what later events can still speak about: running operations, values that can still be seen,
//!   writes of unknown outcome. It does not grow with the length of the history.
//! - A stream never waits, knows no clock and gives the same answer for the same events.

use std::collections::BTreeSet;
use std::sync::Arc;

use history::{Event, EventKind, HistoryError, Key, Ns, OPEN, Operation, Outcome, Process, Times};
use rustc_hash::FxHashMap;

use crate::check::Options;
use crate::engine::search::Limits;
use crate::monitor::{Found, Monitor, Seen};
use crate::objects::Entry;
use crate::sentence::Sentence;
use crate::verdict::Rule;

pub use crate::engine::frontier::{Frontier, Progress};

/// A violation that showed while events came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// The key.
    pub key: Key,
    /// Which rule was broken.
    pub rule: Rule,
    /// The operations that show it, at most a handful: how many client operations were invoked before each,
    /// which is its index into [`history::History::operations`] when the history is complete.
    pub operations: Vec<usize>,
    /// What was known of each of `operations` by then.
    pub recorded: Vec<Operation>,
    /// Why they contradict each other.
    pub sentence: Sentence,
    /// The position of the event with which it showed, from 0.
    pub position: u64,
}

impl Violation {
    /// Its sentence as text.
    pub fn plain(&self) -> String {
        self.sentence.plain_with(Times::Recorded, |index| {
            let place = self.operations.iter().position(|&other| other == index)?;
            self.recorded.get(place)
        })
    }
}

/// How many operations all monitors may hold together.
const MOST_HELD: usize = 1 << 20;

/// One object, with the invocations of its running operations.
struct Object {
    monitor: Box<dyn Monitor>,
    running: BTreeSet<u64>,
    held: usize,
}

/// Judges events as they come in.
///
/// ```
/// use checker::Options;
/// use checker::stream::Stream;
/// use history::{Event, EventKind, Key, Op, Outcome, Process, Value};
///
/// let event = |time_ns, process, kind| Event { time_ns, process: Process::Client(process), kind };
/// let invoke = |op| EventKind::Invoke { op, node: None };
/// let write = |value| Op::Write { key: Key::Nil, value: Value::Int(value) };
/// let events = [
///     event(1, 0, invoke(write(1))),
///     event(2, 0, EventKind::Complete(Outcome::ok())),
///     event(3, 0, invoke(write(2))),
///     event(4, 0, EventKind::Complete(Outcome::ok())),
///     event(5, 1, invoke(Op::Read { key: Key::Nil })),
///     event(6, 1, EventKind::Complete(Outcome::ok_value(Value::Int(1)))),
/// ];
///
/// let mut stream = Stream::new(&Options::default());
/// for event in &events[..5] {
///     assert!(stream.push(event)?.is_none());
/// }
/// let violation = stream.push(&events[5])?.expect("1 was overwritten before the read began");
/// assert_eq!(violation.position, 5);
/// println!("{}", violation.plain());
/// # Ok::<(), history::HistoryError>(())
/// ```
pub struct Stream {
    entry: &'static Entry,
    initial: history::Value,
    limits: Limits,
    objects: FxHashMap<Key, Option<Object>>,
    running: FxHashMap<u64, Arc<Seen>>,
    position: u64,
    invoked: usize,
    held: usize,
    lost: Vec<(Key, String)>,
    lost_total: usize,
    violation: Option<Violation>,
}

impl Stream {
    /// A stream that judges by these options; limits count for each stretch of events.
    pub fn new(options: &Options) -> Stream {
        Stream {
            entry: options.model,
            initial: options.initial(),
            limits: options.limits.clone(),
            objects: FxHashMap::default(),
            running: FxHashMap::default(),
            position: 0,
            invoked: 0,
            held: 0,
            lost: Vec::new(),
            lost_total: 0,
            violation: None,
        }
    }

    /// Takes the next event; tells the violation once there is one. After that events change nothing any
    /// more.
    ///
    /// # Errors
    /// When a process overlaps itself or completes what it did not invoke.
    pub fn push(&mut self, event: &Event) -> Result<Option<&Violation>, HistoryError> {
        let position = self.position;
        self.position += 1;
        if self.violation.is_some() {
            return Ok(self.violation.as_ref());
        }
        let process = event.process;
        match (process, &event.kind) {
            (Process::Client(number), EventKind::Invoke { op, node }) => {
                let small = u32::try_from(number).map_err(|_| HistoryError::Number { position, process })?;
                let seen = Arc::new(Seen {
                    number: self.invoked,
                    operation: Operation {
                        process: small,
                        op: op.clone(),
                        outcome: Outcome::unrecorded(),
                        invoked: position,
                        completed: OPEN,
                        invoked_ns: event.time_ns,
                        completed_ns: None,
                        node: *node,
                    },
                });
                self.invoked += 1;
                if self.running.insert(number, seen.clone()).is_some() {
                    return Err(HistoryError::Overlap { position, process });
                }
                let entry = self.entry;
                self.with_object(seen.operation.op.key(), position, |object| {
                    understood(entry, &seen)?;
                    object.running.insert(position);
                    object.monitor.invoked(&seen)
                });
            }
            (Process::Client(number), EventKind::Complete(outcome)) => {
                let seen = self
                    .running
                    .remove(&number)
                    .ok_or(HistoryError::Orphan { position, process })?;
                let mut seen = Arc::unwrap_or_clone(seen);
                seen.operation.completed_ns = Some(Ns::new(event.time_ns));
                seen.operation.outcome = outcome.clone();
                if !outcome.is_info() {
                    seen.operation.completed = position;
                }
                self.completed(seen, position);
            }
            _ => {}
        }
        Ok(self.violation.as_ref())
    }

    /// Looks at what was held back: call it when no more events come.
    pub fn finish(&mut self) -> Option<&Violation> {
        let end = self.position;
        let mut running: Vec<Arc<Seen>> = self.running.drain().map(|(_, seen)| seen).collect();
        running.sort_unstable_by_key(|seen| seen.number);
        for seen in running {
            if self.violation.is_none() {
                // It may have happened.
                self.completed(Arc::unwrap_or_clone(seen), end);
            }
        }
        let keys: Vec<Key> = self.objects.keys().cloned().collect();
        for key in keys {
            if self.violation.is_none() {
                self.with_object(&key, end, |object| object.monitor.finish());
            }
        }
        self.violation.as_ref()
    }

    /// The first violation, if there was one.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Keys that are not watched any more, and why: the first of them.
    pub fn lost(&self) -> &[(Key, String)] {
        &self.lost
    }

    /// How many keys are not watched any more.
    pub fn lost_total(&self) -> usize {
        self.lost_total
    }

    /// How many operations are held in memory, about.
    pub fn held(&self) -> usize {
        self.held + self.running.len()
    }

    /// Tells of an operation that has ended, or never will.
    fn completed(&mut self, seen: Seen, position: u64) {
        let entry = self.entry;
        let key = seen.operation.op.key().clone();
        self.with_object(&key, position, |object| {
            understood(entry, &seen)?;
            object.running.remove(&seen.operation.invoked);
            let since = object.running.first().copied().unwrap_or(position);
            object.monitor.completed(seen, since)
        });
    }

    /// Lets an object take part in something, unless it is lost.
    fn with_object(&mut self, key: &Key, position: u64, take: impl FnOnce(&mut Object) -> Result<(), Found>) {
        let key = if self.entry.per_key { key } else { &Key::Nil };
        if !self.objects.contains_key(key) {
            let object = match (self.entry.monitor)(&self.initial, &self.limits) {
                Ok(monitor) => Some(Object {
                    monitor,
                    running: BTreeSet::new(),
                    held: 0,
                }),
                Err(why) => {
                    self.note_lost(key, why);
                    None
                }
            };
            self.objects.insert(key.clone(), object);
        }
        let Some(Some(object)) = self.objects.get_mut(key) else {
            return;
        };
        let taken = take(object);
        let held = object.monitor.held();
        self.held = self.held - object.held + held;
        object.held = held;
        let taken = match taken {
            Ok(()) if self.held > MOST_HELD => Err(Found::Lost(format!(
                "more than {MOST_HELD} operations would have to be held in memory"
            ))),
            taken => taken,
        };
        match taken {
            Ok(()) => {}
            Err(Found::Violation {
                rule,
                operations,
                sentence,
            }) => {
                let mut known = BTreeSet::new();
                let mut shown = operations;
                shown.retain(|seen| known.insert(seen.number));
                self.violation = Some(Violation {
                    key: key.clone(),
                    rule,
                    operations: shown.iter().map(|seen| seen.number).collect(),
                    recorded: shown.iter().map(|seen| seen.operation.clone()).collect(),
                    sentence,
                    position,
                });
            }
            Err(Found::Lost(why)) => {
                self.held -= held;
                self.objects.insert(key.clone(), None);
                self.note_lost(key, why);
            }
        }
    }

    fn note_lost(&mut self, key: &Key, why: String) {
        self.lost_total += 1;
        if self.lost.len() < crate::MOST_LISTED {
            self.lost.push((key.clone(), why));
        }
    }
}

/// Whether the model can judge such an operation.
fn understood(entry: &Entry, seen: &Seen) -> Result<(), Found> {
    match entry.refusal(&seen.operation, Times::Recorded) {
        Some(why) => Err(Found::Lost(why)),
        None => Ok(()),
    }
}
