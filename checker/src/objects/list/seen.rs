//! Lists as far as anyone can tell them apart: each a beginning of an answer, or none ([`Answers`]), and its
//! version where someone asked for it.
//!
//! For the search, as in `objects/text/seen`.

use history::{Key, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::model::ListMicro;
use crate::engine::answers::{Answers, Beginning};
use crate::model::{Call, Effect, Model, array_bytes};

/// Lists of which nothing is known but what answers can show.
pub(super) struct SeenLists<'a> {
    answers: Vec<Answers<'a, Value>>,
    initial: Vec<SeenList>,
}

/// What is known of one list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct SeenList {
    /// The beginning of an answer that it is, if it is one.
    is: Option<Beginning>,
    /// How many transactions appended to it, if anyone asks.
    version: i64,
}

/// One step of what is done to [`SeenLists`]; lists by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum SeenMicro<'a> {
    /// A list was seen to be this.
    Read(u32, Option<Beginning>),
    /// This was put behind a list, which adds so much to its version.
    Append(u32, &'a Value, i64),
    /// A list was seen to have this version.
    Version(u32, i64),
}

impl<'a> SeenLists<'a> {
    /// The lists of these calls, and what they do to them.
    pub fn new(calls: &'a [Call<Vec<ListMicro>>]) -> (Self, Vec<Call<Vec<SeenMicro<'a>>>>) {
        let mut numbers: FxHashMap<&Key, u32> = FxHashMap::default();
        let mut answers: Vec<Vec<&[Value]>> = Vec::new();
        let mut has_version: FxHashSet<u32> = FxHashSet::default();
        for micro in calls.iter().flat_map(|call| &call.op) {
            // A list that no one looks at has no number.
            let (ListMicro::Read(key, _) | ListMicro::Version(key, ..)) = micro else {
                continue;
            };
            let number = *numbers.entry(key).or_insert(answers.len() as u32);
            if number as usize == answers.len() {
                answers.push(Vec::new());
            }
            match micro {
                ListMicro::Read(_, seen) => answers[number as usize].push(seen),
                _ => drop(has_version.insert(number)),
            }
        }
        let answers: Vec<Answers<Value>> = answers.into_iter().map(Answers::new).collect();
        let micro = |op: &'a [ListMicro], place: usize| match &op[place] {
            ListMicro::Read(key, seen) => {
                let number = numbers[key];
                Some(SeenMicro::Read(number, answers[number as usize].find(seen)))
            }
            ListMicro::Version(key, version, _) => Some(SeenMicro::Version(numbers[key], *version)),
            ListMicro::Append(key, element) => {
                let number = *numbers.get(key)?;
                // Each transaction counts once, whatever it appends.
                let is_again =
                    |micro: &ListMicro| matches!(micro, ListMicro::Append(other, _) if other == key);
                let counts = has_version.contains(&number) && !op[..place].iter().any(is_again);
                Some(SeenMicro::Append(number, element, counts.into()))
            }
        };
        let call = |call: &'a Call<Vec<ListMicro>>| Call {
            op: (0..call.op.len())
                .filter_map(|place| micro(&call.op, place))
                .collect(),
            start: call.start,
            finish: call.finish,
        };
        let calls = calls.iter().map(call).collect();
        let empty = |answers: &Answers<Value>| SeenList {
            is: answers.find(&[]),
            version: 0,
        };
        let initial = answers.iter().map(empty).collect();
        (SeenLists { answers, initial }, calls)
    }
}

impl<'a> Model for SeenLists<'a> {
    type Op = Vec<SeenMicro<'a>>;
    /// What each list is.
    type State = Vec<SeenList>;

    const LOOPS: bool = true;

    fn init(&self) -> Self::State {
        self.initial.clone()
    }

    fn apply(&self, state: &mut Self::State, op: &Self::Op) -> bool {
        op.iter().all(|micro| match micro {
            SeenMicro::Read(list, seen) => state[*list as usize].is == *seen,
            SeenMicro::Version(list, version) => state[*list as usize].version == *version,
            SeenMicro::Append(list, element, more) => {
                let number = *list as usize;
                let list = &mut state[number];
                let element = std::slice::from_ref(*element);
                list.is = list.is.and_then(|at| self.answers[number].longer(at, element));
                list.version += more;
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
        array_bytes::<SeenList>(state.capacity())
    }
}
