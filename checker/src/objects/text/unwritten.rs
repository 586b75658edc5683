//! What no text can show, whatever was written and appended how often: a refuter, tried before any search, in
//! time linear in the answers (what they share counted once) and the longest piece.
//!
//! An answer is the text at first or one that was written, and behind it pieces that were appended. For each
//! beginning of an answer the moment is computed from which on it can have been put together at all, from the
//! moments of its shorter beginnings.

use history::{History, OPEN};
use rustc_hash::{FxHashMap, FxHashSet};

use super::model::{KvAppend, KvAppendOp};
use crate::engine::publish::{self, Contradiction};
use crate::model::{Call, Calls};
use crate::sentence::{op, sentence};
use crate::verdict::{Decision, Rule};

/// The decision if an answer cannot have been put together by the time it was given.
pub(super) fn refute(text: &KvAppend, history: &History, calls: &Calls<KvAppendOp>) -> Option<Decision> {
    let reader = impossible(text, &calls.calls)?;
    let why = sentence![
        op(reader),
        " does not consist of texts that can have been written or appended by then."
    ];
    let found = Contradiction::whole(Rule::NeverWritten, vec![reader], vec![why]);
    Some(match holds(text, &calls.calls, reader) {
        true => publish::conflict(history, calls, found, Vec::new(), true),
        false => Decision::unknown(format!("internal: the conflict is wrong: {}", found.rule)),
    })
}

/// Of those reads that cannot have been answered as they were, the one that completed first.
fn impossible(text: &KvAppend, calls: &[Call<KvAppendOp>]) -> Option<usize> {
    let mut origins: FxHashMap<&[u8], u64> = FxHashMap::from_iter([(text.initial.as_bytes(), 0)]);
    let mut pieces = Pieces::default();
    let mut reads: Vec<(&[u8], u64, usize)> = Vec::new();
    for (number, call) in calls.iter().enumerate() {
        match &call.op {
            KvAppendOp::Read(seen) => reads.push((seen.as_bytes(), call.finish, number)),
            KvAppendOp::Write(text) => {
                let begun = origins.entry(text.as_bytes()).or_insert(call.start);
                *begun = call.start.min(*begun);
            }
            KvAppendOp::Append(piece) => pieces.add(piece.as_bytes(), call.start),
        }
    }
    let lengths: FxHashSet<usize> = origins.keys().map(|origin| origin.len()).collect();
    reads.sort_unstable();
    let (mut possible, mut before): (Vec<u64>, &[u8]) = (Vec::new(), &[]);
    let mut found: Option<(u64, usize)> = None;
    for (seen, finish, number) in reads {
        // What it shares with the one before is known.
        let shared = seen.iter().zip(before).take_while(|(a, b)| a == b).count();
        possible.truncate(shared + 1);
        for length in possible.len()..=seen.len() {
            let beginning = &seen[..length];
            let origin = lengths
                .contains(&length)
                .then(|| origins.get(beginning))
                .flatten();
            let origin = origin.copied().unwrap_or(OPEN);
            possible.push(pieces.last(beginning, &possible).min(origin));
        }
        before = seen;
        if possible[seen.len()] > finish {
            found = found.min(Some((finish, number))).or(Some((finish, number)));
        }
    }
    found.map(|(_, number)| number)
}

/// The pieces, backwards, letter by letter.
#[derive(Default)]
struct Pieces {
    /// From a node (0 for the end of a piece) and the letter before.
    next: FxHashMap<(u32, u8), u32>,
    /// For each node but the first the earliest start of an append of the piece that begins there.
    begun: Vec<u64>,
}

impl Pieces {
    fn add(&mut self, piece: &[u8], start: u64) {
        let mut node = 0;
        for &letter in piece.iter().rev() {
            let new = self.begun.len() as u32 + 1;
            node = *self.next.entry((node, letter)).or_insert(new);
            if node == new {
                self.begun.push(OPEN);
            }
        }
        if let Some(place) = (node as usize).checked_sub(1) {
            self.begun[place] = self.begun[place].min(start);
        }
    }

    /// When a text can have been made by appending, if its shorter beginnings could be made at `possible`.
    fn last(&self, text: &[u8], possible: &[u64]) -> u64 {
        let (mut node, mut earliest) = (0, OPEN);
        for place in (0..text.len()).rev() {
            let Some(&next) = self.next.get(&(node, text[place])) else {
                break;
            };
            node = next;
            earliest = earliest.min(possible[place].max(self.begun[node as usize - 1]));
        }
        earliest
    }
}

/// Whether an answer cannot have been put together, found out anew for it alone, forwards and piece by piece.
fn holds(text: &KvAppend, calls: &[Call<KvAppendOp>], reader: usize) -> bool {
    let KvAppendOp::Read(seen) = &calls[reader].op else {
        return false;
    };
    let begun = || calls.iter().filter(|call| call.start < calls[reader].finish);
    let mut is_made = vec![false; seen.len() + 1];
    let origins = begun().filter_map(|call| match &call.op {
        KvAppendOp::Write(text) => Some(text.as_str()),
        _ => None,
    });
    for origin in origins.chain([text.initial.as_str()]) {
        if seen.starts_with(origin) {
            is_made[origin.len()] = true;
        }
    }
    let pieces: FxHashSet<&str> = begun()
        .filter_map(|call| match &call.op {
            KvAppendOp::Append(piece) => Some(piece.as_str()),
            _ => None,
        })
        .collect();
    for place in 0..seen.len() {
        let rest = &seen.as_bytes()[place..];
        let fitting = pieces.iter().filter(|piece| rest.starts_with(piece.as_bytes()));
        if is_made[place] {
            fitting.for_each(|piece| is_made[place + piece.len()] = true);
        }
    }
    !is_made[seen.len()]
}
