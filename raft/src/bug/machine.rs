//! What commands do, and to which state.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs};

pub(super) const TABLE: &[BugInfo] = &[
    // Needs no fault: the first cas that fails sets the register at all nodes but the leader.
    BugInfo {
        bug: Bug::FollowersApplyCasBlindly,
        name: "followers-apply-cas-blindly",
        description: "followers apply a cas without comparing",
        breaks: StateMachineSafety,
        layer: Core,
        seen_by: &[History, Diverged, Simulation],
        runs: Runs::with("none"),
        precedent: "openziti#4088, nomad#13725, etcd#7320",
        needs: &[],
    },
    // Needs no fault, but some dozens of keys: two of them are one register.
    BugInfo {
        bug: Bug::KeyHashMixup,
        name: "key-hash-mixup",
        description: "registers are found by 12 bits of a hash of their keys",
        breaks: Linearizability,
        layer: Machine,
        seen_by: &[History],
        runs: Runs::with("none"),
        precedent: "scalaris#53, turbodb#91",
        needs: &[],
    },
    // Shown by restarts after snapshots. A cas compares and so does no harm twice; digests show it,
    // and adds.
    BugInfo {
        bug: Bug::ApplyTwice,
        name: "apply-twice",
        description: "a restart applies the entries that are kept before a snapshot once more",
        breaks: StateMachineSafety,
        layer: Core,
        seen_by: &[Diverged, History, Simulation],
        runs: Runs::with("kill:all")
            .on("exactly-once")
            .node_flags(&["--snapshot-every=2000", "--keep-entries=1000"]),
        precedent: "d-engine#418, braft#121, hashicorp/raft#523",
        needs: &[],
    },
];
