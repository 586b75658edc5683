//! The sentences that say why a queue has no order.

use history::Value;
use rustc_hash::FxHashSet;

use super::{Because, Deadline, Item, Queue};
use crate::engine::publish::Contradiction;
use crate::engine::supply::how_often;
use crate::sentence::{Sentence, op, sentence};
use crate::verdict::Rule;

impl Queue<'_> {
    fn contradiction(
        &self,
        rule: Rule,
        shown: Vec<usize>,
        about: Vec<Value>,
        sentences: Vec<Sentence>,
    ) -> Contradiction {
        Contradiction {
            rule,
            shown,
            about,
            also: Vec::new(),
            sentences,
            stale_by_ns: None,
        }
    }

    pub(crate) fn phantom(&self, value: &Value, dequeue: usize) -> Contradiction {
        let why = sentence![op(dequeue), " took a value that no operation can have enqueued."];
        self.contradiction(Rule::NeverWritten, vec![dequeue], vec![value.clone()], vec![why])
    }

    pub(crate) fn taken_twice(&self, value: &Value, one: usize, other: usize) -> Contradiction {
        let why = sentence![
            op(one),
            " and ",
            op(other),
            " took the same value, which was enqueued at most once."
        ];
        self.contradiction(Rule::Duplicate, vec![one, other], vec![value.clone()], vec![why])
    }

    pub(crate) fn taken_too_often(&self, value: &Value, dequeue: usize, most: usize) -> Contradiction {
        let why = sentence![
            op(dequeue),
            format!(
                " took {value} out more often than it can have been put in by then, which is {}.",
                how_often(most)
            )
        ];
        self.contradiction(Rule::TooOften, vec![dequeue], vec![value.clone()], vec![why])
    }

    pub(crate) fn too_early(&self, item: &Item) -> Contradiction {
        let dequeue = item.dequeue.unwrap_or(item.enqueue);
        let why = sentence![op(dequeue), " had completed before ", op(item.enqueue), " began."];
        let but = "But no other operation enqueued that value.".into();
        let shown = vec![dequeue, item.enqueue];
        self.contradiction(Rule::OutOfOrder, shown, vec![item.value.clone()], vec![why, but])
    }

    pub(crate) fn overtaken(&self, first: &Item, then: &Item) -> Contradiction {
        let mut shown = vec![first.enqueue, then.enqueue];
        shown.extend(then.dequeue);
        let into = sentence![
            op(first.enqueue),
            " had completed before ",
            op(then.enqueue),
            " began."
        ];
        let got = then.dequeue.map(op);
        let (rule, out) = match first.dequeue {
            Some(dequeue) => {
                shown.push(dequeue);
                let out = sentence!["Yet ", got, " had completed before ", op(dequeue), " began."];
                (Rule::OutOfOrder, out)
            }
            None => (
                Rule::Lost,
                sentence![
                    "Yet ",
                    got,
                    format!(" took {}, and {} was never taken.", then.value, first.value)
                ],
            ),
        };
        let about = vec![first.value.clone(), then.value.clone()];
        self.contradiction(rule, shown, about, vec![into, out])
    }

    pub(crate) fn not_empty(&self, empty: usize, all: bool) -> Contradiction {
        /// How many values are named.
        const MOST_NAMED: usize = 2;
        let call = self.call(empty);
        let mut held: Vec<&Item> = self
            .items
            .iter()
            .filter(|item| (all || item.dequeue.is_some()) && item.into[1] < item.out[0])
            .collect();
        held.sort_unstable_by_key(|item| item.into[1]);
        // The fewest that follow each other without a gap.
        let (mut chain, mut until, mut held) = (Vec::new(), call.start, held.into_iter().peekable());
        while until < call.finish {
            let mut longest: Option<&Item> = None;
            while let Some(item) = held.next_if(|item| item.into[1] <= until) {
                longest = longest
                    .filter(|longest| longest.out[0] > item.out[0])
                    .or(Some(item));
            }
            match longest {
                Some(item) if item.out[0] > until => {
                    chain.push(item);
                    until = item.out[0];
                }
                _ => break,
            }
        }
        let mut sentences = vec![sentence![op(empty), " found the queue empty."]];
        let mut shown = vec![empty];
        for item in chain.iter().take(MOST_NAMED) {
            shown.push(item.enqueue);
            shown.extend(item.dequeue);
        }
        sentences.push(match chain[..] {
            [
                Item {
                    enqueue,
                    dequeue: None,
                    ..
                },
                ..,
            ] => sentence![
                "But ",
                op(*enqueue),
                " had completed by then, and that value was never taken."
            ],
            [
                Item {
                    enqueue,
                    dequeue: Some(dequeue),
                    ..
                },
            ] => sentence![
                "But ",
                op(*enqueue),
                " had completed by then, and ",
                op(*dequeue),
                " had not begun."
            ],
            _ => sentence![format!(
                "But there was always something in it: {} values, one after the other.",
                chain.len()
            )],
        });
        let about = chain.iter().map(|item| item.value.clone()).collect();
        self.contradiction(Rule::Lost, shown, about, sentences)
    }

    /// More values had to be taken by dequeues of unknown outcome than there were.
    pub(crate) fn not_taken(&self, late: Vec<Deadline>) -> Contradiction {
        /// How many calls are shown.
        const MOST_SHOWN: usize = 6;
        let Some(last) = late.last().copied() else {
            return self.contradiction(Rule::Lost, Vec::new(), Vec::new(), Vec::new());
        };
        let (mut shown, mut about) = (Vec::new(), Vec::new());
        for deadline in [last].iter().chain(&late[..late.len() - 1]) {
            shown.push(self.items[deadline.item].enqueue);
            about.push(self.items[deadline.item].value.clone());
            match deadline.because {
                Because::Empty(number) => shown.push(number),
                Because::Later(item) => {
                    shown.extend([self.items[item].enqueue]);
                    shown.extend(self.items[item].dequeue);
                    about.push(self.items[item].value.clone());
                }
            }
        }
        let mut seen = FxHashSet::default();
        shown.retain(|&number| seen.insert(number));
        let item = &self.items[last.item];
        let gone = match last.because {
            Because::Empty(number) => sentence![
                op(item.enqueue),
                " had completed before ",
                op(number),
                " began, which found nothing."
            ],
            Because::Later(later) => sentence![
                op(item.enqueue),
                " had completed before ",
                op(self.items[later].enqueue),
                " began, and yet ",
                self.items[later].dequeue.map(op),
                format!(" took {}.", self.items[later].value)
            ],
        };
        let value = &item.value;
        let who = match late.len() - 1 {
            0 => format!(
                "No operation is known to have taken {value}, and no dequeue of unknown outcome had begun by then \
                 that could have."
            ),
            count => format!(
                "No operation is known to have taken {value}; {count} dequeues of unknown outcome had begun by then, \
                 and {count} other values must have been taken by them."
            ),
        };
        let also = shown.split_off(shown.len().min(MOST_SHOWN));
        let found = self.contradiction(Rule::Lost, shown, about, vec![gone, who.into()]);
        Contradiction { also, ..found }
    }
}
