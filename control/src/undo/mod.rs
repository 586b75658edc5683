//! What would outlive a dead controller: noted before it is done, and undone by `perjury heal`.

mod log;

pub use log::{HealReport, has_something_to_undo, heal};
pub(crate) use log::{HostRecord, Place, UndoLog, release};
