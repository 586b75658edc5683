//! Votes, terms, and who may lead.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs, schedule};

pub(super) const TABLE: &[BugInfo] = &[
    // Shown by killing all nodes: they start again in term 0 and elect a leader in term 1, in which
    // there was one before. What the old leader had not yet replicated has the index and term of what
    // the new one writes, so log matching takes the entries for the same (Raft §5.3) and the nodes'
    // states diverge; reads at different nodes then disagree. Every election adds a chance of two
    // leaders at once: two candidates of one term that ask for votes at about the same time both get
    // every vote.
    BugInfo {
        bug: Bug::ForgetVote,
        name: "forget-vote",
        description: "a node forgets its vote, and its term when it restarts",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[History, TwoLeaders, Diverged, Simulation],
        runs: Runs::with("kill:all"),
        precedent: "raft-java#57, barge#5",
        needs: &[],
    },
    // Two candidates must stand in one term, which pre-votes make rare. Shown by freezing all nodes: their
    // timers run out at the same moment.
    BugInfo {
        bug: Bug::VoteTwice,
        name: "vote-twice",
        description: "a node votes for everyone who asks in a term",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[TwoLeaders, Diverged, Log, History, Simulation],
        runs: Runs::with("pause:all"),
        precedent: "jgroups-raft#254, nebula#2405, camunda#5356",
        needs: &[],
    },
    // Shown only where a node votes, loses power before the vote is on its disk, and votes again in
    // the same term.
    BugInfo {
        bug: Bug::VoteBeforeDurable,
        name: "vote-before-durable",
        description: "a vote is given before it is durable",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[Simulation],
        runs: Runs::with("power:all"),
        precedent: "raft-java#57",
        needs: &[],
    },
    // Shown only where a candidate's request comes after its term has a leader, which connections
    // that keep the order of messages make rare.
    BugInfo {
        bug: Bug::SameTermClearsVote,
        name: "same-term-clears-vote",
        description: "a node that follows the leader of a term forgets its vote in that term",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[TwoLeaders, Simulation],
        runs: Runs::with("kill:leader,packet:delay"),
        precedent: "CCF#8094, redpanda#19, camunda#5368",
        needs: &[],
    },
    // Shown by killing all nodes: the one that is elected need not have what the others have
    // acknowledged, and overwrites it. It is behind by at most what one write to its disk holds, so
    // not every kill shows it.
    BugInfo {
        bug: Bug::VoteWithoutLogCheck,
        name: "vote-without-log-check",
        description: "a node votes for a candidate whose log lacks entries",
        breaks: LeaderCompleteness,
        layer: Core,
        seen_by: &[History, Diverged, Simulation],
        runs: Runs::with("kill:all"),
        precedent: "jgroups-raft#14, akka-raft#30",
        needs: &[],
    },
    // It takes two leaders in turn that were cut off with entries of their own, so that the longer
    // log is the older one.
    BugInfo {
        bug: Bug::VoteByLengthOnly,
        name: "vote-by-length-only",
        description: "a node votes by the length of the logs and not by the terms of their last entries",
        breaks: LeaderCompleteness,
        layer: Core,
        seen_by: &[History, Diverged, Simulation],
        runs: Runs::with("partition:leader,kill:all"),
        precedent: "simpleRaft#10",
        needs: &[],
    },
    // Shown where a cut-off leader's log is longer and another's last term is later: they refuse each
    // other, and with a third node gone there is no leader.
    BugInfo {
        bug: Bug::VoteComparesBoth,
        name: "vote-compares-both",
        description: "a node votes only for a log that is both as long and of as late a term",
        breaks: Liveness,
        layer: Core,
        seen_by: &[NotRecovered, Simulation],
        runs: Runs::with("partition:leader,kill:minority"),
        precedent: "hashicorp/raft#94",
        needs: &[],
    },
    // Shown by a transfer of leadership to a node that has just come back: it takes over without what it
    // missed. A target that keeps up lacks nothing, because links keep the order of what is sent.
    BugInfo {
        bug: Bug::TransferSkipsLogCheck,
        name: "transfer-skips-log-check",
        description: "leadership is handed over at once, and its target needs no complete log",
        breaks: LeaderCompleteness,
        layer: Core,
        seen_by: &[History, Diverged, Simulation],
        runs: Runs::with("pause,transfer").schedule(schedule![
            ("2s", "2s", "pause", "n3"),
            ("4010ms", "300ms", "transfer", "n3"),
            ("6s", "2s", "pause", "n2"),
            ("8030ms", "300ms", "transfer", "n2"),
            ("10s", "2s", "pause", "n4"),
            ("12050ms", "300ms", "transfer", "n4"),
            ("14s", "2s", "pause", "n5"),
            ("16100ms", "300ms", "transfer", "n5"),
        ]),
        precedent: "redpanda#2606, hashicorp/raft#581",
        needs: &[],
    },
    // Shown by freezing all nodes: of two that ask at about the same time both are told that they could
    // win, and both take it for a victory in the same term.
    BugInfo {
        bug: Bug::PreVoteCountsAsVote,
        name: "pre-vote-counts-as-vote",
        description: "those who said that they would vote are counted as having voted",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[TwoLeaders, Diverged, Log, History, Simulation],
        runs: Runs::with("pause:all"),
        precedent: "",
        needs: &[],
    },
    // Shown only where a vote comes after its candidate stands in the next term.
    BugInfo {
        bug: Bug::VotesOfOldTermCount,
        name: "votes-of-old-term-count",
        description: "votes of earlier terms count",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[Simulation],
        runs: Runs::with("kill:leader,packet:delay"),
        precedent: "xraft#33, little-raft#44",
        needs: &[],
    },
    // Shown only by a network that repeats messages; TCP does not.
    BugInfo {
        bug: Bug::DuplicateVotesCount,
        name: "duplicate-votes-count",
        description: "a vote that comes twice counts twice",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[Simulation],
        runs: Runs::with("packet:duplicate"),
        precedent: "xraft#27",
        needs: &[],
    },
    // Shown by pausing the leader for longer than an election: it wakes up, and what it sends before
    // it learns better is taken.
    BugInfo {
        bug: Bug::StaleLeaderAccepted,
        name: "stale-leader-accepted",
        description: "a node follows leaders of earlier terms",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[Diverged, History, Simulation],
        runs: Runs::with("pause:leader").on("set").schedule(schedule![
            ("2s", "700ms", "pause", "leader"),
            ("4s", "800ms", "pause", "leader"),
            ("6s", "900ms", "pause", "leader"),
            ("8s", "700ms", "pause", "leader"),
            ("10s", "800ms", "pause", "leader"),
        ]),
        precedent: "camunda#1068, akka-raft#55",
        needs: &[],
    },
    // Shown by every partition: each side has a majority of the nodes that it reaches.
    BugInfo {
        bug: Bug::QuorumOfTheReachable,
        name: "quorum-of-the-reachable",
        description: "a majority of the nodes that are reached is enough",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[History, Diverged, Simulation],
        runs: Runs::with("partition:halves"),
        precedent: "rapid-relayer#38, SlimCluster#28, redisraft#28",
        needs: &[],
    },
    // Shown by a partition into halves: each can elect a leader and commit.
    BugInfo {
        bug: Bug::MinorityQuorum,
        name: "minority-quorum",
        description: "half of the nodes, rounded down, is a quorum",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[History, Diverged, TwoLeaders, Simulation],
        runs: Runs::with("partition:halves"),
        precedent: "elasticsearch#10935",
        needs: &[],
    },
    // Right for three nodes and for five. Of four, two are half, and both halves can elect a leader.
    BugInfo {
        bug: Bug::EvenQuorum,
        name: "even-quorum",
        description: "half of the nodes, rounded up, is a quorum",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[History, Diverged, Simulation],
        runs: Runs::with("partition:halves").test_flags(&["--nodes 4"]),
        precedent: "hashicorp/raft commit 163a55f",
        needs: &[],
    },
    // Shown by cutting off one node, again and again: it comes back with a higher term, and the
    // leader steps down.
    BugInfo {
        bug: Bug::NoPreVote,
        name: "no-pre-vote",
        description: "a node stands for election without asking whether it could win",
        breaks: Liveness,
        layer: Core,
        seen_by: &[Election, SlowRecovery],
        runs: Runs::with("partition:one"),
        precedent: "etcd#6624, cockroach#1131, LogCabin#56",
        needs: &[],
    },
    // A leader that is heard and hears nothing would keep its followers loyal for as long as a cut of
    // one direction lasts. TCP hides it: without acknowledgements of packets nothing more is sent after
    // a moment, and the others elect a leader as after a full cut.
    BugInfo {
        bug: Bug::NoCheckQuorum,
        name: "no-check-quorum",
        description: "a leader that no quorum answers goes on leading",
        breaks: Liveness,
        layer: Core,
        seen_by: &[Unit],
        runs: Runs::with("partition:one-way"),
        precedent: "neo4j#8236",
        needs: &[],
    },
    // Shown by killing the leader while one node lags: it asks first, is refused, and makes the
    // others wait.
    BugInfo {
        bug: Bug::RefusedVoteResetsTimer,
        name: "refused-vote-resets-timer",
        description: "a node waits with its own candidacy after it has refused another's",
        breaks: Liveness,
        layer: Core,
        seen_by: &[Unavailable, SlowRecovery],
        runs: Runs::with("kill:leader,packet:slow-link"),
        precedent: "goraft#58, raft-rs#14, hashicorp/raft#609",
        needs: &[],
    },
    // Shown by a transfer to a node that is paused: the leader is well, answers reads, and refuses
    // every write for as long as the pause lasts.
    BugInfo {
        bug: Bug::TransferNeverEnds,
        name: "transfer-never-ends",
        description: "a transfer of leadership that does not come about is never given up",
        breaks: Liveness,
        layer: Core,
        seen_by: &[Unavailable],
        runs: Runs::with("pause,transfer").schedule(schedule![
            ("2s", "12s", "pause", "n2"),
            ("2500ms", "300ms", "transfer", "n2"),
        ]),
        precedent: "hashicorp/raft#493, openraft#1747, redpanda#2592",
        needs: &[],
    },
    // Shown by killing the leader: the others heard it last at the same moment, stand at the same
    // moment, and vote for themselves; and then again.
    BugInfo {
        bug: Bug::FixedElectionTimeout,
        name: "fixed-election-timeout",
        description: "all election timeouts are equally long",
        breaks: Liveness,
        layer: Core,
        seen_by: &[Unavailable, SlowRecovery],
        runs: Runs::with("kill:leader"),
        precedent: "openraft#1838",
        needs: &[],
    },
    // Shown by killing the leader: as with equal timeouts, the others stand at the same moment again
    // and again.
    BugInfo {
        bug: Bug::SameSeed,
        name: "same-seed",
        description: "all nodes draw the same election timeouts",
        breaks: Liveness,
        layer: Node,
        seen_by: &[Unavailable, SlowRecovery],
        runs: Runs::with("kill:leader"),
        precedent: "hashicorp/raft#50",
        needs: &[],
    },
    // Shown by slow disks: the leader hears no answers and steps down.
    BugInfo {
        bug: Bug::HeartbeatBehindDisk,
        name: "heartbeat-behind-disk",
        description: "answers to heartbeats wait for the disk",
        breaks: Liveness,
        layer: Core,
        seen_by: &[Election, Unavailable],
        runs: Runs::with("fsync:slow"),
        precedent: "LogCabin#200, etcd#7617, etcd#7312",
        needs: &[],
    },
];
