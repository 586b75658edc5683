//! `crash-loop`: kills processes again and again, before they have recovered from the time before.
//!
//! Shows: recovery that cannot be interrupted (a log that is cut twice, a snapshot that is renamed half), votes that are given again by a process
//! that forgot them, terms that run away.

use control::Ability;

use crate::faults::kill::{How, fault};
use crate::target::nodes::PROCESS_NAMES;
use crate::{Entry, Fault, FaultOptions};

pub(super) const ENTRY: Entry = Entry {
    name: "crash-loop",
    description: "kills processes several times, each time soon after they were started",
    targets: PROCESS_NAMES,
    needs: &[Ability::Restart],
    by_default: false,
    min_nodes: 1,
    colour: "#a0522d",
    make,
};

fn make(options: &FaultOptions) -> Result<Fault, String> {
    fault(ENTRY.name, How::InLoop, options)
}
