//! One line of a journal: an invocation, a completion, an act of the nemesis or a note.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{NemesisOp, NemesisOutcome, Note, Op, Outcome};

/// The process that acts. A client's number is used by one operation at a time, and never again after an
/// `info`.
///
/// In JSON: a number, or `"nemesis"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Process {
    /// One logical client thread.
    Client(u64),
    /// The nemesis; there is only one.
    Nemesis,
}

/// One event of a history.
///
/// In the journal it is one line of JSON, for example
/// `{"time_ns":12,"process":3,"type":"invoke","f":"write","key":1,"value":7}` and later
/// `{"time_ns":99,"process":3,"type":"ok"}`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Nanoseconds since the start of the run, one monotonic clock.
    pub time_ns: u64,
    /// The process that acts.
    pub process: Process,
    /// What happened.
    pub kind: EventKind,
}

/// What an event records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// A client is about to send an operation. `node` is the index of the node it talks to, where known.
    Invoke {
        /// The operation.
        op: Op,
        /// The node that it is sent to, by index into the test's list of nodes.
        node: Option<u16>,
    },
    /// A client's operation ended.
    Complete(Outcome),
    /// The nemesis is about to act.
    NemesisInvoke(NemesisOp),
    /// The nemesis has acted. Boxed, because it is rare and would make every event larger.
    NemesisComplete(Box<NemesisOutcome>),
    /// Something worth remembering that was not requested: a change of leader, a process that ended by
    /// itself. Boxed as well.
    Note(Box<Note>),
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Process::Client(number) => write!(f, "{number}"),
            Process::Nemesis => f.write_str("nemesis"),
        }
    }
}

impl Serialize for Process {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        match self {
            Process::Client(number) => s.serialize_u64(*number),
            Process::Nemesis => s.serialize_str("nemesis"),
        }
    }
}

impl<'de> Deserialize<'de> for Process {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = Process;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a process number or \"nemesis\"")
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<Process, E> {
                Ok(Process::Client(number))
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Process, E> {
                match text {
                    "nemesis" => Ok(Process::Nemesis),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }
        d.deserialize_any(Visitor)
    }
}
