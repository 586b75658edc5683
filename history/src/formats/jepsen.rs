//! What the fields of a Jepsen operation mean, whatever syntax they were written in.
//!
//! Sources: Jepsen's `doc/` and `jepsen.independent`, Knossos' `knossos.history` (a completed value counts,
//! failed operations did not happen, `info` leaves them open) and `knossos.model`, Elle's micro-operations,
//! jepsen.history (who is a nemesis, and that a negative time is none).

use std::fmt;

use super::arguments::{is_transaction, operation, pair, tuple};
pub(crate) use super::functions::{Function, KNOWN};
use super::instant;
use super::reasons::{is_name, mismatch, reason};
use crate::{Answer, Failure, Key, Op, OpKind, Outcome, Value};

/// One operation map, its fields not yet interpreted.
#[derive(Debug, Default)]
pub(crate) struct RawOp {
    /// Its line in the file, from 1.
    pub line: usize,
    pub index: Option<i64>,
    pub process: Option<Who>,
    pub kind: Option<Kind>,
    pub f: Option<Function>,
    pub value: Option<Value>,
    pub key: Option<Value>,
    pub time_ns: Option<u64>,
    pub error: Option<Value>,
    /// The fencing token, where it has a field of its own.
    pub token: Option<Value>,
    /// `:final? true`, by which Jepsen's and Maelstrom's workloads mark the reads with which they end.
    pub is_final: bool,
}

/// The field `process`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Who {
    Client(u64),
    /// A client that is known by a name.
    Named(Box<str>),
    /// A keyword: the name of a nemesis, since every process that is no number is one (jepsen.history); but
    /// others name their clients so.
    Keyword(Box<str>),
    Nemesis,
    /// A client that is not named.
    Absent,
    /// A client whose operation overlaps another one of its own, by the times.
    Apart(Box<Who>, u64),
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Client(number) => number.fmt(f),
            Who::Named(name) | Who::Keyword(name) => f.write_str(name),
            Who::Nemesis => f.write_str("nemesis"),
            Who::Absent => f.write_str("without a name"),
            Who::Apart(who, _) => who.fmt(f),
        }
    }
}

impl Who {
    /// `None` if a value names no process.
    pub fn parse(value: &Value) -> Option<Who> {
        match value {
            Value::Int(number @ 0..) => Some(Who::Client(*number as u64)),
            Value::Text(name) | Value::Form(name) if name.trim_start_matches(':').starts_with("nemesis") => {
                Some(Who::Nemesis)
            }
            Value::Form(form) => match form.strip_prefix(':') {
                Some(name) => Some(Who::Keyword(name.into())),
                None => form
                    .starts_with(char::is_alphabetic)
                    .then(|| Who::Named(form.as_str().into())),
            },
            Value::Text(name) => Some(match name.parse() {
                Ok(number) => Who::Client(number),
                Err(_) => Who::Named(name.as_str().into()),
            }),
            _ => None,
        }
    }
}

/// The field `index`; anything but a number is none.
pub(crate) fn index(value: &Value) -> Option<i64> {
    match value {
        Value::Int(index) => Some(*index),
        Value::Text(text) => text.parse().ok(),
        _ => None,
    }
}

