//! Quorums: any two have a voter in common (Raft §5.2), so that what one knows every later one can learn.

use std::collections::BTreeSet;

use super::Core;
use super::api::{Member, NodeId};
use crate::bug::Bug;

impl Core {
    /// How many of so many voters make a quorum: more than half.
    fn quorum(&self, voters: usize) -> usize {
        if self.breaks(Bug::MinorityQuorum) {
            return (voters / 2).max(1);
        }
        if self.breaks(Bug::EvenQuorum) {
            return voters.div_ceil(2).max(1);
        }
        voters / 2 + 1
    }

    /// Whether a member counts: every voter does, whether it is reached or not.
    fn counts(&self, id: NodeId, member: &Member) -> bool {
        if self.breaks(Bug::CountLearners) {
            return true;
        }
        if self.breaks(Bug::QuorumOfTheReachable) && !self.is_reachable(id) {
            return false;
        }
        member.voter
    }

    fn electorate(&self) -> impl Iterator<Item = NodeId> {
        let members = self.membership().members.iter();
        members
            .filter(|(id, member)| self.counts(**id, member))
            .map(|(id, _)| *id)
    }

    /// Whether these nodes are a quorum.
    pub(super) fn is_quorum(&self, nodes: &BTreeSet<NodeId>) -> bool {
        let count = self.electorate().filter(|voter| nodes.contains(voter)).count();
        count >= self.quorum(self.electorate().count())
    }

    /// What at least a quorum has reached, given what each node has.
    pub(super) fn reached_by_quorum(&self, of: impl FnMut(NodeId) -> u64) -> u64 {
        let mut values: Vec<u64> = self.electorate().map(of).collect();
        values.sort_unstable_by(|a, b| b.cmp(a));
        values.get(self.quorum(values.len()) - 1).copied().unwrap_or(0)
    }

    /// Whether anything came from a node within an election timeout. For planted bugs alone.
    fn is_reachable(&self, id: NodeId) -> bool {
        let heard = self.last_heard.get(&id);
        id == self.id() || heard.is_some_and(|heard| self.now < heard + self.config.election_timeout_ns)
    }

    /// Notes when a node was heard, for the planted bugs that count only those.
    pub(super) fn note_heard(&mut self, from: NodeId) {
        if self.breaks(Bug::QuorumOfTheReachable) {
            self.last_heard.insert(from, self.now);
        }
    }
}
