//! What happened: operations, outcomes, events, histories and the run directory that holds them.
//!
//! [`faults`] knows which faults are in force.
//! [`tell`] and [`units`] put operations, durations and counts into words, one way for all.
//! [`formats`] reads what others recorded (Jepsen, Porcupine, elle-cli) and writes it again.
//!
//! Every other room speaks in the types of this one. It depends on no room, knows no store and judges
//! nothing.
//!
//! Invariants:
//! - The vocabulary of [`Op`] is closed: an exhaustive `match` shows every place that a new operation must
//!   reach.
//! - The order of a history's events is the order in which they were recorded; an invocation is recorded
//!   before its request is sent and a completion after its answer is read. Real-time precedence is therefore
//!   the order of positions, never a comparison of time stamps.
//! - Times are nanoseconds since the start of the run, from one monotonic clock.

mod builder;
#[cfg(feature = "parquet")]
pub mod columns;
mod event;
mod fact;
mod fast_line;
pub mod faults;
pub mod formats;
mod journal;
mod journal_line;
mod nemesis;
mod note;
mod object;
mod observed;
mod op;
mod operation;
mod outcome;
mod parallel_lines;
mod part;
mod run_dir;
mod target;
pub mod tell;
pub mod units;
mod value;

pub use builder::{HistoryBuilder, HistoryError};
pub use event::{Event, EventKind, Process};
pub use fact::{Fact, FoundState, NodeFound, NotBack, Size, StateHash};
pub use journal::append_line;
pub use nemesis::{Hold, NemesisAction, NemesisOp, NemesisOutcome};
pub use note::{Note, NoteKind};
pub use object::ObjectKind;
pub use observed::{Bound, FailOn, LogPattern, LogWeight, Observed};
pub use op::{MicroOp, Op, OpKind};
pub use operation::{Doubt, History, NemesisSpan, Ns, OPEN, Operation, Times};
pub use outcome::{Answer, ErrorClass, Failure, Outcome, Reason};
pub use part::{Part, key_hash};
pub use run_dir::{ErrorRule, RunDir, TestRecord};
pub use target::{Aim, Cut, Pick, Target, TargetError, Whom};
pub use value::{Key, Value};