/// Nanoseconds, for the field `time`. No clock counts parts of them: a number with a fraction is in seconds,
/// as of a clock of Python's, or if it is too large for that, in milliseconds. `None` for no time, which
/// negative ones stand for (jepsen.history), and for what comes before the start of the clock.
///
/// # Errors
/// What it is instead.
pub(crate) fn time_ns(value: &Value) -> Result<Option<u64>, String> {
    let wrong = || Err(format!("the time must be a number or a date, not {value}"));
    let text = match value {
        Value::Nil => return Ok(None),
        Value::Int(time) => return Ok(u64::try_from(*time).ok()),
        Value::Text(text) => text.as_str(),
        Value::Form(form) => match form.strip_prefix("#inst \"") {
            Some(date) => date.trim_end_matches('"'),
            None => form.trim_end_matches('M'),
        },
        _ => return wrong(),
    };
    if let Ok(time) = text.parse::<f64>() {
        const SECOND_NS: f64 = 1e9;
        let time_ns = match time.fract() == 0.0 {
            true => time,
            false if time * SECOND_NS < u64::MAX as f64 => time * SECOND_NS,
            false => time * SECOND_NS / 1e3,
        };
        return Ok((time >= 0.0).then_some(time_ns as u64));
    }
    match instant::nanoseconds(text) {
        Some(time) => Ok(u64::try_from(time).ok()),
        None => wrong(),
    }
}

/// The field `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// How a format differs from others.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style {
    /// Values are the tuples `[key value]` of `jepsen.independent`.
    pub keyed: bool,
    /// A failed cas is the store's answer that it found another value.
    pub failed_cas_is_answer: bool,
    /// There is nothing but get, put and append.
    pub only_kv: bool,
    /// No operation has an invocation: what was asked stands in its completion.
    pub uninvoked: bool,
}

/// An operation map, interpreted as far as it can be by itself. What a completion means depends on what was
/// invoked.
#[derive(Debug)]
pub(crate) struct Record {
    pub line: usize,
    pub index: Option<i64>,
    pub time_ns: Option<u64>,
    /// It is marked as one of the last, when everything has settled.
    pub is_final: bool,
    pub what: What,
}

/// What a [`Record`] says.
#[derive(Debug)]
pub(crate) enum What {
    Invoke {
        who: Who,
        op: Op,
        /// What the invocation of a lock's operation names.
        named: Option<Value>,
        /// Whether this settles that values are `[key value]` tuples, whatever their keys are.
        proves_tuples: bool,
    },
    /// It happened.
    Ok {
        who: Who,
        f: OpKind,
        key: Option<Key>,
        value: Option<Value>,
        token: Option<Value>,
    },
    /// It failed, or its outcome is unknown.
    End {
        who: Who,
        outcome: Outcome,
    },
    InvokeDrain {
        who: Who,
        key: Key,
        /// As for other invocations.
        proves_tuples: bool,
    },
    OkDrain {
        who: Who,
        elements: Value,
    },
    Nemesis {
        name: Box<str>,
        detail: Value,
        /// Who it is if it is a client that is known by a keyword and has invoked something, and what it then
        /// says of that.
        client: Option<(Who, Outcome)>,
    },
    /// A client's words, which are no operation.
    Aside,
    /// An operation of which only the end is recorded, and what must have been asked.
    Uninvoked {
        asked: Box<What>,
        ended: Box<What>,
    },
    /// An operation of which only the end is recorded, and not what was asked.
    Unasked {
        who: Who,
        /// Whether it may have changed something.
        may_change: bool,
    },
}

impl What {
    /// The process, where it is a client's.
    pub fn who_mut(&mut self) -> Option<&mut Who> {
        match self {
            What::Invoke { who, .. }
            | What::Ok { who, .. }
            | What::End { who, .. }
            | What::InvokeDrain { who, .. }
            | What::OkDrain { who, .. }
            | What::Unasked { who, .. } => Some(who),
            What::Uninvoked { ended, .. } => ended.who_mut(),
            What::Nemesis { .. } | What::Aside => None,
        }
    }

    /// Makes it that of another process.
    pub fn rename(&mut self, name: Who) {
        if let What::Uninvoked { asked, .. } = self {
            asked.rename(name.clone());
        }
        if let Some(who) = self.who_mut() {
            *who = name;
        }
    }

    /// Whether it begins an operation.
    pub fn is_invocation(&self) -> bool {
        matches!(self, What::Invoke { .. } | What::InvokeDrain { .. })
    }

