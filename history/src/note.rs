//! Notes: what happened to the store without a request, for example a change of leader.

use std::fmt;

use crate::Fact;

/// Something worth remembering that was not requested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// What happened.
    pub kind: NoteKind,
    /// The node that it is about, by name; empty if it is about none.
    pub node: String,
    /// The term in which that node leads, where the store has terms and reports them.
    pub term: Option<u64>,
    /// Further details, human-readable.
    pub detail: String,
    /// The same in data, for checks; only some kinds have it.
    pub fact: Option<Fact>,
}

/// What a note says. In the journal it is its [name](NoteKind::name).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum NoteKind {
    /// Another node was seen to lead, or the same one in another term.
    Leader,
    /// A process of the store ended, and perjury had not ended it.
    Crash,
    /// The run was stopped before its time; the detail is why.
    Stopped,
    /// A process of the store ended by itself after the last heal, and perjury started it again.
    Restarted,
    /// The store did not come back after the last heal; the detail is why, and the fact what its nodes were
    /// like.
    NotBack,
    /// A node led in terms of which no other note told yet; the fact is which.
    Led,
    /// The state of a node at one index was read; the fact is its hash.
    State,
    /// How large a node is, measured now and then; the fact is the figures.
    Size,
    /// An act of another harness' nemesis, whose outcome is unknown.
    Nemesis,
    /// A kind that this version does not know: another harness or a newer perjury wrote it.
    Other(String),
}

impl Note {
    /// A note of that kind about no node.
    pub fn new(kind: NoteKind) -> Note {
        Note {
            kind,
            node: String::new(),
            term: None,
            detail: String::new(),
            fact: None,
        }
    }
}

impl NoteKind {
    /// The kinds that perjury writes.
    pub const ALL: [NoteKind; 9] = [
        NoteKind::Leader,
        NoteKind::Crash,
        NoteKind::Stopped,
        NoteKind::Restarted,
        NoteKind::NotBack,
        NoteKind::Led,
        NoteKind::State,
        NoteKind::Size,
        NoteKind::Nemesis,
    ];

    /// Whether it is one of many measurements, which are for checks and not for people to read one by one.
    pub fn is_measurement(&self) -> bool {
        matches!(self, NoteKind::Led | NoteKind::State | NoteKind::Size)
    }

    /// The name in journals, results and reports.
    pub fn name(&self) -> &str {
        match self {
            NoteKind::Leader => "leader",
            NoteKind::Crash => "crash",
            NoteKind::Stopped => "stopped",
            NoteKind::Restarted => "restarted",
            NoteKind::NotBack => "not-back",
            NoteKind::Led => "led",
            NoteKind::State => "state",
            NoteKind::Size => "size",
            NoteKind::Nemesis => "nemesis",
            NoteKind::Other(name) => name,
        }
    }
}

impl From<String> for NoteKind {
    fn from(name: String) -> NoteKind {
        let known = NoteKind::ALL.into_iter().find(|kind| kind.name() == name);
        known.unwrap_or(NoteKind::Other(name))
    }
}

impl fmt::Display for NoteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for kind in NoteKind::ALL {
            assert_eq!(NoteKind::from(kind.name().to_owned()), kind);
        }
        let newer = NoteKind::from("eclipse".to_owned());
        assert_eq!(
            (newer.name(), &newer),
            ("eclipse", &NoteKind::Other("eclipse".into()))
        );
    }
}
