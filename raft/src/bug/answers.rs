//! Answers that claim what is not so.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs, schedule};

pub(super) const TABLE: &[BugInfo] = &[
    // Shown by a partition that cuts the leader off: until it steps down, it acknowledges writes that
    // the next leader never hears of. Killing the leader shows it too, by the few writes that were on
    // their way. (A cas needs the state that it is applied to, so its answer waits as it should.)
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
    // Needs no fault: the write is read elsewhere before it is applied. What a dying leader had not
    // yet received is lost.
    BugInfo {
        bug: Bug::AckOnForward,
        name: "ack-on-forward",
        description: "a follower acknowledges a write when it has passed it on",
        breaks: Durability,
        layer: Node,
        seen_by: &[History],
        runs: Runs::with("kill:leader"),
        precedent: "MongoDB before 2012 (aphyr.com/posts/284)",
        needs: &[],
    },
    // Shown by a partition that cuts the leader off, above all in one direction: followers have
    // stored the entry, their answers are lost, and 300 ms later the leader says that it has not
    // happened.
    BugInfo {
        bug: Bug::LeadershipLostIsNo,
        name: "leadership-lost-is-no",
        description: "a leader that steps down says that what it had appended has certainly not happened",
        breaks: HonestAnswers,
        layer: Node,
        seen_by: &[History],
        runs: Runs::with("partition:leader,partition:one-way"),
        precedent: "cockroach#103817, redisraft#23",
        needs: &[],
    },
    // Shown by killing the leader: what it had replicated of the requests that others passed on is
    // committed by the next.
    BugInfo {
        bug: Bug::ConnectionLostIsNo,
        name: "connection-lost-is-no",
        description: "a follower says of a request that its leader's death left open that it has certainly not happened",
        breaks: HonestAnswers,
        layer: Node,
        seen_by: &[History],
        runs: Runs::with("kill:leader"),
        precedent: "redisraft#23",
        needs: &[],
    },
    // Shown by transfers of leadership: what comes meanwhile is refused, and committed all the same.
    BugInfo {
        bug: Bug::RefuseAfterAppend,
        name: "refuse-after-append",
        description: "a leader refuses a request after it has appended it",
        breaks: HonestAnswers,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("transfer"),
        precedent: "redisraft#23",
        needs: &[],
    },
    // Shown by killing the leader: what it had replicated is committed by the next, and then the
    // repeated request as well. A repeated cas says that it failed although it took effect.
    BugInfo {
        bug: Bug::ForwardRetries,
        name: "forward-retries",
        description: "a follower silently sends what its leader's death left open to the next leader",
        breaks: ExactlyOnce,
        layer: Node,
        seen_by: &[History],
        runs: Runs::with("kill:leader"),
        precedent: "openraft#2095, etcd#3587, summitdb#5",
        needs: &[],
    },
    // Shown by every change of leader: the next one's first entry, which no client waits for, answers
    // the first request, and so on. Writes are acknowledged one entry too early, a cas gets its
    // predecessor's answer.
    BugInfo {
        bug: Bug::AnswersShifted,
        name: "answers-shifted",
        description: "a leader answers its oldest request with whatever is applied next",
        breaks: HonestAnswers,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("kill:leader"),
        precedent: "students' guide to Raft",
        needs: &[],
    },
    // Shown by cutting the leader off for a little longer than an election, but not so long that its
    // clients give up.
    BugInfo {
        bug: Bug::AnswerByIndex,
        name: "answer-by-index",
        description: "a leader that lost its leadership answers a request with whatever entry takes its index",
        breaks: HonestAnswers,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("partition:leader").schedule(schedule![
            ("2s", "600ms", "partition", "leader"),
            ("4s", "700ms", "partition", "leader"),
            ("6s", "800ms", "partition", "leader"),
            ("8s", "600ms", "partition", "leader"),
            ("10s", "700ms", "partition", "leader"),
            ("12s", "800ms", "partition", "leader"),
        ]),
        precedent: "redpanda#3003, students' guide to Raft",
        needs: &[],
    },
    // Needs no fault: a write that is already in the log, but not applied, comes between the
    // comparison and the write. Ten clients on five keys make that happen many times a second.
    BugInfo {
        bug: Bug::CasAtLeaderEarly,
        name: "cas-at-leader-early",
        description: "a leader compares for a cas when it is asked, and logs a plain write",
        breaks: Linearizability,
        layer: Core,
        seen_by: &[History],
        runs: Runs::with("none"),
        precedent: "etcd#4226",
        needs: &[],
    },
    // Shown by a partition that cuts the leader off: it goes on saying that a cas found another
    // value, the one that it remembers. It must not step down for want of a quorum, as with stale
    // reads.
    BugInfo {
        bug: Bug::FailedCasFromStale,
        name: "failed-cas-from-stale",
        description: "a leader answers a cas that would fail from its own state, without a quorum",
        breaks: Linearizability,
        layer: Core,
        seen_by: &[History, Simulation],
        runs: Runs::with("partition:leader"),
        precedent: "scylladb#6299",
        needs: &[Bug::NoCheckQuorum],
    },
    // Shown by killing the leader, if clients repeat their numbered requests: what it had replicated
    // is applied again.
    BugInfo {
        bug: Bug::SessionDedupOff,
        name: "session-dedup-off",
        description: "a request repeated under the same number is applied again",
        breaks: ExactlyOnce,
        layer: Machine,
        seen_by: &[History, Simulation],
        runs: Runs::with("kill:leader").on("exactly-once"),
        precedent: "summitdb#5",
        needs: &[],
    },
];
