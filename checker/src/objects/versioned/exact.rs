//! Registers that count their versions: exact where the versions tell which write a read saw, O(n log n).
//!
//! The version ranks a write and the reads that saw it ([`chain`]). A read of a version whose write told none
//! saw the one write of that value which told no version, if there is exactly one. Open writes that no one
//! saw never happened as far as anybody can tell. A cas that failed is put at the first version that it can
//! have found, given those that failed before it began. What is left, such as a cas that found or expected
//! what someone unseen may have written, is for the search.

use history::{History, OPEN, Value};
use rustc_hash::FxHashMap;

use super::model::{VersionedRegister, VersionedRegisterOp};
use crate::engine::chain::{self, Inversion, Ranked};
use crate::engine::publish::{Contradiction, Judged};
use crate::model::{Call, Calls};
use crate::sentence::{Sentence, op, sentence};
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
    let mut failed = Vec::new();
    for (number, call) in calls.calls.iter().enumerate() {
        let (version, value) = match &call.op {
            Found(..) => return Judged::Contradiction(finder.found_expected(number)),
            Saw(_) | Not(_) => {
                failed.push(number);
                continue;
            }
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
    let initial = versions.entry(0).or_default();
    initial.value = initial.value.or(Some((&register.initial, usize::MAX)));
    let mut known: Vec<(i64, Version)> = versions.into_iter().collect();
    known.sort_unstable_by_key(|(version, _)| *version);
    let mut is_certain = true;
    for (version, found) in &mut known {
        let Some((value, by)) = found.value else {
            return Judged::Other;
        };
        match found.write {
            Some(write) if *version <= 0 => return Judged::Contradiction(finder.not_positive(write)),
            Some(_) => {}
            None if *version == 0 && *value == register.initial => {}
            None if *version <= 0 => return Judged::Contradiction(finder.not_positive(by)),
            None => match untold.get_mut(value) {
                None => return Judged::Contradiction(finder.phantom(by)),
                Some(writes) if writes.len() == 1 => found.write = writes.pop(),
                Some(_) => is_certain = false,
            },
        }
    }
    // What is known of versions must fit, whatever the rest did.
    if let Err(inversion) = chain::sort(&calls.calls, &mut ranks(&known)) {
        return Judged::Contradiction(finder.inverted(inversion, &known));
    }
    if !is_certain {
        return Judged::Other;
    }
    let known = match with_unseen(register, calls, known, &mut untold) {
        Ok(known) => known,
        Err(Some((before, cas))) => return Judged::Contradiction(finder.replaced_other(before, cas)),
        Err(None) => return Judged::Other,
    };
    let mut ranked = ranks(&known);
    // That a version must have been there that no one saw takes more words than a search.
    if chain::sort(&calls.calls, &mut ranked).is_err() {
        return Judged::Other;
    }
    if !failed.is_empty() {
        let values: Vec<&Value> = known
            .iter()
            .filter_map(|(_, found)| Some(found.value?.0))
            .collect();
        let Some(placed) = place(&calls.calls, &ranked, &values, &failed) else {
            return Judged::Other;
        };
        ranked.extend(placed);
        if chain::sort(&calls.calls, &mut ranked).is_err() {
            return Judged::Other;
        }
    }
    Judged::Order(ranked.into_iter().map(|ranked| ranked.number).collect())
}

/// Each version's write, then its reads.
fn ranks(known: &[(i64, Version)]) -> Vec<Ranked> {
    let mut ranked = Vec::new();
    for (place, (_, found)) in (0u64..).zip(known) {
        let rank = 2 * place;
        ranked.extend(found.write.map(|number| Ranked { rank, number }));
        let rank = rank + 1;
        ranked.extend(found.reads.iter().map(|&number| Ranked { rank, number }));
    }
    ranked
}

/// Adds the versions that no one saw and without which a cas could not have found what it expected. They get
/// the number of the cas, for want of their own.
///
/// # Errors
/// A cas that replaced something else than what was there, with who shows that; or `None` if the search must
/// help.
#[expect(clippy::type_complexity, reason = "the only caller takes it apart at once")]
fn with_unseen<'a>(
    register: &'a VersionedRegister,
    calls: &'a Calls<VersionedRegisterOp>,
    known: Vec<(i64, Version<'a>)>,
    untold: &mut FxHashMap<&'a Value, Vec<usize>>,
) -> Result<Vec<(i64, Version<'a>)>, Option<(usize, usize)>> {
    let expected = |number: usize| match &calls.calls[number].op {
        VersionedRegisterOp::Cas(expected, ..) => Some(expected),
        _ => None,
    };
    let mut all: Vec<(i64, Version)> = Vec::with_capacity(known.len());
    let (mut before, mut shown_by, mut last) = (&register.initial, None, -1);
    for (version, found) in known {
        let mut unseen: Vec<(i64, Version)> = Vec::new();
        let mut needs = found.write.and_then(|write| Some((write, expected(write)?)));
        while let Some((cas, value)) = needs.filter(|(_, value)| *value != before) {
            let writes = untold.get_mut(value);
            let write = match writes.map(|writes| (writes.len(), writes.pop())) {
                // No one else can have written it, so what was there is what the version before shows.
                None if unseen.is_empty() => {
                    let is_told = matches!(calls.calls[cas].op, VersionedRegisterOp::Cas(_, _, Some(_)));
                    return Err(shown_by.map(|by| (by, cas)).filter(|_| is_told));
                }
                Some((1, Some(write))) => write,
                _ => return Err(None),
            };
            let made = Version {
                write: Some(write),
                reads: Vec::new(),
                value: Some((value, write)),
            };
            unseen.push((version, made));
            needs = expected(write).map(|expected| (write, expected));
        }
        // There must be a number left for each.
        if i128::from(version) - i128::from(last) <= unseen.len() as i128 {
            return Err(None);
        }
        all.extend(unseen.into_iter().rev());
        if let Some((value, by)) = found.value {
            (before, shown_by) = (value, Some(by).filter(|&by| by != usize::MAX));
        }
        last = version;
        all.push((version, found));
    }
    // A definite write of unknown version stands somewhere: only the search knows where.
    let is_definite = |&number: &usize| calls.calls[number].finish != OPEN;
    if untold.values().flatten().any(is_definite) {
        Err(None)
    } else {
        Ok(all)
    }
}

/// Whether the second of the calls that a contradiction shows, a cas, found what the first shows, and not
/// what it expected: there is no version between the two, and no one wrote what it expected without telling
/// the version.
pub(crate) fn holds(calls: &Calls<VersionedRegisterOp>, found: &Contradiction) -> bool {
    use VersionedRegisterOp::{Cas, Read, Write};
    let told = |op: &VersionedRegisterOp| match op {
        Read(version, _) | Write(_, Some(version)) | Cas(_, _, Some(version)) => Some(*version),
        _ => None,
    };
    let [before, cas] = found.shown[..] else {
        return false;
    };
    let (before, Cas(expected, _, Some(version))) = (&calls.calls[before].op, &calls.calls[cas].op) else {
        return false;
    };
    let (Read(_, value) | Write(value, _) | Cas(_, value, _)) = before else {
        return false;
    };
    let Some(last) = told(before) else { return false };
    value != expected
        && last < *version
        && calls.calls.iter().all(|call| match &call.op {
            Write(new, None) | Cas(_, new, None) => new != expected,
            op => told(op).is_none_or(|other| other <= last || *version <= other),
        })
}

/// Puts each cas that failed among the reads of the first version that it can have found: no earlier than
/// those that failed before it began. These bounds only ever push upwards, so the first places that satisfy
/// all are found if there are any.
fn place(
    calls: &[Call<VersionedRegisterOp>],
    ranked: &[Ranked],
    values: &[&Value],
    failed: &[usize],
) -> Option<Vec<Ranked>> {
    // For each version the latest start up to its write, and the earliest completion behind its reads.
    let mut latest_start = vec![0; values.len()];
    let mut earliest_finish = vec![OPEN; values.len()];
    for ranked in ranked {
        let (version, call) = ((ranked.rank / 2) as usize, &calls[ranked.number]);
        // A read binds only the versions behind it.
        if let Some(start) = latest_start.get_mut(version + (ranked.rank % 2) as usize) {
            *start = call.start.max(*start);
        }
        if let Some(before) = version.checked_sub(1) {
            earliest_finish[before] = call.finish.min(earliest_finish[before]);
        }
    }
    for version in 1..values.len() {
        latest_start[version] = latest_start[version].max(latest_start[version - 1]);
    }
    for version in (1..values.len()).rev() {
        earliest_finish[version - 1] = earliest_finish[version - 1].min(earliest_finish[version]);
    }
    let mut holding: FxHashMap<&Value, Vec<usize>> = FxHashMap::default();
    for (version, value) in values.iter().enumerate() {
        holding.entry(value).or_default().push(version);
    }
    let mut events: Vec<(u64, usize)> = failed
        .iter()
        .flat_map(|&number| [(calls[number].start, number), (calls[number].finish, number)])
        .collect();
    events.sort_unstable();
    let mut chosen: FxHashMap<usize, usize> = FxHashMap::default();
    let mut least = 0;
    for (position, number) in events {
        let call = &calls[number];
        if position == call.finish {
            least = least.max(chosen[&number]);
            continue;
        }
        let first = least.max(earliest_finish.partition_point(|&finish| finish < call.start));
        let end = latest_start.partition_point(|&start| start < call.finish);
        let version = match &call.op {
            VersionedRegisterOp::Saw(value) => {
                let versions = holding.get(value)?;
                *versions.get(versions.partition_point(|&version| version < first))?
            }
            VersionedRegisterOp::Not(value) => (first..end).find(|&version| values[version] != value)?,
            _ => return None,
        };
        if version >= end {
            return None;
        }
        chosen.insert(number, version);
    }
    let place = |(number, version): (usize, usize)| Ranked {
        rank: 2 * version as u64 + 1,
        number,
    };
    Some(chosen.into_iter().map(place).collect())
}

struct Finder<'a> {
    history: &'a History,
    calls: &'a Calls<VersionedRegisterOp>,
}

