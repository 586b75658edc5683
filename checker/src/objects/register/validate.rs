//! Re-checks what was found out about a register, without knowing how.
//!
//! Invariant: [`conflict`] derives the contradiction anew from the operations and links that the conflict
//! names. Beyond these it only asks the key's history which operations could have written a value.

use history::{Failure, History, OPEN, Op, Operation, Outcome, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use crate::model::finish;
use crate::verdict::{Conflict, Rule};

/// Whether `order`, a list of indices into the history's operations, is a linearization of the operations
/// `indices` of one register: [`linearization`] again, but straight from the history, which saves copying a
/// long one.
///
/// `indices` must be ascending.
///
/// # Errors
/// What is wrong with it.
pub fn register(
    initial: &Value,
    history: &History,
    indices: &[usize],
    order: &[usize],
) -> Result<(), String> {
    // Neither needs the other, and in a long history both wait for the memory.
    let (in_time, explained) = rayon::join(
        || in_time(history, indices, order),
        || explained(initial, history, order),
    );
    in_time.and(explained)
}

/// Whether `order` respects real time, and holds nothing but `indices`, all of those that it must hold, and
/// none twice.
fn in_time(history: &History, indices: &[usize], order: &[usize]) -> Result<(), String> {
    // In a history of one key every operation stands at its own index.
    let number_of = |index: usize| match indices.get(index) {
        Some(&found) if found == index => Some(index),
        _ => indices.binary_search(&index).ok(),
    };
    let mut placed = vec![false; indices.len()];
    let mut latest_start = 0;
    for &index in order {
        let number = number_of(index).ok_or("it names an operation that takes no part")?;
        let operation = &history.operations[index];
        if std::mem::replace(&mut placed[number], true) {
            return Err(format!("operation {index} stands there twice"));
        }
        if finish(operation) < latest_start {
            return Err(format!(
                "operation {index} had completed before one that stands before it began"
            ));
        }
        latest_start = latest_start.max(operation.invoked);
    }
    let left_out = indices.iter().zip(&placed).filter(|(_, placed)| !**placed);
    match left_out
        .map(|(index, _)| index)
        .find(|&&index| must_stand(&history.operations[index]))
    {
        Some(index) => Err(format!("operation {index} is missing")),
        None => Ok(()),
    }
}

/// Whether a register that holds `initial` at first gives every answer if its operations happen in `order`.
fn explained(initial: &Value, history: &History, order: &[usize]) -> Result<(), String> {
    let mut state = initial;
    for &index in order {
        let operation = history
            .operations
            .get(index)
            .ok_or("it names an operation that does not exist")?;
        state = after(state, operation)
            .ok_or_else(|| format!("operation {index} is impossible where it stands"))?;
    }
    Ok(())
}

/// What a register that held `state` holds after an operation; `None` if that cannot have happened so.
fn after<'a>(state: &'a Value, operation: &'a Operation) -> Option<&'a Value> {
    let seen = |value: Option<&Value>| value.is_none_or(|value| value == state);
    match (&operation.op, &operation.outcome) {
        (Op::Read { .. }, Outcome::Ok(answer)) => seen(answer.value.as_ref()).then_some(state),
        (Op::Write { value, .. }, Outcome::Ok(_) | Outcome::Info(_)) => Some(value),
        (Op::Cas { expected, new, .. }, Outcome::Ok(_) | Outcome::Info(_)) => {
            (state == expected).then_some(new)
        }
        (Op::Cas { expected, .. }, Outcome::Fail(Failure::Mismatch { current })) => {
            (state != expected && seen(current.as_ref())).then_some(state)
        }
        _ => None,
    }
}

/// Whether a linearization must hold an operation: it happened, and its answer says something.
fn must_stand(operation: &Operation) -> bool {
    match (&operation.op, &operation.outcome) {
        (_, Outcome::Info(_) | Outcome::Fail(Failure::Error(_))) => false,
        (Op::Read { .. }, Outcome::Ok(answer)) => answer.value.is_some(),
        _ => finish(operation) != OPEN,
    }
}

/// Whether `conflict`, of any rule but [`Rule::NoOrder`], shows that the operations `indices` of one register
/// have no linearization.
///
/// # Errors
/// What is wrong with it.
pub fn conflict(
    initial: &Value,
    history: &History,
    indices: &[usize],
    conflict: &Conflict,
) -> Result<(), String> {
    let of_key: FxHashSet<usize> = indices.iter().copied().collect();
    if !conflict
        .operations
        .iter()
        .chain(&conflict.links)
        .all(|index| of_key.contains(index))
    {
        return Err("it names operations on another key".to_owned());
    }
    if conflict.rule == Rule::TooOften {
        return too_often(initial, history, indices, conflict);
    }
    let facts = Facts::new(initial, history, indices, conflict);
    if facts.contradict(conflict) {
        Ok(())
    } else {
        Err(format!("{} does not follow", conflict.rule))
    }
}

/// Whether a value is seen to come back more often than it can have been brought, by counting.
fn too_often(
    initial: &Value,
    history: &History,
    indices: &[usize],
    conflict: &Conflict,
) -> Result<(), String> {
    let of = |&index: &usize| &history.operations[index];
    // With it, without it, with it, without it, … backwards in time.
    let moments: Vec<&Operation> = conflict
        .operations
        .iter()
        .chain(&conflict.links)
        .map(of)
        .collect();
    let shows = |x: &Operation| [sees(x).cloned(), writes(x).cloned()].into_iter().flatten();
    // What it shows every other time, at the last moment above all.
    let alternates = |value: &Value| {
        moments.iter().enumerate().all(|(place, x)| {
            finish(x) != OPEN && shows(x).any(|shown| (shown == *value) == (place % 2 == 0))
        })
    };
    let last = moments.first().ok_or("no operation is named")?;
    let value = &shows(last).find(alternates).ok_or("no value comes back")?;
    let in_time = moments.windows(2).all(|pair| precedes(pair[1], pair[0]));
    let from_the_beginning = moments.len() % 2 == 1;
    if !in_time || (from_the_beginning && value == initial) {
        return Err("its operations do not show a value that comes back".to_owned());
    }
    let end = finish(moments[0]);
    let start = match moments.last() {
        Some(first) if !from_the_beginning => first.invoked,
        _ => 0,
    };
    let brought = indices
        .iter()
        .map(of)
        .filter(|x| writes(x) == Some(value) && x.invoked < end && finish(x) > start)
        .count();
    if brought < moments.len().div_ceil(2) {
        Ok(())
    } else {
        Err(format!("{brought} operations can have brought the value"))
    }
}

/// What the named operations show.
struct Facts<'a> {
    initial: &'a Value,
    history: &'a History,
    /// The named operations that certainly happened.
    happened: Vec<usize>,
    /// How many operations of the key, other than failed ones, write a value that the named ones mention.
    writers: FxHashMap<&'a Value, usize>,
    /// For each value that a named cas wrote: the value that it replaced.
    before: FxHashMap<&'a Value, &'a Value>,
}

