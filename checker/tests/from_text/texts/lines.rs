//! What each line of a file says: from a history to its events, in a style.

use std::collections::{BTreeMap, BTreeSet};

use history::{Failure, History, MicroOp, OPEN, Op, Operation, Outcome, Value};
use rand::{Rng, RngExt};

use super::case::{Case, Drain, STEP, What};
use super::style::{Format, LockNames, Names, Style};

/// One event, its fields not yet spelled.
#[derive(Clone, Debug)]
pub struct Line {
    /// When it happened; two lines never share a place.
    pub place: u64,
    pub who: Value,
    pub kind: &'static str,
    /// Empty if there is none.
    pub f: &'static str,
    pub value: Option<Value>,
    /// The value is a pair of a key and a value.
    pub is_tuple: bool,
    pub key: Option<Value>,
    pub error: Option<Value>,
    pub token: Option<Value>,
}

/// What the text leaves open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// Processes went on after an info.
    pub renumbered: bool,
    /// A drain did not end.
    pub taken: bool,
    /// What locks are asked for names nothing twice.
    pub locks: bool,
    /// Whether pairs are of keys and values.
    pub keys: bool,
}

/// A history as lines, and what they say.
pub struct Lines {
    pub lines: Vec<Line>,
    /// What the lines say, in memory.
    pub history: History,
    /// The same, with nil where the text says nil for nothing.
    pub with_nil: History,
    pub open: Open,
}

struct Writer<'a> {
    rng: &'a mut dyn Rng,
    case: &'a Case,
    style: &'a Style,
    /// Under which number a process is known.
    known_as: BTreeMap<u32, u32>,
    lines: Vec<Line>,
    open: Open,
}

/// Writes a case down.
pub fn write(rng: &mut dyn Rng, case: &Case, style: &Style) -> Lines {
    let mut case = case.clone();
    case.history
        .operations
        .iter_mut()
        .for_each(|operation| express(style, operation));
    let mut history = case.with_drains();
    history
        .operations
        .iter_mut()
        .for_each(|operation| express(style, operation));
    let mut with_nil = history.clone();
    let mut writer = Writer {
        rng,
        case: &case,
        style,
        known_as: BTreeMap::new(),
        lines: Vec::new(),
        open: Open::default(),
    };
    let mut used = BTreeSet::new();
    let ends: Vec<Option<u64>> = case
        .history
        .operations
        .iter()
        .map(|operation| writer.end(operation, &mut used))
        .collect();
    writer.name_processes(&ends);
    for (number, (operation, end)) in case.history.operations.iter().zip(ends).enumerate() {
        let is_nil = writer.operation(number, operation, end);
        let same = |other: &&mut Operation| other.invoked == operation.invoked;
        if is_nil && let Some(told) = with_nil.operations.iter_mut().find(same) {
            told.outcome = Outcome::ok_value(Value::Nil);
        }
    }
    case.drains.iter().for_each(|drain| writer.drain(drain));
    if writer.style.others {
        writer.others();
    }
    let Writer { mut lines, open, .. } = writer;
    lines.sort_by_key(|line| line.place);
    let open = Open {
        keys: open.keys || are_pairs_of_anything(&lines),
        ..open
    };
    Lines {
        lines,
        history,
        with_nil,
        open,
    }
}

/// What the format cannot say was not recorded.
fn express(style: &Style, operation: &mut Operation) {
    let is_cas = matches!(operation.op, Op::Cas { .. });
    operation.outcome = match (&operation.op, &operation.outcome) {
        (Op::Write { .. } | Op::Append { .. }, Outcome::Ok(_)) => Outcome::ok(),
        (Op::Cas { .. }, Outcome::Ok(_)) => Outcome::ok(),
        (_, Outcome::Fail(Failure::Mismatch { current })) if is_cas => match style.format {
            Format::Log => Outcome::mismatch(None),
            _ if style.tells_mismatch => Outcome::mismatch(current.clone()),
            _ => crate::common::fail(),
        },
        (_, outcome) => outcome.clone(),
    };
}