impl Finder<'_> {
    /// About the versions that the calls shown read or made.
    fn contradiction(&self, rule: Rule, shown: Vec<usize>, sentences: Vec<Sentence>) -> Contradiction {
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
        let why = sentence![
            op(read),
            " shows a value that no operation can have written at that version."
        ];
        self.contradiction(Rule::NeverWritten, vec![read], vec![why])
    }

    fn replaced_other(&self, before: usize, cas: usize) -> Contradiction {
        let why = sentence![op(cas), " replaced what it expected."];
        let but = sentence![
            "But ",
            op(before),
            " shows what was there before, and nothing else was written in between."
        ];
        let (about, also) = (Vec::new(), Vec::new());
        let (rule, shown, sentences) = (Rule::Lost, vec![before, cas], vec![why, but]);
        Contradiction {
            rule,
            shown,
            about,
            also,
            sentences,
            stale_by_ns: None,
        }
    }

    fn found_expected(&self, number: usize) -> Contradiction {
        let why = sentence![
            op(number),
            " found the very value that it expected, and yet it failed."
        ];
        let (about, also) = (Vec::new(), Vec::new());
        let (rule, sentences) = (Rule::FoundExpected, vec![why]);
        Contradiction {
            rule,
            shown: vec![number],
            about,
            also,
            sentences,
            stale_by_ns: None,
        }
    }

    fn same_version(&self, one: usize, other: usize, version: i64) -> Contradiction {
        let why = sentence![
            op(one),
            " and ",
            op(other),
            format!(" both made version {version}.")
        ];
        self.contradiction(Rule::Duplicate, vec![one, other], vec![why])
    }

    fn two_values(&self, one: usize, other: usize, version: i64) -> Contradiction {
        let why = sentence![
            op(one),
            " and ",
            op(other),
            format!(" give version {version} different values.")
        ];
        self.contradiction(Rule::NeverWritten, vec![one, other], vec![why])
    }

    fn not_positive(&self, number: usize) -> Contradiction {
        let why = sentence![
            op(number),
            " has a version that no write can have made: version 0 comes before the first write."
        ];
        self.contradiction(Rule::NeverWritten, vec![number], vec![why])
    }

    fn inverted(&self, Inversion { first, then }: Inversion, known: &[(i64, Version)]) -> Contradiction {
        let of = |ranked: Ranked| &known[(ranked.rank / 2) as usize];
        let (first_version, then_version) = (of(first), of(then));
        let (late, early) = (first.number, then.number);
        let ((smaller, first), (greater, then)) = (first_version, then_version);
        let order = sentence![op(late), " began after ", op(early), " had completed."];
        let why = if smaller == greater {
            sentence!["Yet ", op(early), " shows what only ", op(late), " wrote."]
        } else {
            format!(
                "Yet it belongs to version {smaller}, and what had completed belongs to version {greater}."
            )
            .into()
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
