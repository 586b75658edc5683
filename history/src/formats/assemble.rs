//! Makes a history of the operation maps of a Jepsen-like format.
//!
//! The order of events is the order of the file, even if their times and indices differ: harnesses write an
//! event when they see it, and read the clock at another moment (Knossos and Elle rely on the file's order,
//! too).
//!
//! What is decided here:
//! - Times are nanoseconds if the file has them. If it has none, events are placed a millisecond apart, so
//!   that a drawing shows their order; an event without a time among others with times takes the time before
//!   it.
//! - If a process continues after an `info`, that operation stays open forever, and what follows belongs to a
//!   new process (Jepsen itself gives it a new number). This hides only the order of that process' own
//!   operations.
//! - A drain takes all there is: one that returned n elements becomes n dequeues and one that found nothing,
//!   each as long as the drain, by separate processes. A drain within which its process dequeues is only a
//!   name for these dequeues and for having found nothing at its end. What a drain took that did not end is
//!   unknown.
//! - A completion answers what its process has asked. In a keyed history it should repeat the key; where it
//!   does not, its key is that of the invocation. Whether a list of two that begins with the key is such a
//!   tuple or an answer is decided for each kind of operation, by whether other answers are lists that are no
//!   tuples.
//! - What was acknowledged with `false` may not have happened: it is an `info`.
//! - What the operations of locks name in their invocations is the lock, if processes share such names. Where
//!   each process only ever names one thing of its own, that is the client; else it is in doubt.
//! - The nemesis' operations are all `info`: the first of a name begins a span, the second ends it. Its value
//!   becomes the span's target; whether the fault took hold is unknown, so the span has no outcome.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};

use super::Remark;
use super::arguments;
use super::jepsen::{self, Function, Record, What, Who};
use super::tuples::Tuples;
use crate::units::plural;
use crate::{
    Doubt, ErrorClass, Event, EventKind, History, HistoryBuilder, HistoryError, Key, NemesisAction,
    NemesisOp, NemesisSpan, OPEN, Op, OpKind, Operation, Outcome, Process, Times, Value, tell,
};

/// The first number for processes that the file does not name; the numbers are made small at the end.
const INVENTED: u64 = 1 << 31;

/// Takes records in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    builder: HistoryBuilder,
    records: u64,
    last_ns: Option<u64>,
    timeless: u64,
    /// The numbers of processes that are known by their names.
    named: FxHashMap<Box<str>, u64>,
    /// The numbers of what is taken for processes since it overlaps what the process does that it names.
    apart: FxHashMap<u64, u64>,
    /// The number under which a process continues after an `info`.
    renamed: FxHashMap<u64, u64>,
    /// The process that continues under an invented number.
    originals: FxHashMap<u64, u64>,
    invented: u64,
    reused: u64,
    draining: FxHashMap<u64, Drain>,
    drains: Vec<Ended>,
    crashed_drains: u64,
    acting: Option<usize>,
    nil_reads: u64,
    /// Whether values are tuples of keys.
    tuples: Tuples,
    /// What the invocations of locks' operations name, by the operation's index; and how many name nothing.
    locks: FxHashMap<usize, Value>,
    nameless_locks: u64,
    /// How many completions say something else than their invocations, with the first of them.
    others: u64,
    other: Option<String>,
    /// How many were acknowledged with `false`, which may say that they did not happen.
    denied: u64,
    asides: u64,
    /// How many operations do not say what they asked for: that may have changed something, and others.
    unasked: u64,
    unasked_idle: u64,
    /// The fields that are not used, with their counts.
    pub ignored_fields: BTreeMap<String, u64>,
    /// Lines that are not operations.
    pub other_lines: u64,
    /// What the file as a whole leaves open.
    pub doubts: Vec<Doubt>,
    /// Remarks about the file as a whole.
    pub about: Vec<Remark>,
}

