//! Watching a register whose changes are followed: what every completion tells for certain.
//!
//! Revisions that do not grow, changes that a watch misses although they are known already, and watches that
//! ended before what had completed when they began. The rest is left to the judgement of the whole history:
//! who wrote what, and what is heard of only later.

use std::collections::BTreeMap;
use std::sync::Arc;

use history::{Outcome, Value};
use rustc_hash::FxHashMap;

use super::model::{Watched, WatchedOp};
use crate::model::Recorded;
use crate::monitor::{Found, Monitor, Seen};
use crate::sentence::{Sentence, op, sentence};
use crate::verdict::Rule;

/// A watch of a register whose changes are followed.
pub(crate) fn watch_monitor() -> Box<dyn Monitor> {
    Box::new(WatchMonitor::default())
}

/// A revision, and the operation that told of it.
type Told = (i64, Arc<Seen>);

#[derive(Default)]
struct WatchMonitor {
    /// What is known to stand at each revision.
    changes: BTreeMap<i64, (Value, Arc<Seen>)>,
    /// The greatest revision of a change of which an operation told that has completed.
    last: Option<Told>,
    /// For each operation that runs what that was when it began.
    since: FxHashMap<usize, Told>,
}

fn violation(rule: Rule, operations: &[&Arc<Seen>], sentence: Sentence) -> Result<(), Found> {
    Err(Found::Violation {
        rule,
        operations: operations.iter().map(|seen| (*seen).clone()).collect(),
        sentence,
    })
}

impl WatchMonitor {
    fn learn(&mut self, revision: i64, value: &Value, seen: &Arc<Seen>) -> Result<(), Found> {
        let known = self.changes.entry(revision);
        let (there, by) = known.or_insert_with(|| (value.clone(), seen.clone()));
        if there != value {
            let sentence = sentence![
                op(seen.number),
                format!(" reports {value} at revision {revision}, where {there} was reported before.")
            ];
            let by = by.clone();
            return violation(Rule::WrongRevision, &[seen, &by], sentence);
        }
        if self.last.as_ref().is_none_or(|(last, _)| *last < revision) {
            self.last = Some((revision, seen.clone()));
        }
        Ok(())
    }
}

impl Monitor for WatchMonitor {
    fn invoked(&mut self, seen: &Arc<Seen>) -> Result<(), Found> {
        if let Some(last) = &self.last {
            self.since.insert(seen.number, last.clone());
        }
        Ok(())
    }

    fn completed(&mut self, seen: Seen, _: u64) -> Result<(), Found> {
        let since = self.since.remove(&seen.number);
        if !matches!(seen.operation.outcome, Outcome::Ok(_)) {
            return Ok(());
        }
        let called = Watched.op(&seen.operation);
        let seen = Arc::new(seen);
        let name = || op(seen.number);
        match called {
            Some(WatchedOp::Write(value, Some(revision))) => {
                if let Some((last, by)) = since.filter(|(last, _)| *last >= revision) {
                    let why =
                        format!(" began after revision {last} had been reported, and got no greater one.");
                    let sentence = sentence![name(), why];
                    return violation(Rule::OutOfOrder, &[&seen, &by], sentence);
                }
                self.learn(revision, &value, &seen)
            }
            Some(WatchedOp::Watch {
                from,
                through,
                events,
            }) => {
                if let Some((last, by)) = since.filter(|(last, _)| *last > through) {
                    let why = format!(
                        " is complete only up to revision {through}, and {last} had been reported when it began."
                    );
                    let sentence = sentence![name(), why];
                    return violation(Rule::EndedEarly, &[&seen, &by], sentence);
                }
                let mut before = None;
                for (revision, value) in &*events {
                    if before.is_some_and(|before| before >= *revision) {
                        let sentence =
                            sentence![name(), format!(" reports revision {revision} out of order.")];
                        return violation(Rule::OutOfOrder, &[&seen], sentence);
                    }
                    if !(from..=through).contains(revision) {
                        let sentence = sentence![
                            name(),
                            format!(" reports revision {revision}, which is out of its range.")
                        ];
                        return violation(Rule::OutOfBounds, &[&seen], sentence);
                    }
                    before = Some(*revision);
                    self.learn(*revision, value, &seen)?;
                }
                let is_told = |revision: &i64| events.binary_search_by_key(revision, |event| event.0).is_ok();
                let mut known = match from <= through {
                    true => self.changes.range(from..=through),
                    false => return Ok(()),
                };
                match known.find(|(revision, _)| !is_told(revision)) {
                    Some((revision, (_, by))) => {
                        let sentence = sentence![name(), format!(" does not report revision {revision}.")];
                        violation(Rule::MissedEvent, &[&seen, by], sentence)
                    }
                    None => Ok(()),
                }
            }
            _ => Ok(()),
        }
    }

    fn held(&self) -> usize {
        self.changes.len() + self.since.len()
    }
}
