//! Texts to which unique pieces are appended: exact, in time close to that of reading all answers.
//!
//! Where nothing replaces the text, no piece is appended twice and none is the beginning of another, the
//! longest answer can be cut into pieces in one way only. It then tells the order of the appends, every other
//! answer must be a beginning of it, and all is ranked ([`chain`]): a piece, the reads that end with it, the
//! next piece. Pieces that no read saw come last; if their appends are open they never happened as far as
//! anybody can tell.

use std::collections::BTreeMap;
use std::sync::Arc;

use history::{History, OPEN, Value};
use rustc_hash::FxHashMap;

use super::model::{KvAppend, KvAppendOp};
use crate::engine::chain::{self, Inversion, Ranked};
use crate::engine::publish::{self, Contradiction, Judged};
use crate::model::Calls;
use crate::sentence::{op, sentence};
use crate::verdict::{Decision, Rule};

/// Judges a text.
pub(crate) fn judge(text: &KvAppend, history: &History, calls: &Calls<KvAppendOp>) -> Judged {
    let Some(pieces) = Pieces::new(calls) else {
        return Judged::Other;
    };
    match (Finder { text, history, calls }).judge(&pieces) {
        Ok(order) => Judged::Order(order),
        Err(contradiction) => Judged::Contradiction(contradiction),
    }
}

/// Who appended what.
struct Pieces<'a> {
    by_text: FxHashMap<&'a [u8], usize>,
    /// The lengths of the pieces, ascending.
    lengths: Vec<usize>,
}

impl<'a> Pieces<'a> {
    /// `None` if some text could be cut into pieces in two ways.
    fn new(calls: &'a Calls<KvAppendOp>) -> Option<Self> {
        let mut sorted: Vec<&Arc<String>> = Vec::new();
        let mut by_text = FxHashMap::default();
        for (number, call) in calls.calls.iter().enumerate() {
            match &call.op {
                KvAppendOp::Read(_) => {}
                KvAppendOp::Write(_) => return None,
                KvAppendOp::Append(piece) => {
                    sorted.push(piece);
                    by_text.insert(piece.as_bytes(), number);
                }
            }
        }
        sorted.sort_unstable();
        let is_ambiguous = sorted
            .windows(2)
            .any(|pair| pair[1].starts_with(pair[0].as_str()));
        if is_ambiguous || sorted.first().is_some_and(|piece| piece.is_empty()) {
            return None;
        }
        let mut lengths: Vec<usize> = sorted.iter().map(|piece| piece.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        Some(Pieces { by_text, lengths })
    }

    /// Who appended the piece with which a text begins.
    fn first(&self, text: &[u8]) -> Option<(usize, usize)> {
        let fitting = self.lengths.iter().take_while(|&&length| length <= text.len());
        fitting
            .copied()
            .find_map(|length| Some((*self.by_text.get(&text[..length])?, length)))
    }
}

struct Finder<'a> {
    text: &'a KvAppend,
    history: &'a History,
    calls: &'a Calls<KvAppendOp>,
}

