//! Changes of who is in the cluster.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs};

pub(super) const TABLE: &[BugInfo] = &[
    // Needs two leaders in turn that each change the membership, the first one's change on a minority
    // (Ongaro's note of 2015).
    BugInfo {
        bug: Bug::ChangeBeforeOwnCommit,
        name: "change-before-own-commit",
        description: "a leader changes the membership before an entry of its own term is committed",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[Simulation],
        runs: Runs::with("membership,kill:leader"),
        precedent: "Ongaro, raft-dev 2015",
        needs: &[],
    },
    // It takes a change of membership that some nodes have applied and others have not, and a
    // partition between them.
    BugInfo {
        bug: Bug::ConfigAtCommit,
        name: "config-at-commit",
        description: "a membership is in force when it is applied and not when it is appended",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[Simulation],
        runs: Runs::with("membership,partition:halves"),
        precedent: "etcd#7625",
        needs: &[],
    },
    // It takes two changes within one round trip, and a partition after them.
    BugInfo {
        bug: Bug::TwoChangesAtOnce,
        name: "two-changes-at-once",
        description: "a leader begins a change of membership before the last one is committed",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[Simulation],
        runs: Runs::with("membership,partition:halves"),
        precedent: "jgroups-raft#38",
        needs: &[],
    },
    // It takes learners at the moment of a partition: members are learners only until they have
    // caught up.
    BugInfo {
        bug: Bug::CountLearners,
        name: "count-learners",
        description: "members without a vote count in quorums",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[Simulation],
        runs: Runs::with("membership,partition:halves"),
        precedent: "etcd#10998, raft-rs#57, redpanda#8495",
        needs: &[],
    },
];
