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
    pub const ALL: [NoteKind; 6] = [
        NoteKind::Leader,
        NoteKind::Crash,
        NoteKind::Stopped,
        NoteKind::Restarted,
        NoteKind::NotBack,
        NoteKind::Nemesis,
    ];

    /// The name in journals, results and reports.
    pub fn name(&self) -> &str {
        match self {
            NoteKind::Leader => "leader",
            NoteKind::Crash => "crash",
            NoteKind::Stopped => "stopped",
            NoteKind::Restarted => "restarted",
            NoteKind::NotBack => "not-back",
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
