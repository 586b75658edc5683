//! Answers that claim what is not so.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs};

pub(super) const TABLE: &[BugInfo] = &[
    // Shown by a partition that cuts the leader off: until it steps down, it acknowledges writes that the
    // next leader never hears of. Killing the leader shows it too, by the few writes that were on their way.
    // (A cas needs the state that it is applied to, so its answer waits as it should.)
    BugInfo {
        bug: Bug::AckBeforeQuorum,
        name: "ack-before-quorum",
        description: "a leader acknowledges a write before a quorum has it",
        breaks: Durability,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("partition:leader"),
        precedent: "redpanda#3003, etcd#14370",
        needs: &[],
    },
];
