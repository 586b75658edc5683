//! The dispatcher at which workers hand in completions and take operations: one lock around everything that
//! must agree about the order of events.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use anyhow::Result;
use generator::{Action, Context, Generator, Next, Thread};
use history::faults::{Act, InForce};
use history::{Event, EventKind, Failure, NemesisOp, Note, NoteKind, Op, Outcome, Process};
use tokio::sync::Notify;
use tokio::sync::futures::Notified;

use super::{Journal, Runtime};

/// Counts of what has happened so far.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Client operations that were invoked.
    pub invoked: u64,
    /// Client operations that ended `ok`.
    pub ok: u64,
    /// … a cas that was compared and did not match.
    pub mismatch: u64,
    /// … `fail` for another reason.
    pub fail: u64,
    /// … `info`.
    pub info: u64,
    /// The faults that are in force.
    pub faults: InForce,
    /// The node that was last seen to lead.
    pub leader: Option<String>,
}

/// The shared state of a run. See the [module](super).
pub struct Dispatcher<R> {
    runtime: Arc<R>,
    journal: Journal,
    state: Mutex<State>,
    changed: Notify,
    stopped: Notify,
    stopping: AtomicBool,
    /// The clients are done, so the nemesis has no operation left to disturb.
    alone: AtomicBool,
    clients: usize,
}

struct State {
    generator: Box<dyn Generator>,
    totals: Totals,
    /// Counts events, so that a worker knows whether anything happened since it began to wait.
    version: u64,
}

impl State {
    fn count(&mut self, kind: &EventKind) {
        match kind {
            EventKind::Invoke { .. } => self.totals.invoked += 1,
            EventKind::Complete(Outcome::Ok(_)) => self.totals.ok += 1,
            EventKind::Complete(Outcome::Fail(Failure::Mismatch { .. })) => self.totals.mismatch += 1,
            EventKind::Complete(Outcome::Fail(Failure::Error(_))) => self.totals.fail += 1,
            EventKind::Complete(Outcome::Info(_)) => self.totals.info += 1,
            EventKind::NemesisInvoke(_) | EventKind::NemesisComplete(_) => {
                if let Some(Act { op, outcome, .. }) = self.totals.faults.feed(kind) {
                    tracing::info!(
                        "nemesis {} {:?} {}: {} {:?}",
                        op.nemesis,
                        op.action,
                        op.target,
                        outcome.detail,
                        outcome.hold
                    );
                }
            }
            EventKind::Note { .. } => {}
        }
    }
}

/// A worker, or the nemesis, as the dispatcher sees it.
#[derive(Clone, Copy)]
pub(super) struct Caller {
    /// Its thread, as generators know it.
    pub thread: Thread,
    /// Its process, as the history knows it.
    pub process: Process,
    /// The node that it talks to.
    pub node: Option<u16>,
}

impl Caller {
    /// The nemesis.
    pub const NEMESIS: Caller = Caller {
        thread: Thread::Nemesis,
        process: Process::Nemesis,
        node: None,
    };
}

/// What a worker is to do next.
pub(super) enum Step {
    /// Invoke this operation, whose invocation is recorded.
    Invoke(Op),
    /// Let the nemesis do this; its invocation is recorded.
    Nemesis(NemesisOp),
    /// Wait until then, then go on with [`Dispatcher::begin`].
    Later { at_ns: u64, action: Action },
    /// Wait until then, or until something happens after `version`, then call [`Dispatcher::step`] again.
    Wait { until_ns: Option<u64>, version: u64 },
    /// Nothing more.
    Done,
}

impl<R: Runtime> Dispatcher<R> {
    /// A dispatcher for `clients` client threads.
    pub fn new(runtime: Arc<R>, journal: Journal, clients: usize) -> Dispatcher<R> {
        Dispatcher {
            runtime,
            journal,
            state: Mutex::new(State {
                generator: Box::new(Nothing),
                totals: Totals::default(),
                version: 0,
            }),
            changed: Notify::new(),
            stopped: Notify::new(),
            stopping: AtomicBool::new(false),
            alone: AtomicBool::new(false),
            clients,
        }
    }

    /// The clock.
    pub fn runtime(&self) -> &Arc<R> {
        &self.runtime
    }

    /// How many client threads there are.
    pub fn clients(&self) -> usize {
        self.clients
    }

    /// What has happened so far.
    pub fn totals(&self) -> Totals {
        self.lock().totals.clone()
    }