impl<'a> Finder<'a> {
    fn judge(&self, pieces: &Pieces) -> Result<Vec<usize>, Contradiction> {
        let calls = &self.calls.calls;
        let mut longest: Option<(usize, &[u8])> = None;
        let reads = || {
            calls
                .iter()
                .enumerate()
                .filter_map(|(number, call)| match &call.op {
                    KvAppendOp::Read(seen) => Some((number, seen.as_bytes())),
                    _ => None,
                })
        };
        for (number, seen) in reads() {
            longest = longest
                .filter(|(_, longest)| longest.len() >= seen.len())
                .or(Some((number, seen)));
        }
        // How many pieces end at each length of the longest answer at which one does.
        let mut ends: FxHashMap<usize, u64> = FxHashMap::default();
        let mut ranks: FxHashMap<usize, u64> = FxHashMap::default();
        let initial = self.text.initial.as_bytes();
        ends.insert(initial.len(), 0);
        if let Some((reader, seen)) = longest {
            let Some(mut rest) = seen.strip_prefix(initial) else {
                return Err(self.phantom(reader));
            };
            while !rest.is_empty() {
                let Some((append, length)) = pieces.first(rest) else {
                    return Err(self.phantom(reader));
                };
                let count = ranks.len() as u64 + 1;
                if ranks.insert(append, count).is_some() {
                    return Err(self.twice(reader, append));
                }
                rest = &rest[length..];
                ends.insert(seen.len() - rest.len(), count);
            }
        }
        let behind = 2 * (ranks.len() as u64 + 1);
        let mut ranked = Vec::with_capacity(calls.len());
        for (number, call) in calls.iter().enumerate() {
            let rank = match (&call.op, longest) {
                (KvAppendOp::Read(seen), Some((reader, longest))) => {
                    if !longest.starts_with(seen.as_bytes()) {
                        return Err(self.diverged(number, reader));
                    }
                    match ends.get(&seen.len()) {
                        Some(count) => 2 * count + 1,
                        None => return Err(self.phantom(number)),
                    }
                }
                _ => match ranks.get(&number) {
                    Some(count) => 2 * count,
                    None if call.finish == OPEN => continue,
                    None => behind,
                },
            };
            ranked.push(Ranked { rank, number });
        }
        match chain::sort(calls, &mut ranked) {
            Ok(()) => Ok(ranked.into_iter().map(|ranked| ranked.number).collect()),
            Err(inversion) => Err(self.inverted(inversion, longest.map(|(reader, _)| reader))),
        }
    }

    /// What an append appended.
    fn piece(&self, number: usize) -> String {
        match &self.calls.calls[number].op {
            KvAppendOp::Append(piece) | KvAppendOp::Write(piece) | KvAppendOp::Read(piece) => {
                Value::text(piece.as_str()).to_string()
            }
        }
    }

    fn phantom(&self, read: usize) -> Contradiction {
        let why = sentence![op(read), " does not consist of texts that were appended."];
        Contradiction::whole(Rule::NeverWritten, vec![read], vec![why])
    }

    fn twice(&self, read: usize, append: usize) -> Contradiction {
        let why = sentence![op(read), " shows twice what ", op(append), " alone appended."];
        Contradiction::whole(Rule::Duplicate, vec![read, append], vec![why])
    }

    fn diverged(&self, read: usize, longest: usize) -> Contradiction {
        let why = sentence![op(read), " is not a prefix of ", op(longest), "."];
        let but = "Nothing is ever replaced, so neither can have come first.".into();
        Contradiction::whole(Rule::Diverged, vec![read, longest], vec![why, but])
    }

    fn inverted(&self, Inversion { first, then }: Inversion, longest: Option<usize>) -> Contradiction {
        let (late, early) = (first.number, then.number);
        let order = sentence![op(late), " began after ", op(early), " had completed."];
        let is_read = |number: usize| matches!(self.calls.calls[number].op, KvAppendOp::Read(_));
        let (rule, why) = match (is_read(late), is_read(early)) {
            (true, false) => (Rule::Lost, "Yet it does not show what was appended.".into()),
            (true, true) => (Rule::Lost, sentence!["Yet ", op(early), " shows more."]),
            (false, true) => (
                Rule::OutOfOrder,
                "Yet that one already shows what was appended.".into(),
            ),
            (false, false) => {
                let (late, early) = (self.piece(late), self.piece(early));
                (
                    Rule::OutOfOrder,
                    sentence![
                        "Yet ",
                        longest.map(op),
                        format!(" shows {late} before or without {early}.")
                    ],
                )
            }
        };
        let mut shown = vec![late, early];
        if let (false, false, Some(longest)) = (is_read(late), is_read(early), longest) {
            shown.push(longest);
        }
        let of = |number: usize| &self.history.operations[self.calls.indices[number]];
        let gap_ns = of(early)
            .completed_ns
            .and_then(|end| of(late).invoked_ns.checked_sub(end.get()));
        let stale_by_ns = gap_ns.filter(|_| is_read(late));
        Contradiction {
            stale_by_ns,
            ..Contradiction::whole(rule, shown, vec![order, why])
        }
    }
}

