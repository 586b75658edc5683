//! Snapshots, and what becomes of the log that they replace.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs, schedule};

pub(super) const TABLE: &[BugInfo] = &[
    // Shown by restarts after snapshots: the last write before each is undone at the nodes that
    // restart.
    BugInfo {
        bug: Bug::SnapshotOneBehind,
        name: "snapshot-one-behind",
        description: "a snapshot lacks the last write that it covers",
        breaks: StateMachineSafety,
        layer: Machine,
        seen_by: &[History, Diverged, Simulation],
        runs: Runs::with("compact,kill:all").on("counter"),
        precedent: "d-engine#418, willemt/raft#118",
        needs: &[],
    },
    // Shown by restarts after snapshots, if clients repeat their numbered requests.
    BugInfo {
        bug: Bug::SnapshotForgetsSessions,
        name: "snapshot-forgets-sessions",
        description: "a snapshot lacks the sessions",
        breaks: ExactlyOnce,
        layer: Machine,
        seen_by: &[History, Diverged, Simulation],
        runs: Runs::with("compact,kill:all").on("exactly-once"),
        precedent: "redisraft#568, atomix#341",
        needs: &[],
    },
    // Shown by restarts after changes of membership and snapshots: a node that was removed counts
    // again.
    BugInfo {
        bug: Bug::SnapshotForgetsMembership,
        name: "snapshot-forgets-membership",
        description: "a snapshot holds the first membership instead of the last",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[NotRecovered, Simulation],
        runs: Runs::with("membership,compact,kill:all"),
        precedent: "matrixone#23281, openraft#1808",
        needs: &[],
    },
    // Shown by taking snapshots: the log refuses one that covers entries which it has not been given,
    // and the node ends. Our own: it was in this code until 2026-11-26.
    BugInfo {
        bug: Bug::SnapshotAheadOfDisk,
        name: "snapshot-ahead-of-disk",
        description: "a snapshot is given to the disk before entries that it covers",
        breaks: Durability,
        layer: Core,
        seen_by: &[Crash, Simulation],
        runs: Runs::with("membership,transfer,compact"),
        precedent: "perjury's own, before 2026-11-26",
        needs: &[],
    },
    // Shown by killing a node at the moment at which a snapshot is sent to it: it never gets another.
    BugInfo {
        bug: Bug::SnapshotLimbo,
        name: "snapshot-limbo",
        description: "a snapshot that was lost is never sent again",
        breaks: Liveness,
        layer: Core,
        seen_by: &[NotRecovered, Simulation],
        runs: Runs::with("partition,compact,kill").schedule(schedule![
            ("2s", "2s", "partition", "n3|n1+n2+n4+n5"),
            ("3s", "200ms", "compact", "all"),
            ("3950ms", "300ms", "kill", "n3"),
            ("6s", "2s", "partition", "n3|n1+n2+n4+n5"),
            ("7s", "200ms", "compact", "all"),
            ("8050ms", "300ms", "kill", "n3"),
        ]),
        precedent: "etcd#10225, dgraph#2707, hashicorp/raft#212",
        needs: &[],
    },
    // Shown where a node with entries of its own gets a snapshot that ends among them: it can follow
    // no leader any more.
    BugInfo {
        bug: Bug::SnapshotKeepsConflictingLog,
        name: "snapshot-keeps-conflicting-log",
        description: "a snapshot keeps the log that contradicts it",
        breaks: LogMatching,
        layer: Core,
        seen_by: &[NotRecovered, Diverged, Simulation],
        runs: Runs::with("partition,compact").schedule(schedule![
            ("2s", "1s", "partition", "leader"),
            ("2700ms", "200ms", "compact", "all"),
            ("5s", "1s", "partition", "leader"),
            ("5700ms", "200ms", "compact", "all"),
        ]),
        precedent: "hashicorp/raft#697, openraft#753",
        needs: &[],
    },
    // Shown only where a snapshot comes late, or twice, which connections that keep the order of
    // messages prevent.
    BugInfo {
        bug: Bug::InstallOlderSnapshot,
        name: "install-older-snapshot",
        description: "a node takes a snapshot older than what it has",
        breaks: StateMachineSafety,
        layer: Core,
        seen_by: &[Simulation],
        runs: Runs::with("partition:one,compact"),
        precedent: "etcd#1837, RATIS-2084",
        needs: &[],
    },
    // Shown by a restart after a snapshot that was taken between a change of term and its first
    // entry: log and snapshot don't fit, and the log is dropped.
    BugInfo {
        bug: Bug::TermFromSnapshot,
        name: "term-from-snapshot",
        description: "a snapshot bears the current term instead of its last entry's",
        breaks: Durability,
        layer: Core,
        seen_by: &[Simulation],
        runs: Runs::with("compact,kill:all"),
        precedent: "willemt/raft#118",
        needs: &[],
    },
    // Needs no fault, only time: the files grow for as long as there are writes.
    BugInfo {
        bug: Bug::LogNeverCompacted,
        name: "log-never-compacted",
        description: "no snapshot is ever taken and the log is kept for ever",
        breaks: BoundedMemory,
        layer: Node,
        seen_by: &[Growth],
        runs: Runs::with("none").test_flags(&["--time-limit 60s"]),
        precedent: "",
        needs: &[],
    },
    // Shown by taking snapshots: meanwhile the leader sends no heartbeats, and the others elect one.
    BugInfo {
        bug: Bug::SnapshotBlocksLoop,
        name: "snapshot-blocks-loop",
        description: "a node stands still while a snapshot is written",
        breaks: Liveness,
        layer: Node,
        seen_by: &[Election, Unavailable],
        runs: Runs::with("compact:leader"),
        precedent: "camunda#6269, camunda#4077, etcd#9962, etcd#13913",
        needs: &[],
    },
];
