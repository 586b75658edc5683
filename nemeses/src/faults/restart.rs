//! `restart`: asks processes with SIGTERM to end, and starts them again, as an upgrade does.
//!
//! Shows: what a store does wrong when it has the time to do it: connections that are told that all is well, leadership that is handed over
//! half, files that are written anew on the way out.

use control::Ability;

use crate::faults::kill::{How, fault};
use crate::target::nodes::PROCESS_NAMES;
use crate::{Entry, Fault, FaultOptions};

pub(super) const ENTRY: Entry = Entry {
    name: "restart",
    description: "ends processes with SIGTERM, and starts them again after a short while",
    targets: PROCESS_NAMES,
    needs: &[Ability::Restart],
    by_default: false,
    min_nodes: 1,
    colour: "#d37295",
    make,
};

fn make(options: &FaultOptions) -> Result<Fault, String> {
    fault(ENTRY.name, How::Gently, options)
}
