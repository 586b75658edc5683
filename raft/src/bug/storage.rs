//! What a node loses or misreads on its disk.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs};

pub(super) const TABLE: &[BugInfo] = &[
    // A killed process loses nothing by it: the kernel has what it wrote. Shown by a power loss at all nodes,
    // or at enough of them that those who remember are fewer than a quorum.
    BugInfo {
        bug: Bug::SkipFsync,
        name: "skip-fsync",
        description: "a node treats as durable what it has written and not synced",
        breaks: Durability,
        layer: Storage,
        seen_by: &[History, Simulation],
        runs: Runs::with("power:all"),
        precedent: "cornerstone#8, nats-server#7564",
        needs: &[],
    },
];
