//! Looks again at what contradicts itself in lists to which transactions append, without any order of the
//! transactions: by what those shown read and appended and by who else appended what. Circles are looked at
//! where they are found.

use std::collections::BTreeMap;

use history::{Key, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::model::{AppendedList, ListAppend, ListMicro};
use crate::engine::publish::Contradiction;
use crate::model::{Call, Calls, Model};
use crate::verdict::Rule;

/// Whether a contradiction that is no cycle follows from what the transactions shown read and appended.
pub(crate) fn holds(calls: &Calls<Vec<ListMicro>>, found: &Contradiction) -> bool {
    let op = |place: usize| {
        found
            .shown
            .get(place)
            .map_or(&[][..], |&number| &calls.calls[number].op[..])
    };
    let reads = |op: &'_ [ListMicro]| -> Vec<(Key, Vec<Value>)> {
        let read = |micro: &ListMicro| match micro {
            ListMicro::Read(key, seen) => Some((key.clone(), seen.clone())),
            ListMicro::Append(..) | ListMicro::Version(..) => None,
        };
        op.iter().filter_map(read).collect()
    };
    let appends = |op: &[ListMicro], key: &Key| -> Vec<Value> {
        let append = |micro: &ListMicro| match micro {
            ListMicro::Append(other, element) if other == key => Some(element.clone()),
            _ => None,
        };
        op.iter().filter_map(append).collect()
    };
    match found.rule {
        Rule::NeverWritten => reads(op(0)).iter().any(|(key, seen)| {
            let appended = calls.calls.iter().flat_map(|call| appends(&call.op, key));
            let appended: FxHashSet<Value> = appended.collect();
            seen.iter().any(|element| !appended.contains(element))
        }),
        Rule::Diverged => {
            // Without what they appended themselves, which the other need not have seen.
            let outside = |op: &[ListMicro]| -> Vec<(Key, Vec<Value>)> {
                let strip = |(key, mut seen): (Key, Vec<Value>)| {
                    let own = appends(op, &key);
                    seen.retain(|element| !own.contains(element));
                    (key, seen)
                };
                reads(op).into_iter().map(strip).collect()
            };
            let others = outside(op(1));
            outside(op(0)).iter().any(|(key, one)| {
                let differs = |other: &Vec<Value>| !one.starts_with(other) && !other.starts_with(one);
                others
                    .iter()
                    .any(|(other_key, other)| key == other_key && differs(other))
            })
        }
        Rule::Lost => reads(op(0)).iter().any(|(key, seen)| {
            let appended = appends(op(1), key);
            let places: Vec<usize> = (0..seen.len())
                .filter(|&place| appended.contains(&seen[place]))
                .collect();
            let is_whole = places.len() == appended.len()
                && places.windows(2).all(|pair| pair[0] + 1 == pair[1])
                && places
                    .iter()
                    .zip(&appended)
                    .all(|(&place, element)| seen[place] == *element);
            !places.is_empty() && !is_whole
        }),
        Rule::OutOfOrder => is_at_odds(op(0)),
        Rule::WrongVersion => op(0).iter().enumerate().any(|(place, micro)| {
            let ListMicro::Version(key, version, _) = micro else {
                return false;
            };
            let own = i64::from(!appends(&op(0)[..place], key).is_empty());
            let others = || {
                let is_other = |call: &&Call<Vec<ListMicro>>| !std::ptr::eq(&call.op[..], op(0));
                calls
                    .calls
                    .iter()
                    .filter(is_other)
                    .map(|call| appends(&call.op, key))
            };
            let most = own + others().filter(|appended| !appended.is_empty()).count() as i64;
            let seen = reads(op(0)).into_iter().filter(|(other, _)| other == key);
            *version < 0
                || *version > most
                || seen.into_iter().any(|(_, seen)| {
                    let shown =
                        others().filter(|appended| appended.iter().any(|element| seen.contains(element)));
                    shown.count() as i64 + own != *version
                })
        }),
        _ => false,
    }
}

/// Whether no lists without the elements that a transaction appends explain what it saw.
fn is_at_odds(op: &[ListMicro]) -> bool {
    let lists = before(op);
    let appends_again = |micro: &ListMicro| match micro {
        ListMicro::Append(key, element) => lists.get(key).is_some_and(|list| list.elements.contains(element)),
        ListMicro::Read(..) | ListMicro::Version(..) => false,
    };
    op.iter().any(appends_again) || contradicts_itself(op)
}

/// Whether no lists at all explain what a transaction saw.
pub(super) fn contradicts_itself(op: &[ListMicro]) -> bool {
    !ListAppend.apply(&mut before(op), &op.to_vec())
}

/// The lists that a transaction must have found, as far as it shows them.
fn before(op: &[ListMicro]) -> BTreeMap<Key, AppendedList> {
    let mut lists: BTreeMap<Key, AppendedList> = BTreeMap::new();
    let mut own: FxHashMap<&Key, usize> = FxHashMap::default();
    let (mut is_read, mut is_counted) = (FxHashSet::default(), FxHashSet::default());
    for micro in op {
        match micro {
            ListMicro::Append(key, _) => *own.entry(key).or_default() += 1,
            // What the first read of a list saw without what was appended before.
            ListMicro::Read(key, seen) => {
                let before = seen.len().saturating_sub(own.get(key).copied().unwrap_or(0));
                if is_read.insert(key) {
                    lists.entry(key.clone()).or_default().elements = seen[..before].to_vec();
                }
            }
            ListMicro::Version(key, version, _) => {
                if is_counted.insert(key) {
                    let before = version.saturating_sub(i64::from(own.contains_key(key)));
                    lists.entry(key.clone()).or_default().version = before;
                }
            }
        }
    }
    lists
}
