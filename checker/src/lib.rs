//! Was it right: decides whether a history was linearizable, and says why not.
//!
//! A history of registers is split by key ([`partition`]). Where every value is written once, as perjury's own
//! workloads take care of, a key is decided exactly in O(n log n) ([`Algorithm::RegisterExact`]); everything else is
//! [searched](search::search). Either way the answer carries what shows it: a linearization, or the operations that
//! contradict each other in plain sentences.
//!
//! Invariants:
//! - The checker sees nothing but the history. It does no I/O, knows no clock, and gives the same answer for the same
//!   history on every machine.
//! - Every linearization and every conflict is re-checked ([`validate`]) before it is published.
//! - An operation whose outcome is `info` may have happened at any time after its invocation, or never.
//!
//! ```
//! use checker::{Options, Verdict, check};
//! use history::{Event, EventKind, History, Key, Op, Outcome, Process, Value};
//!
//! let event = |time_ns, process, kind| Event { time_ns, process: Process::Client(process), kind };
//! let invoke = |op| EventKind::Invoke { op, node: None };
//! let write = |value| Op::Write { key: Key::Nil, value: Value::Int(value) };
//! let read = Op::Read { key: Key::Nil };
//!
//! // 1 is written, then 2, one after the other; and then somebody still reads 1.
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
//!     analysis.conflicts[0].sentences[0],
//!     "Process 1's read of 1 (7.000–8.000 ms) began after process 0's write of 2 (3.000–4.000 ms) had completed."
//! );
//! # Ok::<(), history::HistoryError>(())
//! ```

mod check;
mod contradiction;
mod describe;
mod exact;
mod mismatch;
pub mod model;
pub mod models;
mod numbers;
mod prepare;
mod proof;
mod radix;
mod replay;
pub mod search;
mod sentences;
mod special;
pub mod synthetic;
pub mod validate;
mod verdict;
pub mod weaker;

pub use check::{Options, check, check_key, partition};
pub use describe::describe;
pub use model::{Call, Effect, Model};
pub use search::Limits;
pub use verdict::{Algorithm, Analysis, Conflict, Decision, Linearization, MOST_LISTED, Rule, Verdict};
