//! Which objects may have come to differ from node to node: after the heal every node is asked for them.
//!
//! ```text
//!  update ├── open when a fault begins or ends ──┤         its entry may be on some nodes only
//!  update ├── no answer, or an error                       the same
//!         … nothing is acknowledged: an election … ├ ok ┤  took the place of what a node may still hold
//! ```
//!
//! What else there is, a share of it is taken at random: a node may have missed anything.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use generator::{Context, Generator, Next, Thread};
use history::{EventKind, Failure, MicroOp, Op, Outcome, Value};

/// The most objects that are remembered.
const MOST: usize = 50_000;
/// So long without an acknowledged update, and others than before may decide, nanoseconds.
const STALL_NS: u64 = 100_000_000;
/// How many of the next acknowledged updates count.
const AFTER_STALL: u32 = 40;
/// One in so many of the other objects.
const SHARE: i64 = 10;

/// The objects, by their numbers.
#[derive(Debug, Default)]
pub(crate) struct Parted(Mutex<BTreeSet<i64>>);

impl Parted {
    /// Whether every node is to be asked for an object.
    pub fn may_be(&self, key: i64) -> bool {
        key % SHARE == 0 || self.lock().contains(&key)
    }

    fn add(&self, keys: &[i64]) {
        let mut parted = self.lock();
        if parted.len() < MOST {
            parted.extend(keys);
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<i64>> {
        // Nothing is left half done under this lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A generator whose objects are watched.
pub(crate) struct Watched<G> {
    inner: G,
    parted: Arc<Parted>,
    /// The objects of the update that each client thread waits for.
    open: Vec<Vec<i64>>,
    /// When the last update was acknowledged.
    acknowledged_ns: u64,
    /// How many of the next ones count.
    after_stall: u32,
}

impl<G> Watched<G> {
    /// Notes in `parted` which objects may differ from node to node.
    pub fn new(inner: G, parted: Arc<Parted>) -> Watched<G> {
        Watched {
            inner,
            parted,
            open: Vec::new(),
            acknowledged_ns: 0,
            after_stall: 0,
        }
    }

    fn ended(&mut self, now_ns: u64, keys: &[i64], outcome: &Outcome) {
        match outcome {
            Outcome::Ok(_) => {
                if now_ns.saturating_sub(self.acknowledged_ns) > STALL_NS {
                    self.after_stall = AFTER_STALL;
                }
                self.acknowledged_ns = now_ns;
                if self.after_stall > 0 {
                    self.after_stall -= 1;
                    self.parted.add(keys);
                }
            }
            Outcome::Fail(Failure::Mismatch { .. }) => {}
            Outcome::Fail(Failure::Error(_)) | Outcome::Info(_) => self.parted.add(keys),
        }
    }
}

impl<G: Generator> Generator for Watched<G> {
    fn next(&mut self, ctx: &Context) -> Next {
        self.inner.next(ctx)
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        match (ctx.thread, event) {
            (Thread::Client(thread), EventKind::Invoke { op, .. }) if !op.is_read_only() => {
                if self.open.len() <= thread {
                    self.open.resize(thread + 1, Vec::new());
                }
                keys(op, &mut self.open[thread]);
            }
            (Thread::Client(thread), EventKind::Complete(outcome)) => {
                if let Some(mut keys) = self.open.get_mut(thread).map(std::mem::take)
                    && !keys.is_empty()
                {
                    self.ended(ctx.now_ns, &keys, outcome);
                    keys.clear();
                    self.open[thread] = keys;
                }
            }
            (_, EventKind::NemesisComplete(_)) => {
                for keys in &self.open {
                    self.parted.add(keys);
                }
            }
            _ => {}
        }
        self.inner.update(ctx, event);
    }
}

/// Puts the objects that an operation updates into `found`, in place of what was there.
fn keys(op: &Op, found: &mut Vec<i64>) {
    found.clear();
    let number = |key: &Value| match key {
        Value::Int(key) => Some(*key),
        _ => None,
    };
    match op {
        Op::Txn { micro_ops, .. } => {
            let updates = micro_ops.iter().filter(|op| matches!(op, MicroOp::Append { .. }));
            found.extend(updates.filter_map(|op| number(op.key())));
        }
        op => found.extend(number(op.key())),
    }
}

#[cfg(test)]
mod tests {
    use history::{ErrorClass, Hold, NemesisOutcome};

    use super::*;

    /// `w3` invokes a write of key 3 at the next thread, `o3` answers it, `i3` does not, `m3` is a mismatch,
    /// `f` is the end of an act of the nemesis, `.` is half a second.
    fn parted(events: &str) -> Vec<i64> {
        let found = Arc::new(Parted::default());
        let mut watched = Watched::new(generator::nothing(), found.clone());
        let mut now_ns = 1;
        for word in events.split(' ') {
            let (what, key) = word.split_at(1);
            let key: usize = key.parse().unwrap_or(0);
            let (thread, event) = match what {
                "." => {
                    now_ns += 500_000_000;
                    continue;
                }
                "f" => {
                    let outcome = NemesisOutcome {
                        nodes: Vec::new(),
                        detail: String::new(),
                        exact: Default::default(),
                        hold: Hold::Verified,
                    };
                    (Thread::Nemesis, EventKind::NemesisComplete(Box::new(outcome)))
                }
                "w" => {
                    let op = Op::Write {
                        key: Value::Int(key as i64),
                        value: Value::Int(1),
                    };
                    (Thread::Client(key), EventKind::Invoke { op, node: None })
                }
                _ => {
                    let outcome = match what {
                        "o" => Outcome::ok(),
                        "m" => Outcome::mismatch(None),
                        _ => Outcome::info(ErrorClass::Timeout, ""),
                    };
                    (Thread::Client(key), EventKind::Complete(outcome))
                }
            };
            let ctx = Context {
                now_ns,
                thread,
                clients: 9,
            };
            watched.update(&ctx, &event);
        }
        found.lock().iter().copied().collect()
    }

    #[test]
    fn what_may_have_parted() {
        for (events, expected) in [
            ("w1 o1 w2 m2", &[][..]),
            ("w1 i1 w2 o2", &[1]),
            ("w1 w2 o2 f o1", &[1]),
            ("w1 o1 . w2 o2 w3 o3", &[2, 3]),
        ] {
            assert_eq!(parted(events), expected, "{events}");
        }
    }
}
