//! What the fields of a Jepsen operation mean, whatever syntax they were written in.
//!
//! Sources: Jepsen's `doc/` and `jepsen.independent`, Knossos' `knossos.history` (a completed value counts,
//! failed operations did not happen, `info` leaves them open) and `knossos.model`, Elle's micro-operations.

use crate::{Answer, ErrorClass, Failure, Key, MicroOp, Op, OpKind, Outcome, Process, Reason, Value};

/// The names of the operations that readers know, human-readable.
pub(crate) const KNOWN: &str = "read r get, write w put, cas, append, add, acquire lock, release unlock, enqueue, \
                                dequeue, drain, generate, txn";

/// One operation map, its fields not yet interpreted.
#[derive(Debug, Default)]
pub(crate) struct RawOp {
    /// Its line in the file, from 1.
    pub line: usize,
    pub process: Option<Process>,
    pub kind: Option<Kind>,
    pub f: Option<Function>,
    pub value: Option<Value>,
    pub key: Option<Value>,
    pub time_ns: Option<u64>,
    pub error: Option<Value>,
}

/// The field `type`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
}

/// The field `f`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Op(OpKind),
    /// Takes all elements out of a queue.
    Drain,
    /// Of the nemesis, or unknown.
    Other(Box<str>),
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
}

/// An operation map, interpreted.
#[derive(Debug)]
pub(crate) struct Record {
    pub line: usize,
    pub time_ns: Option<u64>,
    pub what: What,
}

/// What a [`Record`] says.
#[derive(Debug)]
pub(crate) enum What {
    Invoke {
        process: u64,
        op: Op,
    },
    /// The operation as its completion repeats it, if it does, and its answer.
    Ok {
        process: u64,
        op: Option<Op>,
        answer: Option<Value>,
    },
    /// It failed, or its outcome is unknown.
    End {
        process: u64,
        outcome: Outcome,
    },
    InvokeDrain {
        process: u64,
        key: Key,
    },
    OkDrain {
        process: u64,
        elements: Value,
    },
    Nemesis {
        name: Box<str>,
        detail: Value,
    },
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

impl Function {
    /// `name` is without colon; a namespace plays no role.
    pub fn parse(name: &str) -> Self {
        let local = name.rsplit('/').next().unwrap_or(name);
        Function::Op(match local {
            "read" | "r" | "get" => OpKind::Read,
            "write" | "w" | "put" => OpKind::Write,
            "cas" => OpKind::Cas,
            "append" => OpKind::Append,
            "add" => OpKind::Add,
            "acquire" | "lock" => OpKind::Acquire,
            "release" | "unlock" => OpKind::Release,
            "enqueue" => OpKind::Enqueue,
            "dequeue" => OpKind::Dequeue,
            "generate" => OpKind::Generate,
            "watch" => OpKind::Watch,
            "txn" => OpKind::Txn,
            "drain" => return Function::Drain,
            _ => return Function::Other(name.into()),
        })
    }

