//! The reports of etcd's robustness tests: what each client asked and was answered, as Porcupine operations
//! in JSON, one after the other.
//!
//! What is asked of etcd is more than a register can do. Each request becomes what it certainly says of each
//! of its keys alone, so that a history is only accused of what etcd has really done:
//!
//! | request | becomes |
//! |---|---|
//! | put, delete | a write, of nil for a delete; one that found nothing to delete is a read of nil |
//! | range | a read of each known key in it |
//! | a transaction | its puts, deletes and ranges, each by itself |
//! | a condition on a revision | the value that had this revision, if some answer tells; 0 is nil |
//! | a put on a condition | a cas, if its value is known; else a write |
//! | an error | the writes may have happened |
//! | a lease | may delete each key that was put with it, once: when it is revoked, or expires |
//!
//! Left out are reads of older revisions and of keys without their values. Leases that are granted,
//! compaction and defragmentation change no key.
//!
//! Source: etcd's `tests/robustness`: `report/client.go`, `model/types.go`, `model/deterministic.go`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustc_hash::FxHashMap;

use super::etcd_requests::{Condition, Found, Output, Range, Request, Step, Txn};
use super::intervals::{self, Interval};
use super::source::Source;
use super::{Format, ImportError, Read, Reads, Remark};
use crate::units::plural;
use crate::{ErrorClass, Op, Outcome, Value};

/// The file in which a client's operations stand.
const FILE: &str = "operations.json";

pub(super) const FORMAT: Format = Format {
    name: "etcd-report",
    about: "etcd's robustness reports: a directory of client-N/operations.json",
    loses: "it is only read",
    may_be_empty: false,
    initial: || Value::Nil,
    detect: |head| {
        head.is_json()
            && ["\"ClientId\"", "\"Input\""]
                .iter()
                .all(|name| head.first_map_has(name))
    },
    read: Reads::Ordered(|source| {
        if let Some(report) = source
            .path()
            .parent()
            .filter(|path| is_client(path))
            .and_then(Path::parent)
            && files(report).len() > 1
        {
            return Err(source.refused(format!(
                "it holds what one of several clients did; give the directory of the whole report, {}",
                match report.as_os_str().is_empty() {
                    true => ".".to_owned(),
                    false => report.display().to_string(),
                }
            )));
        }
        Ok(translate(&parse(source)?))
    }),
    write: None,
};

/// The operations of all clients of the report in the directory `path`; none if it is no report.
pub(super) fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(path) else {
        return Vec::new();
    };
    let clients = entries.filter_map(|entry| Some(entry.ok()?.path()));
    let mut files: Vec<PathBuf> = clients
        .filter(|client| is_client(client))
        .map(|client| client.join(FILE))
        .filter(|file| file.is_file())
        .collect();
    files.sort();
    files
}

fn is_client(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| name.starts_with("client-"))
}

/// Reads a whole report.
pub(super) fn read_report(files: &[PathBuf]) -> Result<Read, ImportError> {
    let mut requests = Vec::new();
    for file in files {
        requests.extend(parse(&Source::open(file)?)?);
    }
    let (history, mut remarks) = translate(&requests);
    remarks.push(Remark::Text(format!(
        "of this directory, {FILE} of {} was read; what watches received was not looked at",
        plural(files.len() as u64, "client")
    )));
    Ok((history, remarks))
}

fn parse(source: &Source<'_>) -> Result<Vec<Request>, ImportError> {
    let bytes = source.all()?;
    let mut requests = Vec::new();
    let mut stream = serde_json::Deserializer::from_slice(&bytes).into_iter::<Request>();
    loop {
        let begun = stream.byte_offset();
        let line = || {
            let gap = bytes[begun..]
                .iter()
                .take_while(|byte| byte.is_ascii_whitespace());
            memchr::memchr_iter(b'\n', &bytes[..begun + gap.count()]).count() + 1
        };
        let Some(request) = stream.next() else {
            return Ok(requests);
        };
        let request =
            request.map_err(|error| source.malformed(error.line(), format!("no operation: {error}")))?;
        let is_known = match request.input.kind.as_str() {
            "range" => request.input.range.is_some(),
            "txn" => request.input.txn.is_some(),
            "leaseRevoke" => request.input.lease_revoke.is_some(),
            "leaseGrant" | "defragment" | "compact" => true,
            _ => false,
        };
        if !is_known {
            let kind = &request.input.kind;
            let reason = format!(
                "the input of this operation is no request of etcd's (Type {kind:?}); of Porcupine's operations, only those of \
                 etcd's robustness tests are known"
            );
            return Err(source.malformed(line(), reason));
        }
        if request.returned < request.call {
            return Err(source.malformed(line(), "the operation returns before it is called"));
        }
        requests.push(request);
    }
}

