//! Registers that count their versions: exact where the versions tell which write a read saw, O(n log n).
//!
//! The version ranks a write and the reads that saw it ([`chain`]). A read of a version whose write told none saw the
//! one write of that value which told no version, if there is exactly one. Open writes that nobody saw never happened as
//! far as anybody can tell. What is left, such as a cas whose expected value was written by somebody unseen, or a cas that
//! failed, is for the search.

use history::{History, OPEN, Value};
use rustc_hash::FxHashMap;

use super::chain::{self, Inversion, Ranked};
use super::{Contradiction, Judged};
use crate::describe::describe;
use crate::model::Calls;
use crate::models::{VersionedRegister, VersionedRegisterOp};
use crate::sentences::start;
use crate::verdict::Rule;

/// One version of the register.
#[derive(Debug, Default)]
struct Version<'a> {
    write: Option<usize>,
    reads: Vec<usize>,
    /// What it holds, and who says so.
    value: Option<(&'a Value, usize)>,
}

/// Judges a register.
pub(crate) fn judge(
    register: &VersionedRegister,
    history: &History,
    calls: &Calls<VersionedRegisterOp>,
) -> Judged {
    use VersionedRegisterOp::{Cas, Found, Not, Read, Saw, Write};
    let finder = Finder { history, calls };
    let mut versions: FxHashMap<i64, Version> = FxHashMap::default();
    let mut untold: FxHashMap<&Value, Vec<usize>> = FxHashMap::default();
    for (number, call) in calls.calls.iter().enumerate() {
        let (version, value) = match &call.op {
            Saw(_) | Not(_) | Found(..) => return Judged::Other,
            Read(version, value) => {
                let found = versions.entry(*version).or_default();
                found.reads.push(number);
                (*version, value)
            }
            Write(new, Some(version)) | Cas(_, new, Some(version)) => {
                let found = versions.entry(*version).or_default();
                if let Some(other) = found.write.replace(number) {
                    return Judged::Contradiction(finder.same_version(other, number, *version));
                }
                (*version, new)
            }
            Write(new, None) | Cas(_, new, None) => {
                untold.entry(new).or_default().push(number);
                continue;
            }
        };
        let found = versions.entry(version).or_default();
        match found.value {
            Some((other, by)) if other != value => {
                return Judged::Contradiction(finder.two_values(by, number, version));
            }
            _ => found.value = Some((value, number)),
        }
    }
    if !register.initial.is_nil() && !versions.is_empty() {
        return Judged::Other;
    }
    let mut known: Vec<(i64, Version)> = versions.into_iter().collect();
    known.sort_unstable_by_key(|(version, _)| *version);
    for (version, found) in &mut known {
        let Some((value, by)) = found.value else {
            return Judged::Other;
        };
        match found.write {
            Some(write) if *version <= 0 => return Judged::Contradiction(finder.not_positive(write)),
            Some(_) => {}
            None if *version == 0 && value.is_nil() => {}
            None if *version <= 0 => return Judged::Contradiction(finder.not_positive(by)),
            None => match untold.get_mut(value).map(|writes| (writes.len(), writes.pop())) {
                None => return Judged::Contradiction(finder.phantom(by)),
                Some((1, write)) => found.write = write,
                Some(_) => return Judged::Other,
            },
        }
    }
    // A definite write of unknown version stands somewhere: only the search knows where.
    if untold
        .values()
        .flatten()
        .any(|&number| calls.calls[number].finish != OPEN)
    {
        return Judged::Other;
    }
    let mut ranked = Vec::with_capacity(calls.calls.len());
    let mut before = &register.initial;
    for (place, (_, found)) in (0u64..).zip(&known) {
        if let Some(number) = found.write {
            if matches!(&calls.calls[number].op, Cas(expected, ..) if expected != before) {
                return Judged::Other;
            }
            ranked.push(Ranked {
                rank: 2 * place,
                number,
            });
        }
        ranked.extend(found.reads.iter().map(|&number| Ranked {
            rank: 2 * place + 1,
            number,
        }));
        before = found.value.map_or(before, |(value, _)| value);
    }
    match chain::sort(&calls.calls, &mut ranked) {
        Ok(()) => Judged::Order(ranked.into_iter().map(|ranked| ranked.number).collect()),
        Err(inversion) => {
            let of = |ranked: Ranked| &known[(ranked.rank / 2) as usize];
            let (first, then) = (of(inversion.first), of(inversion.then));
            Judged::Contradiction(finder.inverted(inversion, first, then))
        }
    }
}

