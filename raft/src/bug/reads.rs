//! Reads that are not linearizable.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs, schedule};

pub(super) const TABLE: &[BugInfo] = &[
    // Shown by a partition that cuts the leader off: it keeps answering with what it had, while the
    // others elect a leader and write. It doesn't step down either, because a leader that lost its
    // quorum stops at about the time that the next one starts and would be caught only by luck.
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
    // Needs no fault: a follower is always some milliseconds behind what its leader has acknowledged.
    BugInfo {
        bug: Bug::LocalFollowerRead,
        name: "local-follower-read",
        description: "any node answers reads from its own state",
        breaks: Linearizability,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("none"),
        precedent: "yugabyte-db#456",
        needs: &[],
    },
    // Needs no fault, but a follower whose own acknowledgement was not needed for the quorum: slow
    // links to one node make sure that there is one.
    BugInfo {
        bug: Bug::FollowerReadWithoutWait,
        name: "follower-read-without-wait",
        description: "a follower asks its leader for the index to wait for, and does not wait",
        breaks: Linearizability,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("packet:delay"),
        precedent: "d-engine#228, braft#315",
        needs: &[],
    },
    // Shown by killing all nodes: after a restart a node knows as committed no more than its
    // snapshot, and says so for its whole log if it is elected. Killing the leader shows it too, by
    // what the old one had acknowledged and not yet told.
    BugInfo {
        bug: Bug::ReadIndexBeforeNoop,
        name: "read-index-before-noop",
        description: "a new leader vouches for the commit index that it had as a follower",
        breaks: Linearizability,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("kill:all"),
        precedent: "etcd#7331, tikv#6340, redisraft#22",
        needs: &[],
    },
    // Shown by a partition into halves when the leader sits in the smaller one with a follower: that
    // one's answer confirms all reads. The leader must not step down for want of a quorum.
    BugInfo {
        bug: Bug::ConfirmByOne,
        name: "confirm-by-one",
        description: "one follower's answer confirms that the leader still leads",
        breaks: Linearizability,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("partition:halves"),
        precedent: "",
        needs: &[Bug::NoCheckQuorum],
    },
    // Shown by a partition that cuts the leader off: the others have a leader within one or two
    // election timeouts, and the old one reads from its state for five.
    BugInfo {
        bug: Bug::LeaseTooLong,
        name: "lease-too-long",
        description: "a leader answers reads for five election timeouts after it last heard a quorum",
        breaks: Linearizability,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("partition:leader"),
        precedent: "sofa-jraft#25, d-engine#391",
        needs: &[],
    },
    // Needs no fault: between the moment at which the index of a batch is noted and the answer of the
    // quorum, a write is acknowledged, and a read that begins after that joins the batch.
    BugInfo {
        bug: Bug::ReadJoinsAskedBatch,
        name: "read-joins-asked-batch",
        description: "a read joins a batch whose index is noted already",
        breaks: Linearizability,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("pause:one"),
        precedent: "etcd#20418, etcd-io/raft#397",
        needs: &[],
    },
    // Shown by a clock that is set back, and a partition that cuts the leader off: its lease then
    // lasts as long as the jump. Nothing else in a node looks at a clock that can be set, so it is
    // the only one that the clock nemesis can show. The leader must not step down for want of a
    // quorum.
    BugInfo {
        bug: Bug::WallClockLease,
        name: "wall-clock-lease",
        description: "a leader answers reads for an election timeout after it last heard a quorum, by a clock that can be set",
        breaks: Linearizability,
        layer: Core,
        seen_by: &[History],
        runs: Runs::with("clock:jump,partition:leader").schedule(schedule![
            ("2s", "4s", "clock", "jump=-30000@leader"),
            ("2100ms", "3s", "partition", "leader"),
            ("8s", "4s", "clock", "jump=-30000@leader"),
            ("8100ms", "3s", "partition", "leader"),
        ]),
        precedent: "nebula#2723, d-engine#390, etcd#6005",
        needs: &[Bug::NoCheckQuorum],
    },
];
