//! Quorums: any two have a voter in common (Raft §5.2), so that what one knows every later one can learn.

use std::collections::BTreeSet;

use super::Core;
use super::api::NodeId;

/// How many of so many voters make a quorum: more than half.
fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

impl Core {
    /// The nodes that count.
    fn electorate(&self) -> impl Iterator<Item = NodeId> {
        self.membership().voters()
    }

    /// Whether these nodes are a quorum.
    pub(super) fn is_quorum(&self, nodes: &BTreeSet<NodeId>) -> bool {
        let count = self.electorate().filter(|voter| nodes.contains(voter)).count();
        count >= quorum(self.electorate().count())
    }

    /// What at least a quorum has reached, given what each node has.
    pub(super) fn reached_by_quorum(&self, of: impl FnMut(NodeId) -> u64) -> u64 {
        let mut values: Vec<u64> = self.electorate().map(of).collect();
        values.sort_unstable_by(|a, b| b.cmp(a));
        values.get(quorum(values.len()) - 1).copied().unwrap_or(0)
    }
}
