//! Frames that wait in the switch until they may go on. Pure.
//!
//! Invariants: frames with the same delay on the same link keep their order; what is held is bounded, and
//! what does not fit is dropped like in any switch.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// The most bytes that wait. Half a second of delay at 1 Gbit/s.
const BYTES_LIMIT: usize = 64 << 20;

/// A frame and where it goes.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Waiting {
    due: Instant,
    number: u64,
    /// The port it came from.
    pub(super) from: usize,
    /// The port it goes to.
    pub(super) to: usize,
    /// The frame as it was received.
    pub(super) frame: Box<[u8]>,
}

/// Frames ordered by the time when they may go on.
#[derive(Debug, Default)]
pub(super) struct DelayQueue {
    heap: BinaryHeap<Reverse<Waiting>>,
    bytes: usize,
    number: u64,
}

impl DelayQueue {
    /// Holds a copy of `frame` until `due`; false if it had to be dropped.
    pub(super) fn push(&mut self, due: Instant, from: usize, to: usize, frame: &[u8]) -> bool {
        if self.bytes + frame.len() > BYTES_LIMIT {
            return false;
        }
        self.bytes += frame.len();
        self.number += 1;
        self.heap.push(Reverse(Waiting {
            due,
            number: self.number,
            from,
            to,
            frame: frame.into(),
        }));
        true
    }

    /// When the next frame is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(waiting)| waiting.due)
    }

    /// The next frame that is due at `now`.
    pub(super) fn pop_due(&mut self, now: Instant) -> Option<Waiting> {
        if self.next_due()? > now {
            return None;
        }
        let Reverse(waiting) = self.heap.pop()?;
        self.bytes -= waiting.frame.len();
        Some(waiting)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn frames_leave_by_time_then_in_order() {
        let mut queue = DelayQueue::default();
        let start = Instant::now();
        for (frame, due_ms) in [(1_u8, 20), (2, 10), (3, 20), (4, 10), (5, 30)] {
            assert!(queue.push(start + Duration::from_millis(due_ms), 0, 1, &[frame]));
        }
        let mut left = Vec::new();
        for now_ms in [9, 10, 20, 29] {
            while let Some(waiting) = queue.pop_due(start + Duration::from_millis(now_ms)) {
                left.push((now_ms, waiting.frame[0]));
            }
        }
        assert_eq!(left, [(10, 2), (10, 4), (20, 1), (20, 3)]);
        assert_eq!(queue.next_due(), Some(start + Duration::from_millis(30)));
    }

    #[test]
    fn what_does_not_fit_is_dropped_until_there_is_room() {
        let mut queue = DelayQueue::default();
        let now = Instant::now();
        let frame = vec![0; BYTES_LIMIT / 4];
        let taken = (0..6).filter(|_| queue.push(now, 0, 1, &frame)).count();
        assert_eq!(taken, 4);
        assert!(queue.pop_due(now).is_some());
        assert!(queue.push(now, 0, 1, &frame));
    }
}
