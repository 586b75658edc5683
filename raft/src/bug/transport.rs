//! The links between nodes.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs};

pub(super) const TABLE: &[BugInfo] = &[
    // Shown by faults that last some seconds, over minutes: node after node is cut off for ever.
    BugInfo {
        bug: Bug::LinkGivesUp,
        name: "link-gives-up",
        description: "a link is given up after 20 failed attempts to connect",
        breaks: Liveness,
        layer: Transport,
        seen_by: &[NotRecovered],
        runs: Runs::with("partition:one,kill").test_flags(&["--fault-interval 6s", "--time-limit 90s"]),
        precedent: "openraft#525",
        needs: &[],
    },
    // Shown by partitions: after the heal TCP waits about as long again as the cut has lasted.
    BugInfo {
        bug: Bug::DeadLinkUndetected,
        name: "dead-link-undetected",
        description: "a link on which nothing comes back is kept",
        breaks: Liveness,
        layer: Node,
        seen_by: &[SlowRecovery],
        runs: Runs::with("partition:one").test_flags(&["--fault-interval 6s", "--time-limit 60s"]),
        precedent: "etcd#18052, etcd#19143, yugabyte-db#950",
        needs: &[],
    },
    // Shown by a node that vanishes without closing its connections, such as by a loss of power or a
    // cut, and comes back: its peers refuse it for ten seconds.
    BugInfo {
        bug: Bug::OlderConnectionWins,
        name: "older-connection-wins",
        description: "a peer's new connection is refused while its older one is thought to be alive",
        breaks: Liveness,
        layer: Transport,
        seen_by: &[SlowRecovery],
        runs: Runs::with("partition:one"),
        precedent: "icn#2504",
        needs: &[],
    },
];
