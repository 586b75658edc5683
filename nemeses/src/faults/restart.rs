//! `restart`: has processes end by SIGTERM, and starts them again, as an upgrade does.
//!
//! Shows: what a store does wrong when it has the time to do it: connections that are closed with a success,
//! leadership that is handed over half, files that are written anew on the way out.

use crate::Entry;
use crate::faults::kill::{self, How, Kill};

pub(super) const ENTRY: Entry = Entry {
    name: "restart",
    description: "ends processes with SIGTERM, and starts them again after a short while",
    by_default: false,
    often: 1,
    colour: "#f49af4",
    new: |rng| Box::new(Kill::new(How::Gently, rng)),
    ..kill::ENTRY
};
