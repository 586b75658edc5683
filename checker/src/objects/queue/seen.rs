//! A queue that is first in, first out, without the orders that its dequeues rule out.
//!
//! For the search: a value is not put behind another one that is known to come out only after it, which must
//! end in a contradiction. What a state rules out is known from the history alone, so nothing is left out
//! that could be an order. Dequeues of unknown outcome may have taken anything out, so where there are any
//! nothing is ruled out.

use std::collections::VecDeque;

use history::{OPEN, Value};
use rustc_hash::FxHashMap;

use super::fifo::FifoQueue;
use super::op::QueueOp;
use crate::model::{Call, Effect, Model, array_bytes};

/// A queue, with when its values come out.
pub(super) struct SeenFifo {
    initial: VecDeque<u32>,
    /// For each value, by number: it comes out not before, and not after.
    out: Vec<[u64; 2]>,
}

/// What is done to a [`SeenFifo`]; values by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum SeenOp {
    /// Nothing that anyone could tell.
    Nothing,
    /// This was put in.
    Enqueue(u32),
    /// This was taken out.
    Dequeue(u32),
    /// It was seen to be empty.
    Empty,
    /// Something was taken out, if there was something.
    Take,
}

/// How often a value went in and came out, and when.
struct Ways {
    into: usize,
    out: usize,
    not_before: u64,
    not_after: u64,
}

impl SeenFifo {
    /// How many values at the end of the queue a new one is compared with.
    const COMPARED: usize = 64;

    /// The queue of these calls, and what they do to it.
    pub fn new(queue: &FifoQueue, calls: &[Call<QueueOp>]) -> (Self, Vec<Call<SeenOp>>) {
        let mut numbers: FxHashMap<&Value, u32> = FxHashMap::default();
        let mut ways: Vec<Ways> = Vec::new();
        let mut number = |value| {
            let number = *numbers.entry(value).or_insert(ways.len() as u32);
            if number as usize == ways.len() {
                ways.push(Ways {
                    into: 0,
                    out: 0,
                    not_before: OPEN,
                    not_after: 0,
                });
            }
            number
        };
        let ops = calls.iter().map(|call| match &call.op {
            QueueOp::Enqueue(value) => SeenOp::Enqueue(number(value)),
            QueueOp::Dequeue(value) => SeenOp::Dequeue(number(value)),
            QueueOp::Empty => SeenOp::Empty,
            QueueOp::Take => SeenOp::Take,
        });
        let ops: Vec<SeenOp> = ops.collect();
        let initial: VecDeque<u32> = queue.initial.iter().map(&mut number).collect();
        for value in &initial {
            ways[*value as usize].into += 1;
        }
        for (op, call) in ops.iter().zip(calls) {
            match op {
                SeenOp::Enqueue(value) => ways[*value as usize].into += 1,
                SeenOp::Dequeue(value) => {
                    let ways = &mut ways[*value as usize];
                    ways.out += 1;
                    ways.not_before = ways.not_before.min(call.start);
                    ways.not_after = ways.not_after.max(call.finish);
                }
                SeenOp::Nothing | SeenOp::Empty | SeenOp::Take => {}
            }
        }
        let has_takes = ops.contains(&SeenOp::Take);
        let out = |ways: &Ways| match ways {
            _ if has_takes => [0, OPEN],
            // One of them may stay in.
            _ if ways.out < ways.into => [ways.not_before, OPEN],
            _ => [ways.not_before, ways.not_after],
        };
        let op = |(op, call): (&SeenOp, &Call<QueueOp>)| match op {
            // It never comes out, so it may as well never have gone in.
            SeenOp::Enqueue(value) if call.finish == OPEN && !has_takes && ways[*value as usize].out == 0 => {
                SeenOp::Nothing
            }
            op => *op,
        };
        let seen = ops.iter().zip(calls).map(|both| Call {
            op: op(both),
            start: both.1.start,
            finish: both.1.finish,
        });
        let seen = seen.collect();
        let out = ways.iter().map(out).collect();
        (SeenFifo { initial, out }, seen)
    }

