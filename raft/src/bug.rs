//! The planted bugs: mistakes that real systems have made, each behind one `if` beside the line that it
//! breaks.
//!
//! To add one: a variant here, its line in [`Bug::ALL`], an `if` beside the line that it breaks.

/// A mistake that a node makes on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A leader answers reads from its own state without asking a quorum whether it still leads.
    ///
    /// Shown by a partition that cuts the leader off: it keeps answering with what it had, while the others
    /// elect a leader and write. It doesn't step down either, because a leader that lost its quorum stops at
    /// about the time that the next one starts and would be caught only by luck.
    StaleRead,
    /// A write is acknowledged as soon as the leader has appended it.
    ///
    /// Shown by a partition that cuts the leader off: until it steps down, it acknowledges writes that the
    /// next leader never hears of. Killing the leader shows it too, by the few writes that were on their way.
    /// (A cas needs the state that it is applied to, so its answer waits as it should.)
    AckBeforeQuorum,
    /// The vote is not kept, and the term only until the next restart.
    ///
    /// Shown by killing all nodes: they start again in term 0 and elect a leader in term 1, in which there
    /// was one before. What the old leader had not yet replicated has the index and term of what the new one
    /// writes, so log matching takes the entries for the same (Raft §5.3) and the nodes' states diverge;
    /// reads at different nodes then disagree. Every election adds a chance of two leaders at once: two
    /// candidates of one term that ask for votes at about the same time both get every vote.
    ForgetVote,
    /// The log is written but never synced, and yet treated as durable.
    ///
    /// A killed process loses nothing by it: the kernel has what it wrote. Shown by a power loss at all
    /// nodes, or at enough of them that those who remember are fewer than a quorum.
    SkipFsync,
}

/// The description of a bug.
#[derive(Debug, Clone, Copy)]
pub struct BugInfo {
    /// The bug.
    pub bug: Bug,
    /// Its name on the command line.
    pub name: &'static str,
    /// What the node does wrong, in one sentence.
    pub description: &'static str,
    /// The fault that shows it, `NEMESIS` or `NEMESIS:TARGET`.
    pub nemesis: &'static str,
}

impl Bug {
    /// Every bug there is.
    pub const ALL: &'static [BugInfo] = &[
        BugInfo {
            bug: Bug::StaleRead,
            name: "stale-read",
            description: "a leader answers reads without confirming that it still leads",
            nemesis: "partition:leader",
        },
        BugInfo {
            bug: Bug::AckBeforeQuorum,
            name: "ack-before-quorum",
            description: "a leader acknowledges a write before a quorum has it",
            nemesis: "partition:leader",
        },
        BugInfo {
            bug: Bug::ForgetVote,
            name: "forget-vote",
            description: "a node forgets its vote, and its term when it restarts",
            nemesis: "kill:all",
        },
        BugInfo {
            bug: Bug::SkipFsync,
            name: "skip-fsync",
            description: "a node treats as durable what it has written and not synced",
            nemesis: "power:all",
        },
    ];

    /// The description of this bug.
    pub fn info(self) -> &'static BugInfo {
        // `ALL` is in the order of the variants; a test holds it to that.
        &Self::ALL[self as usize]
    }

    /// Its name on the command line.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// The bug of that name.
    pub fn from_name(name: &str) -> Option<Bug> {
        Self::ALL
            .iter()
            .find(|info| info.name == name)
            .map(|info| info.bug)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_its_own_line_and_is_found_by_its_name() {
        for (position, info) in Bug::ALL.iter().enumerate() {
            assert_eq!(info.bug as usize, position);
            assert_eq!(Bug::from_name(info.name), Some(info.bug));
            assert_eq!(info.bug.name(), info.name);
        }
        assert_eq!(Bug::from_name("no-such-bug"), None);
    }
}