struct Finder<'a> {
    history: &'a History,
    calls: &'a Calls<VersionedRegisterOp>,
}

impl Finder<'_> {
    fn words(&self, number: usize) -> String {
        describe(&self.history.operations[self.calls.indices[number]])
    }

    fn start(&self, number: usize) -> String {
        start(&self.history.operations[self.calls.indices[number]])
    }

    /// About the versions that the calls shown read or made.
    fn contradiction(&self, rule: Rule, shown: Vec<usize>, sentences: Vec<String>) -> Contradiction {
        use VersionedRegisterOp::{Cas, Read, Write};
        let part = |&number: &usize| match &self.calls.calls[number].op {
            Read(version, value) | Write(value, Some(version)) | Cas(_, value, Some(version)) => {
                Some(Value::list(vec![Value::Int(*version), value.clone()]))
            }
            _ => None,
        };
        let about = shown.iter().filter_map(part).collect();
        Contradiction {
            rule,
            shown,
            about,
            also: Vec::new(),
            sentences,
            stale_by_ns: None,
        }
    }

    fn phantom(&self, read: usize) -> Contradiction {
        let why = format!(
            "{} shows a value that nobody can have written at that version.",
            self.start(read)
        );
        self.contradiction(Rule::NeverWritten, vec![read], vec![why])
    }

    fn same_version(&self, one: usize, other: usize, version: i64) -> Contradiction {
        let why = format!(
            "{} and {} both made version {version}.",
            self.start(one),
            self.words(other)
        );
        self.contradiction(Rule::Duplicate, vec![one, other], vec![why])
    }

    fn two_values(&self, one: usize, other: usize, version: i64) -> Contradiction {
        let why = format!(
            "{} and {} give version {version} different values.",
            self.start(one),
            self.words(other)
        );
        self.contradiction(Rule::NeverWritten, vec![one, other], vec![why])
    }

    fn not_positive(&self, number: usize) -> Contradiction {
        let why = format!(
            "{} has a version that no write can have made: 0 is that before the first.",
            self.start(number)
        );
        self.contradiction(Rule::NeverWritten, vec![number], vec![why])
    }

    fn inverted(
        &self,
        Inversion { first, then }: Inversion,
        first_version: &(i64, Version),
        then_version: &(i64, Version),
    ) -> Contradiction {
        let (late, early) = (first.number, then.number);
        let ((smaller, first), (greater, then)) = (first_version, then_version);
        let order = format!(
            "{} began after {} had completed.",
            self.start(late),
            self.words(early)
        );
        let why = if smaller == greater {
            "Yet the latter shows what only the former wrote.".to_owned()
        } else {
            format!("Yet the former belongs to version {smaller} and the latter to version {greater}.")
        };
        // An open write is known to have made a version by the reads that saw it.
        let mut shown = vec![late, early];
        for (number, version) in [(late, first), (early, then)] {
            if version.write == Some(number) {
                shown.extend(version.reads.first());
            }
        }
        shown.dedup();
        let is_read = matches!(self.calls.calls[late].op, VersionedRegisterOp::Read(..));
        let of = |number: usize| &self.history.operations[self.calls.indices[number]];
        let gap_ns = of(early)
            .completed_ns
            .and_then(|end| of(late).invoked_ns.checked_sub(end.get()));
        let found = self.contradiction(Rule::OutOfOrder, shown, vec![order, why]);
        Contradiction {
            stale_by_ns: gap_ns.filter(|_| is_read),
            ..found
        }
    }
}