    /// Whether a value cannot stand behind all that is in the queue.
    fn is_ruled_out(&self, held: &VecDeque<u32>, value: u32) -> bool {
        let [_, not_after] = self.out[value as usize];
        let mut last = held.iter().rev().take(Self::COMPARED);
        last.any(|&before| self.out[before as usize][0] > not_after)
    }
}

impl Model for SeenFifo {
    type Op = SeenOp;
    type State = VecDeque<u32>;

    fn init(&self) -> Self::State {
        self.initial.clone()
    }

    fn apply(&self, state: &mut Self::State, op: &SeenOp) -> bool {
        match *op {
            SeenOp::Nothing => true,
            SeenOp::Enqueue(value) if self.is_ruled_out(state, value) => false,
            SeenOp::Enqueue(value) => {
                state.push_back(value);
                true
            }
            SeenOp::Dequeue(value) => state.pop_front() == Some(value),
            SeenOp::Empty => state.is_empty(),
            SeenOp::Take => {
                state.pop_front();
                true
            }
        }
    }

    fn effect(&self, op: &SeenOp) -> Effect {
        match op {
            SeenOp::Nothing | SeenOp::Empty => Effect::Pure,
            SeenOp::Enqueue(_) | SeenOp::Dequeue(_) | SeenOp::Take => Effect::Change,
        }
    }

    fn heap_bytes(&self, state: &Self::State) -> usize {
        array_bytes::<u32>(state.capacity())
    }
}

#[cfg(test)]
mod tests {
    use rand::{RngExt, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;
    use crate::engine::search::{Limits, Searched, search};
    use crate::engine::validate;

    /// A few operations whose values repeat, most of them answered as a queue would.
    fn random_calls(seed: u64) -> Vec<Call<QueueOp>> {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (count, width) = (rng.random_range(3..11), rng.random_range(1..20));
        let mut held = VecDeque::new();
        let call = |number: u64| {
            let op = match rng.random_range(0..12) {
                0..6 => {
                    let value = Value::Int(rng.random_range(0..5));
                    held.push_back(value.clone());
                    QueueOp::Enqueue(value)
                }
                6 if seed.is_multiple_of(3) => QueueOp::Take,
                7 => QueueOp::Empty,
                8 => QueueOp::Dequeue(Value::Int(rng.random_range(0..5))),
                _ => held.pop_front().map_or(QueueOp::Empty, QueueOp::Dequeue),
            };
            let start = number * 10 + rng.random_range(0..5);
            let finish = start + 5 + rng.random_range(0..10 * width);
            let is_open = matches!(op, QueueOp::Take) || rng.random_ratio(1, 10);
            let is_open = is_open && !matches!(op, QueueOp::Dequeue(_));
            Call {
                op,
                start: start * 100 + 2 * number,
                finish: if is_open {
                    OPEN
                } else {
                    finish * 100 + 2 * number + 1
                },
            }
        };
        (0..count).map(call).collect()
    }

    /// What is ruled out is in no order, and what is left is one of the queue's.
    #[test]
    fn it_has_the_orders_of_the_queue() {
        let mut verdicts = [0, 0];
        for seed in 0..100_000 {
            let initial = (0..seed % 3 / 2).map(|value| Value::Int(value as i64)).collect();
            let (queue, calls) = (FifoQueue { initial }, random_calls(seed));
            let (seen, seen_calls) = SeenFifo::new(&queue, &calls);
            let found = search(&seen, &seen_calls, &Limits::default());
            if let Searched::Found(order) = &found {
                assert_eq!(
                    validate::linearization(&queue, &calls, order),
                    Ok(()),
                    "seed {seed}"
                );
            }
            let exact = search(&queue, &calls, &Limits::default());
            let is = |found: &Searched| matches!(found, Searched::Found(_));
            assert_eq!(is(&found), is(&exact), "seed {seed}: {calls:?}");
            verdicts[usize::from(is(&found))] += 1;
        }
        assert!(verdicts.iter().all(|count| *count > 10_000), "{verdicts:?}");
    }
}