impl Writer<'_> {
    fn one_in(&mut self, count: u32) -> bool {
        self.rng.random_ratio(1, count)
    }

    fn tenths(&mut self, share: u32) -> bool {
        self.rng.random_ratio(share, 10)
    }

    /// Where an operation's last line stands, if it has one.
    fn end(&mut self, operation: &Operation, used: &mut BTreeSet<u64>) -> Option<u64> {
        if operation.completed != OPEN {
            return Some(operation.completed);
        }
        let share = self.style.info_lines;
        if !self.tenths(share) {
            return None;
        }
        let mut place = operation.invoked + STEP * self.rng.random_range(0..6) + 100;
        while !used.insert(place) {
            place += 1;
        }
        Some(place)
    }

    /// Who goes on after an info goes on under the same number, if the style wants it.
    fn name_processes(&mut self, ends: &[Option<u64>]) {
        // The last operation under each number, if it ended with an info: where that was said.
        let mut retired: BTreeMap<u32, u64> = BTreeMap::new();
        for (operation, end) in self.case.history.operations.iter().zip(ends) {
            let process = operation.process;
            if !self.known_as.contains_key(&process) {
                let free: Vec<u32> = retired
                    .iter()
                    .filter(|(_, said)| **said < operation.invoked)
                    .map(|(number, _)| *number)
                    .collect();
                let number = match self.style.reuses && !free.is_empty() {
                    true => free[self.rng.random_range(0..free.len())],
                    false => process,
                };
                self.open.renumbered |= number != process;
                retired.remove(&number);
                self.known_as.insert(process, number);
            }
            if let (true, Some(end)) = (operation.outcome.is_info(), end) {
                retired.insert(self.known_as[&process], *end);
            }
        }
    }

    fn who(&self, process: u32) -> Value {
        let number = self.known_as.get(&process).copied().unwrap_or(process);
        match self.style.names {
            Names::Numbers => Value::Int(number.into()),
            Names::FarApart => {
                let far = if number % 2 == 1 { 5_000_000_000 } else { 0 };
                Value::Int(i64::from(number) * 1_000_003 + far)
            }
            Names::Texts => Value::text(&format!("client {number}")),
            Names::Symbols => Value::form(&format!("w{number}")),
            Names::Keywords => Value::form(&format!(":w{number}")),
        }
    }

    fn line(
        &mut self,
        place: u64,
        who: Value,
        kind: &'static str,
        f: &'static str,
        value: Option<Value>,
    ) -> &mut Line {
        self.lines.push(Line {
            place,
            who,
            kind,
            f,
            value,
            is_tuple: false,
            key: None,
            error: None,
            token: None,
        });
        self.lines.last_mut().expect("it was pushed")
    }

    /// A value with its key, as the style writes it.
    fn keyed(&mut self, op: &Op, value: Option<Value>) -> (Option<Value>, bool, Option<Value>) {
        let key = op.key().clone();
        if self.case.keys.is_none() {
            return (value, false, None);
        }
        if self.style.format == Format::Kv || self.style.key_field {
            return (value, false, Some(key));
        }
        let value = value.unwrap_or_default();
        match (op, &value) {
            (Op::Cas { .. }, Value::List(pair)) if self.style.flat_cas && pair.len() == 2 => (
                Some(Value::list(vec![key, pair[0].clone(), pair[1].clone()])),
                false,
                None,
            ),
            _ => (Some(Value::list(vec![key, value])), true, None),
        }
    }

    /// What the invocation of a lock's operation names.
    fn lock_name(&self, number: usize, operation: &Operation) -> Option<Value> {
        let is_lock = matches!(operation.op, Op::Acquire { .. } | Op::Release { .. });
        let client = self.known_as.get(&operation.process).copied().unwrap_or_default();
        match self.style.lock_names {
            _ if !is_lock => None,
            LockNames::Nothing => None,
            LockNames::Lock => Some(Value::text("the lock")),
            LockNames::Client => Some(Value::text(&format!("me {client}"))),
            LockNames::Request => Some(Value::Int(100_000 + number as i64)),
        }
    }

    /// Both lines of an operation. Says whether an answer of nothing is told as nil.
    fn operation(&mut self, number: usize, operation: &Operation, end: Option<u64>) -> bool {
        let who = self.who(operation.process);
        let f = self.f(&operation.op);
        let name = self.lock_name(number, operation);
        self.open.locks |= self.style.lock_names == LockNames::Request && name.is_some();
        let mut asked = asked(&operation.op).or(name.clone());
        let is_late = self.is_late(operation);
        let all = asked.clone();
        if is_late {
            asked = None;
        }
        let (value, is_tuple, key) = self.keyed(&operation.op, Some(asked.unwrap_or_default()));
        let line = self.line(operation.invoked, who.clone(), "invoke", f, value);
        (line.is_tuple, line.key) = (is_tuple, key);
        let Some(end) = end else { return false };
        match &operation.outcome {
            Outcome::Ok(answer) => {
                let answer = answer.value.as_ref();
                self.succeeded(operation, (end, who, f), all, answer, name, is_late)
            }
            outcome => {
                self.ended(operation, (end, who, f), all, outcome);
                false
            }
        }
    }

    /// Whether only the completion says what was asked.
    fn is_late(&mut self, operation: &Operation) -> bool {
        let argument = match &operation.op {
            Op::Write { value, .. }
            | Op::Append { value, .. }
            | Op::Add { value, .. }
            | Op::Enqueue { value, .. } => value,
            _ => return false,
        };
        let may_be = matches!(operation.outcome, Outcome::Ok(_))
            && !argument.is_nil()
            && self.style.format != Format::Kv;
        let share = self.style.late;
        may_be && self.tenths(share)
    }

    fn f(&mut self, op: &Op) -> &'static str {
        let names: &[&'static str] = match (op, self.style.format) {
            (Op::Read { .. }, Format::Kv) => &["get"],
            (Op::Write { .. }, Format::Kv) => &["put"],
            (Op::Read { .. }, _) if self.style.key_field => &["read", "r"],
            (Op::Write { .. }, _) if self.style.key_field => &["write", "w"],
            (Op::Read { .. }, _) => &["read", "read", "r", "get"],
            (Op::Write { .. }, _) => &["write", "write", "w", "put"],
            (Op::Cas { .. }, _) => &["cas"],
            (Op::Append { .. }, _) => &["append"],
            (Op::Add { .. }, _) => &["add"],
            (Op::Acquire { .. }, _) => &["acquire", "lock"],
            (Op::Release { .. }, _) => &["release", "unlock"],
            (Op::Enqueue { .. }, _) => &["enqueue"],
            (Op::Dequeue { .. }, _) => &["dequeue"],
            (Op::Generate { .. }, _) => &["generate"],
            (Op::Watch { .. }, _) => &["watch"],
            (Op::Remove { .. }, _) => &["remove"],
            (Op::TryAcquire { .. }, _) => &["try-acquire", "try-lock"],
            (Op::Transfer { .. }, _) => &["transfer"],
            (Op::Txn { .. }, Format::Log) => &["txn"],
            (Op::Txn { .. }, _) => &["txn", "txn", ""],
        };
        names[self.rng.random_range(0..names.len())]
    }

    fn succeeded(
        &mut self,
        operation: &Operation,
        (end, who, f): (u64, Value, &'static str),
        asked: Option<Value>,
        answer: Option<&Value>,
        name: Option<Value>,
        is_late: bool,
    ) -> bool {
        let mut token = None;
        let mut is_nil = false;
        let mut may_lose_key = !is_late;
        let repeats = {
            let share = self.style.repeats;
            is_late || self.tenths(share)
        };
        let value = match &operation.op {
            Op::Read { .. } => {
                let share = self.style.nil_is_empty;
                is_nil =
                    answer.is_some_and(|answer| is_nothing(self.case.what, answer)) && self.tenths(share);
                match is_nil {
                    true => Some(Value::Nil),
                    false => answer.cloned(),
                }
            }
            Op::Dequeue { .. } | Op::Generate { .. } => answer.cloned(),
            Op::Txn { micro_ops, .. } => Some(steps(micro_ops, answer)),
            Op::Watch { from, .. } => Some(watch(*from, answer)),
            Op::Acquire { .. } | Op::Release { .. } => match answer {
                Some(answer) if self.style.token_field => {
                    token = Some(answer.clone());
                    name.clone().or(Some(Value::Nil))
                }
                Some(answer) => Some(answer.clone()),
                None if repeats => name.or(Some(Value::Nil)),
                None => self.empty_words(false),
            },
            _ if repeats => asked,
            _ => self.empty_words(true),
        };
        if let (Some(Value::List(two)), Some(keys)) = (&value, &self.case.keys)
            && two.len() == 2
            && keys.contains(&two[0])
        {
            may_lose_key = false;
        }
        let share = self.style.loses_keys;
        let loses = may_lose_key && self.tenths(share);
        let is_list = |value: &Value| matches!(value, Value::List(_));
        let holds_lists = matches!(&value, Some(Value::List(values)) if values.iter().any(is_list));
        self.open.keys |= loses && holds_lists && self.case.keys.is_some();
        let (value, is_tuple, key) = match value {
            _ if loses => (value, false, None),
            None if self.case.keys.is_some() && self.one_in(2) => (None, false, None),
            value => self.keyed(&operation.op, value),
        };
        let value = if self.style.format == Format::Log {
            value.or(Some(Value::Nil))
        } else {
            value
        };
        let line = self.line(end, who, "ok", f, value);
        (line.is_tuple, line.key, line.token) = (is_tuple, key, token);
        is_nil
    }

    /// What stores answer when they have nothing to say.
    fn empty_words(&mut self, may_be_number: bool) -> Option<Value> {
        match self.rng.random_range(0..6) {
            0 => None,
            1 => Some(Value::text("OK")),
            2 => Some(Value::boolean(true)),
            3 if may_be_number => Some(Value::Int(99)),
            4 => Some(Value::text("")),
            _ => Some(Value::Nil),
        }
    }

    /// An operation that failed, or of which no one knows.
    fn ended(
        &mut self,
        operation: &Operation,
        (end, who, f): (u64, Value, &'static str),
        asked: Option<Value>,
        outcome: &Outcome,
    ) {
        let is_cas = matches!(operation.op, Op::Cas { .. });
        let kind = if outcome.is_info() { "info" } else { "fail" };
        let word = |word: &str| match self.style.format {
            Format::Json => Value::text(word),
            _ => Value::form(&format!(":{word}")),
        };
        let reason = match self.style.format {
            Format::Json => Value::text(":timed-out"),
            _ => {
                Value::form([":timed-out", ":connection-refused", ":not-leader"][self.rng.random_range(0..3)])
            }
        };
        let is_log = self.style.format == Format::Log;
        let (value, is_bare, error) = match outcome {
            Outcome::Fail(Failure::Mismatch { current }) => {
                let told = std::iter::once(word("mismatch")).chain(current.clone());
                let error = (!is_log).then(|| Value::list(told.collect()));
                (asked, false, error)
            }
            _ => match self.rng.random_range(0..5) {
                0 => (Some(reason), true, None),
                1 if !is_log => (None, true, Some(reason)),
                2 if !is_log && !is_cas => (Some(Value::Nil), true, None),
                3 if !is_log => (asked, false, None),
                _ => (asked, false, Some(reason)),
            },
        };
        let (value, is_tuple, key) = match is_bare {
            true => (value, false, None),
            false => self.keyed(&operation.op, value),
        };
        let value = if is_log { value.or(Some(Value::Nil)) } else { value };
        let line = self.line(end, who, kind, f, value);
        (line.is_tuple, line.key, line.error) = (is_tuple, key, error);
    }

    fn drain(&mut self, drain: &Drain) {
        let who = self.who(drain.process);
        let op = Op::Dequeue {
            key: drain.key.clone(),
        };
        let put = |writer: &mut Self, place: u64, kind: &'static str, f: &'static str, value: Value| {
            let (value, is_tuple, key) = writer.keyed(&op, Some(value));
            let line = writer.line(place, who.clone(), kind, f, value);
            (line.is_tuple, line.key) = (is_tuple, key);
        };
        put(self, drain.invoked, "invoke", "drain", Value::Nil);
        let Some(took) = &drain.took else {
            self.open.taken = true;
            if self.one_in(2) {
                put(self, drain.completed, "info", "drain", Value::Nil);
            }
            return;
        };
        if !drain.is_name {
            put(self, drain.completed, "ok", "drain", Value::list(took.clone()));
            return;
        }
        for (number, value) in (0u64..).zip(took) {
            put(
                self,
                drain.invoked + 1 + 2 * number,
                "invoke",
                "dequeue",
                Value::Nil,
            );
            put(
                self,
                drain.invoked + 2 + 2 * number,
                "ok",
                "dequeue",
                value.clone(),
            );
        }
        let done = match self.style.format {
            Format::Json => Value::text("exhausted"),
            _ => Value::form(":exhausted"),
        };
        put(self, drain.completed, "ok", "drain", done);
    }

    /// Lines of a nemesis and what clients log.
    fn others(&mut self) {
        let end = self.lines.iter().map(|line| line.place).max().unwrap_or(0);
        let clients: Vec<Value> = self.lines.iter().map(|line| line.who.clone()).collect();
        let nemesis = match self.style.format {
            Format::Json => Value::text("nemesis"),
            _ => Value::form([":nemesis", ":nemesis-2"][self.rng.random_range(0..2)]),
        };
        for number in 0..self.rng.random_range(1..5) {
            // Events stand at multiples of half a step, and what belongs to them stands shortly behind.
            let place = self.rng.random_range(0..=end / STEP) * STEP + 400 + number;
            if self.one_in(3) && !clients.is_empty() {
                let who = clients[self.rng.random_range(0..clients.len())].clone();
                self.line(place, who, "info", "log", Some(Value::text("restarting; {soon}")));
            } else {
                let f = ["start", "stop", "start-partition", "kill"][self.rng.random_range(0..4)];
                let value = [
                    Value::Nil,
                    Value::text("n1 n2"),
                    Value::list(vec![Value::Int(1), Value::Int(2)]),
                ];
                let value = value[self.rng.random_range(0..3)].clone();
                self.line(place, nemesis.clone(), "info", f, Some(value));
            }
        }
    }
}

/// Whether every invocation is a pair that may be a value as well as a key with its value, and some of these
/// keys would be odd.
fn are_pairs_of_anything(lines: &[Line]) -> bool {
    let invoked = || lines.iter().filter(|line| line.kind == "invoke");
    let first = |line: &Line| match &line.value {
        Some(Value::List(pair)) if pair.len() == 2 && line.key.is_none() => {
            Some((pair[0].clone(), pair[1].is_nil()))
        }
        _ => None,
    };
    const ANSWERED: [&str; 10] = [
        "read", "r", "get", "dequeue", "generate", "acquire", "lock", "release", "unlock", "drain",
    ];
    let proves = |line: &Line| first(line).is_some_and(|(_, is_nil)| is_nil && ANSWERED.contains(&line.f));
    let is_odd = |line: &Line| matches!(first(line), Some((Value::List(_) | Value::Nil, _)));
    invoked().all(|line| first(line).is_some()) && invoked().any(is_odd) && !invoked().any(proves)
}

/// Whether an answer says that there is nothing.
fn is_nothing(what: What, answer: &Value) -> bool {
    match what {
        What::Set => answer.elements().is_some_and(<[Value]>::is_empty),
        What::Text => *answer == Value::text(""),
        What::Counter => *answer == Value::Int(0),
        _ => false,
    }
}

/// What an invocation names; `None` where it names nothing.
fn asked(op: &Op) -> Option<Value> {
    match op {
        Op::Write { value, .. }
        | Op::Append { value, .. }
        | Op::Add { value, .. }
        | Op::Enqueue { value, .. } => Some(value.clone()),
        Op::Cas { expected, new, .. } => Some(Value::list(vec![expected.clone(), new.clone()])),
        Op::Txn { micro_ops, .. } => Some(steps(micro_ops, None)),
        Op::Watch { from, .. } => Some(watch(*from, None)),
        _ => None,
    }
}

/// A watch, with what it heard.
fn watch(from: i64, answer: Option<&Value>) -> Value {
    Value::list(vec![Value::Int(from), answer.cloned().unwrap_or_default()])
}

/// A transaction, with what it was answered.
fn steps(micro_ops: &[MicroOp], answer: Option<&Value>) -> Value {
    let answers = answer.and_then(Value::elements).unwrap_or_default();
    let step = |(number, step): (usize, &MicroOp)| {
        let seen = || answers.get(number).cloned().unwrap_or_default();
        let (name, key, value) = match step {
            MicroOp::Read { key } => ("r", key, seen()),
            MicroOp::Version { key } => ("version", key, seen()),
            MicroOp::Write { key, value } => ("w", key, value.clone()),
            MicroOp::Append { key, value } => ("append", key, value.clone()),
        };
        Value::list(vec![Value::form(&format!(":{name}")), key.clone(), value])
    };
    Value::list(micro_ops.iter().enumerate().map(step).collect())
}
