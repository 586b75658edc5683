//! Votes, terms, and who may lead.

use super::Bug;
use super::info::{BugInfo, Layer::*, Oracle::*, Property::*, Runs};

pub(super) const TABLE: &[BugInfo] = &[
    // Shown by killing all nodes: they start again in term 0 and elect a leader in term 1, in which there was
    // one before. What the old leader had not yet replicated has the index and term of what the new one
    // writes, so log matching takes the entries for the same (Raft §5.3) and the nodes' states diverge; reads
    // at different nodes then disagree. Every election adds a chance of two leaders at once: two candidates
    // of one term that ask for votes at about the same time both get every vote.
    BugInfo {
        bug: Bug::ForgetVote,
        name: "forget-vote",
        description: "a node forgets its vote, and its term when it restarts",
        breaks: ElectionSafety,
        layer: Core,
        seen_by: &[History, TwoLeaders, Divergence, Simulation],
        runs: Runs::with("kill:all"),
        precedent: "raft-java#57, barge#5",
        needs: &[],
    },
    // Shown by a cut of one direction: a leader that is heard and hears nothing keeps its followers loyal,
    // and nothing is committed for as long as the cut lasts.
    BugInfo {
        bug: Bug::NoCheckQuorum,
        name: "no-check-quorum",
        description: "a leader that no quorum answers goes on leading",
        breaks: Liveness,
        layer: Core,
        seen_by: &[Availability],
        runs: Runs::with("partition:one-way"),
        precedent: "neo4j#8236",
        needs: &[],
    },
];