/// The decision that a contradiction is worth, looked at again without cutting anything: by what the answers
/// shown contain and by who appended what.
pub(crate) fn invalid(
    text: &KvAppend,
    history: &History,
    calls: &Calls<KvAppendOp>,
    found: Contradiction,
) -> Decision {
    if holds(text, calls, &found) {
        publish::conflict(history, calls, found, Vec::new(), true)
    } else {
        Decision::unknown(format!(
            "internal: the conflict is wrong: {} does not follow",
            found.rule
        ))
    }
}

fn holds(text: &KvAppend, calls: &Calls<KvAppendOp>, found: &Contradiction) -> bool {
    use KvAppendOp::{Append, Read};
    let op = |place: usize| found.shown.get(place).map(|&number| &calls.calls[number].op);
    let precedes =
        |x: usize, y: usize| calls.calls[found.shown[x]].finish < calls.calls[found.shown[y]].start;
    let mut appended: BTreeMap<&str, usize> = BTreeMap::new();
    for call in &calls.calls {
        match &call.op {
            Append(piece) => *appended.entry(piece).or_default() += 1,
            KvAppendOp::Write(_) => return false,
            Read(_) => {}
        }
    }
    let is_unique = |piece: &str| appended[piece] == 1;
    let cut = |seen: &'_ Arc<String>| pieces(&text.initial, seen, &appended);
    let place = |pieces: &[String], piece: &str| pieces.iter().position(|other| other == piece);
    match (found.rule, op(0), op(1), op(2)) {
        (Rule::NeverWritten, Some(Read(seen)), ..) => !cut(seen).1,
        (Rule::Duplicate, Some(Read(seen)), Some(Append(piece)), _) => {
            let twice = |pieces: Vec<String>| pieces.iter().filter(|other| *other == &**piece).count() > 1;
            is_unique(piece) && twice(cut(seen).0)
        }
        (Rule::Diverged, Some(Read(one)), Some(Read(other)), _) => {
            !other.starts_with(one.as_str()) && !one.starts_with(other.as_str())
        }
        (Rule::Lost, Some(Read(late)), Some(Append(early)), _) => {
            precedes(1, 0) && matches!(cut(late), (pieces, true) if place(&pieces, early).is_none())
        }
        (Rule::Lost, Some(Read(late)), Some(Read(early)), _) => precedes(1, 0) && late.len() < early.len(),
        (Rule::OutOfOrder, Some(Append(late)), Some(Read(early)), _) => {
            let shows = |pieces: Vec<String>| place(&pieces, late).is_some();
            precedes(1, 0) && is_unique(late) && shows(cut(early).0)
        }
        (Rule::OutOfOrder, Some(Append(late)), Some(Append(early)), Some(Read(seen))) => {
            let first = |pieces: Vec<String>| match (place(&pieces, late), place(&pieces, early)) {
                (Some(late), Some(early)) => late < early,
                (late, early) => late.is_some() && early.is_none(),
            };
            precedes(1, 0) && is_unique(late) && is_unique(early) && first(cut(seen).0)
        }
        _ => false,
    }
}

/// The pieces of which a text is made, behind the initial one, up to where it is made of pieces, and whether
/// that is its end. No piece is the beginning of another, so the one with which a text begins is the greatest
/// that is not greater.
fn pieces(initial: &str, seen: &str, appended: &BTreeMap<&str, usize>) -> (Vec<String>, bool) {
    let mut pieces = Vec::new();
    let Some(mut rest) = seen.strip_prefix(initial) else {
        return (pieces, false);
    };
    while !rest.is_empty() {
        let next = appended.range(..=rest).next_back().map(|(piece, _)| *piece);
        let Some((piece, behind)) = next.and_then(|piece| Some((piece, rest.strip_prefix(piece)?))) else {
            return (pieces, false);
        };
        pieces.push(piece.to_owned());
        rest = behind;
    }
    (pieces, true)
}