    /// Hands out no further operation. Operations in progress end on their own.
    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Release);
        self.changed.notify_waiters();
        self.stopped.notify_waiters();
    }

    /// Whether [`Dispatcher::stop`] was called, or the journal cannot be written.
    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Acquire) || self.journal.has_failed()
    }

    /// Records an event that no generator caused.
    pub fn note(&self, kind: NoteKind, node: &str, detail: String) {
        self.record_note(Note {
            node: node.to_owned(),
            detail,
            ..Note::new(kind)
        });
    }

    /// Records a measurement, of which there are many: the log does without.
    pub fn record_measurement(&self, note: Note) {
        let mut state = self.lock();
        self.record(&mut state, Process::Nemesis, EventKind::Note(Box::new(note)));
    }

    /// Records a note with all its fields.
    pub fn record_note(&self, note: Note) {
        let mut state = self.lock();
        if note.kind == NoteKind::Leader {
            state.totals.leader = Some(note.node.clone());
        }
        tracing::info!("{} {} {:?} {}", note.kind, note.node, note.term, note.detail);
        self.record(&mut state, Process::Nemesis, EventKind::Note(Box::new(note)));
    }

    /// Writes out the journal; nothing is recorded any more.
    ///
    /// # Errors
    /// When any write of the run failed.
    pub fn close(&self) -> Result<()> {
        self.journal.close()
    }

    /// Replaces the generator, between two phases.
    pub(super) fn install(&self, generator: Box<dyn Generator>) {
        self.alone.store(false, Ordering::Release);
        self.lock().generator = generator;
    }

    /// Lets the nemesis end, because the clients are done.
    pub(super) fn leave_nemesis_alone(&self) {
        self.alone.store(true, Ordering::Release);
        self.changed.notify_waiters();
        self.stopped.notify_waiters();
    }

    /// Whether this thread gets nothing more, whatever the generator says.
    pub(super) fn is_over(&self, thread: Thread) -> bool {
        self.is_stopping() || thread == Thread::Nemesis && self.alone.load(Ordering::Acquire)
    }

    /// Resolves at the next event, or when the run is stopped.
    pub(super) fn changed(&self) -> Notified<'_> {
        self.changed.notified()
    }

    /// Resolves when the run is stopped, or the clients are done.
    pub(super) fn stopped(&self) -> Notified<'_> {
        self.stopped.notified()
    }

    pub(super) fn journal_is_full(&self) -> bool {
        self.journal.is_full()
    }

    /// Whether anything was recorded since `version`.
    pub(super) fn moved_on(&self, version: u64) -> bool {
        self.lock().version != version
    }

    /// Hands in the completion of the last operation, if any, and takes the next one.
    pub(super) fn step(&self, caller: Caller, completed: Option<EventKind>) -> Step {
        let mut state = self.lock();
        if let Some(kind) = completed {
            self.happened(&mut state, caller, kind);
        }
        if self.is_over(caller.thread) {
            return Step::Done;
        }
        let context = self.context(caller.thread);
        match state.generator.next(&context) {
            Next::Do { at_ns, action } if at_ns <= context.now_ns => {
                self.begin_locked(&mut state, caller, action)
            }
            Next::Do { at_ns, action } => Step::Later { at_ns, action },
            Next::Pending { until_ns } => Step::Wait {
                until_ns,
                version: state.version,
            },
            Next::Done => Step::Done,
        }
    }

    /// Records the invocation of an action whose time has come.
    pub(super) fn begin(&self, caller: Caller, action: Action) -> Step {
        self.begin_locked(&mut self.lock(), caller, action)
    }

    /// Records an event without taking the next operation.
    pub(super) fn complete(&self, caller: Caller, kind: EventKind) {
        self.happened(&mut self.lock(), caller, kind);
    }

    /// Records an act of the nemesis without the generator: the heal at the end.
    pub(super) fn record_heal(&self, kind: EventKind) {
        let mut state = self.lock();
        state.count(&kind);
        self.record(&mut state, Process::Nemesis, kind);
    }

    fn begin_locked(&self, state: &mut State, caller: Caller, action: Action) -> Step {
        let (step, kind) = match action {
            Action::Op(op) => (
                Step::Invoke(op.clone()),
                EventKind::Invoke {
                    op,
                    node: caller.node,
                },
            ),
            Action::Nemesis(op) => (Step::Nemesis(op.clone()), EventKind::NemesisInvoke(op)),
        };
        self.happened(state, caller, kind);
        step
    }

    /// Counts an event, updates the generator and records it.
    fn happened(&self, state: &mut State, caller: Caller, kind: EventKind) {
        state.count(&kind);
        let context = self.context(caller.thread);
        state.generator.update(&context, &kind);
        self.record(state, caller.process, kind);
    }

    fn record(&self, state: &mut State, process: Process, kind: EventKind) {
        state.version += 1;
        self.journal.push(Event {
            time_ns: self.runtime.now_ns(),
            process,
            kind,
        });
        self.changed.notify_waiters();
    }

    fn context(&self, thread: Thread) -> Context {
        Context {
            now_ns: self.runtime.now_ns(),
            thread,
            clients: self.clients,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A worker that panicked inside the lock has already ended the run; counting on is harmless.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The generator before the first phase.
struct Nothing;

impl Generator for Nothing {
    fn next(&mut self, _: &Context) -> Next {
        Next::Done
    }
}
