//! Pictures of histories: one lane a process, a bar from each invocation to its completion.
//!
//! ```text
//!   process 3   ├─ write 7 ─┤
//!   process 5                  ├─ read → 7 ─┤
//!   process 1                                  ≈ 1.8 s ≈   ├─ read → 4 ─┤
//! ```
//!
//! The operations of a conflict are numbered and coloured; their neighbours on the same key are around them
//! in grey. Long stretches in which nothing of the conflict happens are cut out of the axis and marked. An
//! operation with an unknown outcome has no end: its bar fades away. Where an order was found, of all
//! operations or of those at the beginning, a point shows when each can have taken effect.

mod arrow;
mod axis;
mod backdrop;
mod draw;
mod frame;
mod label;
mod order;
mod select;

use checker::Conflict;
use history::History;

use crate::fault_bands::Background;

pub(crate) use arrow::conflict_arrows;
pub(crate) use draw::circled;
pub(crate) use order::{Place, places};
pub(crate) use select::{named, numbers};

/// What pictures are made from.
pub(crate) struct Subject<'a> {
    pub history: &'a History,
    /// The names of the nodes that operations were sent to, by their numbers there.
    pub nodes: &'a [String],
    pub background: &'a Background,
    /// Whether every key is an object of its own. If not, all keys are in one picture.
    pub per_key: bool,
}

/// A picture and what its legend must explain.
pub(crate) struct Picture {
    pub svg: String,
    /// How many operations of the time shown had no room in it.
    pub omitted: usize,
    pub shows: Shows,
}

/// What can be seen in a picture.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shows {
    pub conflict: bool,
    /// Operations of the conflict beside those that cannot be.
    pub witnesses: bool,
    pub links: bool,
    pub neighbours: bool,
    pub open: bool,
    pub failed: bool,
    /// Places in an order.
    pub order: bool,
    /// Where the longest order ends.
    pub boundary: bool,
    /// Arrows from what completed before to what began after.
    pub before: bool,
    /// Arrows from what wrote to what needed it.
    pub needed: bool,
    /// Arrows from what must come first to what must come after it.
    pub must: bool,
    pub cuts: bool,
    pub faults: bool,
}

impl Subject<'_> {
    /// The picture of a conflict, or nothing if the conflict names no operation of this history.
    pub fn conflict(&self, conflict: &Conflict) -> Option<Picture> {
        Some(draw::picture(&select::conflict(self, conflict)?, self.background))
    }

    /// The picture of a whole small history in an order that explains it; nothing if the order is empty.
    pub fn order(&self, order: &[usize]) -> Option<Picture> {
        Some(draw::picture(&select::whole(self, order)?, self.background))
    }
}

#[cfg(test)]
mod tests {
    use checker::Rule;
    use history::{Key, Op, Operation, Outcome, Value};

    use super::*;

    #[test]
    fn where_keys_belong_together_all_are_shown_with_their_names() {
        let operation = |key: i64, at: u64, answer: i64| Operation {
            process: key as u32,
            op: Op::Read { key: Key::Int(key) },
            outcome: Outcome::ok_value(Value::Int(answer)),
            invoked: at,
            completed: at + 1,
            invoked_ns: at * 1_000_000,
            completed_ns: Some((at * 1_000_000 + 500_000).into()),
            node: Some(1),
        };
        let history = History {
            operations: vec![operation(1, 1, 7), operation(2, 1, 8)],
            ..History::default()
        };
        let conflict = Conflict {
            key: Key::Int(1),
            operations: vec![0],
            links: Vec::new(),
            sentences: Vec::new(),
            rule: Rule::NoOrder,
            stale_by_ns: None,
            prefix: Vec::new(),
            confirmed: false,
        };
        let check = |per_key: bool, expected: &[&str], not: &str| {
            let subject = Subject {
                history: &history,
                nodes: &["a".to_owned(), "b".to_owned()],
                background: &Background::of(Default::default(), &[], Vec::new(), 0.0, 0.0),
                per_key,
            };
            let svg = subject.conflict(&conflict).expect("there is a picture").svg;
            for text in expected {
                assert!(svg.contains(text), "{text}: {svg}");
            }
            assert!(!svg.contains(not), "{not}: {svg}");
        };
        check(true, &[">① read → 7<", "key 1, sent to b: ok"], "r → 8");
        check(false, &[">① [1] read → 7<", ">[2] r → 8<"], "① read");
    }
}
