//! What a node loses or misreads on its disk.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs, schedule};

pub(super) const TABLE: &[BugInfo] = &[
    // A killed process loses nothing by it: the kernel has what it wrote. Shown by a power loss at
    // all nodes, or at enough of them that those who remember are fewer than a quorum.
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
    // As with no sync at all a killed process loses nothing, and a power loss at all nodes less: what
    // was acknowledged in the last tenth of a second.
    BugInfo {
        bug: Bug::LazyFsync,
        name: "lazy-fsync",
        description: "a node syncs its log ten times a second and acknowledges at once",
        breaks: Durability,
        layer: Storage,
        seen_by: &[History],
        runs: Runs::with("power:all"),
        precedent: "nats-server#7564 (jepsen.io/analyses/nats-2.12.1)",
        needs: &[],
    },
    // Shown by full disks and then a restart: the log has a gap, or ends too early.
    BugInfo {
        bug: Bug::WriteErrorIgnored,
        name: "write-error-ignored",
        description: "a node treats as durable what it could not write",
        breaks: Durability,
        layer: Storage,
        seen_by: &[History, Crash],
        runs: Runs::with("disk-full:all,kill:all"),
        precedent: "cockroach#32631, canonical/raft#320",
        needs: &[],
    },
    // Shown by syncs that fail and a power loss after that.
    BugInfo {
        bug: Bug::FsyncErrorIgnored,
        name: "fsync-error-ignored",
        description: "a node treats as durable what it could not sync",
        breaks: Durability,
        layer: Storage,
        seen_by: &[History, Crash],
        runs: Runs::with("fsync:fail,power:all").schedule(schedule![
            ("1s", "7s", "fsync", "fail@all"),
            ("5s", "300ms", "power", "all"),
        ]),
        precedent: "cockroach#37214",
        needs: &[],
    },
    // Shown by a power loss at all nodes just after an election.
    BugInfo {
        bug: Bug::VoteUnsynced,
        name: "vote-unsynced",
        description: "a term and a vote are written without a sync when no entry comes with them",
        breaks: ElectionSafety,
        layer: Storage,
        seen_by: &[TwoLeaders, History],
        runs: Runs::with("power:all"),
        precedent: "",
        needs: &[],
    },
    // Shown by two power losses in a row, if the first one tears a write: what is written after it
    // lies elsewhere than its records say, and the second start cuts it off as torn.
    BugInfo {
        bug: Bug::TornTailMisplaced,
        name: "torn-tail-misplaced",
        description: "a torn end of the log stays, and records are written behind it as if it were gone",
        breaks: Durability,
        layer: Storage,
        seen_by: &[History, Crash],
        runs: Runs::with("power:all"),
        precedent: "cqlite#1390",
        needs: &[],
    },
    // Shown by flipped bits in the log: most make records that cannot be read, and some make other
    // values.
    BugInfo {
        bug: Bug::NoChecksum,
        name: "no-checksum",
        description: "a node reads its log without comparing checksums",
        breaks: Durability,
        layer: Storage,
        seen_by: &[Crash, History],
        runs: Runs::with("corrupt:bitflip").on("set"),
        precedent: "nats-server#7549",
        needs: &[],
    },
    // Shown by flipped bits in the log: the node forgets what it had acknowledged and goes on. With
    // the others' help that does no harm until one of them is away.
    BugInfo {
        bug: Bug::DamageTakenForTorn,
        name: "damage-taken-for-torn",
        description: "damage within the log is taken for its torn end, and cut off",
        breaks: Durability,
        layer: Storage,
        seen_by: &[Log, History],
        runs: Runs::with("corrupt:bitflip,partition:one").test_flags(&["--nodes 3"]),
        precedent: "camunda#6098",
        needs: &[],
    },
    // Shown by a power loss soon after a snapshot: the log names a file that is not there, or not
    // whole, and the node refuses to start.
    BugInfo {
        bug: Bug::SnapshotNotSynced,
        name: "snapshot-not-synced",
        description: "a snapshot is written without a sync",
        breaks: Durability,
        layer: Storage,
        seen_by: &[Crash, History],
        runs: Runs::with("compact,power:all"),
        precedent: "hashicorp/raft#232",
        needs: &[],
    },
    // Shown by restarts after snapshots with small segments: once the older ones are deleted, term
    // and vote are gone.
    BugInfo {
        bug: Bug::SegmentStartForgetsVote,
        name: "segment-start-forgets-vote",
        description: "a new segment of the log does not repeat the term and the vote",
        breaks: ElectionSafety,
        layer: Storage,
        seen_by: &[History, TwoLeaders, Diverged],
        runs: Runs::with("compact,kill:all").node_flags(&["--segment-bytes=64KiB"]),
        precedent: "hashicorp/raft#661",
        needs: &[],
    },
];