/// What is told of keys and their values, before anything is translated.
struct Facts {
    /// Every key that is named.
    keys: BTreeSet<String>,
    /// The value of a key at the revision at which it was changed last; `None` where answers differ.
    values: FxHashMap<(String, i64), Option<Value>>,
    /// How often each value is put, by key.
    puts: FxHashMap<(String, Value), u64>,
    /// From when on each lease may delete each key that was put with it.
    deletions: FxHashMap<(String, i64), i64>,
}

impl Facts {
    fn of(requests: &[Request]) -> Facts {
        let mut facts = Facts {
            keys: BTreeSet::new(),
            values: FxHashMap::default(),
            puts: FxHashMap::default(),
            deletions: FxHashMap::default(),
        };
        let mut revoked: FxHashMap<i64, (i64, bool)> = FxHashMap::default();
        for request in requests {
            let is_answer = request.output.is_answer();
            if let Some(lease) = &request.input.lease_revoke {
                let (first, is_revoked) = revoked.entry(lease.id).or_insert((request.call, false));
                *first = (*first).min(request.call);
                *is_revoked |= is_answer;
            }
            if let (Some(range), Some(found)) = (&request.input.range, &request.output.range) {
                facts.found(range, found);
            }
            let Some(txn) = &request.input.txn else { continue };
            for condition in txn.conditions() {
                facts.keys.insert(condition.key.clone());
            }
            for holds in [true, false] {
                for step in txn.steps(holds) {
                    if let Some((key, value)) = step.change() {
                        facts.keys.insert(key.to_owned());
                        *facts.puts.entry((key.to_owned(), value)).or_default() += 1;
                    }
                    if step.put.lease != 0 {
                        let from_ns = facts
                            .deletions
                            .entry((step.put.key.clone(), step.put.lease))
                            .or_insert(request.call);
                        *from_ns = (*from_ns).min(request.call);
                    }
                }
            }
            for (step, found) in done(txn, &request.output) {
                match step.change() {
                    Some((key, value)) if !value.is_nil() => facts.had(key, request.output.revision, value),
                    Some(_) => {}
                    None => found
                        .into_iter()
                        .for_each(|found| facts.found(&step.range, found)),
                }
            }
        }
        for ((_, lease), from_ns) in &mut facts.deletions {
            // What was revoked had not expired before.
            if let Some((first, true)) = revoked.get(lease) {
                *from_ns = *first;
            }
        }
        facts
    }

    fn found(&mut self, range: &Range, found: &Found) {
        if range.end.is_empty() {
            self.keys.insert(range.start.clone());
        }
        for pair in found.kvs.as_deref().unwrap_or_default() {
            self.keys.insert(pair.key.clone());
            if !range.keys_only {
                self.had(&pair.key, pair.mod_revision, pair.value.value());
            }
        }
    }

    fn had(&mut self, key: &str, revision: i64, value: Value) {
        let known = self
            .values
            .entry((key.to_owned(), revision))
            .or_insert_with(|| Some(value.clone()));
        if known.as_ref() != Some(&value) {
            *known = None;
        }
    }

    /// The value that a condition asks for, if it is known; and whether no other value has it, so that the
    /// condition fails only where the value is another one.
    fn expected(&self, condition: &Condition) -> Option<(Value, bool)> {
        if condition.expected_version > 0 {
            return None;
        }
        if condition.expected_revision == 0 {
            return Some((Value::Nil, true));
        }
        let place = (condition.key.clone(), condition.expected_revision);
        let value = self.values.get(&place)?.clone()?;
        let puts = self.puts.get(&(place.0, value.clone()));
        Some((value, puts.is_none_or(|puts| *puts <= 1)))
    }
}

