//! A store in memory, honest or not.

use std::collections::BTreeMap;

use generator::{Action, Context, Thread};
use history::{ErrorClass, EventKind, MicroOp, ObjectKind, Op, Outcome, Value};

/// How long a lock outlives a client that is gone, nanoseconds.
const LEASE_NS: u64 = 2_000_000_000;
/// How long an operation takes that is not answered.
const TIMEOUT_NS: u64 = 50_000_000;

/// A linearizable store in which every operation takes effect at its invocation.
pub struct Store {
    kind: ObjectKind,
    /// What registers, sets and counters hold.
    objects: BTreeMap<Value, Value>,
    locks: BTreeMap<Value, Held>,
    lists: BTreeMap<Value, List>,
    /// The changes of watched registers, with their revisions.
    changes: BTreeMap<Value, Vec<(i64, Value)>>,
    /// How many changes there were; the last token of all locks.
    revision: i64,
    operations: u64,
    /// One operation in so many times out, with effect; 0 for none.
    pub timeout_every: u64,
    /// A mistake, and from which operation on it may be made.
    pub mistake: Option<(u64, Mistake)>,
    /// How often it was made.
    pub mistakes: u64,
}

/// What a store can do wrong. All happen once but those about locks that are held.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// All registers, sets and counters are emptied.
    Forgets,
    /// An add is acknowledged and not done.
    LostAdd,
    /// An add is done twice.
    DoubleAdd,
    /// A lock that is held is granted to another.
    DoubleGrant,
    /// The same, and the client that lost the lock may still release it.
    LateRelease,
    /// A token is given out that is not greater than the last.
    OldToken,
    /// A transaction is acknowledged, and its appends are not done.
    LostAppend,
    /// A transaction sees a list as it was long ago.
    StaleList,
    /// A version is too great by one.
    WrongVersion,
    /// A watch leaves out a change.
    MissingEvent,
    /// A watch reports a change twice.
    DuplicateEvent,
    /// A watch reports two changes in the wrong order.
    SwappedEvents,
}

struct Held {
    thread: Thread,
    /// When it expires if its holder is gone.
    expires_ns: Option<u64>,
}

#[derive(Default)]
struct List {
    elements: Vec<Value>,
    version: i64,
    mod_revision: i64,
}

impl Store {
    /// An honest store of objects of that kind, which answers everything.
    pub fn of(kind: ObjectKind) -> Store {
        Store {
            kind,
            objects: BTreeMap::new(),
            locks: BTreeMap::new(),
            lists: BTreeMap::new(),
            changes: BTreeMap::new(),
            revision: 0,
            operations: 0,
            timeout_every: 0,
            mistake: None,
            mistakes: 0,
        }
    }

    /// How an operation ends, and after how long.
    pub fn perform(&mut self, ctx: &Context, action: &Action) -> (u64, EventKind) {
        let Action::Op(op) = action else {
            panic!("a workload has nothing to do for the nemesis");
        };
        self.operations += 1;
        let outcome = self.answer(ctx, op);
        if self.times_out() {
            // The client is dropped, and its session ends.
            for held in self.locks.values_mut().filter(|held| held.thread == ctx.thread) {
                held.expires_ns = Some(ctx.now_ns + LEASE_NS);
            }
            let outcome = Outcome::info(ErrorClass::Timeout, "");
            return (TIMEOUT_NS, EventKind::Complete(outcome));
        }
        // Between 0.1 and 1 ms.
        let latency_ns = 100_000 + self.operations * 7_919 % 900_000;
        (latency_ns, EventKind::Complete(outcome))
    }

    /// Whether the operation that runs is not answered.
    fn times_out(&self) -> bool {
        self.timeout_every > 0 && self.operations.is_multiple_of(self.timeout_every)
    }

    /// Whether this mistake is to be made now. What is not answered is no lie.
    fn errs(&mut self, mistake: Mistake) -> bool {
        if self.times_out() {
            return false;
        }
        let errs = self
            .mistake
            .is_some_and(|(from, planned)| planned == mistake && from <= self.operations);
        let again = matches!(mistake, Mistake::DoubleGrant | Mistake::LateRelease) || self.mistakes == 0;
        self.mistakes += u64::from(errs && again);
        errs && again
    }

    fn answer(&mut self, ctx: &Context, op: &Op) -> Outcome {
        if self.errs(Mistake::Forgets) {
            self.objects.clear();
        }
        match (self.kind, op) {
            (
                ObjectKind::Register | ObjectKind::Set | ObjectKind::Counter | ObjectKind::OnceCounter,
                Op::Read { key },
            ) => Outcome::ok_value(self.objects.get(key).cloned().unwrap_or(match self.kind {
                ObjectKind::Set => Value::list(Vec::new()),
                ObjectKind::Counter | ObjectKind::OnceCounter => Value::Int(0),
                _ => Value::Nil,
            })),
            (ObjectKind::Register, Op::Write { key, value }) => {
                self.objects.insert(key.clone(), value.clone());
                Outcome::ok()
            }
            (ObjectKind::Register, Op::Cas { key, expected, new }) => match self.objects.get_mut(key) {
                Some(value) if value == expected => {
                    *value = new.clone();
                    Outcome::ok()
                }
                _ => Outcome::mismatch(None),
            },
            (ObjectKind::Set | ObjectKind::Counter | ObjectKind::OnceCounter, Op::Add { key, value }) => {
                let times = match (self.errs(Mistake::LostAdd), self.errs(Mistake::DoubleAdd)) {
                    (true, _) => 0,
                    (_, true) => 2,
                    _ => 1,
                };
                for _ in 0..times {
                    self.add(key, value);
                }
                Outcome::ok()
            }
            (ObjectKind::Lock, Op::Acquire { key }) => self.acquire(ctx, key),
            (ObjectKind::Lock, Op::Release { key }) => self.release(ctx, key),
            (ObjectKind::List, Op::Txn { micro_ops, .. }) => self.txn(micro_ops),
            (ObjectKind::Watched, Op::Write { key, value }) => {
                self.revision += 1;
                let changes = self.changes.entry(key.clone()).or_default();
                changes.push((self.revision, value.clone()));
                Outcome::ok_value(Value::Int(self.revision))
            }
            (ObjectKind::Watched, Op::Watch { key, from }) => self.watch(key, *from),
            (kind, op) => panic!("a {kind} has no {}", op.kind()),
        }
    }