    pub fn name(&self) -> &str {
        match self {
            Function::Op(kind) => kind.name(),
            Function::Drain => "drain",
            Function::Other(name) => name,
        }
    }
}

/// Interprets one operation map.
pub(crate) fn interpret(raw: RawOp, style: Style) -> Result<Record, Unreadable> {
    let wrong = |reason: &str| Err(Unreadable::Wrong(reason.to_owned()));
    let RawOp {
        line,
        process,
        kind,
        f,
        value,
        key,
        time_ns,
        error,
    } = raw;
    let Some(process) = process else {
        return wrong("the operation has no process");
    };
    let Some(kind) = kind else {
        return wrong("the operation has no type");
    };
    let process = match process {
        Process::Client(number) => number,
        Process::Nemesis => {
            let name = f.as_ref().map_or("nemesis", Function::name).into();
            let detail = value.unwrap_or_default();
            return Ok(Record {
                line,
                time_ns,
                what: What::Nemesis { name, detail },
            });
        }
    };
    let f = match f {
        // Elle's own histories leave `:f :txn` out.
        None if value.as_ref().is_some_and(is_transaction) => Function::Op(OpKind::Txn),
        None => return wrong("the operation has no f"),
        // Jepsen's long-fork calls a transaction of reads `read`.
        Some(Function::Op(OpKind::Read | OpKind::Write)) if value.as_ref().is_some_and(is_transaction) => {
            Function::Op(OpKind::Txn)
        }
        Some(Function::Other(name)) => {
            return Err(Unreadable::Wrong(format!(
                "unknown operation `{name}` (known: {KNOWN})"
            )));
        }
        Some(f) => f,
    };
    let is_kv = matches!(f, Function::Op(OpKind::Read | OpKind::Write | OpKind::Append));
    if style.only_kv && !is_kv {
        return Err(Unreadable::Wrong(format!(
            "`{}` is neither get, put nor append",
            f.name()
        )));
    }
    let (key, value) = match (kind, style.keyed) {
        (_, false) => (key.unwrap_or_default(), value),
        // A fail or an info may give a reason in place of the value.
        (Kind::Fail | Kind::Info, true) => {
            split_tuple(&f, key, value.clone()).unwrap_or((Key::Nil, value.filter(is_name)))
        }
        (Kind::Invoke | Kind::Ok, true) => split_tuple(&f, key, value)?,
    };
    let what = match kind {
        Kind::Fail | Kind::Info => {
            let outcome = ended(kind, &f, value.as_ref(), error, style);
            What::End { process, outcome }
        }
        Kind::Invoke => match f {
            Function::Op(f) => {
                let (op, _) = operation(f, key, value).map_err(Unreadable::Wrong)?;
                What::Invoke { process, op }
            }
            _ => What::InvokeDrain { process, key },
        },
        Kind::Ok => match f {
            Function::Op(OpKind::Cas) if value.as_ref().is_none_or(Value::is_nil) => What::Ok {
                process,
                op: None,
                answer: None,
            },
            Function::Op(f) => {
                let (op, answer) = operation(f, key, value).map_err(Unreadable::Wrong)?;
                What::Ok {
                    process,
                    op: Some(op),
                    answer,
                }
            }
            _ => What::OkDrain {
                process,
                elements: value.unwrap_or_default(),
            },
        },
    };
    Ok(Record { line, time_ns, what })
}

/// Takes a tuple of `jepsen.independent` apart. Its key is a scalar, and what follows must suit the
/// operation, so that a cas `[old new]` alone and a transaction of two micro-operations are no tuples.
fn split_tuple(
    f: &Function,
    key: Option<Key>,
    value: Option<Value>,
) -> Result<(Key, Option<Value>), Unreadable> {
    let Some(Value::List(tuple)) = value else {
        return Err(Unreadable::NotKeyed);
    };
    let [tuple_key, rest] = tuple.as_slice() else {
        return Err(Unreadable::NotKeyed);
    };
    let suits = match f {
        Function::Op(OpKind::Cas) => pair(rest).is_some(),
        Function::Op(OpKind::Txn) => is_transaction(rest),
        _ => true,
    };
    if key.is_some() || matches!(tuple_key, Value::List(_)) || !suits {
        return Err(Unreadable::NotKeyed);
    }
    Ok((tuple_key.clone(), Some(rest.clone())))
}

/// The operation that `f` and its value name, and what it answered if this is its completion.
fn operation(f: OpKind, key: Key, value: Option<Value>) -> Result<(Op, Option<Value>), String> {
    let argument = |value: Option<Value>| value.unwrap_or_default();
    Ok(match f {
        OpKind::Read => (Op::Read { key }, value),
        OpKind::Write => (
            Op::Write {
                key,
                value: argument(value),
            },
            None,
        ),
        OpKind::Append => (
            Op::Append {
                key,
                value: argument(value),
            },
            None,
        ),
        OpKind::Add => (
            Op::Add {
                key,
                value: argument(value),
            },
            None,
        ),
        OpKind::Enqueue => (
            Op::Enqueue {
                key,
                value: argument(value),
            },
            None,
        ),
        OpKind::Dequeue => (Op::Dequeue { key }, Some(argument(value))),
        OpKind::Generate => (Op::Generate { key }, value),
        // Only a number is a fencing token; harnesses also put the client or the mode there.
        OpKind::Acquire => (
            Op::Acquire { key },
            value.filter(|value| matches!(value, Value::Int(_))),
        ),
        OpKind::Release => (Op::Release { key }, None),
        // Invoked with [from nil], answered with [from [through changes]].
        OpKind::Watch => match value.as_ref().and_then(pair) {
            Some((&Value::Int(from), heard)) => (Op::Watch { key, from }, Some(heard.clone())),
            _ => {
                let value = argument(value);
                return Err(format!(
                    "the value of a watch must be [from-revision [through-revision changes]], not {value}"
                ));
            }
        },
        OpKind::Cas => match value.as_ref().and_then(pair) {
            Some((expected, new)) => {
                let (expected, new) = (expected.clone(), new.clone());
                (Op::Cas { key, expected, new }, None)
            }
            None => {
                let value = argument(value);
                return Err(format!("the value of a cas must be [expected new], not {value}"));
            }
        },
        OpKind::Txn => {
            let Some(Value::List(steps)) = &value else {
                let value = argument(value);
                return Err(format!(
                    "the value of a txn must be a list of micro-operations, not {value}"
                ));
            };
            let mut micro_ops = Vec::with_capacity(steps.len());
            let mut answers = Vec::with_capacity(steps.len());
            for step in steps.iter() {
                let (micro_op, answer) = micro_operation(step)
                    .ok_or_else(|| format!("unknown micro-operation {step} (known: [r key value], [w key value], [append key value], [version key value])"))?;
                micro_ops.push(micro_op);
                answers.push(answer);
            }
            (Op::Txn { key, micro_ops }, Some(Value::list(answers)))
        }
    })
}

fn pair(value: &Value) -> Option<(&Value, &Value)> {
    match value {
        Value::List(values) => match values.as_slice() {
            [first, second] => Some((first, second)),
            _ => None,
        },
        _ => None,
    }
}

/// A micro-operation and what it answered.
fn micro_operation(step: &Value) -> Option<(MicroOp, Value)> {
    let Value::List(parts) = step else { return None };
    let (Some(Value::Text(name)), Some(key), true) = (parts.first(), parts.get(1), parts.len() <= 3) else {
        return None;
    };
    let (key, value) = (key.clone(), parts.get(2).cloned());
    match name.trim_start_matches(':') {
        "r" | "read" => Some((MicroOp::Read { key }, value.unwrap_or_default())),
        "w" | "write" => Some((MicroOp::Write { key, value: value? }, Value::Nil)),
        "version" => Some((MicroOp::Version { key }, value.unwrap_or_default())),
        "append" => Some((MicroOp::Append { key, value: value? }, Value::Nil)),
        _ => None,
    }
}

/// Whether `value` is a list of micro-operations, at least one.
fn is_transaction(value: &Value) -> bool {
    match value {
        Value::List(steps) => !steps.is_empty() && steps.iter().all(|step| micro_operation(step).is_some()),
        _ => false,
    }
}

/// The outcome of an operation that failed or whose fate is unknown.
fn ended(kind: Kind, f: &Function, value: Option<&Value>, error: Option<Value>, style: Style) -> Outcome {
    let cas_failed = kind == Kind::Fail && *f == Function::Op(OpKind::Cas);
    // Only perjury's own exports record a mismatch in this way.
    if cas_failed && let Some(current) = error.as_ref().and_then(mismatch) {
        return Outcome::mismatch(current);
    }
    if cas_failed && style.failed_cas_is_answer && value.and_then(pair).is_some() {
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

fn is_name(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.starts_with(':'))
}

/// `[:mismatch]` or `[:mismatch current]`.
fn mismatch(error: &Value) -> Option<Option<Value>> {
    match error {
        Value::List(parts) => match parts.as_slice() {
            [Value::Text(name), rest @ ..] if matches!(name.as_str(), ":mismatch" | "mismatch") => {
                (rest.len() <= 1).then(|| rest.first().cloned())
            }
            _ => None,
        },
        _ => None,
    }
}

/// The reason behind `:error`: `[:class "message"]` as perjury exports it, or anything that others wrote.
pub(crate) fn reason(error: Value) -> std::sync::Arc<Reason> {
    if let Value::List(parts) = &error
        && let [Value::Text(name), Value::Text(message)] = parts.as_slice()
        && let Some(class) = ErrorClass::ALL
            .into_iter()
            .find(|class| class.name() == name.trim_start_matches(':'))
    {
        return Reason::new(class, message.as_str());
    }
    let message = match &error {
        Value::Nil => String::new(),
        Value::Text(text) => text.to_string(),
        other => other.to_string(),
    };
    let has = |word: &str| message.contains(word);
    let class = if has("timed-out") || has("timeout") || has("timed out") {
        ErrorClass::Timeout
    } else if has("connection-refused") || has("refused") {
        ErrorClass::ConnectionRefused
    } else {
        ErrorClass::Other
    };
    Reason::new(class, message)
}

/// Adds what a completion says beyond its invocation: if a completion has arguments, they count
/// (`knossos.history/complete`).
pub(crate) fn complete(invoked: &mut Op, completed: Op) -> Result<(), String> {
    if invoked.kind() != completed.kind() {
        return Err(format!(
            "a {} was invoked, and a {} completes",
            invoked.kind(),
            completed.kind()
        ));
    }
    if !completed.key().is_nil() && completed.key() != invoked.key() {
        return Err(format!(
            "key {} was invoked, and key {} completes",
            invoked.key(),
            completed.key()
        ));
    }
    let known = |invoked: &mut Value, completed: Value| {
        if !completed.is_nil() {
            *invoked = completed;
        }
    };
    match (invoked, completed) {
        (Op::Write { value, .. }, Op::Write { value: told, .. })
        | (Op::Append { value, .. }, Op::Append { value: told, .. })
        | (Op::Add { value, .. }, Op::Add { value: told, .. })
        | (Op::Enqueue { value, .. }, Op::Enqueue { value: told, .. }) => known(value, told),
        (
            Op::Cas { expected, new, .. },
            Op::Cas {
                expected: told,
                new: new_told,
                ..
            },
        ) => {
            (*expected, *new) = (told, new_told);
        }
        (Op::Txn { micro_ops, .. }, Op::Txn { micro_ops: told, .. }) => {
            let target = |op: &MicroOp| (std::mem::discriminant(op), op.key().clone());
            if !micro_ops.iter().map(target).eq(told.iter().map(target)) {
                return Err("the micro-operations that complete are not those that were invoked".to_owned());
            }
            *micro_ops = told;
        }
        _ => {}
    }
    Ok(())
}

/// The outcome of an `ok`.
pub(crate) fn succeeded(answer: Option<Value>) -> Outcome {
    Outcome::Ok(Answer { value: answer })
}
