//! Was it right: decides whether a history was linearizable, and says why not.
//!
//! [`check`] judges a history by one of the models of the [objects]: key by key where the model allows it
//! ([`partition`]), exactly in near linear time where an algorithm for that is known (registers whose values
//! are written once, sets, queues, locks, …), and by the [search](engine::search) elsewhere. The answer
//! carries what shows it: a linearization, or the operations that contradict each other in plain sentences.
//! [`consistency`] says what an invalid history still is. A [`stream::Stream`] judges event by event, while a
//! run goes on.
//!
//! Invariants:
//! - The checker sees nothing but the history. It does no I/O, knows no clock, and gives the same answer for
//!   the same history on every machine.
//! - Every linearization and every conflict is re-checked before it is published ([`check`], step 5).
//! - An operation whose outcome is `info` may have happened at any time after its invocation, or never.
//!
//! It is the package `perjury-checker` with the crate `checker` in it, and hands the crate `history` on:
//!
//! ```toml
//! [dependencies]
//! perjury-checker = { path = "…/perjury/checker" }
//! ```
//!
//! ```
//! use checker::{Options, Verdict, check};
//! use checker::history::{self, Event, EventKind, History, Key, Op, Outcome, Process, Value};
//!
//! let event = |time_ns, process, kind| Event { time_ns, process: Process::Client(process), kind };
//! let invoke = |op| EventKind::Invoke { op, node: None };
//! let write = |value| Op::Write { key: Key::Nil, value: Value::Int(value) };
//! let read = Op::Read { key: Key::Nil };
//!
//! // 1 is written, then 2, one after the other; and then 1 is still read.
//! let history = History::from_events([
//!     event(1_000_000, 0, invoke(write(1))),
//!     event(2_000_000, 0, EventKind::Complete(Outcome::ok())),
//!     event(3_000_000, 0, invoke(write(2))),
//!     event(4_000_000, 0, EventKind::Complete(Outcome::ok())),
//!     event(7_000_000, 1, invoke(read)),
//!     event(8_000_000, 1, EventKind::Complete(Outcome::ok_value(Value::Int(1)))),
//! ])?;
//!
//! let analysis = check(&history, &Options::default());
//! println!("{}", analysis.verdict);
//! assert_eq!(analysis.verdict, Verdict::Invalid);
//! assert_eq!(analysis.conflicts[0].stale_by_ns, Some(3_000_000));
//! assert_eq!(
//!     analysis.conflicts[0].sentences[0].plain(&history),
//!     "Process 1's read of 1 (7.000–8.000 ms) began after process 0's write of 2 (3.000–4.000 ms) had completed."
//! );
//! # Ok::<(), history::HistoryError>(())
//! ```
//!
//! # A model of one's own
//!
//! Anyone who has operations of another kind implements [`Model`] and searches; there is no history to build.
//!
//! ```
//! use checker::engine::search::{Searched, search};
//! use checker::{Call, Limits, Model};
//!
//! /// A stack: what is pushed last is popped first.
//! struct Stack;
//!
//! #[derive(Clone, Debug, PartialEq, Eq, Hash)]
//! enum StackOp {
//!     Push(u32),
//!     Pop(Option<u32>),
//! }
//!
//! impl Model for Stack {
//!     type Op = StackOp;
//!     type State = Vec<u32>;
//!
//!     fn init(&self) -> Vec<u32> {
//!         Vec::new()
//!     }
//!
//!     fn apply(&self, state: &mut Vec<u32>, op: &StackOp) -> bool {
//!         match op {
//!             StackOp::Push(value) => {
//!                 state.push(*value);
//!                 true
//!             }
//!             StackOp::Pop(answer) => state.pop() == *answer,
//!         }
//!     }
//! }
//!
//! let mut calls = vec![
//!     Call::new(StackOp::Push(1), 0, 3),
//!     Call::new(StackOp::Push(2), 1, 2),
//!     Call::new(StackOp::Pop(Some(1)), 4, 5),
//!     // No one knows whether this one happened.
//!     Call::open(StackOp::Push(3), 4),
//! ];
//! // The pushes overlap, so 1 may have been pushed last.
//! assert_eq!(search(&Stack, &calls, &Limits::default()), Searched::Found(vec![1, 0, 2]));
//!
//! // Then 2 is left, and the stack cannot be empty.
//! calls.push(Call::new(StackOp::Pop(None), 6, 7));
//! let Searched::Stuck(stuck) = search(&Stack, &calls, &Limits::default()) else {
//!     panic!("there is no order");
//! };
//! assert_eq!(stuck.operation, 4);
//! println!("{}", stuck.explain(&Stack, &calls));
//! ```
//!
//! A [`stream::Frontier`] does the same while the calls come in.

mod analysis;
mod check;
pub mod consistency;
pub mod engine;
pub mod imported;
pub mod model;
mod monitor;
pub mod objects;
mod partition;
mod sentence;
pub mod stream;
mod survey;
pub mod synthetic;
mod undecided;
mod verdict;

pub use history::{self, OPEN};

pub use analysis::Analysis;
pub use check::{Options, check, check_key, explain, judge};
pub use engine::search::Limits;
pub use model::{Call, Effect, Model};
pub use partition::partition;
pub use sentence::{Piece, Rendered, Sentence};
pub use undecided::{Limit, Undecided};
pub use verdict::{Algorithm, Conflict, Decision, Linearization, MOST_LISTED, Rule, Verdict};
