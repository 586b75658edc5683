//! The reads after the heal: each key is read once more, which shows whether anything acknowledged was lost;
//! and then every node is asked for the keys that may differ from node to node.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use generator::{Action, Context, Generator, Next, Thread};
use history::{EventKind, Op, Outcome};

use crate::WorkloadOptions;
use crate::parted::Parted;

/// How often a key is read, at most, until a read succeeds.
const TRIES: u32 = 5;
/// After how many reads in a row without an answer a node is asked one thing at a time.
const SILENT: u32 = 12;
/// How long it is left alone between two questions then, nanoseconds, and how often it is asked.
const PATIENCE_NS: u64 = 250_000_000;
const QUESTIONS: u32 = 60;

/// Reads each key until one read succeeds, then asks each node, then ends.
pub(crate) struct LastReads<F> {
    begun: Arc<AtomicI64>,
    parted: Arc<Parted>,
    most_keys: usize,
    /// The read of a key.
    ask: F,
    /// What is to be read; `None` before the first question, since the keys are not all begun when this is
    /// made.
    queues: Option<Queues>,
    nodes: usize,
    /// What each client thread is reading.
    reading: Vec<Option<Read>>,
}

#[derive(Clone, Copy)]
struct Read {
    key: i64,
    /// How often it was tried.
    tries: u32,
    /// The node that is to be asked, if not any.
    node: Option<usize>,
}

struct Queues {
    any: VecDeque<Read>,
    /// For each node.
    own: Vec<VecDeque<Read>>,
    /// How many reads in a row each node has not answered.
    silent: Vec<u32>,
}

/// What a thread does next.
enum Turn {
    Ask(Read, u64),
    Wait,
    Nothing,
}

impl Queues {
    fn new(keys: &[i64], nodes: usize, may_differ: impl Fn(i64) -> bool) -> Queues {
        let read = |key: i64, node| Read { key, tries: 0, node };
        let own = |node| {
            let parted = keys.iter().filter(|key| may_differ(**key));
            parted.map(|key| read(*key, Some(node))).collect()
        };
        Queues {
            any: keys.iter().map(|key| read(*key, None)).collect(),
            own: (0..nodes).map(own).collect(),
            silent: vec![0; nodes],
        }
    }

    /// What a thread that talks to this node does next, and after which pause, nanoseconds. `is_asked` says
    /// whether a question to this node is open.
    fn next(&mut self, node: Option<usize>, is_asked: bool) -> Turn {
        if let Some(read) = self.any.pop_front() {
            return Turn::Ask(read, 0);
        }
        let Some((own, silent)) = node.and_then(|node| Some((self.own.get_mut(node)?, self.silent[node])))
        else {
            return Turn::Nothing;
        };
        match silent {
            ..SILENT => own.pop_front().map_or(Turn::Nothing, |read| Turn::Ask(read, 0)),
            _ if is_asked => Turn::Wait,
            _ => own
                .pop_front()
                .map_or(Turn::Nothing, |read| Turn::Ask(read, PATIENCE_NS)),
        }
    }

    /// Takes what became of a read: it is tried again if need be.
    fn ended(&mut self, read: Read, is_answer: bool) {
        let Some(node) = read.node else {
            if !is_answer && read.tries < TRIES {
                self.any.push_back(read);
            }
            return;
        };
        let silent = &mut self.silent[node];
        *silent = if is_answer { 0 } else { *silent + 1 };
        if *silent >= SILENT + QUESTIONS {
            self.own[node].clear();
        } else if !is_answer && (read.tries < TRIES || *silent >= SILENT) {
            self.own[node].push_back(read);
        }
    }
}

impl<F: Fn(i64) -> Op + Send> LastReads<F> {
    /// Reads each of the keys that were in use by the first call, with the operation that `ask` makes, and
    /// those that may have `parted` from every node.
    pub fn new(
        options: &WorkloadOptions,
        begun: Arc<AtomicI64>,
        parted: Arc<Parted>,
        ask: F,
    ) -> LastReads<F> {
        LastReads {
            begun,
            parted,
            most_keys: options.final_keys,
            ask,
            queues: None,
            nodes: if options.nodes > 1 { options.nodes } else { 0 },
            reading: vec![None; options.clients],
        }
    }
}

impl<F: Fn(i64) -> Op + Send> Generator for LastReads<F> {
    fn next(&mut self, ctx: &Context) -> Next {
        let Thread::Client(thread) = ctx.thread else {
            return Next::Done;
        };
        let queues = self.queues.get_or_insert_with(|| {
            let keys = sample(self.begun.load(Ordering::Relaxed), self.most_keys);
            // A node that no thread talks to cannot be asked.
            let nodes = self.nodes.min(ctx.clients);
            Queues::new(&keys, nodes, |key| self.parted.may_be(key))
        });
        let node = thread.checked_rem(self.nodes);
        let is_asked = self.reading.iter().flatten().any(|read| read.node == node);
        match queues.next(node, is_asked) {
            Turn::Ask(read, pause_ns) => {
                if self.reading.len() <= thread {
                    self.reading.resize(thread + 1, None);
                }
                self.reading[thread] = Some(Read {
                    tries: read.tries + 1,
                    ..read
                });
                Next::Do {
                    at_ns: ctx.now_ns.saturating_add(pause_ns),
                    action: Action::Op((self.ask)(read.key)),
                }
            }
            Turn::Wait => Next::Pending { until_ns: None },
            Turn::Nothing => {
                let may_come_back = |read: &Read| read.node.is_none() || read.node == node;
                match self.reading.iter().flatten().any(may_come_back) {
                    // A read that is under way may fail and come back into the queue.
                    true => Next::Pending { until_ns: None },
                    false => Next::Done,
                }
            }
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        let (Thread::Client(thread), EventKind::Complete(outcome)) = (ctx.thread, event) else {
            return;
        };
        let Some(read) = self.reading.get_mut(thread).and_then(Option::take) else {
            return;
        };
        let Some(queues) = &mut self.queues else { return };
        queues.ended(read, matches!(outcome, Outcome::Ok(_)));
    }
}

/// At most `most` of the keys `0..begun`, the latest first: if not all, half of them the latest ones and half
/// spread over the others.
fn sample(begun: i64, most: usize) -> Vec<i64> {
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    if begun <= most {
        return (0..begun).rev().collect();
    }
    let latest = most - most / 2;
    let others = begun - latest;
    let spread = most / 2;
    let evenly = (0..spread)
        .rev()
        .map(|i| (i128::from(i) * i128::from(others) / i128::from(spread)) as i64);
    (others..begun).rev().chain(evenly).collect()
}

#[cfg(test)]
mod tests {
    use super::sample;

    #[test]
    fn samples() {
        // (begun, at most, sample)
        let cases: [(i64, usize, &[i64]); 7] = [
            (0, 10, &[]),
            (3, 10, &[2, 1, 0]),
            (3, 3, &[2, 1, 0]),
            (10, 4, &[9, 8, 4, 0]),
            (10, 5, &[9, 8, 7, 3, 0]),
            (10, 1, &[9]),
            (10, 0, &[]),
        ];
        for (begun, most, expected) in cases {
            assert_eq!(sample(begun, most), expected, "{most} of {begun}");
        }
    }
}
