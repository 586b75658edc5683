//! The planted bugs: mistakes that real systems have made, each behind one `if` beside the line that it breaks.
//!
//! To add one: a variant here, its line in [`Bug::ALL`], an `if` in the core.

/// A mistake that a node makes on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bug {
    /// A leader answers reads from its own state without asking a quorum whether it still leads.
    StaleRead,
    /// A write is acknowledged as soon as the leader has appended it.
    AckBeforeQuorum,
    /// Term and vote are not kept over a restart.
    ForgetVote,
}

/// What there is to say about a bug.
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
            description: "a node forgets its term and its vote when it restarts",
            nemesis: "kill:all",
        },
    ];

    /// What there is to say about this bug.
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