    /// Whether it ends an operation.
    pub fn is_completion(&self) -> bool {
        !self.is_invocation() && !matches!(self, What::Nemesis { .. } | What::Aside)
    }
}

/// Why a [`RawOp`] could not be interpreted.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// It is no `[key value]` tuple, so that the history is not keyed.
    NotKeyed,
    Wrong(String),
}

impl Kind {
    pub fn parse(name: &[u8]) -> Option<Self> {
        match name {
            b"invoke" => Some(Kind::Invoke),
            b"ok" => Some(Kind::Ok),
            b"fail" => Some(Kind::Fail),
            b"info" => Some(Kind::Info),
            _ => None,
        }
    }
}

/// Interprets one operation map.
pub(crate) fn interpret(raw: RawOp, style: Style) -> Result<Record, Unreadable> {
    let (line, index, time_ns, is_final) = (raw.line, raw.index, raw.time_ns, raw.is_final);
    let what = meaning(raw, style)?;
    Ok(Record {
        line,
        index,
        time_ns,
        is_final,
        what,
    })
}

/// Who acted; and, beside a nemesis, which client it may be.
fn actor(who: Who, kind: Kind, f: Option<&Function>) -> (Who, Option<Who>) {
    match who {
        // No operation of a client: a nemesis' act.
        Who::Absent if kind == Kind::Info && f.is_some_and(Function::is_unknown) => (Who::Nemesis, None),
        // A nemesis only informs; and what a client leaves open stays open.
        Who::Keyword(name) if kind == Kind::Info => (Who::Nemesis, Some(Who::Named(name))),
        Who::Keyword(name) => (Who::Named(name), None),
        who => (who, None),
    }
}

fn meaning(raw: RawOp, style: Style) -> Result<What, Unreadable> {
    let wrong = |reason: &str| Err(Unreadable::Wrong(reason.to_owned()));
    let RawOp {
        process,
        kind,
        f,
        value,
        key,
        error,
        token,
        ..
    } = raw;
    let who = match process {
        Some(who) => who,
        None if kind.is_none() || f.is_none() && !value.as_ref().is_some_and(is_transaction) => {
            return wrong("the operation has no process");
        }
        None => Who::Absent,
    };
    let Some(kind) = kind else {
        return wrong("the operation has no type");
    };
    let (who, client) = actor(who, kind, f.as_ref());
    if who == Who::Nemesis {
        let name = f.as_ref().map_or("nemesis", Function::name).into();
        let detail = value.unwrap_or_default();
        let client = client
            .filter(|_| !matches!(&f, Some(Function::Other(name)) if &**name == "log"))
            .map(|who| (who, Outcome::Info(reason(error.unwrap_or_default()))));
        return Ok(What::Nemesis { name, detail, client });
    }
    let f = match f {
        // What did not happen needs no name.
        None if matches!(kind, Kind::Fail | Kind::Info) => Function::Other("".into()),
        // Elle's own histories leave `:f :txn` out.
        None if value.as_ref().is_some_and(is_transaction) => Function::Op(OpKind::Txn),
        None => return wrong("the operation has no f"),
        // Jepsen's long-fork calls a transaction of reads `read`.
        Some(Function::Op(OpKind::Read | OpKind::Write)) if value.as_ref().is_some_and(is_transaction) => {
            Function::Op(OpKind::Txn)
        }
        // What a client logs (`jepsen.generator/log`).
        Some(Function::Other(name)) if kind == Kind::Info && &*name == "log" => return Ok(What::Aside),
        Some(Function::Other(name)) => {
            return Err(Unreadable::Wrong(format!(
                "unknown operation `{name}` (known: {KNOWN})"
            )));
        }
        Some(f) => f,
    };
    let is_count = matches!(f, Function::Increment | Function::Decrement);
    let value = match kind {
        Kind::Invoke | Kind::Ok if is_count => {
            let subtracts = f == Function::Decrement;
            amount(value, subtracts, kind == Kind::Invoke, style.keyed).map_err(Unreadable::Wrong)?
        }
        _ => value,
    };
    let f = if is_count { Function::Op(OpKind::Add) } else { f };
    let is_kv = matches!(f, Function::Op(OpKind::Read | OpKind::Write | OpKind::Append));
    if style.only_kv && !is_kv && !f.name().is_empty() {
        return Err(Unreadable::Wrong(format!(
            "`{}` is neither get, put nor append",
            f.name()
        )));
    }
    if kind == Kind::Invoke {
        return invocation(who, f, key, value, style);
    }
    let asked = match style.uninvoked {
        true => Some(asked(who.clone(), kind, &f, key.clone(), value.clone(), style)?),
        false => None,
    };
    let ended = completion(
        RawEnd {
            who,
            kind,
            f,
            key,
            value,
            error,
            token,
        },
        style,
    );
    Ok(match asked {
        None => ended,
        Some(asked @ What::Unasked { .. }) => asked,
        Some(asked) => What::Uninvoked {
            asked: Box::new(asked),
            ended: Box::new(ended),
        },
    })
}

