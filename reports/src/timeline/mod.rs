//! The picture of a conflict: one lane a process, a bar from each invocation to its completion.
//!
//! ```text
//!   process 3   ├─ write 7 ─┤
//!   process 5                  ├─ read = 7 ─┤
//!   process 1                                  ≈ 1.8 s ≈   ├─ read = 4 ─┤
//! ```
//!
//! The operations of the proof are numbered and coloured; their neighbours on the same key stand around them in
//! grey. Long stretches in which nothing of the proof happens are cut out of the axis and marked. An operation with
//! an unknown outcome has no end: its bar fades away.

mod axis;
mod draw;
pub(crate) use draw::circled;
mod select;

use checker::Conflict;
use history::History;

use crate::results::Results;
use crate::shade::Shade;

/// The picture of a conflict as SVG, or nothing if the conflict names no operation of this history.
pub(crate) fn timeline(
    results: &Results,
    history: &History,
    conflict: &Conflict,
    shade: &Shade,
) -> Option<String> {
    let scene = select::scene(results, history, conflict)?;
    Some(draw::svg(&scene, shade))
}
