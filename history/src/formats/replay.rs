//! A history's events again, in an order in which they may have been recorded, and what Jepsen's fields say
//! of each.
//!
//! Invariant: invocations, `ok` and `fail` are in the order of their positions. Everything else (an `info`,
//! which judging never looks at, the nemesis, notes) has only a time and is put where that time belongs.

pub(crate) use super::jepsen::Kind;
use super::reasons;
use crate::{
    Event, EventKind, Failure, History, MicroOp, NemesisAction, NemesisSpan, Note, NoteKind, Ns, Op,
    Operation, Outcome, Process, Reason, Value,
};

/// One event of a history.
#[derive(Clone, Copy)]
pub(crate) struct Told<'a> {
    pub time_ns: u64,
    pub process: Process,
    pub kind: Kind,
    what: What<'a>,
}

#[derive(Clone, Copy)]
enum What<'a> {
    Operation(&'a Operation, usize),
    Nemesis(&'a NemesisSpan),
    Note(&'a (u64, Note)),
}

/// Whether operations name keys.
///
/// # Errors
/// When a key is itself a list, which a tuple cannot hold: the index of the operation.
pub(crate) fn is_keyed(history: &History) -> Result<bool, usize> {
    let is_list = |operation: &Operation| matches!(operation.op.key(), Value::List(_));
    match history.operations.iter().position(is_list) {
        Some(number) => Err(number),
        None => Ok(history
            .operations
            .iter()
            .any(|operation| !operation.op.key().is_nil())),
    }
}

/// The events of clients and nemesis.
pub(crate) fn events(history: &History) -> Vec<Told<'_>> {
    let mut events = ordered(history);
    events.retain(|event| !matches!(event.what, What::Note(_)));
    events
}

/// All events, as a journal holds them. A span of the nemesis whose outcome is unknown becomes notes.
pub(crate) fn all_events(history: &History) -> impl Iterator<Item = Event> + '_ {
    let last = history.nemesis.last();
    ordered(history).into_iter().map(move |event| {
        let kind = match (event.what, event.kind) {
            (What::Operation(operation, _), Kind::Invoke) => EventKind::Invoke {
                op: operation.op.clone(),
                node: operation.node,
            },
            (What::Operation(operation, _), _) => EventKind::Complete(operation.outcome.clone()),
            (What::Note((_, note)), _) => EventKind::Note(Box::new(note.clone())),
            (What::Nemesis(span), kind) => match (kind, &span.outcome) {
                (Kind::Info, Some(outcome)) => EventKind::NemesisComplete(Box::new(outcome.clone())),
                (Kind::Invoke, Some(_)) => EventKind::NemesisInvoke(span.op.clone()),
                (Kind::Invoke, None)
                    if span.completed_ns.is_none() && last.is_some_and(|last| std::ptr::eq(last, span)) =>
                {
                    EventKind::NemesisInvoke(span.op.clone())
                }
                _ => EventKind::Note(Box::new(Note {
                    detail: format!("{} {}", event.f(), span.op.target).trim_end().to_owned(),
                    ..Note::new(NoteKind::Nemesis)
                })),
            },
        };
        Event {
            time_ns: event.time_ns,
            process: event.process,
            kind,
        }
    })
}

fn ordered(history: &History) -> Vec<Told<'_>> {
    // The place of an event: its position, or the position before which (0) or after which (2) it comes.
    let mut places: Vec<((u64, u8), Told<'_>)> = Vec::with_capacity(history.operations.len() * 2);
    for (number, operation) in history.operations.iter().enumerate() {
        let what = What::Operation(operation, number);
        let process = Process::Client(operation.process.into());
        let invoke = Told {
            time_ns: operation.invoked_ns,
            process,
            kind: Kind::Invoke,
            what,
        };
        places.push(((operation.invoked, 1), invoke));
        if !operation.outcome.is_info() {
            let kind = if matches!(operation.outcome, Outcome::Ok(_)) {
                Kind::Ok
            } else {
                Kind::Fail
            };
            let time_ns = operation.completed_ns.map_or(operation.invoked_ns, Ns::get);
            places.push((
                (operation.completed, 1),
                Told {
                    time_ns,
                    process,
                    kind,
                    what,
                },
            ));
        }
    }
    places.sort_by_key(|(place, _)| *place);
    let mut latest = 0;
    let times: Vec<(u64, u64)> = places
        .iter()
        .map(|((position, _), event)| {
            latest = latest.max(event.time_ns);
            (latest, *position)
        })
        .collect();
    let place = |time_ns: u64| match times.get(times.partition_point(|(time, _)| *time <= time_ns)) {
        Some((_, position)) => (*position, 0),
        None => (u64::MAX, 0),
    };
    let definite = places.len();
    for (number, operation) in history.operations.iter().enumerate() {
        if let (true, Some(time_ns)) = (operation.outcome.is_info(), operation.completed_ns.map(Ns::get)) {
            let process = Process::Client(operation.process.into());
            let what = What::Operation(operation, number);
            let event = Told {
                time_ns,
                process,
                kind: Kind::Info,
                what,
            };
            places.push((place(time_ns).max((operation.invoked, 2)), event));
        }
    }
    let mut last = (0, 0);
    for span in &history.nemesis {
        let times = [
            (Kind::Invoke, Some(span.invoked_ns)),
            (Kind::Info, span.completed_ns),
        ];
        for (kind, time_ns) in times {
            let Some(time_ns) = time_ns else { continue };
            // One nemesis acts after the other, whatever its clock says.
            last = place(time_ns).max(last);
            places.push((
                last,
                Told {
                    time_ns,
                    process: Process::Nemesis,
                    kind,
                    what: What::Nemesis(span),
                },
            ));
        }
    }
    for note in &history.notes {
        let what = What::Note(note);
        let event = Told {
            time_ns: note.0,
            process: Process::Nemesis,
            kind: Kind::Info,
            what,
        };
        places.push((place(note.0), event));
    }
    if places.len() > definite {
        places.sort_by_key(|(place, _)| *place);
    }
    places.into_iter().map(|(_, event)| event).collect()
}