/// The fields of a completion.
struct RawEnd {
    who: Who,
    kind: Kind,
    f: Function,
    key: Option<Key>,
    value: Option<Value>,
    error: Option<Value>,
    token: Option<Value>,
}

/// How an operation ended.
fn completion(raw: RawEnd, style: Style) -> What {
    let RawEnd {
        who,
        kind,
        f,
        key,
        value,
        error,
        token,
    } = raw;
    match kind {
        Kind::Invoke | Kind::Fail | Kind::Info => {
            // A fail or an info may give a reason in place of the value.
            let value = match style.keyed {
                true => value.and_then(|value| match tuple(&f, &value) {
                    Some((_, rest)) => Some(rest),
                    None => Some(value).filter(is_name),
                }),
                false => value,
            };
            let outcome = ended(kind, &f, value.as_ref(), error, style);
            What::End { who, outcome }
        }
        Kind::Ok => match f {
            Function::Op(f) => What::Ok {
                who,
                f,
                key,
                value,
                token,
            },
            _ => What::OkDrain {
                who,
                elements: value.unwrap_or_default(),
            },
        },
    }
}

/// What must have been asked by an operation of which only the end is recorded.
fn asked(
    who: Who,
    kind: Kind,
    f: &Function,
    key: Option<Key>,
    value: Option<Value>,
    style: Style,
) -> Result<What, Unreadable> {
    // Where an argument should be, it may say how it went: a reason, nothing, `true` or "OK".
    let is_argument = |value: &Value| match value {
        Value::Nil => false,
        Value::Text(text) if text.eq_ignore_ascii_case("ok") => false,
        value => *value != Value::boolean(true) && !(kind != Kind::Ok && is_name(value)),
    };
    let argument = match (&value, style.keyed) {
        (Some(value), true) => tuple(f, value).map_or_else(|| value.clone(), |(_, rest)| rest),
        (Some(value), false) => value.clone(),
        (None, _) => Value::Nil,
    };
    if !f.is_answered() && !is_argument(&argument) {
        let may_change = kind != Kind::Fail;
        return Ok(What::Unasked { who, may_change });
    }
    // A key is known by the value of a completion alone; an error leaves both out.
    if kind != Kind::Ok && f.is_answered() && value.as_ref().is_none_or(|value| tuple(f, value).is_none()) {
        let may_change = kind == Kind::Info && !matches!(f, Function::Op(OpKind::Read));
        match style.keyed {
            true => return Ok(What::Unasked { who, may_change }),
            false => return invocation(who, f.clone(), key, None, style),
        }
    }
    match invocation(who.clone(), f.clone(), key, value, style) {
        // What did not happen may be told in any way.
        Err(_) if kind == Kind::Fail => Ok(What::Unasked {
            who,
            may_change: false,
        }),
        asked => asked,
    }
}

