//! Which values are the `[key value]` tuples of independent keys (`jepsen.independent`), where not every
//! completion repeats its key.

use rustc_hash::{FxHashMap, FxHashSet};

use super::arguments;
use super::functions::Function;
use crate::{Doubt, History, Key, OpKind, Outcome, Value};

/// How the values of a keyed history are read.
#[derive(Debug, Default)]
pub(super) struct Tuples {
    /// Whether values are tuples of keys.
    pub is_keyed: bool,
    /// Some key is a list or nil, as it would be if pairs were only values.
    pub are_doubtful: bool,
    /// Something settles that they are tuples.
    pub are_proved: bool,
    /// All keys, once it is asked for them.
    keys: Option<FxHashSet<Key>>,
    /// The operations whose completions did not repeat their key.
    pub lost: Vec<usize>,
    /// The kinds of operations some of whose answers are lists, and no tuples; and whether such lists hold
    /// lists.
    answered_plainly: FxHashMap<OpKind, bool>,
}

impl Tuples {
    /// An operation was invoked on that key.
    pub fn invoked(&mut self, key: &Key, proves: bool) {
        if !self.is_keyed {
            return;
        }
        self.are_proved |= proves;
        self.are_doubtful |= matches!(key, Value::List(_) | Value::Nil);
        if let Some(keys) = &mut self.keys {
            keys.insert(key.clone());
        }
    }

    /// What a completion of the operation at `index` says, without its key.
    pub fn answered(
        &mut self,
        index: usize,
        f: OpKind,
        value: Option<Value>,
        history: &History,
    ) -> Result<Option<Value>, String> {
        let own = history.operations[index].op.key();
        let Some(value) = value else { return Ok(None) };
        match arguments::tuple(&Function::Op(f), &value) {
            Some((key, rest)) if key == *own => return Ok(Some(rest)),
            Some((key, _)) => {
                let all = || {
                    history
                        .operations
                        .iter()
                        .map(|operation| operation.op.key().clone())
                };
                if self.keys.get_or_insert_with(|| all().collect()).contains(&key) {
                    return Err(format!("key {own} was invoked, and key {key} completes"));
                }
            }
            None => {}
        }
        self.lost.push(index);
        if let Value::List(values) = &value {
            let holds_lists = values.iter().any(|value| matches!(value, Value::List(_)));
            *self.answered_plainly.entry(f).or_default() |= holds_lists;
        }
        Ok(Some(value))
    }

    /// Makes answers of what was taken for tuples, where other answers to operations of that kind are lists
    /// that are none. What stands behind the key in a tuple is then a list, too, or nil; in an answer it is
    /// an element. Where elements are lists this decides nothing.
    pub fn put_back(&self, history: &mut History) {
        if self.answered_plainly.is_empty() {
            return;
        }
        let lost: FxHashSet<usize> = self.lost.iter().copied().collect();
        let mut is_in_doubt = false;
        for (index, operation) in history.operations.iter_mut().enumerate() {
            let Some(hold_lists) = self.answered_plainly.get(&operation.op.kind()) else {
                continue;
            };
            if let (Outcome::Ok(answer), false) = (&mut operation.outcome, lost.contains(&index))
                && let Some(rest) = answer.value.take()
            {
                let is_list = matches!(rest, Value::List(_));
                is_in_doubt |= is_list && *hold_lists;
                answer.value = Some(match is_list || rest.is_nil() {
                    true => rest,
                    false => Value::list(vec![operation.op.key().clone(), rest]),
                });
            }
        }
        history.doubts.extend(is_in_doubt.then_some(Doubt::UnknownKeys));
    }
}
