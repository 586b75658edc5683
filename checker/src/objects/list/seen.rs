//! Lists as far as anybody can tell them apart: each a beginning of an answer, or none ([`Answers`]).
//!
//! For the search, as in `objects/text/seen`. Versions count what was appended whether anybody saw it or not,
//! so lists whose versions were asked for are searched as they are.

use history::{Key, Value};
use rustc_hash::FxHashMap;

use super::model::ListMicro;
use crate::engine::answers::{Answers, Beginning};
use crate::model::{Call, Effect, Model, array_bytes};

/// Lists of which nothing is known but what answers can show.
pub(super) struct SeenLists<'a> {
    answers: Vec<Answers<'a, Value>>,
    initial: Vec<Option<Beginning>>,
}

/// One step of what is done to [`SeenLists`]; lists by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SeenMicro<'a> {
    /// A list was seen to be this.
    Read(u32, Option<Beginning>),
    /// This was put behind a list.
    Append(u32, &'a Value),
}

impl<'a> SeenLists<'a> {
    /// The lists of these calls, and what they do to them; `None` if they tell versions.
    pub fn new(calls: &'a [Call<Vec<ListMicro>>]) -> Option<(Self, Vec<Call<Vec<SeenMicro<'a>>>>)> {
        let mut numbers: FxHashMap<&Key, u32> = FxHashMap::default();
        let mut answers: Vec<Vec<&[Value]>> = Vec::new();
        for micro in calls.iter().flat_map(|call| &call.op) {
            match micro {
                ListMicro::Read(key, seen) => {
                    let number = *numbers.entry(key).or_insert(answers.len() as u32) as usize;
                    if number == answers.len() {
                        answers.push(Vec::new());
                    }
                    answers[number].push(seen);
                }
                ListMicro::Append(..) => {}
                ListMicro::Version(..) => return None,
            }
        }
        let answers: Vec<Answers<Value>> = answers.into_iter().map(Answers::new).collect();
        let micro = |micro: &'a ListMicro| match micro {
            ListMicro::Read(key, seen) => {
                let number = numbers[key];
                Some(SeenMicro::Read(number, answers[number as usize].find(seen)))
            }
            // A list that nobody looks at has no number.
            ListMicro::Append(key, element) => Some(SeenMicro::Append(*numbers.get(key)?, element)),
            ListMicro::Version(..) => None,
        };
        let call = |call: &'a Call<Vec<ListMicro>>| Call {
            op: call.op.iter().filter_map(micro).collect(),
            start: call.start,
            finish: call.finish,
        };
        let calls = calls.iter().map(call).collect();
        let initial = answers.iter().map(|answers| answers.find(&[])).collect();
        Some((SeenLists { answers, initial }, calls))
    }
}

impl<'a> Model for SeenLists<'a> {
    type Op = Vec<SeenMicro<'a>>;
    /// What each list is.
    type State = Vec<Option<Beginning>>;

    const LOOPS: bool = true;

    fn init(&self) -> Self::State {
        self.initial.clone()
    }

    fn apply(&self, state: &mut Self::State, op: &Self::Op) -> bool {
        op.iter().all(|micro| match micro {
            SeenMicro::Read(list, seen) => state[*list as usize] == *seen,
            SeenMicro::Append(list, element) => {
                let list = *list as usize;
                let more = std::slice::from_ref(*element);
                state[list] = state[list].and_then(|at| self.answers[list].longer(at, more));
                true
            }
        })
    }

    fn effect(&self, op: &Self::Op) -> Effect {
        match op.iter().any(|micro| matches!(micro, SeenMicro::Append(..))) {
            true => Effect::Change,
            false => Effect::Pure,
        }
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        array_bytes::<Option<Beginning>>(state.capacity())
    }
}
