//! `--explain-reading`: how a file was understood. Nothing is judged.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use checker::imported::{in_words, initial};
use checker::objects::{self, MODELS};
use history::formats::Imported;
use history::units::{grouped, plural};
use history::{Failure, Op, OpKind, Operation, Outcome, tell};

use super::Request;
use crate::input;

/// How many operations are shown.
const SHOWN: usize = 20;

/// How often a kind of operation had each outcome.
#[derive(Default)]
struct Outcomes {
    ok: u64,
    fail: u64,
    info: u64,
}

/// What was found in a file: how much of what, what was decided, and the first operations.
pub(super) fn explain(path: &Path, imported: &Imported, request: &Request<'_>) -> String {
    let history = &imported.history;
    let mut text = String::new();
    let operations = plural(history.operations.len() as u64, "operation");
    let _ = writeln!(
        text,
        "{}: {operations}, read as {}",
        input::name(path),
        imported.format
    );
    let _ = writeln!(text, "  {}", whose(&history.operations));
    for (kind, outcomes) in outcomes(&history.operations) {
        let Outcomes { ok, fail, info } = outcomes;
        let (ok, fail, info) = (grouped(ok), grouped(fail), grouped(info));
        let _ = writeln!(text, "  {kind}: {ok} ok, {fail} fail, {info} info");
    }
    if !history.nemesis.is_empty() {
        let acts = plural(history.nemesis.len() as u64, "act");
        let _ = writeln!(text, "  {acts} of the nemesis");
    }
    let _ = writeln!(text, "  {}", model(imported, request));
    for doubt in &history.doubts {
        let _ = writeln!(text, "  in doubt: {}", in_words(*doubt));
    }
    for remark in &imported.remarks {
        let _ = writeln!(text, "  note: {remark}");
    }
    for operation in history.operations.iter().take(SHOWN) {
        let key = match operation.op.key() {
            key if key.is_nil() => String::new(),
            key => format!("key {key}: "),
        };
        let _ = writeln!(
            text,
            "  {key}{}{}",
            tell::long(operation, history.times),
            why_not(operation)
        );
    }
    let more = history.operations.len().saturating_sub(SHOWN);
    if more > 0 {
        let _ = writeln!(text, "  … and {}", plural(more as u64, "more operation"));
    }
    text
}

/// How many processes addressed how many keys.
fn whose(operations: &[Operation]) -> String {
    let processes: BTreeSet<u32> = operations.iter().map(|operation| operation.process).collect();
    let keys: BTreeSet<_> = operations.iter().map(|operation| operation.op.key()).collect();
    let processes = match processes.len() {
        1 => "1 process".to_owned(),
        count => format!("{} processes", grouped(count as u64)),
    };
    match keys.iter().all(|key| key.is_nil()) {
        true => format!("by {processes}, on one object"),
        false => format!("by {processes}, on {}", plural(keys.len() as u64, "key")),
    }
}

fn outcomes(operations: &[Operation]) -> BTreeMap<OpKind, Outcomes> {
    let mut counts: BTreeMap<OpKind, Outcomes> = BTreeMap::new();
    for operation in operations {
        let count = counts.entry(operation.op.kind()).or_default();
        match operation.outcome {
            Outcome::Ok(_) => count.ok += 1,
            Outcome::Fail(_) => count.fail += 1,
            Outcome::Info(_) => count.info += 1,
        }
    }
    counts
}

/// What it would be judged by.
fn model(imported: &Imported, request: &Request<'_>) -> String {
    let history = &imported.history;
    let guess = objects::guess(history);
    let Some(entry) = request.model.or(guess.map(|guess| guess.entry)) else {
        return "no model suits its operations; name one with --model (see `perjury list`)".to_owned();
    };
    let initial = request
        .initial
        .clone()
        .unwrap_or_else(|| initial(imported, entry));
    let mut text = match request.model {
        Some(_) => format!("model {}, {initial} at first", entry.name),
        None => format!("model {} (guessed), {initial} at first", entry.name),
    };
    if request.model.is_none() {
        let others = MODELS.iter().filter(|other| {
            **other != *entry && other.stranger(history).is_none() && other.misfit(history).is_none()
        });
        let others: Vec<&str> = others.map(|other| other.name).collect();
        if !others.is_empty() {
            let _ = write!(text, "; --model can also be {}", others.join(", "));
        }
        if let Some(doubt) = guess.and_then(|guess| guess.doubt) {
            let _ = write!(text, "\n  in doubt: {doubt}");
        }
    }
    text
}

/// What keeps an operation from telling anything, if anything does.
fn why_not(operation: &Operation) -> &'static str {
    match (&operation.op, &operation.outcome) {
        (op, Outcome::Info(_)) if op.is_read_only() => "; it claims nothing",
        (_, Outcome::Info(_)) => "; it may have happened at any later time, or never",
        (Op::Cas { .. }, Outcome::Fail(Failure::Mismatch { .. })) => "",
        (_, Outcome::Fail(_)) => "; it did not happen",
        _ => "",
    }
}