impl<'a> Facts<'a> {
    fn new(initial: &'a Value, history: &'a History, indices: &[usize], conflict: &Conflict) -> Self {
        let named: FxHashSet<usize> = conflict
            .operations
            .iter()
            .chain(&conflict.links)
            .copied()
            .collect();
        let mut named: Vec<usize> = named.into_iter().collect();
        named.sort_unstable();
        let of = |index: usize| &history.operations[index];
        let mut writers: FxHashMap<&Value, usize> = FxHashMap::default();
        for &index in &named {
            writers.extend(
                [sees(of(index)), writes(of(index))]
                    .into_iter()
                    .flatten()
                    .map(|value| (value, 0)),
            );
        }
        // An open cas that expects what no one wrote can have written nothing: it counts only where no other
        // operation writes its value.
        let written: FxHashSet<&Value> = indices.iter().filter_map(|&index| writes(of(index))).collect();
        let is_impossible = |operation: &Operation| match &operation.op {
            Op::Cas { expected, .. } => {
                operation.outcome.is_info() && expected != initial && !written.contains(expected)
            }
            _ => false,
        };
        let mut impossible: Vec<&Value> = Vec::new();
        for &index in indices {
            let Some(value) = writes(of(index)) else { continue };
            match writers.get_mut(value) {
                Some(_) if is_impossible(of(index)) => impossible.push(value),
                Some(count) => *count += 1,
                None => {}
            }
        }
        let alone: FxHashSet<&Value> = (impossible.iter().copied())
            .filter(|value| writers[value] == 0)
            .collect();
        for value in impossible.into_iter().filter(|value| alone.contains(value)) {
            *writers.entry(value).or_default() += 1;
        }
        let can_have_happened =
            |index: usize, value: &Value| !is_impossible(of(index)) || alone.contains(value);

        // An open operation happened if it alone can have written what one that happened saw.
        let mut happened: Vec<usize> = Vec::new();
        let mut waiting: FxHashMap<&Value, Vec<usize>> = FxHashMap::default();
        for &index in &named {
            match (of(index).outcome.is_info(), writes(of(index))) {
                (false, _) => happened.push(index),
                (true, Some(value))
                    if value != initial && writers[value] == 1 && can_have_happened(index, value) =>
                {
                    waiting.entry(value).or_default().push(index);
                }
                (true, _) => {}
            }
        }
        let mut next = 0;
        while next < happened.len() {
            if let Some(value) = sees(of(happened[next])) {
                happened.extend(waiting.remove(value).unwrap_or_default());
            }
            next += 1;
        }
        let cas = |&index: &usize| Some((writes(of(index))?, sees(of(index))?));
        let before = happened.iter().filter_map(cas).collect();
        Facts {
            initial,
            history,
            happened,
            writers,
            before,
        }
    }

