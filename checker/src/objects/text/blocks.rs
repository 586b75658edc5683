//! Texts that are replaced now and then, by texts and with pieces that are written once each: exact, in time
//! close to that of reading all answers.
//!
//! Every answer can be cut in one way only, into the text that was written and the pieces that were
//! appended to it. A *block* is a written text, the pieces that some answer shows behind it, and the
//! reads of all that. It is contiguous in every order: whatever replaces the text ends it, and whatever
//! is appended in between would be shown. The longest of its answers tells its inner order. What no
//! answer shows, a text or a piece, stands outside of all blocks, as a block of its own; if its outcome
//! is unknown it never happened as far as anybody can tell. So blocks have an order iff no two of them
//! must each come before the other, and that of their midpoints is one, as is shown for registers
//! (`objects/register/exact`, after Gibbons & Korach, SIAM J. Comput. 26(4), 1997). What was there at
//! first is a block that begins before everything.

use history::{History, OPEN, Value};
use rustc_hash::{FxHashMap, FxHashSet};

use super::model::{KvAppend, KvAppendOp};
use super::pieces::Pieces;
use crate::engine::chain::{self, Inversion, Ranked};
use crate::engine::publish::{self, Contradiction, Projected};
use crate::model::{Call, Calls, Effect, Model};
use crate::sentence::{Sentence, op, sentence};
use crate::verdict::{Decision, Rule};

/// Judges a text; `None` if something was written more than once, or could be cut in more ways than one, or
/// an answer shows what no one wrote.
pub(super) fn decide(text: &KvAppend, history: &History, calls: &Calls<KvAppendOp>) -> Option<Decision> {
    let parts = Parts::new(text, calls)?;
    Some(match (Finder { parts: &parts }).judge() {
        Ok(order) => publish::valid(text, calls, &order),
        Err(found) => publish::invalid(&parts, history, &parts.calls, found),
    })
}

/// A text as the parts of which it is made; written texts and pieces by number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum PartsOp {
    Read(Vec<u32>),
    Write(u32),
    Append(u32),
}

/// The origin of what was there at first, if that is empty.
const NOTHING: u32 = u32::MAX;

struct Parts {
    calls: Calls<PartsOp>,
    initial: Vec<u32>,
    /// Which of them begin a text.
    begins: Vec<bool>,
}

impl Parts {
    fn new(text: &KvAppend, calls: &Calls<KvAppendOp>) -> Option<Parts> {
        let initial = Some(text.initial.as_bytes()).filter(|initial| !initial.is_empty());
        let written = || {
            let calls = calls.calls.iter().filter_map(|call| match &call.op {
                KvAppendOp::Read(_) => None,
                KvAppendOp::Write(text) | KvAppendOp::Append(text) => Some(text.as_bytes()),
            });
            calls.chain(initial)
        };
        let pieces = Pieces::new(written())?;
        if pieces.count() != written().count() {
            return None;
        }
        let mut begins = vec![false; pieces.count()];
        let ops = calls.calls.iter().map(|call| {
            Some(match &call.op {
                KvAppendOp::Read(seen) => PartsOp::Read(pieces.cut(seen.as_bytes())?),
                KvAppendOp::Append(piece) => PartsOp::Append(pieces.number(piece.as_bytes())?),
                KvAppendOp::Write(text) => {
                    let number = pieces.number(text.as_bytes())?;
                    begins[number as usize] = true;
                    PartsOp::Write(number)
                }
            })
        });
        let ops: Option<Vec<PartsOp>> = ops.collect();
        let of = |(op, call): (PartsOp, &Call<KvAppendOp>)| Call::new(op, call.start, call.finish);
        let initial: Vec<u32> = initial
            .and_then(|initial| pieces.number(initial))
            .into_iter()
            .collect();
        initial.iter().for_each(|&number| begins[number as usize] = true);
        let parts = Parts {
            calls: Calls {
                calls: ops?.into_iter().zip(&calls.calls).map(of).collect(),
                indices: calls.indices.clone(),
            },
            initial,
            begins,
        };
        let is_text = |call: &Call<PartsOp>| match &call.op {
            PartsOp::Read(seen) => parts.is_text(seen),
            PartsOp::Write(_) | PartsOp::Append(_) => true,
        };
        parts.calls.calls.iter().all(is_text).then_some(parts)
    }

