//! Locks that their holders may lose, with tokens: exact, O(n log n).
//!
//! A process does one thing after the other, so a release belongs to its process' last taking, and the two
//! make a section between which no other taking may stand; a taking without a release is a section of its
//! own. Where all tokens are known they rank the sections ([`chain`]); where none is, sections must not
//! overlap ([`sections`]), which nothing but real time decides. Where some are known, a contradiction among
//! these is one, but that there is none settles nothing.

use history::{OPEN, Value};
use rustc_hash::FxHashMap;

use super::held::{Held, is_release, ranked, section_of, shown};
use super::lease::LeaseOp;
use crate::engine::chain::{self, Inversion};
use crate::engine::publish::{Contradiction, Judged};
use crate::engine::sections::{self, Section};
use crate::model::Calls;
use crate::sentence::{op, sentence};
use crate::verdict::Rule;

/// Judges a lock.
pub(crate) fn judge(calls: &Calls<LeaseOp>) -> Judged {
    let finder = Finder { calls };
    finder.judge().unwrap_or_else(Judged::Contradiction)
}

struct Finder<'a> {
    calls: &'a Calls<LeaseOp>,
}

impl Finder<'_> {
    fn judge(&self) -> Result<Judged, Contradiction> {
        let held = self.held()?;
        let known = |held: &Held| Some((self.token(*held)?, *held));
        let mut by_token: Vec<(i64, Held)> = held.iter().filter_map(known).collect();
        let order = self.by_token(&mut by_token)?;
        if by_token.len() == held.len() {
            return Ok(Judged::Order(order));
        }
        if !by_token.is_empty() {
            return Ok(Judged::Other);
        }
        let times: Vec<Section> = held.iter().map(|held| self.times(*held)).collect();
        let order = sections::order(&times).map_err(|(one, other)| self.overlap(held[one], held[other]))?;
        let calls = order.into_iter().flat_map(|number| held[number].calls());
        Ok(Judged::Order(calls.collect()))
    }

    /// The sections, or a release that belongs to none.
    fn held(&self) -> Result<Vec<Held>, Contradiction> {
        let calls = &self.calls.calls;
        let mut order: Vec<usize> = (0..calls.len()).collect();
        order.sort_by_key(|&number| calls[number].start);
        let mut sections: Vec<Held> = Vec::new();
        let mut last: FxHashMap<u32, usize> = FxHashMap::default();
        for number in order {
            match calls[number].op {
                // No one can tell whether it happened, nor does it matter.
                _ if calls[number].finish == OPEN => {}
                LeaseOp::Acquire(process, _) => {
                    last.insert(process, sections.len());
                    sections.push(Held {
                        taking: number,
                        release: None,
                    });
                }
                LeaseOp::Release(process) => match last.get(&process).map(|&place| &mut sections[place]) {
                    Some(held) if held.release.is_none() => held.release = Some(number),
                    before => {
                        let before = before.and_then(|held| held.release);
                        return Err(self.not_held(process, number, before));
                    }
                },
            }
        }
        Ok(sections)
    }

    /// The order of sections whose tokens are known, which it sorts.
    fn by_token(&self, by_token: &mut [(i64, Held)]) -> Result<Vec<usize>, Contradiction> {
        by_token.sort_by_key(|(token, held)| (*token, held.taking));
        if let Some(pair) = by_token.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(self.same_token(pair[0].1, pair[1].1));
        }
        let mut ranked = ranked(by_token);
        match chain::sort(&self.calls.calls, &mut ranked) {
            Ok(()) => Ok(ranked.into_iter().map(|ranked| ranked.number).collect()),
            Err(inversion) => {
                let sections = [inversion.first, inversion.then].map(|ranked| section_of(ranked, by_token));
                Err(self.against_tokens(inversion, sections))
            }
        }
    }

    fn token(&self, held: Held) -> Option<i64> {
        match self.calls.calls[held.taking].op {
            LeaseOp::Acquire(_, token) => token,
            LeaseOp::Release(_) => None,
        }
    }

    fn times(&self, held: Held) -> Section {
        Section {
            first_finish: self.calls.calls[held.taking].finish,
            last_start: self.calls.calls[held.release.unwrap_or(held.taking)].start,
        }
    }

    /// About all that the process did.
    fn not_held(&self, process: u32, release: usize, before: Option<usize>) -> Contradiction {
        let shown = [release].into_iter().chain(before).collect();
        let why = sentence![
            op(release),
            " succeeded although its process did not hold the lock."
        ];
        let since = match before {
            Some(before) => sentence!["It had not acquired it again since ", op(before), "."],
            None => "It had never acquired it before.".into(),
        };
        Contradiction {
            about: vec![Value::Int(i64::from(process))],
            ..Contradiction::whole(Rule::TwoHolders, shown, vec![why, since])
        }
    }

    fn same_token(&self, one: Held, other: Held) -> Contradiction {
        let why = sentence![
            op(one.taking),
            " and ",
            op(other.taking),
            " were given the same token."
        ];
        let but = "Every token must be greater than all earlier ones.".into();
        Contradiction::whole(Rule::Duplicate, vec![one.taking, other.taking], vec![why, but])
    }

    fn overlap(&self, one: Held, other: Held) -> Contradiction {
        let line = |taking: Held, until: Held| {
            sentence![
                op(taking.taking),
                " had completed before ",
                op(until.release.unwrap_or(until.taking)),
                " began."
            ]
        };
        let shown = one.calls().chain(other.calls()).collect();
        let sentences = vec![
            line(one, other),
            line(other, one),
            "So one of them released a lock that the other had already taken over.".into(),
        ];
        Contradiction::whole(Rule::TwoHolders, shown, sentences)
    }

    /// What belongs to the smaller token began after what belongs to the greater one had completed.
    fn against_tokens(
        &self,
        Inversion { first, then }: Inversion,
        [(smaller, held), (greater, next)]: [(i64, Held); 2],
    ) -> Contradiction {
        let order = sentence![
            op(first.number),
            " began after ",
            op(then.number),
            " had completed."
        ];
        let shown = shown([first, then], [held, next]);
        let (rule, why) = match (is_release(first), is_release(then)) {
            (true, _) => (
                Rule::TwoHolders,
                sentence![
                    format!("It succeeded although it released the lock of token {smaller} ("),
                    op(held.taking),
                    format!(") after token {greater} had been given out.")
                ],
            ),
            (false, false) => (
                Rule::OutOfOrder,
                format!("But it was given token {smaller}, which is smaller than the latter's {greater}.")
                    .into(),
            ),
            (false, true) => (
                Rule::OutOfOrder,
                format!(
                    "But it was given token {smaller}, although the latter had released the lock of token \
                     {greater}."
                )
                .into(),
            ),
        };
        Contradiction::whole(rule, shown, vec![order, why])
    }
}