    fn contradict(&self, conflict: &Conflict) -> bool {
        let shown: Vec<&Operation> = conflict
            .operations
            .iter()
            .filter(|index| self.happened.binary_search(index).is_ok() || self.happened.contains(index))
            .map(|&index| &self.history.operations[index])
            .collect();
        if shown.len() != conflict.operations.len() {
            return false;
        }
        let any_pair = |holds: &dyn Fn(&Operation, &Operation) -> bool| {
            shown
                .iter()
                .any(|x| shown.iter().any(|y| !std::ptr::eq(*x, *y) && holds(x, y)))
        };
        match conflict.rule {
            Rule::NeverWritten => shown
                .iter()
                .any(|x| sees(x).is_some_and(|value| value != self.initial && self.writers[value] == 0)),
            Rule::FoundExpected => shown.iter().any(|x| match (&x.op, &x.outcome) {
                (Op::Cas { expected, .. }, Outcome::Fail(Failure::Mismatch { current })) => {
                    current.as_ref() == Some(expected)
                }
                _ => false,
            }),
            Rule::ReplacedTwice => any_pair(&|x, y| {
                let both = writes(x).is_some() && writes(y).is_some();
                both && sees(x) == sees(y) && sees(x).is_some_and(|value| self.is_unique(value))
            }),
            Rule::Circle => shown
                .first()
                .and_then(|x| sees(x))
                .is_some_and(|start| self.is_circle(start)),
            Rule::OutOfOrder => any_pair(&|first, then| {
                precedes(then, first)
                    && match (self.rank(first), self.rank(then)) {
                        (Some((root, a)), Some((other, b))) => root == other && a < b && self.is_unique(root),
                        _ => false,
                    }
            }),
            Rule::ComesBack => self.comes_back(&shown),
            Rule::HeldThroughout => shown.iter().any(|not| self.held_throughout(not, &shown)),
            // Not rules of a register.
            Rule::Duplicate
            | Rule::Diverged
            | Rule::Lost
            | Rule::TwoHolders
            | Rule::OutOfBounds
            | Rule::MissedEvent
            | Rule::WrongRevision
            | Rule::EndedEarly
            | Rule::WrongVersion
            | Rule::Cycle => false,
            Rule::TooOften | Rule::NoOrder => false,
        }
    }

    /// Whether a register can hold this value in one stretch only.
    fn is_unique(&self, value: &Value) -> bool {
        let writers = self.writers.get(value).copied().unwrap_or(0);
        if value == self.initial {
            writers == 0
        } else {
            writers == 1
        }
    }

    fn is_circle(&self, start: &Value) -> bool {
        let mut value = start;
        for _ in 0..=self.before.len() {
            match self.before.get(value) {
                Some(before) if self.is_unique(value) => value = before,
                _ => return false,
            }
            if value == start {
                return value != self.initial;
            }
        }
        false
    }