    fn add(&mut self, key: &Value, value: &Value) {
        let object = self.objects.entry(key.clone()).or_default();
        *object = match (self.kind, &*object, value) {
            (ObjectKind::Set, Value::List(elements), element) => {
                Value::list(elements.iter().cloned().chain([element.clone()]).collect())
            }
            (ObjectKind::Set, _, element) => Value::list(vec![element.clone()]),
            (_, Value::Int(sum), Value::Int(amount)) => Value::Int(sum + amount),
            (_, _, amount) => amount.clone(),
        };
    }

    fn acquire(&mut self, ctx: &Context, key: &Value) -> Outcome {
        let is_held = self
            .locks
            .get(key)
            .is_some_and(|held| held.expires_ns.is_none_or(|ns| ns > ctx.now_ns));
        if is_held && !self.errs(Mistake::DoubleGrant) && !self.errs(Mistake::LateRelease) {
            return Outcome::mismatch(None);
        }
        let token = match self.errs(Mistake::OldToken) {
            true => 0,
            false => self.revision + 1,
        };
        self.revision = self.revision.max(token);
        let held = Held {
            thread: ctx.thread,
            expires_ns: None,
        };
        self.locks.insert(key.clone(), held);
        Outcome::ok_value(Value::Int(token))
    }

    fn release(&mut self, ctx: &Context, key: &Value) -> Outcome {
        let is_held = |held: &Held| held.thread == ctx.thread;
        if self.locks.get(key).is_some_and(is_held) {
            self.locks.remove(key);
            return Outcome::ok();
        }
        match self.locks.contains_key(key) && self.errs(Mistake::LateRelease) {
            true => Outcome::ok(),
            false => Outcome::mismatch(None),
        }
    }

    fn txn(&mut self, micro_ops: &[MicroOp]) -> Outcome {
        let appends = |op: &&MicroOp| matches!(op, MicroOp::Append { .. });
        let is_lost = micro_ops.iter().any(|op| appends(&op)) && self.errs(Mistake::LostAppend);
        let revision = self.revision + 1;
        let mut changed: Vec<Value> = Vec::new();
        let mut answers = Vec::new();
        for op in micro_ops {
            let list = self.lists.entry(op.key().clone()).or_default();
            let (elements, version) = (list.elements.clone(), (list.version, list.mod_revision));
            answers.push(match op {
                MicroOp::Read { .. } if elements.is_empty() => Value::Nil,
                MicroOp::Read { .. } => {
                    // So much that what is left out was not still being appended.
                    let is_stale = elements.len() >= 20 && self.errs(Mistake::StaleList);
                    let length = if is_stale {
                        elements.len() / 2
                    } else {
                        elements.len()
                    };
                    Value::list(elements[..length].to_vec())
                }
                MicroOp::Append { .. } if is_lost => Value::Nil,
                MicroOp::Append { key, value } => {
                    list.elements.push(value.clone());
                    changed.push(key.clone());
                    Value::Nil
                }
                MicroOp::Version { .. } if version.0 == 0 => Value::Nil,
                MicroOp::Version { .. } => {
                    let number = version.0 + i64::from(self.errs(Mistake::WrongVersion));
                    Value::list(vec![Value::Int(number), Value::Int(version.1)])
                }
                MicroOp::Write { .. } => panic!("a list has no write"),
            });
        }
        for key in &changed {
            self.revision = revision;
            let list = self.lists.entry(key.clone()).or_default();
            list.version += 1;
            list.mod_revision = revision;
        }
        Outcome::ok_value(Value::list(answers))
    }

    fn watch(&mut self, key: &Value, from: i64) -> Outcome {
        let changes = self.changes.get(key).map_or(&[][..], |changes| changes);
        let mut events: Vec<Value> = changes
            .iter()
            .filter(|(revision, _)| *revision >= from)
            .map(|(revision, value)| Value::list(vec![Value::Int(*revision), value.clone()]))
            .collect();
        if !events.is_empty() && self.errs(Mistake::MissingEvent) {
            events.remove(0);
        }
        if let Some(last) = events.last().cloned()
            && self.errs(Mistake::DuplicateEvent)
        {
            events.push(last);
        }
        if events.len() > 1 && self.errs(Mistake::SwappedEvents) {
            events.swap(0, 1);
        }
        Outcome::ok_value(Value::list(vec![Value::Int(self.revision), Value::list(events)]))
    }
}