/// The steps that were done, each with its answer, if it was recorded.
fn done<'a>(txn: &'a Txn, output: &'a Output) -> impl Iterator<Item = (&'a Step, Option<&'a Found>)> {
    let answer = output.txn.as_ref().filter(|_| output.is_answer());
    let steps = answer.map_or(&[][..], |answer| txn.steps(!answer.failure));
    let results = answer
        .and_then(|answer| answer.results.as_deref())
        .unwrap_or_default();
    let results = results.iter().map(Some).chain(std::iter::repeat(None));
    steps.iter().zip(results)
}

/// Turns requests into operations on registers.
struct Translation<'a> {
    facts: &'a Facts,
    intervals: Vec<Interval>,
    /// Requests that touch several keys.
    several: u64,
    /// Conditions whose values are unknown.
    unknown_conditions: u64,
    left_out: u64,
}

fn translate(requests: &[Request]) -> Read {
    let facts = Facts::of(requests);
    let mut translation = Translation {
        facts: &facts,
        intervals: Vec::new(),
        several: 0,
        unknown_conditions: 0,
        left_out: 0,
    };
    for request in requests {
        if let Some(range) = &request.input.range {
            translation.range(request, range);
        }
        if let Some(txn) = &request.input.txn {
            translation.txn(request, txn);
        }
    }
    // No client's: each lease acts by itself.
    let others = requests
        .iter()
        .map(|request| request.client_id)
        .max()
        .unwrap_or(0);
    for (number, ((key, _), from_ns)) in (1..).zip(&facts.deletions) {
        translation.intervals.push(Interval {
            client: others.saturating_add(number),
            op: write(key, Value::Nil),
            outcome: Outcome::info(
                ErrorClass::Other,
                "the lease may have been revoked, or have expired",
            ),
            call_ns: *from_ns,
            return_ns: *from_ns,
        });
    }
    let remarks = translation.remarks();
    (intervals::history(translation.intervals), remarks)
}

fn write(key: &str, value: Value) -> Op {
    let key = Value::text(key);
    Op::Write { key, value }
}