    fn begins(&self, part: u32) -> bool {
        self.begins[part as usize]
    }

    /// Whether it begins with a text, and goes on with pieces.
    fn is_text(&self, seen: &[u32]) -> bool {
        let (origin, pieces) = self.cut(seen);
        (origin != NOTHING || self.initial.is_empty()) && !pieces.iter().any(|&part| self.begins(part))
    }

    /// With which text it begins, and what was appended.
    fn cut<'a>(&self, seen: &'a [u32]) -> (u32, &'a [u32]) {
        match seen.split_first() {
            Some((&first, pieces)) if self.begins(first) => (first, pieces),
            _ => (NOTHING, seen),
        }
    }
}

impl Model for Parts {
    type Op = PartsOp;
    type State = Vec<u32>;

    fn init(&self) -> Vec<u32> {
        self.initial.clone()
    }

    fn apply(&self, state: &mut Vec<u32>, op: &PartsOp) -> bool {
        match op {
            PartsOp::Read(seen) => return state == seen,
            PartsOp::Write(text) => *state = vec![*text],
            PartsOp::Append(piece) => state.push(*piece),
        }
        true
    }

    fn effect(&self, op: &PartsOp) -> Effect {
        match op {
            PartsOp::Read(_) => Effect::Pure,
            PartsOp::Write(_) => Effect::Overwrite,
            PartsOp::Append(_) => Effect::Change,
        }
    }
}

/// The parts are the texts and pieces that were written. A text is left out together with its reads.
impl Projected for Parts {
    fn project(&self, op: &PartsOp, parts: &[Value]) -> Option<PartsOp> {
        let is_part = |part: u32| self.initial.contains(&part) || parts.contains(&value(part));
        match op {
            PartsOp::Write(part) | PartsOp::Append(part) => is_part(*part).then(|| op.clone()),
            PartsOp::Read(seen) => {
                let (origin, _) = self.cut(seen);
                let left = || seen.iter().copied().filter(|&part| is_part(part)).collect();
                (origin == NOTHING || is_part(origin)).then(|| PartsOp::Read(left()))
            }
        }
    }
}

fn value(part: u32) -> Value {
    Value::Int(part.into())
}

/// The reads that begin with one text, each with what it shows behind that.
#[derive(Default)]
struct Reads<'a> {
    all: Vec<(usize, &'a [u32])>,
    /// The one that shows most.
    longest: Option<(usize, &'a [u32])>,
}

/// A block, or something that no answer shows.
struct Span {
    /// In its inner order.
    calls: Vec<usize>,
    /// The call that completed first.
    first: usize,
    /// The call that began last.
    last: usize,
    /// It was there before everything.
    is_initial: bool,
    /// The text with which it begins, or [`NOTHING`].
    origin: u32,
    /// The read that shows most of it.
    longest: Option<usize>,
}

struct Finder<'a> {
    parts: &'a Parts,
}

impl<'a> Finder<'a> {
    fn judge(&self) -> Result<Vec<usize>, Contradiction> {
        let calls = &self.parts.calls.calls;
        let mut writers: Vec<Option<usize>> = vec![None; self.parts.begins.len()];
        let mut reads: FxHashMap<u32, Reads> = FxHashMap::default();
        for (number, call) in calls.iter().enumerate() {
            match &call.op {
                PartsOp::Write(part) | PartsOp::Append(part) => writers[*part as usize] = Some(number),
                PartsOp::Read(seen) => {
                    let (origin, pieces) = self.parts.cut(seen);
                    let reads = reads.entry(origin).or_default();
                    reads.all.push((number, pieces));
                    let longest = reads.longest.filter(|(_, longest)| longest.len() >= pieces.len());
                    reads.longest = longest.or(Some((number, pieces)));
                }
            }
        }
        let mut blocks: Vec<(u32, Reads)> = reads.into_iter().collect();
        blocks.sort_unstable_by_key(|(origin, _)| *origin);
        self.each_once(&blocks)?;
        let mut spans = Vec::new();
        let mut is_shown = vec![false; calls.len()];
        for (origin, reads) in &blocks {
            let span = self.block(*origin, reads, &writers)?;
            span.calls.iter().for_each(|&number| is_shown[number] = true);
            spans.push(span);
        }
        let unseen = (0..calls.len()).filter(|&number| !is_shown[number] && calls[number].finish != OPEN);
        spans.extend(unseen.map(|number| Span {
            calls: vec![number],
            first: number,
            last: number,
            is_initial: false,
            origin: NOTHING,
            longest: None,
        }));
        self.sort(&mut spans)?;
        Ok(spans.into_iter().flat_map(|span| span.calls).collect())
    }