#[derive(Debug)]
struct Drain {
    key: Key,
    invoked: u64,
    invoked_ns: u64,
    /// Its process dequeues within it.
    is_name: bool,
}

/// A drain that ended.
#[derive(Debug)]
struct Ended {
    drain: Drain,
    elements: Vec<Value>,
    completed: u64,
    completed_ns: u64,
}

/// Why no history can be made.
#[derive(Debug)]
pub(crate) enum Refusal {
    /// Nothing tells whether values are tuples.
    NotKeyed,
}

impl Assembler {
    /// Makes a history whose values are tuples of keys, or are not.
    pub fn new(is_keyed: bool) -> Assembler {
        let mut assembler = Assembler::default();
        assembler.tuples.is_keyed = is_keyed;
        assembler
    }

    /// Whether it is certain that values are tuples of keys.
    pub fn has_proved_tuples(&self) -> bool {
        self.tuples.are_proved
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// When the record cannot follow those before it; the reason does not name the line.
    pub fn push(&mut self, record: Record) -> Result<(), String> {
        let time_ns = self.time(record.time_ns);
        self.records += 1;
        let is_final = record.is_final;
        match record.what {
            What::Invoke {
                who,
                op,
                named,
                proves_tuples,
            } => {
                let process = self.begin(&who, true)?;
                self.tuples.invoked(op.key(), proves_tuples);
                self.begun(&op, named, is_final);
                self.event(time_ns, &who, process, EventKind::Invoke { op, node: None })
            }
            What::Ok {
                who,
                f,
                key,
                value,
                token,
            } => {
                let process = self.current(&who);
                let outcome = match self.builder.open_index(process) {
                    Some(index) => {
                        let invoked = self.builder.history_mut().operations[index].invoked;
                        self.mark(f, invoked, is_final);
                        self.answer(index, f, key, value, token)?
                    }
                    None => Outcome::ok(),
                };
                self.event(time_ns, &who, process, EventKind::Complete(outcome))
            }
            What::End { who, outcome } => self.end(time_ns, &who, outcome),
            What::InvokeDrain {
                who,
                key,
                proves_tuples,
            } => {
                let process = self.begin(&who, false)?;
                self.tuples.invoked(&key, proves_tuples);
                if self.builder.open_index(process).is_some() {
                    return Err(overlap(&who));
                }
                let drain = Drain {
                    key,
                    invoked: self.builder.take_position(),
                    invoked_ns: time_ns,
                    is_name: false,
                };
                self.draining.insert(process, drain);
                Ok(())
            }
            What::OkDrain { who, elements } => {
                let process = self.current(&who);
                let drain = self.draining.remove(&process).ok_or_else(|| orphan(&who))?;
                let elements = match self.without_key(&drain.key, elements) {
                    _ if drain.is_name => Vec::new(),
                    Value::Nil => Vec::new(),
                    Value::List(elements) | Value::Set(elements) => elements.to_vec(),
                    other => return Err(format!("a drain must return a list of elements, not {other}")),
                };
                self.drains.push(Ended {
                    drain,
                    elements,
                    completed: self.builder.take_position(),
                    completed_ns: time_ns,
                });
                Ok(())
            }
            What::Nemesis {
                client: Some((who, outcome)),
                ..
            } if self.has_begun(&who) => self.end(time_ns, &who, outcome),
            What::Nemesis { name, detail, .. } => {
                self.nemesis(time_ns, &name, &detail);
                Ok(())
            }
            What::Aside => {
                self.asides += 1;
                Ok(())
            }
            What::Unasked { may_change, .. } => {
                self.unasked += u64::from(may_change);
                self.unasked_idle += u64::from(!may_change);
                Ok(())
            }
            What::Uninvoked { .. } => Err("the operation has no invocation".to_owned()),
        }
    }

    /// Notes what is to be known of an operation that begins now.
    fn begun(&mut self, op: &Op, named: Option<Value>, is_final: bool) {
        let kind = op.kind();
        if matches!(kind, OpKind::Acquire | OpKind::TryAcquire | OpKind::Release) {
            let index = self.builder.history_mut().operations.len();
            self.nameless_locks += u64::from(named.is_none());
            self.locks.extend(named.map(|name| (index, name)));
        }
        self.mark(kind, self.builder.position(), is_final);
    }

    /// Notes a read that is marked as final, whose invocation has this position.
    fn mark(&mut self, kind: OpKind, invoked: u64, is_final: bool) {
        if is_final && kind == OpKind::Read {
            self.builder.history_mut().final_reads.insert(invoked);
        }
    }

    /// Takes that an operation failed, or that no one knows.
    fn end(&mut self, time_ns: u64, who: &Who, outcome: Outcome) -> Result<(), String> {
        let process = self.current(who);
        if self.builder.open_index(process).is_none()
            && let Some(drain) = self.draining.remove(&process)
        {
            match outcome {
                // Its dequeues tell what it took.
                _ if drain.is_name => {}
                Outcome::Info(_) => self.crashed_drains += 1,
                _ => {}
            }
            return Ok(());
        }
        self.event(time_ns, who, process, EventKind::Complete(outcome))
    }

    /// Whether a process has begun what it has not completed.
    fn has_begun(&self, who: &Who) -> bool {
        let process = self.current(who);
        self.builder.open_index(process).is_some() || self.draining.contains_key(&process)
    }

    /// What a drain returned, taken out of its tuple.
    fn without_key(&self, key: &Key, elements: Value) -> Value {
        match arguments::tuple(&Function::Drain, &elements) {
            Some((of, rest)) if self.tuples.is_keyed && of == *key => rest,
            _ => elements,
        }
    }

    /// How an operation ended that was answered, by its completion.
    fn answer(
        &mut self,
        index: usize,
        f: OpKind,
        key: Option<Key>,
        value: Option<Value>,
        token: Option<Value>,
    ) -> Result<Outcome, String> {
        let history = self.builder.history_mut();
        let op = &history.operations[index].op;
        if op.kind() != f {
            return Err(format!("a {} was invoked, and a {f} completes", op.kind()));
        }
        if let Some(key) = key.filter(|key| !key.is_nil() && key != op.key()) {
            return Err(format!("key {} was invoked, and key {key} completes", op.key()));
        }
        let value = match self.tuples.is_keyed {
            true => self.tuples.answered(index, f, value, history)?,
            false => value,
        };
        let op = &mut history.operations[index].op;
        let told = arguments::operation(f, op.key().clone(), value.clone());
        let (completed, mut answer) = match (f, told) {
            (OpKind::Watch, told) => told.map(|(op, answer)| (Some(op), answer))?,
            (_, Ok((completed, answer))) => (Some(completed), answer),
            // What is no pair and no transaction does not repeat what was asked.
            (_, Err(_)) => (None, None),
        };
        if let (Op::Txn { micro_ops, .. }, Some(Op::Txn { micro_ops: told, .. })) = (&*op, &completed) {
            let target = |op: &crate::MicroOp| (std::mem::discriminant(op), op.key().clone());
            if !micro_ops.iter().map(target).eq(told.iter().map(target)) {
                return Err("the micro-operations that complete are not those that were invoked".to_owned());
            }
        }
        let is_silent = value.as_ref().is_none_or(Value::is_nil);
        if f == OpKind::Acquire {
            let is_repeated = self
                .locks
                .get(&index)
                .is_some_and(|name| Some(name) == answer.as_ref());
            answer = token
                .filter(|token| matches!(token, Value::Int(_)))
                .or(answer.filter(|_| !is_repeated));
        }
        if f == OpKind::TryAcquire {
            // It says no more than which lock was meant.
            answer = answer.filter(|answer| self.locks.get(&index) != Some(answer));
        }
        let repeats = arguments::complete(op, completed);
        if value == Some(Value::boolean(false)) && may_be_denied(f, repeats) {
            self.denied += 1;
            return Ok(Outcome::info(ErrorClass::Other, "answered false"));
        }
        if !repeats && !is_silent {
            self.others += 1;
            let value = || tell::value(value.as_ref().unwrap_or(&Value::Nil));
            let asked = || tell::short(&history.operations[index]);
            self.other
                .get_or_insert_with(|| format!("`{}`, which completes with {}", asked(), value()));
        }
        self.nil_reads += u64::from(f == OpKind::Read && answer == Some(Value::Nil));
        Ok(jepsen::succeeded(answer))
    }

    /// The history and the remarks about it.
    pub fn finish(mut self) -> Result<(History, Vec<Remark>), Refusal> {
        if self.tuples.is_keyed && self.tuples.are_doubtful && !self.tuples.are_proved {
            return Err(Refusal::NotKeyed);
        }
        let unfinished = self.draining.values().filter(|drain| !drain.is_name);
        self.crashed_drains += unfinished.count() as u64;
        let mut remarks = self.remarks();
        let mut history = self.builder.finish();
        self.tuples.put_back(&mut history);
        if self.nameless_locks == 0 && !self.locks.is_empty() {
            remarks.push(name_locks(&mut history, self.locks, &self.originals));
        }
        history.end_ns = history.end_ns.max(self.last_ns.unwrap_or(0));
        if self.timeless > 0 && self.timeless == self.records {
            history.times = Times::Places;
        }
        history.is_renumbered = self.reused > 0 || !self.apart.is_empty();
        history
            .doubts
            .extend((self.crashed_drains > 0).then_some(Doubt::UnknownTaken));
        history
            .doubts
            .extend((self.unasked > 0).then_some(Doubt::UnknownAsked));
        history.doubts.append(&mut self.doubts);
        expand(&mut history, self.drains, &mut self.invented);
        if self.invented > 0 {
            let highest = history.operations.iter().map(|operation| operation.process);
            let highest = highest.filter(|&process| u64::from(process) < INVENTED).max();
            let free = highest.map_or(0, |process| process + 1);
            for operation in &mut history.operations {
                if u64::from(operation.process) >= INVENTED {
                    operation.process = operation.process - INVENTED as u32 + free;
                }
            }
        }
        Ok((history, remarks))
    }

    fn remarks(&mut self) -> Vec<Remark> {
        let mut remarks = std::mem::take(&mut self.about);
        if self.tuples.is_keyed && self.builder.position() > 0 {
            remarks
                .push("every value is a [key value] tuple, so that keys are taken to be independent".into());
        }
        if !self.tuples.lost.is_empty() {
            remarks.push(Remark::Text(format!(
                "{} without their keys: each is taken to be about the key that was invoked",
                plural(self.tuples.lost.len() as u64, "completion")
            )));
        }
        if let Some(other) = &self.other {
            remarks.push(Remark::Text(format!(
                "{} something else than what was asked, such as {other}; what was asked counts",
                match self.others {
                    1 => "1 completion says".to_owned(),
                    count => format!("{count} completions say"),
                }
            )));
        }
        if self.denied > 0 {
            remarks.push(Remark::Text(format!(
                "{} with false, which may say that they did not happen: that is taken to be unknown; record what did not happen \
                 as :fail",
                match self.denied {
                    1 => "1 operation completes".to_owned(),
                    count => format!("{count} operations complete"),
                }
            )));
        }
        if self.reused > 0 {
            remarks.push(Remark::Text(format!(
                "{} times a process continued after an info; what follows is attributed to a new process",
                self.reused
            )));
        }
        if !self.apart.is_empty() {
            remarks.push(Remark::Text(format!(
                "{} began at the very time at which another one of the same process ended: they are taken to overlap",
                plural(self.apart.len() as u64, "operation")
            )));
        }
        if !self.named.is_empty() {
            remarks.push(Remark::Text(format!(
                "{} known by a name got a number",
                plural(self.named.len() as u64, "process")
            )));
        }
        if !self.drains.is_empty() {
            let elements: usize = self.drains.iter().map(|ended| ended.elements.len()).sum();
            remarks.push(Remark::Text(format!(
                "{} became {}; each of them found nothing more at its end",
                plural(self.drains.len() as u64, "drain"),
                plural(elements as u64, "dequeue")
            )));
        }
        if self.crashed_drains > 0 {
            remarks.push(Remark::Text(format!(
                "{} did not end, and no one knows what they took: what is missing may have been taken by them",
                plural(self.crashed_drains, "drain")
            )));
        }
        if self.nil_reads > 0 {
            remarks.push(Remark::NilReads(self.nil_reads));
        }
        remarks.extend(self.left_out());
        remarks
    }

    /// What is not in the history, or not as it stands.
    fn left_out(&self) -> Vec<Remark> {
        let mut remarks: Vec<Remark> = Vec::new();
        if self.timeless > 0 {
            remarks.push(if self.timeless == self.records {
                "no operation has a time: instead the events are counted".into()
            } else {
                "not every operation has a time: the others take the time before them".into()
            });
        }
        if self.unasked > 0 {
            remarks.push(Remark::Text(format!(
                "{} that may have changed something do not say what they asked for, and were left out",
                plural(self.unasked, "completion")
            )));
        }
        if self.unasked_idle > 0 {
            remarks.push(Remark::Text(format!(
                "{} that changed nothing do not say what they asked for, and were left out",
                plural(self.unasked_idle, "completion")
            )));
        }
        if self.asides > 0 {
            remarks.push(Remark::Text(format!(
                "{} that clients logged were left out",
                plural(self.asides, "line")
            )));
        }
        if !self.ignored_fields.is_empty() {
            let fields: Vec<String> = self
                .ignored_fields
                .iter()
                .map(|(name, count)| format!("{name} ({count})"))
                .collect();
            remarks.push(Remark::Text(format!(
                "unused fields were left out: {}",
                fields.join(", ")
            )));
        }
        if self.other_lines > 0 {
            remarks.push(Remark::Text(format!(
                "{} lines that are not operations were left out",
                self.other_lines
            )));
        }
        remarks
    }

    fn time(&mut self, time_ns: Option<u64>) -> u64 {
        let time_ns = time_ns.unwrap_or_else(|| {
            self.timeless += 1;
            match self.last_ns {
                Some(last) if self.timeless <= self.records => last,
                _ => self.records.saturating_mul(Times::EVENT_NS),
            }
        });
        self.last_ns = Some(time_ns);
        time_ns
    }

    /// The number under which a process begins an operation, or a drain.
    fn begin(&mut self, who: &Who, may_be_in_drain: bool) -> Result<u64, String> {
        let known = self.known(who);
        let current = match known {
            Some(number) => self.renamed.get(&number).copied().unwrap_or(number),
            None => self.introduce(who),
        };
        if let Some(drain) = self.draining.get_mut(&current) {
            if !may_be_in_drain {
                return Err(overlap(who));
            }
            drain.is_name = true;
        }
        if !self.builder.is_retired(current) {
            return Ok(current);
        }
        let number = INVENTED + self.invented;
        self.invented += 1;
        self.reused += 1;
        self.renamed.insert(known.unwrap_or(current), number);
        self.originals.insert(number, known.unwrap_or(current));
        if let Some(drain) = self.draining.remove(&current) {
            self.draining.insert(number, drain);
        }
        Ok(number)
    }

    /// The number of a process, before any `info`; `None` if its name is new.
    fn known(&self, who: &Who) -> Option<u64> {
        match who {
            Who::Client(number) if *number < INVENTED => Some(*number),
            Who::Client(number) => self.named.get(number.to_string().as_str()).copied(),
            Who::Named(name) | Who::Keyword(name) => self.named.get(name).copied(),
            Who::Apart(_, number) => self.apart.get(number).copied(),
            Who::Nemesis | Who::Absent => None,
        }
    }

    fn introduce(&mut self, who: &Who) -> u64 {
        let number = INVENTED + self.invented;
        self.invented += 1;
        match who {
            Who::Apart(process, place) => {
                let original = self.known(process);
                self.originals.extend(original.map(|original| (number, original)));
                self.apart.insert(*place, number)
            }
            who => self.named.insert(who.to_string().into(), number),
        };
        number
    }

    /// The number under which a process has begun what it now completes.
    fn current(&self, who: &Who) -> u64 {
        let Some(number) = self.known(who) else {
            return u64::MAX;
        };
        if self.renamed.is_empty() {
            return number;
        }
        self.renamed.get(&number).copied().unwrap_or(number)
    }

    fn event(&mut self, time_ns: u64, who: &Who, process: u64, kind: EventKind) -> Result<(), String> {
        let event = Event {
            time_ns,
            process: Process::Client(process),
            kind,
        };
        self.builder.push(event).map_err(|error| match error {
            HistoryError::Overlap { .. } => overlap(who),
            HistoryError::Orphan { .. } => orphan(who),
            HistoryError::Number { .. } => format!("the process number {who} is too large"),
        })
    }

    fn nemesis(&mut self, time_ns: u64, name: &str, detail: &Value) {
        let detail = match detail {
            Value::Nil => String::new(),
            Value::Text(text) => text.to_string(),
            other => other.to_string(),
        };
        let (nemesis, action) = nemesis_action(name);
        let history = self.builder.history_mut();
        history.end_ns = history.end_ns.max(time_ns);
        if let Some(span) = self
            .acting
            .take()
            .and_then(|index| history.nemesis.get_mut(index))
            && (span.op.nemesis == nemesis && span.op.action == action)
        {
            span.completed_ns = Some(time_ns);
            if !detail.is_empty() {
                span.op.target = detail.into();
            }
            return;
        }
        self.acting = Some(history.nemesis.len());
        history.nemesis.push(NemesisSpan {
            op: NemesisOp {
                nemesis: nemesis.to_owned(),
                action,
                target: detail.into(),
            },
            outcome: None,
            invoked_ns: time_ns,
            completed_ns: None,
        });
    }
}

/// Whether `false` may say that an operation did not happen, and is neither what was asked nor something to
/// be read. Clients of stores that compare, or tell what changed, record it so, as an `ok`.
fn may_be_denied(f: OpKind, repeats: bool) -> bool {
    match f {
        OpKind::Acquire | OpKind::Release => true,
        OpKind::Write
        | OpKind::Cas
        | OpKind::Append
        | OpKind::Add
        | OpKind::Remove
        | OpKind::Transfer
        | OpKind::Enqueue
        | OpKind::Txn => !repeats,
        OpKind::Read | OpKind::TryAcquire | OpKind::Dequeue | OpKind::Generate | OpKind::Watch => false,
    }
}

/// Gives operations of locks the names that they were invoked with as keys, if processes share them. A
/// process that only ever names one thing of its own says who it is. One that continued after an info is
/// still the same.
fn name_locks(
    history: &mut History,
    names: FxHashMap<usize, Value>,
    originals: &FxHashMap<u64, u64>,
) -> Remark {
    let mut users: FxHashMap<&Value, FxHashSet<u64>> = FxHashMap::default();
    let mut used: FxHashMap<u64, FxHashSet<&Value>> = FxHashMap::default();
    for (index, name) in &names {
        let process = u64::from(history.operations[*index].process);
        let process = originals.get(&process).copied().unwrap_or(process);
        users.entry(name).or_default().insert(process);
        used.entry(process).or_default().insert(name);
    }
    let is_shared = users.values().any(|users| users.len() > 1);
    let says_who = used.values().all(|used| used.len() == 1);
    match (is_shared, says_who) {
        (false, true) => {
            "what is acquired and released is named by each process in its own way: the names are taken for those of the \
             processes, and there is one lock"
                .into()
        }
        (false, false) => {
            history.doubts.push(Doubt::UnknownLocks);
            "what is acquired and released has names, which no two processes share: there is taken to be one lock".into()
        }
        (true, _) => {
            for (index, name) in names {
                if let Op::Acquire { key } | Op::TryAcquire { key } | Op::Release { key } =
                    &mut history.operations[index].op
                    && key.is_nil()
                {
                    *key = name;
                }
            }
            "what is acquired and released has a name, which several processes use: it is taken for the lock's".into()
        }
    }
}

/// Puts the dequeues of drains into the history, and that each drain found nothing more. Later positions are
/// shifted to make room for the additional ones, so that all positions stay distinct.
fn expand(history: &mut History, mut drains: Vec<Ended>, invented: &mut u64) {
    if drains.is_empty() {
        return;
    }
    // A dequeue that is answered with nil has found nothing.
    drains
        .iter_mut()
        .for_each(|ended| ended.elements.push(Value::Nil));
    // A drain took a position for its invocation and one for its end: n dequeues need n of each.
    let mut room: Vec<(u64, u64)> = Vec::with_capacity(drains.len() * 2);
    for ended in &drains {
        room.push((ended.drain.invoked, ended.elements.len() as u64));
        room.push((ended.completed, ended.elements.len() as u64));
    }
    room.sort_by_key(|(position, _)| *position);
    let mut total = 0;
    let sums: Vec<u64> = room
        .iter()
        .map(|(_, count)| {
            total += count;
            total
        })
        .collect();
    // How far the event at `position` moves: by all the room made at or before it.
    let moved = |position: u64| match room.partition_point(|(at, _)| *at <= position) {
        0 => position,
        before => position + sums[before - 1],
    };
    for operation in &mut history.operations {
        operation.invoked = moved(operation.invoked);
        if operation.completed != OPEN {
            operation.completed = moved(operation.completed);
        }
    }
    history.final_reads = history
        .final_reads
        .iter()
        .map(|&position| moved(position))
        .collect();
    let place = |position: u64| match room.partition_point(|(at, _)| *at < position) {
        0 => position,
        before => position + sums[before - 1],
    };
    for ended in drains {
        let (start, end) = (place(ended.drain.invoked), place(ended.completed));
        for (number, element) in (0u64..).zip(ended.elements) {
            history.operations.push(Operation {
                // Memory holds fewer elements than there are numbers.
                process: (INVENTED + *invented) as u32,
                op: Op::Dequeue {
                    key: ended.drain.key.clone(),
                },
                outcome: Outcome::ok_value(element),
                invoked: start + number,
                completed: end + number,
                invoked_ns: ended.drain.invoked_ns,
                completed_ns: Some(ended.completed_ns.into()),
                node: None,
            });
            *invented += 1;
        }
    }
    history.operations.sort_by_key(|operation| operation.invoked);
}

/// Which fault a nemesis operation of that name begins or ends, by the names that Jepsen's own nemeses use.
fn nemesis_action(name: &str) -> (&str, NemesisAction) {
    let local = name.rsplit('/').next().unwrap_or(name);
    match local {
        "start" => ("nemesis", NemesisAction::Start),
        "stop" => ("nemesis", NemesisAction::Stop),
        "heal" => ("partition", NemesisAction::Stop),
        "resume" => ("pause", NemesisAction::Stop),
        "restart" => ("kill", NemesisAction::Stop),
        _ => match (local.strip_prefix("start-"), local.strip_prefix("stop-")) {
            (Some(rest), _) => (rest, NemesisAction::Start),
            (_, Some(rest)) => (rest, NemesisAction::Stop),
            _ => (local, NemesisAction::Start),
        },
    }
}

fn overlap(who: &Who) -> String {
    format!("process {who} invokes while its previous operation is still open")
}

fn orphan(who: &Who) -> String {
    format!("process {who} completes an operation that it never invoked, or has completed before")
}
