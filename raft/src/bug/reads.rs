//! Reads that are not linearizable.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs};

pub(super) const TABLE: &[BugInfo] = &[
    // Shown by a partition that cuts the leader off: it keeps answering with what it had, while the others
    // elect a leader and write. It doesn't step down either, because a leader that lost its quorum stops at
    // about the time that the next one starts and would be caught only by luck.
    BugInfo {
        bug: Bug::StaleRead,
        name: "stale-read",
        description: "a leader answers reads without confirming that it still leads",
        breaks: Linearizability,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("partition:leader"),
        precedent: "redisraft#18, redisraft#19, consul#54",
        needs: &[Bug::NoCheckQuorum],
    },
];
