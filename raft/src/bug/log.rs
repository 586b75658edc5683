//! Replication and commitment.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs, schedule};

pub(super) const TABLE: &[BugInfo] = &[
    // Shown by a partition that cuts the leader off: back, it is told a commit index beyond where the
    // logs agree, and applies its own entries.
    BugInfo {
        bug: Bug::CommitPastMatch,
        name: "commit-past-match",
        description: "a heartbeat carries the commit index of the leader whatever the follower has",
        breaks: StateMachineSafety,
        layer: Core,
        seen_by: &[Diverged, History, Simulation],
        runs: Runs::with("partition:leader").on("set"),
        precedent: "tinykv#191, scylladb#9965",
        needs: &[],
    },
    // Shown only where an Append ends before the entries that differ, and says that more is
    // committed.
    BugInfo {
        bug: Bug::CommitPastAppend,
        name: "commit-past-append",
        description: "a follower takes as committed what lies beyond the Append that it was sent",
        breaks: StateMachineSafety,
        layer: Core,
        seen_by: &[Simulation],
        runs: Runs::with("partition:leader").on("set"),
        precedent: "atomix/copycat#265",
        needs: &[],
    },
    // Needs no fault, only a pause: what was written last is not known to be committed at the
    // followers until the next write. Their reads wait for it.
    BugInfo {
        bug: Bug::CommitNoticeOnlyWithEntries,
        name: "commit-notice-only-with-entries",
        description: "followers learn what is committed only with new entries",
        breaks: Liveness,
        layer: Core,
        seen_by: &[Unavailable, NotRecovered],
        runs: Runs::with("none").test_flags(&["--concurrency 2", "--rate 20"]),
        precedent: "etcd#1732, hashicorp/raft#412",
        needs: &[],
    },
    // Shown by a partition that cuts the leader off: back, it keeps the entries that no quorum has,
    // and says that they are the leader's.
    BugInfo {
        bug: Bug::NoTruncate,
        name: "no-truncate",
        description: "entries that contradict the leader's stay, and are acknowledged",
        breaks: LogMatching,
        layer: Core,
        seen_by: &[Diverged, History, Simulation],
        runs: Runs::with("partition:leader").on("set"),
        precedent: "mofa#1150, raft-kvs#1, nebula#685",
        needs: &[],
    },
    // Shown only where an old Append comes late, which connections that keep the order of messages
    // prevent.
    BugInfo {
        bug: Bug::TruncateAlways,
        name: "truncate-always",
        description: "an Append cuts off everything that follows it",
        breaks: Durability,
        layer: Core,
        seen_by: &[Simulation],
        runs: Runs::with("packet:jitter"),
        precedent: "redpanda#17731, RaftOS#26",
        needs: &[],
    },
    // Shown by killing nodes while the leader is cut off: it starts again with entries that no quorum
    // has, and applies them.
    BugInfo {
        bug: Bug::ApplyOnRestart,
        name: "apply-on-restart",
        description: "a node that restarts takes its whole log for committed",
        breaks: StateMachineSafety,
        layer: Core,
        seen_by: &[Diverged, History, Simulation],
        runs: Runs::with("partition:leader,kill:all")
            .on("set")
            .schedule(schedule![
                ("2s", "2s", "partition", "leader"),
                ("3s", "300ms", "kill", "all"),
                ("7s", "2s", "partition", "leader"),
                ("8s", "300ms", "kill", "all"),
                ("12s", "2s", "partition", "leader"),
                ("13s", "300ms", "kill", "all"),
            ]),
        precedent: "redpanda#11840",
        needs: &[],
    },
    // Shown by killing all nodes, or a cluster of one: what the leader counted in its own name is not
    // on its disk. A kill loses what is not written, a power loss also what is not synced.
    BugInfo {
        bug: Bug::LeaderCountsUnsynced,
        name: "leader-counts-unsynced",
        description: "a leader counts itself for entries that are not on its disk",
        breaks: Durability,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("kill:all").test_flags(&["--nodes 1"]),
        precedent: "etcd#14370",
        needs: &[],
    },
    // Shown by killing all nodes, or by a power loss at all: what a quorum has acknowledged is not on
    // its disks.
    BugInfo {
        bug: Bug::AcceptBeforeDurable,
        name: "accept-before-durable",
        description: "a follower acknowledges entries before they are durable",
        breaks: Durability,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("power:all"),
        precedent: "openraft commit ee460f37, etcd#14143",
        needs: &[],
    },
    // Shown only where a follower has entries of its own beyond an Append that it takes.
    BugInfo {
        bug: Bug::AcceptedClaimsTooMuch,
        name: "accepted-claims-too-much",
        description: "a follower acknowledges its whole log, not only what it has been sent",
        breaks: LogMatching,
        layer: Core,
        seen_by: &[Diverged, Simulation],
        runs: Runs::with("partition:leader").on("set"),
        precedent: "RATIS-2605",
        needs: &[],
    },
    // Raft's figure 8: it takes three leaders in turn, each of which dies at the right moment. A
    // leader's first entry would settle the earlier ones with it, so there must be none.
    BugInfo {
        bug: Bug::CommitOldTerm,
        name: "commit-old-term",
        description: "a leader commits entries of earlier terms by counting",
        breaks: StateMachineSafety,
        layer: Core,
        seen_by: &[Simulation],
        runs: Runs::with("kill:leader"),
        precedent: "LogCabin#44, PySyncObj#169",
        needs: &[Bug::NoNoop],
    },
    // Shown by killing the leader: reads wait until the next write, and so does what the old one had
    // not committed.
    BugInfo {
        bug: Bug::NoNoop,
        name: "no-noop",
        description: "a new leader appends no entry of its own",
        breaks: Liveness,
        layer: Core,
        seen_by: &[Unavailable, SlowRecovery],
        runs: Runs::with("kill:leader").test_flags(&["--concurrency 2", "--rate 20"]),
        precedent: "",
        needs: &[],
    },
    // After 64 Appends to a follower nothing more is sent to it until the leader probes it anew, so soon
    // that the rate of a running cluster does not tell: the next Appends carry more.
    BugInfo {
        bug: Bug::InflightLeak,
        name: "inflight-leak",
        description: "what a follower has acknowledged is still taken to be under way",
        breaks: Liveness,
        layer: Core,
        seen_by: &[Unit],
        runs: Runs::with("none"),
        precedent: "etcd-io/raft#54",
        needs: &[],
    },
    // Shown by cutting off one node: it misses thousands of entries, and its leader steps back over
    // them one at a time. A new leader must be elected meanwhile; the old one knows where they agree.
    BugInfo {
        bug: Bug::RejectedHintIgnored,
        name: "rejected-hint-ignored",
        description: "a leader steps back one entry a round trip to find where the logs agree",
        breaks: Liveness,
        layer: Core,
        seen_by: &[SlowRecovery],
        runs: Runs::with("partition:one,kill:leader"),
        precedent: "cubefs#2376, openraft commit 6d53aa12",
        needs: &[],
    },
];
