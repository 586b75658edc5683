//! Pictures of histories: one lane a process, a bar from each invocation to its completion.
//!
//! ```text
//!   process 3   ├─ write 7 ─┤
//!   process 5                  ├─ read → 7 ─┤
//!   process 1                                  ≈ 1.8 s ≈   ├─ read → 4 ─┤
//! ```
//!
//! The operations of a conflict are numbered and coloured; their neighbours on the same key stand around them in
//! grey. Long stretches in which nothing of the conflict happens are cut out of the axis and marked. An operation with
//! an unknown outcome has no end: its bar fades away. Where an order was found, of all operations or of those at the
//! beginning, a point shows when each can have taken effect.

mod axis;
mod backdrop;
mod draw;
mod label;
mod order;
mod select;

use checker::Conflict;
use history::History;

use crate::shade::Shade;

pub(crate) use axis::duration;
pub(crate) use draw::circled;
pub(crate) use label::in_words;

/// What pictures are made from.
pub(crate) struct Subject<'a> {
    pub history: &'a History,
    /// The names of the nodes that operations were sent to, by their numbers there.
    pub nodes: &'a [String],
    pub shade: &'a Shade,
    /// Whether every key is an object of its own. If not, all keys stand in one picture.
    pub per_key: bool,
}

/// A picture and what its legend must explain.
pub(crate) struct Picture {
    pub svg: String,
    /// How many operations of the time shown found no place in it.
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
    pub cuts: bool,
    pub faults: bool,
}

impl Subject<'_> {
    /// The picture of a conflict, or nothing if the conflict names no operation of this history.
    pub fn conflict(&self, conflict: &Conflict) -> Option<Picture> {
        Some(draw::picture(&select::conflict(self, conflict)?, self.shade))
    }

    /// The picture of a whole small history in an order that explains it; nothing if the order is empty.
    pub fn order(&self, order: &[usize]) -> Option<Picture> {
        Some(draw::picture(&select::whole(self, order)?, self.shade))
    }
}
