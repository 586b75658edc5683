//! Why a queue has no order, in words.

use history::Value;
use rustc_hash::FxHashSet;

use super::{Because, Deadline, Item, Queue};
use crate::describe::describe;
use crate::engine::publish::Contradiction;
use crate::sentences::start;
use crate::verdict::Rule;

impl Queue<'_> {
    fn words(&self, number: usize) -> String {
        describe(&self.history.operations[self.calls.indices[number]])
    }

    fn start(&self, number: usize) -> String {
        start(&self.history.operations[self.calls.indices[number]])
    }

    fn contradiction(
        &self,
        rule: Rule,
        shown: Vec<usize>,
        about: Vec<Value>,
        sentences: Vec<String>,
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
        let why = format!(
            "{} took a value that nobody can have put in.",
            self.start(dequeue)
        );
        self.contradiction(Rule::NeverWritten, vec![dequeue], vec![value.clone()], vec![why])
    }

    pub(crate) fn taken_twice(&self, value: &Value, one: usize, other: usize) -> Contradiction {
        let why = format!(
            "{} and {} took the same value, which was put in once at most.",
            self.start(one),
            self.words(other)
        );
        self.contradiction(Rule::Duplicate, vec![one, other], vec![value.clone()], vec![why])
    }

    pub(crate) fn too_early(&self, item: &Item) -> Contradiction {
        let dequeue = item.dequeue.unwrap_or(item.enqueue);
        let why = format!(
            "{} had completed before {} began.",
            self.start(dequeue),
            self.words(item.enqueue)
        );
        let but = "But nobody else put that value in.".to_owned();
        let shown = vec![dequeue, item.enqueue];
        self.contradiction(Rule::OutOfOrder, shown, vec![item.value.clone()], vec![why, but])
    }

    pub(crate) fn overtaken(&self, first: &Item, then: &Item) -> Contradiction {
        let mut shown = vec![first.enqueue, then.enqueue];
        shown.extend(then.dequeue);
        let into = format!(
            "{} had completed before {} began.",
            self.start(first.enqueue),
            self.words(then.enqueue)
        );
        let got = then.dequeue.map(|number| self.words(number)).unwrap_or_default();
        let (rule, out) = match first.dequeue {
            Some(dequeue) => {
                shown.push(dequeue);
                let out = format!("Yet {got} had completed before {} began.", self.words(dequeue));
                (Rule::OutOfOrder, out)
            }
            None => (
                Rule::Lost,
                format!(
                    "Yet {got} took {}, and nobody ever took {}.",
                    then.value, first.value
                ),
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
        let mut sentences = vec![format!("{} found the queue empty.", self.start(empty))];
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
            ] => format!(
                "But {} had completed by then, and nobody ever took that value.",
                self.words(*enqueue)
            ),
            [
                Item {
                    enqueue,
                    dequeue: Some(dequeue),
                    ..
                },
            ] => format!(
                "But {} had completed by then, and {} had not begun.",
                self.words(*enqueue),
                self.words(*dequeue)
            ),
            _ => format!(
                "But {} values, one after the other, were in it all the while.",
                chain.len()
            ),
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
            Because::Empty(number) => format!(
                "{} had completed before {} began, which found nothing.",
                self.start(item.enqueue),
                self.words(number)
            ),
            Because::Later(later) => format!(
                "{} had completed before {} began, and yet {} took {}.",
                self.start(item.enqueue),
                self.words(self.items[later].enqueue),
                self.items[later]
                    .dequeue
                    .map(|number| self.words(number))
                    .unwrap_or_default(),
                self.items[later].value
            ),
        };
        let value = &item.value;
        let who = match late.len() - 1 {
            0 => format!(
                "Nobody is known to have taken {value}, and no dequeue of unknown outcome had begun that could have."
            ),
            count => format!(
                "Nobody is known to have taken {value}; {count} dequeues of unknown outcome had begun, and {count} other values were gone by then as well."
            ),
        };
        let also = shown.split_off(shown.len().min(MOST_SHOWN));
        let found = self.contradiction(Rule::Lost, shown, about, vec![gone, who]);
        Contradiction { also, ..found }
    }
}