    /// What was appended once is shown once: in one block, and there by all reads in the same place.
    fn each_once(&self, blocks: &[(u32, Reads)]) -> Result<(), Contradiction> {
        let mut shown_by: FxHashMap<u32, (u32, usize)> = FxHashMap::default();
        for (origin, reads) in blocks {
            let Some((longest, most)) = reads.longest else {
                continue;
            };
            for &(number, pieces) in &reads.all {
                if let Some(place) = (0..pieces.len()).find(|&place| pieces[place] != most[place]) {
                    let why = sentence![op(number), " is not a prefix of ", op(longest), "."];
                    let but = "Both begin with the same text, which was written once.".into();
                    let about = [*origin, pieces[place], most[place]];
                    return Err(self.found(Rule::Diverged, [number, longest], about, vec![why, but]));
                }
            }
            for &piece in most {
                if let Some((other, reader)) = shown_by.insert(piece, (*origin, longest)) {
                    let shows = " shows what was appended once";
                    let why = match reader == longest {
                        true => sentence![op(longest), shows, ", and shows it twice."],
                        false => sentence![op(longest), shows, " behind another text than ", op(reader), "."],
                    };
                    let about = [*origin, other, piece];
                    return Err(self.found(Rule::Duplicate, [longest, reader], about, vec![why]));
                }
            }
        }
        Ok(())
    }

    fn block(
        &self,
        origin: u32,
        reads: &Reads<'a>,
        writers: &[Option<usize>],
    ) -> Result<Span, Contradiction> {
        let calls = &self.parts.calls.calls;
        let writer = writers.get(origin as usize).copied().flatten();
        let mut ranked: Vec<Ranked> = Vec::new();
        ranked.extend(writer.map(|number| Ranked { rank: 0, number }));
        let most = reads.longest.map_or(&[][..], |(_, most)| most);
        let appends = most.iter().map(|&piece| writers[piece as usize]);
        let ranks = (1..).map(|place: u64| 2 * place);
        ranked.extend(
            ranks
                .zip(appends)
                .filter_map(|(rank, number)| number.map(|number| Ranked { rank, number })),
        );
        ranked.extend(reads.all.iter().map(|&(number, pieces)| Ranked {
            rank: 2 * pieces.len() as u64 + 1,
            number,
        }));
        let longest = reads.longest.map(|(number, _)| number);
        chain::sort(calls, &mut ranked)
            .map_err(|inversion| self.inverted(origin, most, longest, inversion))?;
        let numbers = || ranked.iter().map(|ranked| ranked.number);
        let nothing = longest.unwrap_or_default();
        Ok(Span {
            first: numbers()
                .min_by_key(|&number| calls[number].finish)
                .unwrap_or(nothing),
            last: numbers()
                .max_by_key(|&number| calls[number].start)
                .unwrap_or(nothing),
            calls: numbers().collect(),
            is_initial: writer.is_none(),
            origin,
            longest,
        })
    }

