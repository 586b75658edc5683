//! `crash-loop`: kills processes again and again, before they have recovered from the time before.
//!
//! Shows: recovery that cannot be interrupted (a log that is cut twice, a snapshot that is renamed half),
//! votes that are given again by a process that forgot them, terms that run away.

use crate::Entry;
use crate::faults::kill::{self, How, Kill};

pub(super) const ENTRY: Entry = Entry {
    name: "crash-loop",
    description: "kills processes several times, each time soon after they were started",
    by_default: false,
    often: 1,
    colour: "#5c0a0a",
    new: |rng| Box::new(Kill::new(How::InLoop, rng)),
    ..kill::ENTRY
};