/// What an increment or a decrement adds. An invocation without an amount means 1; a completion without one
/// says nothing new.
fn amount(
    value: Option<Value>,
    subtracts: bool,
    is_invoked: bool,
    is_keyed: bool,
) -> Result<Option<Value>, String> {
    let one = if subtracts { -1 } else { 1 };
    Ok(match value {
        None | Some(Value::Nil) if is_invoked && !is_keyed => Some(Value::Int(one)),
        Some(Value::List(parts)) if is_keyed && parts.len() == 2 => {
            let rest = amount(Some(parts[1].clone()), subtracts, is_invoked, false)?;
            Some(Value::list(vec![parts[0].clone(), rest.unwrap_or_default()]))
        }
        Some(Value::Int(amount)) if subtracts && amount < 0 && is_invoked => {
            return Err(format!(
                "a decrement by {amount} may add or subtract: record what is added, as an add"
            ));
        }
        // An answer below zero is a total.
        Some(Value::Int(amount @ 0..)) if subtracts => Some(Value::Int(-amount)),
        value => value,
    })
}

fn invocation(
    who: Who,
    f: Function,
    key: Option<Key>,
    value: Option<Value>,
    style: Style,
) -> Result<What, Unreadable> {
    let is_flat = matches!(&value, Some(Value::List(parts)) if parts.len() == 3);
    let (key, value, proves_tuples) = match style.keyed {
        false => (key.unwrap_or_default(), value, false),
        true => match value
            .as_ref()
            .filter(|_| key.is_none())
            .and_then(|value| tuple(&f, value))
        {
            None => return Err(Unreadable::NotKeyed),
            Some((key, rest)) => {
                // No one asks for an answer by giving a pair whose second half is nil; what a cas expects and
                // brings are two things; and a watch alone is asked for with a revision and nil.
                let is_of_watch = f == Function::Op(OpKind::Watch) && pair(&rest).is_some();
                let proves = f.is_answered() && rest.is_nil()
                    || f == Function::Op(OpKind::Cas) && is_flat
                    || is_of_watch;
                (key, Some(rest), proves)
            }
        },
    };
    Ok(match f {
        Function::Op(f) => {
            let is_of_lock = matches!(f, OpKind::Acquire | OpKind::TryAcquire | OpKind::Release);
            let named = value.clone().filter(|value| is_of_lock && !value.is_nil());
            let (op, _) = operation(f, key, value).map_err(Unreadable::Wrong)?;
            What::Invoke {
                who,
                op,
                named,
                proves_tuples,
            }
        }
        _ => What::InvokeDrain {
            who,
            key,
            proves_tuples,
        },
    })
}

/// The outcome of an operation that failed or whose fate is unknown.
fn ended(kind: Kind, f: &Function, value: Option<&Value>, error: Option<Value>, style: Style) -> Outcome {
    let cas_failed = kind == Kind::Fail && *f == Function::Op(OpKind::Cas);
    let is_explained = error.is_some();
    // Only perjury's own exports record a mismatch in this way.
    if cas_failed && let Some(current) = error.as_ref().and_then(mismatch) {
        return Outcome::mismatch(current);
    }
    // A cas that gives another reason (the connection was refused) has not compared anything.
    if cas_failed && style.failed_cas_is_answer && !is_explained && value.and_then(pair).is_some() {
        return Outcome::mismatch(None);
    }
    // Log lines put the reason where the value was.
    let error = error.or_else(|| value.filter(|value| is_name(value)).cloned());
    let reason = reason(error.unwrap_or_default());
    match kind {
        Kind::Fail => Outcome::Fail(Failure::Error(reason)),
        _ => Outcome::Info(reason),
    }
}

/// The outcome of an `ok`.
pub(crate) fn succeeded(answer: Option<Value>) -> Outcome {
    Outcome::Ok(Answer { value: answer })
}