impl<'a> Told<'a> {
    /// The client operation that it is about, with its index.
    pub fn operation(&self) -> Option<(&'a Operation, usize)> {
        match self.what {
            What::Operation(operation, number) => Some((operation, number)),
            _ => None,
        }
    }

    /// The field `f`.
    pub fn f(&self) -> String {
        match self.what {
            What::Operation(operation, _) => operation.op.kind().name().to_owned(),
            What::Note(_) => "note".to_owned(),
            What::Nemesis(span) => {
                let action = match span.op.action {
                    NemesisAction::Start => "start",
                    NemesisAction::Stop => "stop",
                };
                let is_plain = |character: char| character.is_ascii_alphanumeric() || character == '-';
                match span.op.nemesis.as_str() {
                    "" | "nemesis" => action.to_owned(),
                    name => format!("{action}-{}", name.replace(|character| !is_plain(character), "-")),
                }
            }
        }
    }

    /// The field `type`, by name. Everything that the nemesis does is `info`.
    pub fn type_name(&self) -> &'static str {
        match (self.process, self.kind) {
            (Process::Nemesis, _) | (_, Kind::Info) => "info",
            (_, Kind::Invoke) => "invoke",
            (_, Kind::Ok) => "ok",
            (_, Kind::Fail) => "fail",
        }
    }

    /// The field `value`, which is absent if a completed read has no value. `keyword` writes a name.
    pub fn value(&self, keyed: bool, keyword: fn(&str) -> Value) -> Option<Value> {
        let operation = match self.what {
            What::Operation(operation, _) => operation,
            What::Note((_, note)) => return Some(Value::text(&note.detail)),
            What::Nemesis(span) => {
                let detail = match (self.kind, &span.outcome) {
                    (Kind::Info, Some(outcome)) => outcome.detail.as_str(),
                    _ => span.op.target.as_str(),
                };
                return Some(if detail.is_empty() {
                    Value::Nil
                } else {
                    Value::text(detail)
                });
            }
        };
        let answer = match (&operation.outcome, self.kind) {
            (Outcome::Ok(answer), Kind::Ok) => Some(&answer.value),
            _ => None,
        };
        let value = match &operation.op {
            Op::Read { .. }
            | Op::Acquire { .. }
            | Op::TryAcquire { .. }
            | Op::Release { .. }
            | Op::Dequeue { .. }
            | Op::Generate { .. } => match answer {
                None => Some(Value::Nil),
                Some(answer) => answer.clone(),
            },
            Op::Write { value, .. }
            | Op::Append { value, .. }
            | Op::Add { value, .. }
            | Op::Remove { value, .. }
            | Op::Transfer { value, .. }
            | Op::Enqueue { value, .. } => Some(value.clone()),
            Op::Watch { from, .. } => {
                let heard = answer.and_then(Clone::clone).unwrap_or_default();
                Some(Value::list(vec![Value::Int(*from), heard]))
            }
            Op::Cas { expected, new, .. } => Some(Value::list(vec![expected.clone(), new.clone()])),
            Op::Txn { micro_ops, .. } => {
                let answers = match answer {
                    Some(Some(Value::List(answers))) => answers.as_slice(),
                    _ => &[],
                };
                let step = |(number, micro_op): (usize, &MicroOp)| {
                    let (name, key, value) = match micro_op {
                        MicroOp::Read { key } => ("r", key, answers.get(number).unwrap_or(&Value::Nil)),
                        MicroOp::Version { key } => {
                            ("version", key, answers.get(number).unwrap_or(&Value::Nil))
                        }
                        MicroOp::Write { key, value } => ("w", key, value),
                        MicroOp::Append { key, value } => ("append", key, value),
                    };
                    Value::list(vec![keyword(name), key.clone(), value.clone()])
                };
                Some(Value::list(micro_ops.iter().enumerate().map(step).collect()))
            }
        };
        if keyed {
            let key = operation.op.key().clone();
            return Some(Value::list(vec![key, value.unwrap_or_default()]));
        }
        value
    }

    /// The field `error`.
    pub fn error(&self, keyword: fn(&str) -> Value) -> Option<Value> {
        let (operation, _) = self.operation()?;
        match (&operation.outcome, self.kind) {
            (_, Kind::Invoke) | (Outcome::Ok(_), _) => None,
            (Outcome::Fail(Failure::Mismatch { current }), _) => {
                let parts = std::iter::once(keyword("mismatch")).chain(current.clone());
                Some(Value::list(parts.collect()))
            }
            (Outcome::Fail(Failure::Error(reason)) | Outcome::Info(reason), _) => {
                let plain = if reason.message.is_empty() {
                    Value::Nil
                } else {
                    Value::text(&reason.message)
                };
                if *reasons::reason(plain.clone()) == Reason::clone(reason) {
                    return Some(plain).filter(|plain| !plain.is_nil());
                }
                let message = Value::text(&reason.message);
                Some(Value::list(vec![keyword(reason.class.name()), message]))
            }
        }
    }
}