impl Translation<'_> {
    fn push(&mut self, request: &Request, op: Op, outcome: Outcome) {
        self.intervals.push(Interval {
            client: request.client_id,
            op,
            outcome,
            call_ns: request.call,
            return_ns: request.returned,
        });
    }

    fn saw(&mut self, request: &Request, key: &str, value: Value) {
        let key = Value::text(key);
        self.push(request, Op::Read { key }, Outcome::ok_value(value));
    }

    fn range(&mut self, request: &Request, range: &Range) {
        match &request.output.range {
            Some(found) if request.output.is_answer() && range.revision == 0 => {
                self.several += u64::from(!range.end.is_empty());
                self.read(request, range, found);
            }
            _ => self.left_out += 1,
        }
    }

    /// What a range says of each key in it.
    fn read(&mut self, request: &Request, range: &Range, found: &Found) {
        let pairs = found.kvs.as_deref().unwrap_or_default();
        let is_cut = found.count > pairs.len() as i64;
        if range.keys_only || (is_cut && pairs.is_empty()) {
            self.left_out += 1;
            return;
        }
        let facts = self.facts;
        let last = pairs.iter().map(|pair| pair.key.as_str()).max();
        let ends_at = |key: &str| match range.end.as_str() {
            "" => key == range.start,
            // The end of all keys.
            "\0" => true,
            end => key < end,
        };
        for key in facts.keys.range(range.start.clone()..) {
            // What lies behind the last key that was returned is unknown where there are more.
            if !ends_at(key) || (is_cut && Some(key.as_str()) > last) {
                break;
            }
            let pair = pairs.iter().find(|pair| pair.key == *key);
            self.saw(request, key, pair.map_or(Value::Nil, |pair| pair.value.value()));
        }
    }

    fn txn(&mut self, request: &Request, txn: &Txn) {
        let keys: BTreeSet<&str> = (txn.conditions().iter().map(|condition| condition.key.as_str()))
            .chain([true, false].into_iter().flat_map(|holds| {
                let steps = txn.steps(holds).iter();
                steps.map(|step| step.change().map_or(step.range.start.as_str(), |(key, _)| key))
            }))
            .collect();
        self.several += u64::from(keys.len() > 1);
        // What the first condition of each key asks for.
        let mut expected: FxHashMap<&str, (Value, bool)> = FxHashMap::default();
        for condition in txn.conditions() {
            match self.facts.expected(condition) {
                Some(value) => {
                    expected.entry(&condition.key).or_insert(value);
                }
                None => self.unknown_conditions += 1,
            }
        }
        let answer = request.output.txn.as_ref().filter(|_| request.output.is_answer());
        match answer {
            Some(answer) => self.answered(request, txn, answer.failure, expected),
            None if request.output.client_error.is_empty() => self.unanswered(request, txn, &expected),
            None => {}
        }
    }

    fn answered(
        &mut self,
        request: &Request,
        txn: &Txn,
        is_failure: bool,
        mut expected: FxHashMap<&str, (Value, bool)>,
    ) {
        if is_failure {
            self.failed(request, txn, &expected);
            expected.clear();
        }
        for (step, found) in done(txn, &request.output) {
            let Some((key, new)) = step.change() else {
                match found {
                    Some(found) => self.read(request, &step.range, found),
                    None => self.left_out += 1,
                }
                continue;
            };
            if new.is_nil() && found.is_some_and(|found| found.deleted == 0) {
                self.saw(request, key, Value::Nil);
                continue;
            }
            let op = match expected.remove(key) {
                Some((expected, _)) => {
                    let key = Value::text(key);
                    Op::Cas { key, expected, new }
                }
                None => write(key, new),
            };
            self.push(request, op, Outcome::ok());
        }
        // A condition held of what was not changed.
        for (key, (value, _)) in expected {
            self.saw(request, key, value);
        }
    }

    /// Where the only condition failed, and only one value fulfils it, the key held another one.
    fn failed(&mut self, request: &Request, txn: &Txn, expected: &FxHashMap<&str, (Value, bool)>) {
        let [condition] = txn.conditions() else { return };
        let Some((value, true)) = expected.get(condition.key.as_str()) else {
            return;
        };
        let mut changes = txn.steps(true).iter().filter_map(|step| step.change());
        if let Some((key, new)) = changes.find(|(key, _)| *key == condition.key) {
            let (key, expected) = (Value::text(key), value.clone());
            self.push(request, Op::Cas { key, expected, new }, Outcome::mismatch(None));
        }
    }

    /// Whether it happened is unknown; a change on a condition happened only if the condition held.
    fn unanswered(&mut self, request: &Request, txn: &Txn, expected: &FxHashMap<&str, (Value, bool)>) {
        let reason = match request.output.error.as_str() {
            "" => "no answer was recorded",
            error => error,
        };
        let is_late =
            reason.contains("timeout") || reason.contains("timed out") || reason.contains("deadline");
        let class = if is_late {
            ErrorClass::Timeout
        } else {
            ErrorClass::Other
        };
        let mut is_read = true;
        for holds in [true, false] {
            for (key, new) in txn.steps(holds).iter().filter_map(|step| step.change()) {
                is_read = false;
                let op = match expected.get(key).filter(|_| holds) {
                    Some((expected, _)) => Op::Cas {
                        key: Value::text(key),
                        expected: expected.clone(),
                        new,
                    },
                    None => write(key, new),
                };
                self.push(request, op, Outcome::info(class, reason));
            }
        }
        self.left_out += u64::from(is_read);
    }

    fn remarks(&self) -> Vec<Remark> {
        let mut remarks = vec![Remark::from(
            "each key is judged as a register of its own, by what the requests say of it",
        )];
        let leased: BTreeSet<&str> = self.facts.deletions.keys().map(|(key, _)| key.as_str()).collect();
        let counted = [
            (
                self.several,
                "request",
                "touch several keys: that this happens at once is not looked at",
            ),
            (
                self.unknown_conditions,
                "condition",
                "ask for revisions or versions of which no answer tells the value: what was put on them counts as a write",
            ),
            (
                self.left_out,
                "read",
                "were left out: of older revisions, of keys without values, or without an answer",
            ),
            (
                leased.len() as u64,
                "key",
                "were put with a lease, each of which may delete them once",
            ),
        ];
        for (count, what, said) in counted {
            if count > 0 {
                remarks.push(Remark::Text(format!("{} {said}", plural(count, what))));
            }
        }
        remarks
    }
}