    /// Brings them into the order of their midpoints.
    fn sort(&self, spans: &mut [Span]) -> Result<(), Contradiction> {
        let calls = &self.parts.calls.calls;
        let midpoint = |span: &Span| match span.is_initial {
            true => 0,
            false => 1 + u128::from(calls[span.first].finish) + u128::from(calls[span.last].start),
        };
        spans.sort_by_cached_key(midpoint);
        let mut widest: Option<&Span> = None;
        for span in spans.iter() {
            let start = |span: &Span| calls[span.last].start;
            if let Some(other) = widest
                && calls[span.first].finish < start(other)
            {
                return Err(self.each_before_the_other(other, span));
            }
            widest = widest.filter(|widest| start(widest) > start(span)).or(Some(span));
        }
        Ok(())
    }

    /// `then` was there before `first` was over, and, unless that was there at first, the other way round.
    fn each_before_the_other(&self, first: &Span, then: &Span) -> Contradiction {
        let before = |a: usize, b: usize| sentence![op(a), " had completed before ", op(b), " began."];
        let mut shown = vec![then.first, first.last];
        let mut sentences = vec![before(then.first, first.last)];
        if !first.is_initial {
            shown.extend([first.first, then.last]);
            sentences.push(before(first.first, then.last));
        }
        let is_append = |span: &Span| {
            let is_append = matches!(self.parts.calls.calls[span.first].op, PartsOp::Append(_));
            is_append && span.longest.is_none()
        };
        let (rule, why) = match (is_append(first) || is_append(then), first.is_initial) {
            (true, _) => (Rule::Lost, "Yet no answer shows what was appended."),
            (false, true) => (
                Rule::ComesBack,
                "Yet the text that was there at first had been replaced.",
            ),
            (false, false) => (
                Rule::ComesBack,
                "Each of their texts would have to come before the other.",
            ),
        };
        sentences.push(why.into());
        let mut contradiction = self.found(rule, shown, [first.origin, then.origin], sentences);
        contradiction.also.extend(first.longest);
        contradiction.also.extend(then.longest);
        contradiction
    }

    fn inverted(
        &self,
        origin: u32,
        most: &[u32],
        longest: Option<usize>,
        Inversion { first, then }: Inversion,
    ) -> Contradiction {
        let (late, early) = (first.number, then.number);
        let order = sentence![op(late), " began after ", op(early), " had completed."];
        let reads = |number: usize| match &self.parts.calls.calls[number].op {
            PartsOp::Read(seen) => Some(self.parts.cut(seen).1.len()),
            _ => None,
        };
        let mut about = vec![origin];
        let mut shown = vec![late, early];
        let (rule, why) = match (reads(late), reads(early)) {
            (Some(_), None) => (Rule::Lost, "Yet it does not show what was appended.".into()),
            (Some(fewer), Some(_)) => {
                about.extend(most.get(fewer));
                (Rule::Lost, sentence!["Yet ", op(early), " shows more."])
            }
            (None, Some(_)) => (
                Rule::OutOfOrder,
                "Yet that one already shows what was written.".into(),
            ),
            (None, None) => {
                shown.extend(longest);
                let shows = " shows what that one wrote behind it.";
                (Rule::OutOfOrder, sentence!["Yet ", longest.map(op), shows])
            }
        };
        let mut contradiction = self.found(rule, shown, about, vec![order, why]);
        contradiction.also.extend(longest);
        contradiction
    }

    /// A contradiction about what was shown and these parts.
    fn found(
        &self,
        rule: Rule,
        shown: impl IntoIterator<Item = usize>,
        about: impl IntoIterator<Item = u32>,
        sentences: Vec<Sentence>,
    ) -> Contradiction {
        let mut known: FxHashSet<usize> = FxHashSet::default();
        let shown: Vec<usize> = shown.into_iter().filter(|&number| known.insert(number)).collect();
        let written = shown
            .iter()
            .filter_map(|&number| match self.parts.calls.calls[number].op {
                PartsOp::Write(part) | PartsOp::Append(part) => Some(part),
                PartsOp::Read(_) => None,
            });
        let mut about: Vec<u32> = about.into_iter().chain(written).collect();
        about.sort_unstable();
        about.dedup();
        Contradiction {
            about: about.into_iter().map(value).collect(),
            ..Contradiction::whole(rule, shown, sentences)
        }
    }
}
