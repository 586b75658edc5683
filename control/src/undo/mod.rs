//! What would outlive a dead controller: noted before it is done, and undone by `perjury heal`.

mod heal;
mod log;
mod release;

pub use heal::{HealReport, has_something_to_undo, heal};
#[cfg(all(target_os = "linux", feature = "ssh"))]
pub(crate) use log::{HostRecord, STILL_RUNNING};
pub(crate) use log::{Place, UndoLog};
pub(crate) use release::release;
