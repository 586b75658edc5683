//! Lists of which versions and revisions were told together: whether these agree, O(n log n).
//!
//! Of one list, equal versions have equal revisions and greater versions greater ones; version 0 and revision
//! 0 belong together. That needs no order of the transactions, so it refutes and never confirms. A
//! transaction that appended before it asked was told its own revision, which is no different.

use std::collections::BTreeMap;

use history::{History, Key};
use rustc_hash::FxHashMap;

use super::model::ListMicro;
use crate::engine::publish::{self, Contradiction};
use crate::model::Calls;
use crate::sentence::{Sentence, op, sentence};
use crate::verdict::{Algorithm, Decision, Rule};

pub(crate) const ALGORITHM: Algorithm = Algorithm("list-revisions");

/// The decision that there is no order, if versions and revisions contradict each other.
pub(crate) fn refute(history: &History, calls: &Calls<Vec<ListMicro>>) -> Option<(Decision, Algorithm)> {
    let found = find(calls)?;
    let decision = match holds(calls, &found) {
        true => publish::conflict(history, calls, found, Vec::new(), true),
        false => Decision::unknown("internal: the conflict is wrong: the revisions agree".to_owned()),
    };
    Some((decision, ALGORITHM))
}

fn told(op: &[ListMicro]) -> impl Iterator<Item = (&Key, i64, i64)> {
    op.iter().filter_map(|micro| match micro {
        ListMicro::Version(key, version, revision) => Some((key, *version, *revision)),
        ListMicro::Read(..) | ListMicro::Append(..) => None,
    })
}

fn find(calls: &Calls<Vec<ListMicro>>) -> Option<Contradiction> {
    let contradiction = |shown: Vec<usize>, sentences: Vec<Sentence>| Contradiction {
        rule: Rule::WrongVersion,
        shown,
        about: Vec::new(),
        also: Vec::new(),
        sentences,
        stale_by_ns: None,
    };
    // Who told first which revision belongs to a version.
    let mut lists: FxHashMap<&Key, BTreeMap<i64, (i64, usize)>> = FxHashMap::default();
    let pair = |list: &Key, [(one, version, revision), (other, next, later)]: [(usize, i64, i64); 2]| {
        let why = match one == other {
            true => sentence![
                op(one),
                format!(
                    " saw the list {list} at version {version} with revision {revision} and at version {next} with revision {later}."
                )
            ],
            false => sentence![
                op(one),
                format!(" saw the list {list} at version {version} with revision {revision}, and "),
                op(other),
                format!(" at version {next} with revision {later}.")
            ],
        };
        let but = "Each version has one revision, and a greater version has a greater revision.".into();
        let shown = if one == other { vec![one] } else { vec![one, other] };
        contradiction(shown, vec![why, but])
    };
    for (number, call) in calls.calls.iter().enumerate() {
        for (key, version, revision) in told(&call.op) {
            if (version == 0) != (revision == 0) {
                let why = sentence![
                    op(number),
                    format!(" saw the list {key} at version {version} with revision {revision}.")
                ];
                let but = "Before the first append both are 0, afterwards neither is.".into();
                return Some(contradiction(vec![number], vec![why, but]));
            }
            let (known, by) = *lists
                .entry(key)
                .or_default()
                .entry(version)
                .or_insert((revision, number));
            if known != revision {
                return Some(pair(key, [(by, version, known), (number, version, revision)]));
            }
        }
    }
    lists.iter().find_map(|(key, versions)| {
        let next = versions.iter().zip(versions.iter().skip(1));
        let mut wrong = next.filter(|((_, (revision, _)), (_, (later, _)))| revision >= later);
        let ((version, (revision, one)), (next, (later, other))) = wrong.next()?;
        Some(pair(key, [(*one, *version, *revision), (*other, *next, *later)]))
    })
}

/// Whether the calls shown contradict each other, pair by pair.
fn holds(calls: &Calls<Vec<ListMicro>>, found: &Contradiction) -> bool {
    let all = || {
        found
            .shown
            .iter()
            .flat_map(|&number| told(&calls.calls[number].op))
    };
    all().any(|(key, version, revision)| {
        (version == 0) != (revision == 0)
            || all().any(|(other, next, later)| key == other && version.cmp(&next) != revision.cmp(&later))
    })
}
