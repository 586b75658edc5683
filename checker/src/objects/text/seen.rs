//! Texts as far as anyone can tell them apart: a beginning of an answer, or none ([`Answers`]).
//!
//! For the search: what is appended to a text that no one will see leads nowhere new, so appends that run at
//! the same time and are seen in one order are followed in that order only.

use super::model::{KvAppend, KvAppendOp};
use crate::engine::answers::{Answers, Beginning};
use crate::model::{Call, Effect, Model};

/// A text of which nothing is known but what answers can show.
pub(super) struct SeenText<'a> {
    answers: Answers<'a, u8>,
    initial: Option<Beginning>,
}

/// What is done to a [`SeenText`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SeenTextOp<'a> {
    /// It was seen to be this.
    Read(Beginning),
    /// It was set to this.
    Write(Option<Beginning>),
    /// This was put behind it.
    Append(&'a [u8]),
}

impl<'a> SeenText<'a> {
    /// The text of these calls, and what they do to it.
    pub fn new(text: &KvAppend, calls: &'a [Call<KvAppendOp>]) -> (Self, Vec<Call<SeenTextOp<'a>>>) {
        let reads = calls.iter().filter_map(|call| match &call.op {
            KvAppendOp::Read(seen) => Some(seen.as_bytes()),
            KvAppendOp::Write(_) | KvAppendOp::Append(_) => None,
        });
        let answers = Answers::new(reads.collect());
        let op = |op: &'a KvAppendOp| match op {
            // Every answer is among the answers.
            KvAppendOp::Read(seen) => answers.find(seen.as_bytes()).map(SeenTextOp::Read),
            KvAppendOp::Write(text) => Some(SeenTextOp::Write(answers.find(text.as_bytes()))),
            KvAppendOp::Append(text) => Some(SeenTextOp::Append(text.as_bytes())),
        };
        let seen = calls.iter().filter_map(|call| {
            let (op, start, finish) = (op(&call.op)?, call.start, call.finish);
            Some(Call { op, start, finish })
        });
        let seen = seen.collect();
        let initial = answers.find(text.initial.as_bytes());
        (SeenText { answers, initial }, seen)
    }
}

impl<'a> Model for SeenText<'a> {
    type Op = SeenTextOp<'a>;
    type State = Option<Beginning>;

    const LOOPS: bool = true;

    fn init(&self) -> Self::State {
        self.initial
    }

    fn apply(&self, state: &mut Self::State, op: &Self::Op) -> bool {
        match op {
            SeenTextOp::Read(seen) => return *state == Some(*seen),
            SeenTextOp::Write(text) => *state = *text,
            SeenTextOp::Append(text) => *state = state.and_then(|at| self.answers.longer(at, text)),
        }
        true
    }

    fn effect(&self, op: &Self::Op) -> Effect {
        match op {
            SeenTextOp::Read(_) => Effect::Pure,
            SeenTextOp::Write(_) => Effect::Overwrite,
            SeenTextOp::Append(_) => Effect::Change,
        }
    }
}
