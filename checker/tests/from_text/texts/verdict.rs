//! What is right to say of a history, by brute force, and whether it was said.

use std::collections::BTreeMap;

use checker::model::{Calls, Recorded};
use checker::objects::{
    Counter, Entry, FencedLock, FifoQueue, KvAppend, Lease, ListAppend, Lock, MultiRegister, Mutex, Register,
    Set, UniqueIds, UnorderedQueue, VersionedRegister, Watched,
};
use checker::{Verdict, partition};
use history::{History, Operation, Value};

use super::case::Case;
use super::style::{Format, Style};
use super::{Compared, Judged, Open};
use crate::common::brute_force;

/// Whether a history is valid by a model; `None` where the model cannot read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    Valid,
    Invalid,
    Unreadable,
}

/// By all orders, key by key where the model has keys.
pub fn right(entry: &Entry, case: &Case, style: &Style, history: &History) -> Right {
    let is_unreadable = |operation| {
        entry
            .readable
            .is_some_and(|readable| readable(operation).is_err())
    };
    if entry.stranger(history).is_some() || history.operations.iter().any(is_unreadable) {
        return Right::Unreadable;
    }
    let initial = match case.what.is_register() {
        true => case.initial.clone(),
        // A text that is only written and read.
        false if style.format == Format::Kv => Value::text(""),
        false => (entry.initial)(),
    };
    let register = || Register {
        initial: initial.clone(),
    };
    let is_valid = match entry.name {
        "cas-register" | "register" => by(&register(), entry, history),
        "versioned-register" => by(&VersionedRegister::default(), entry, history),
        "list-append" => by(&ListAppend, entry, history),
        "multi-register" => by(
            &MultiRegister {
                initial: initial.clone(),
            },
            entry,
            history,
        ),
        "kv-append" => by(&KvAppend::default(), entry, history),
        "fenced-lock" => by(&FencedLock, entry, history),
        "mutex" => by(&Mutex, entry, history),
        "lock" => by(&Lock, entry, history),
        "lease" => by(&Lease, entry, history),
        "set" => by(&Set::default(), entry, history),
        "counter" => by(&Counter::default(), entry, history),
        "unordered-queue" => by(&UnorderedQueue::default(), entry, history),
        "fifo-queue" => by(&FifoQueue::default(), entry, history),
        "unique-ids" => by(&UniqueIds, entry, history),
        "watch" => by(&Watched, entry, history),
        other => panic!("no brute force for {other}"),
    };
    if is_valid { Right::Valid } else { Right::Invalid }
}

fn by<M: Recorded>(model: &M, entry: &Entry, history: &History) -> bool {
    let keys = match entry.per_key {
        true => partition(history),
        false => BTreeMap::from([(Value::Nil, (0..history.operations.len()).collect())]),
    };
    keys.values().all(|indices| {
        let calls = Calls::read(model, history, indices);
        brute_force(model, &calls.calls)
    })
}

/// Compares what was said with what is right.
///
/// # Errors
/// What is wrong with it.
pub fn compare(
    judged: &Judged,
    right: Option<Right>,
    entry: Option<&Entry>,
    history: &History,
    open: Open,
) -> Result<Compared, &'static str> {
    let is_answered = history
        .operations
        .iter()
        .any(|operation| operation.outcome.is_answer());
    let may_be_open = match right {
        Some(Right::Valid) => !is_answered || open.keys,
        Some(Right::Invalid) => {
            open.keys || open.taken || open.locks || open.renumbered && entry.is_some_and(|entry| entry.owned)
        }
        Some(Right::Unreadable) | None => true,
    };
    match (judged, right) {
        (Judged::Refused(_), Some(Right::Unreadable)) => Ok(Compared::Unreadable),
        // An empty file is no history.
        (Judged::Refused(_), _) if history.operations.is_empty() => Ok(Compared::Open),
        (Judged::Refused(why), None) if why == "no model suits" => Ok(Compared::Open),
        // What is read as a value although it is a key with its value may be none that the model knows.
        (Judged::Refused(why), _) if open.keys && why.contains("expected") => Ok(Compared::Open),
        (Judged::Refused(_), _) => Err("refused"),
        (Judged::Verdict(Verdict::Unknown, _), Some(Right::Unreadable)) => Ok(Compared::Unreadable),
        (Judged::Verdict(Verdict::Unknown, _), _) if may_be_open => Ok(Compared::Open),
        (Judged::Verdict(Verdict::Unknown, why), _) if entry.is_some() && why.contains("versions") => {
            Ok(Compared::Open)
        }
        // A lock that is taken twice by one process may be of another kind.
        (Judged::Verdict(Verdict::Unknown, why), Some(Right::Invalid)) if why.contains("takes again") => {
            Ok(Compared::Open)
        }
        (Judged::Verdict(Verdict::Unknown, _), _) => Err("needlessly unknown"),
        (Judged::Verdict(Verdict::Valid, _), Some(Right::Valid)) => Ok(Compared::Valid),
        (Judged::Verdict(Verdict::Invalid, _), Some(Right::Invalid)) => Ok(Compared::Invalid),
        // As values, all may be well.
        (Judged::Verdict(Verdict::Valid, _), Some(Right::Invalid)) if open.keys => Ok(Compared::Open),
        (Judged::Verdict(Verdict::Valid, _), Some(Right::Invalid)) => Err("the guilty was acquitted"),
        (Judged::Verdict(Verdict::Invalid, _), Some(Right::Valid)) => Err("the innocent was accused"),
        // What a model cannot read in one place it may refute by another.
        (Judged::Verdict(..), Some(Right::Unreadable)) => Ok(Compared::Unreadable),
        (Judged::Verdict(..), None) => Err("no one knows what is right"),
    }
}

/// One operation a line.
pub fn list(history: &History) -> String {
    let line = |operation: &Operation| {
        let (from, to) = (operation.invoked, operation.completed as i64);
        format!(
            "{from:6} {to:6} {} {} {:?}\n",
            operation.process, operation.op, operation.outcome
        )
    };
    history.operations.iter().map(line).collect()
}