    /// The first value of the chain of cas in which an operation stands, as far as it is known, and the
    /// operation's place in the chain's forced order.
    fn rank<'b>(&'b self, operation: &'b Operation) -> Option<(&'b Value, usize)> {
        // A cas stands behind the reads of the value that it replaced.
        let (mut value, mut rank) = match (sees(operation), writes(operation)) {
            (Some(value), Some(_)) => (value, 2),
            (Some(value), None) => (value, 1),
            (None, Some(value)) => (value, 0),
            (None, None) => return None,
        };
        while let Some(before) = self.before.get(value).filter(|_| self.is_unique(value)) {
            value = before;
            rank += 2;
            if rank > 2 * self.before.len() + 2 {
                return None;
            }
        }
        Some((value, rank))
    }

    /// Whether two operations see or write values of the same chain, so that nothing else can stand between
    /// them.
    fn is_tied(&self, x: &Operation, y: &Operation) -> bool {
        let unique = |operation| {
            sees(operation)
                .or(writes(operation))
                .is_some_and(|value| self.is_unique(value))
        };
        match (self.rank(x), self.rank(y)) {
            (Some((a, _)), Some((b, _))) => std::ptr::eq(x, y) || (a == b && unique(x) && unique(y)),
            _ => false,
        }
    }

    /// Whether c completed before d began although d must come before c: because d belongs to the initial
    /// value, or because some a, tied to d, completed before some b, tied to c, began. Chains whose named
    /// first values differ have no value in common, so neither can stand inside the other.
    fn comes_back(&self, shown: &[&Operation]) -> bool {
        let pairs = || shown.iter().flat_map(|x| shown.iter().map(move |y| (*x, *y)));
        let is_initial = |x: &Operation| {
            self.is_unique(self.initial) && self.rank(x).is_some_and(|(root, _)| root == self.initial)
        };
        let apart = |x: &Operation, y: &Operation| matches!((self.rank(x), self.rank(y)), (Some((a, _)), Some((b, _))) if a != b);
        pairs()
            .filter(|(c, d)| precedes(c, d) && apart(c, d))
            .any(|(c, d)| {
                (is_initial(d) && !is_initial(c))
                    || pairs().any(|(a, b)| precedes(a, b) && self.is_tied(a, d) && self.is_tied(b, c))
            })
    }

    fn held_throughout(&self, not: &Operation, shown: &[&Operation]) -> bool {
        let (Op::Cas { expected, .. }, Outcome::Fail(Failure::Mismatch { current: None })) =
            (&not.op, &not.outcome)
        else {
            return false;
        };
        let holds = |x: &Operation| sees(x) == Some(expected);
        self.is_unique(expected)
            && shown.iter().any(|after| precedes(not, after) && holds(after))
            && (expected == self.initial
                || shown.iter().any(|x| {
                    let reads = holds(x) && writes(x).is_none();
                    precedes(x, not) && (reads || writes(x) == Some(expected))
                }))
    }
}

fn precedes(x: &Operation, y: &Operation) -> bool {
    finish(x) < y.invoked
}

/// The value that an operation shows the register to have held when it happened.
pub fn sees(operation: &Operation) -> Option<&Value> {
    match (&operation.op, &operation.outcome) {
        (Op::Read { .. }, Outcome::Ok(answer)) => answer.value.as_ref(),
        (Op::Cas { .. }, Outcome::Fail(Failure::Mismatch { current })) => current.as_ref(),
        (Op::Cas { expected, .. }, Outcome::Ok(_) | Outcome::Info(_)) => Some(expected),
        _ => None,
    }
}

/// The value that an operation left behind if it happened. A cas to the value that it expects changes
/// nothing.
pub(crate) fn writes(operation: &Operation) -> Option<&Value> {
    match (&operation.op, &operation.outcome) {
        (_, Outcome::Fail(_)) | (Op::Read { .. }, _) => None,
        (Op::Cas { expected, new, .. }, _) if expected == new => None,
        (Op::Write { value: new, .. } | Op::Cas { new, .. }, _) => Some(new),
        _ => None,
    }
}
