//! What no lists can show, whatever was appended how often: a refuter in time linear in the answers, for
//! those that the exact procedure leaves to the search.
//!
//! - An element is shown more often than it was appended by transactions that had begun ([`Supply`]).
//! - A transaction contradicts itself: what it appended does not stand at the end of what it read then, or it
//!   read two different lists ("internal" in K. Kingsbury and P. Alvaro, Elle, VLDB 2020, section 4).
//! - Two answers contradict each other: nothing is ever taken away, so one is a beginning of the other.

use history::{History, Key, Value};
use rustc_hash::FxHashMap;

use super::model::ListMicro;
use super::proof::contradicts_itself;
use crate::engine::publish::{self, Contradiction};
use crate::engine::supply::{Supply, how_often};
use crate::model::{Call, Calls};
use crate::sentence::{op, sentence};
use crate::verdict::{Algorithm, Decision, Rule};

/// The decision if something is shown that cannot be.
pub(super) fn refute(history: &History, calls: &Calls<Vec<ListMicro>>) -> Option<(Decision, Algorithm)> {
    let found = itself(calls)
        .or_else(|| too_often(calls))
        .or_else(|| diverged(calls))?;
    let decision = match holds(&calls.calls, &found) {
        true => publish::conflict(history, calls, found, Vec::new(), true),
        false => Decision::unknown(format!("internal: the conflict is wrong: {}", found.rule)),
    };
    Some((decision, Algorithm::UNWRITTEN))
}

/// A transaction that contradicts itself.
fn itself(calls: &Calls<Vec<ListMicro>>) -> Option<Contradiction> {
    let at_odds = |call: &Call<Vec<ListMicro>>| {
        let mut own: FxHashMap<&Key, Vec<&Value>> = FxHashMap::default();
        let mut found: FxHashMap<&Key, &[Value]> = FxHashMap::default();
        call.op.iter().any(|micro| match micro {
            ListMicro::Append(key, element) => {
                own.entry(key).or_default().push(element);
                false
            }
            ListMicro::Read(key, seen) => {
                let own = own.get(key).map_or(&[][..], Vec::as_slice);
                let Some(before) = outside(seen, own) else {
                    return true;
                };
                *found.entry(key).or_insert(before) != before
            }
            ListMicro::Version(..) => false,
        })
    };
    let number = calls.calls.iter().position(at_odds)?;
    let why = sentence![
        op(number),
        " contradicts itself: what it saw does not fit what else it saw and appended."
    ];
    Some(Contradiction::whole(Rule::OutOfOrder, vec![number], vec![why]))
}

/// What a transaction saw without what it had appended itself; `None` if that does not stand at the end.
fn outside<'a>(seen: &'a [Value], own: &[&Value]) -> Option<&'a [Value]> {
    let (before, after) = seen.split_at_checked(seen.len().checked_sub(own.len())?)?;
    after.iter().eq(own.iter().copied()).then_some(before)
}

/// An answer that shows an element more often than it can be there.
fn too_often(calls: &Calls<Vec<ListMicro>>) -> Option<Contradiction> {
    let appends = calls.calls.iter().flat_map(|call| {
        call.op.iter().filter_map(|micro| match micro {
            ListMicro::Append(key, element) => Some(((key, element), call.start)),
            ListMicro::Read(..) | ListMicro::Version(..) => None,
        })
    });
    let supply = Supply::new(appends);
    let mut shown: FxHashMap<&Value, usize> = FxHashMap::default();
    for (number, call) in calls.calls.iter().enumerate() {
        for micro in &call.op {
            let ListMicro::Read(key, seen) = micro else {
                continue;
            };
            shown.clear();
            for element in seen {
                let count = shown.entry(element).or_default();
                *count += 1;
                let most = supply.before(&(key, element), call.finish);
                if *count > most {
                    return Some(excess(number, element, most));
                }
            }
        }
    }
    None
}

fn excess(reader: usize, element: &Value, most: usize) -> Contradiction {
    let (rule, why) = match most {
        0 => (
            Rule::NeverWritten,
            format!(" saw {element}, which no operation can have appended by then."),
        ),
        most => (
            Rule::TooOften,
            format!(
                " saw {element} more often than it can have been appended by then, which is {}.",
                how_often(most)
            ),
        ),
    };
    Contradiction {
        about: vec![element.clone()],
        ..Contradiction::whole(rule, vec![reader], vec![sentence![op(reader), why]])
    }
}

/// Two answers of which neither is a beginning of the other.
fn diverged(calls: &Calls<Vec<ListMicro>>) -> Option<Contradiction> {
    let mut longest: FxHashMap<&Key, (usize, &[Value])> = FxHashMap::default();
    let reads = || {
        let parts = calls.calls.iter().enumerate();
        parts.flat_map(|(number, call)| {
            found(call)
                .into_iter()
                .map(move |(key, seen)| (number, key, seen))
        })
    };
    for (number, key, seen) in reads() {
        let entry = longest.entry(key).or_insert((number, seen));
        if entry.1.len() < seen.len() {
            *entry = (number, seen);
        }
    }
    let (one, other) = reads().find_map(|(number, key, seen)| {
        let (other, longest) = longest[key];
        (!longest.starts_with(seen)).then_some((number, other))
    })?;
    let why = sentence![
        op(one),
        " and ",
        op(other),
        " saw the same list, and neither of the two answers is a prefix of the other."
    ];
    Some(Contradiction::whole(Rule::Diverged, vec![one, other], vec![why]))
}

/// What a transaction found in each list, before it appended anything itself. It must not contradict itself.
fn found(call: &Call<Vec<ListMicro>>) -> Vec<(&Key, &[Value])> {
    let mut own: FxHashMap<&Key, usize> = FxHashMap::default();
    let mut found: Vec<(&Key, &[Value])> = Vec::new();
    for micro in &call.op {
        match micro {
            ListMicro::Append(key, _) => *own.entry(key).or_default() += 1,
            ListMicro::Read(key, seen) => {
                let length = seen.len() - own.get(key).copied().unwrap_or(0).min(seen.len());
                found.push((key, &seen[..length]));
            }
            ListMicro::Version(..) => {}
        }
    }
    found
}

/// Whether a contradiction follows, counted anew from those shown and from who appended what.
fn holds(calls: &[Call<Vec<ListMicro>>], found: &Contradiction) -> bool {
    let shown: Vec<&Call<Vec<ListMicro>>> = found.shown.iter().map(|&number| &calls[number]).collect();
    match (found.rule, &shown[..], &found.about[..]) {
        (Rule::OutOfOrder, [call], _) => contradicts_itself(&call.op),
        (Rule::NeverWritten | Rule::TooOften, [call], [element]) => call.op.iter().any(|micro| {
            let ListMicro::Read(key, seen) = micro else {
                return false;
            };
            let append = ListMicro::Append(key.clone(), element.clone());
            let begun = calls.iter().filter(|other| other.start < call.finish);
            let appended = begun
                .flat_map(|other| &other.op)
                .filter(|micro| **micro == append);
            seen.iter().filter(|other| *other == element).count() > appended.count()
        }),
        (Rule::Diverged, [one, other], _) => {
            let others = self::found(other);
            self::found(one).into_iter().any(|(key, one)| {
                others.iter().any(|(other_key, other)| {
                    key == *other_key && one.iter().zip(*other).any(|(one, other)| one != other)
                })
            })
        }
        _ => false,
    }
}
