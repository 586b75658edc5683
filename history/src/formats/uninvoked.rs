//! Files that record only how operations ended.
//!
//! When such an operation began is unknown, but not before the one before it of its process had ended, and
//! not before the start. It is taken to have begun then, so that nothing is claimed that is not known:
//!
//! ```text
//! process 0   |──── a ────|──────── b ────────|
//! process 1   |────────── c ─────────|── d ──|
//! ```
//!
//! Each of the bars ends where its line stands in the file; a precedes b and d, and c precedes d alone.

use std::collections::HashMap;

use super::jepsen::{Record, What, Who};
use crate::{Op, Value};

/// Puts an invocation before each operation of which only the end is recorded: right behind the end of the
/// one before it of its process, or at the beginning. No operation began earlier, so that this order claims
/// no more than what is known.
pub(crate) fn invoked_before(mut records: Vec<Record>) -> Vec<Record> {
    let start_ns = records.iter().filter_map(|record| record.time_ns).min();
    // From the last to the first: the next operation of each process.
    let mut next_of: HashMap<Who, usize> = HashMap::new();
    let mut next: Vec<Option<usize>> = vec![None; records.len()];
    for (at, record) in records.iter_mut().enumerate().rev() {
        if let Some(who) = record.what.who_mut() {
            next[at] = next_of.insert(who.clone(), at);
        }
    }
    let mut firsts: Vec<usize> = next_of.into_values().collect();
    firsts.sort_unstable();
    // Each record's invocation and end, to be taken out once.
    let mut asked: Vec<Option<Record>> = Vec::with_capacity(records.len());
    let mut ended: Vec<Record> = Vec::with_capacity(records.len());
    for record in records {
        let Record {
            line,
            index,
            time_ns,
            is_final,
            what,
        } = record;
        let (before, what) = match what {
            What::Uninvoked { asked, ended } => (Some(*asked), *ended),
            what => (None, what),
        };
        asked.push(before.map(|what| Record {
            line,
            index: None,
            time_ns: None,
            is_final,
            what,
        }));
        ended.push(Record {
            line,
            index,
            time_ns,
            is_final,
            what,
        });
    }
    let mut ordered = Vec::with_capacity(ended.len() * 2);
    let mut invoke = |at: usize, time_ns: Option<u64>, ordered: &mut Vec<Record>| {
        ordered.extend(asked[at].take().map(|record| Record { time_ns, ..record }));
    };
    for at in firsts {
        invoke(at, start_ns, &mut ordered);
    }
    for (at, record) in ended.into_iter().enumerate() {
        let time_ns = record.time_ns;
        ordered.push(record);
        if let Some(next) = next[at] {
            invoke(next, time_ns, &mut ordered);
        }
    }
    ordered
}

/// Whether some completions may have left the key out that others repeat: all that was changed is a pair, as
/// if of a key and a value, and no answer is, or holds, one of these pairs.
pub(crate) fn may_lack_keys(records: &[Record]) -> bool {
    let mut pairs = Vec::new();
    let mut answers = Vec::new();
    for record in records {
        let What::Uninvoked { asked, ended } = &record.what else {
            continue;
        };
        if let What::Invoke { op, .. } = &**asked {
            match op {
                Op::Write { value, .. }
                | Op::Append { value, .. }
                | Op::Add { value, .. }
                | Op::Enqueue { value, .. }
                | Op::Cas { new: value, .. } => match value {
                    Value::List(parts) if parts.len() == 2 => pairs.push(value),
                    _ => return false,
                },
                _ => {}
            }
            if let (Op::Read { .. } | Op::Dequeue { .. }, What::Ok { value, .. }) = (op, &**ended) {
                answers.push(value.as_ref().unwrap_or(&Value::Nil));
            }
        }
    }
    let is_plain = |answer: &&Value| {
        answer
            .elements()
            .is_some_and(|elements| elements.iter().any(|element| pairs.contains(&element)))
    };
    !pairs.is_empty() && !answers.iter().any(is_plain)
}
