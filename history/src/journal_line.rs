//! The JSON form of an event: one flat object, so that a journal can be read by eye, by `jq` and fast.
//!
//! `type` says what the line is: `invoke`, `ok`, `fail`, `info` for a client's operation (Jepsen's terms),
//! `nemesis-invoke` and `nemesis-complete` for the nemesis', `note` for everything else. Absent fields are
//! not written; `"value":null` means that nil was read, no `value` that nothing was answered.

use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    Aim, Answer, ErrorClass, Event, EventKind, Fact, Failure, Hold, MicroOp, NemesisAction, NemesisOp,
    NemesisOutcome, Note, Op, OpKind, Outcome, Process, Reason, Target, Value,
};

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Line {
    time_ns: u64,
    process: Process,
    #[serde(rename = "type")]
    kind: Kind,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    f: Option<OpKind>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::value::present"
    )]
    key: Option<Value>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::value::present"
    )]
    value: Option<Value>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::value::present"
    )]
    expected: Option<Value>,
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        with = "crate::value::present"
    )]
    new: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    micro_ops: Option<Vec<MicroOp>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    node: Option<u16>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    mismatch: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<ErrorClass>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    rule: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    message: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nemesis: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    action: Option<NemesisAction>,
    #[serde(default, skip_serializing_if = "Target::is_empty")]
    target: Target,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    nodes: Vec<String>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
    #[serde(default, skip_serializing_if = "Target::is_empty")]
    exact: Target,
    /// What `target` or `exact` means, for other programs. Here the text is read again, which gives the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aim: Option<Aim>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    hold: Option<Hold>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    term: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    fact: Option<Fact>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Kind {
    Invoke,
    Ok,
    Fail,
    Info,
    NemesisInvoke,
    NemesisComplete,
    Note,
}

/// What to write beside the text of a target.
fn aim(target: &Target) -> Option<Aim> {
    target.aim().filter(|_| !target.is_empty()).cloned()
}

impl Line {
    /// Says which operation is invoked.
    fn invoke(&mut self, op: Op) {
        self.kind = Kind::Invoke;
        self.f = Some(op.kind());
        let key = match op {
            Op::Read { key }
            | Op::Acquire { key }
            | Op::TryAcquire { key }
            | Op::Release { key }
            | Op::Dequeue { key }
            | Op::Generate { key } => key,
            Op::Txn { key, micro_ops } => {
                self.micro_ops = Some(micro_ops);
                key
            }
            Op::Write { key, value }
            | Op::Append { key, value }
            | Op::Add { key, value }
            | Op::Remove { key, value }
            | Op::Transfer { key, value }
            | Op::Enqueue { key, value } => {
                self.value = Some(value);
                key
            }
            Op::Watch { key, from } => {
                self.from = Some(from);
                key
            }
            Op::Cas { key, expected, new } => {
                self.expected = Some(expected);
                self.new = Some(new);
                key
            }
        };
        self.key = (!key.is_nil()).then_some(key);
    }
}

impl Serialize for Event {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        Line::from(self.clone()).serialize(s)
    }
}

impl<'de> Deserialize<'de> for Event {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        Line::deserialize(d)?.try_into().map_err(de::Error::custom)
    }
}

impl From<Event> for Line {
    fn from(event: Event) -> Line {
        let mut line = Line {
            time_ns: event.time_ns,
            process: event.process,
            kind: Kind::Note,
            f: None,
            key: None,
            value: None,
            expected: None,
            new: None,
            from: None,
            micro_ops: None,
            node: None,
            mismatch: false,
            error: None,
            rule: String::new(),
            message: String::new(),
            nemesis: None,
            action: None,
            target: Target::default(),
            nodes: Vec::new(),
            detail: String::new(),
            exact: Target::default(),
            aim: None,
            hold: None,
            note: None,
            term: None,
            fact: None,
        };
        match event.kind {
            EventKind::Invoke { op, node } => {
                line.node = node;
                line.invoke(op);
            }
            EventKind::Complete(Outcome::Ok(Answer { value })) => {
                line.kind = Kind::Ok;
                line.value = value;
            }
            EventKind::Complete(Outcome::Fail(Failure::Mismatch { current })) => {
                line.kind = Kind::Fail;
                line.mismatch = true;
                line.value = current;
            }
            EventKind::Complete(Outcome::Fail(Failure::Error(reason))) => {
                line.kind = Kind::Fail;
                line.error = Some(reason.class);
                line.rule = reason.rule.clone();
                line.message = reason.message.clone();
            }
            EventKind::Complete(Outcome::Info(reason)) => {
                line.kind = Kind::Info;
                line.error = Some(reason.class);
                line.rule = reason.rule.clone();
                line.message = reason.message.clone();
            }
            EventKind::NemesisInvoke(op) => {
                line.kind = Kind::NemesisInvoke;
                line.nemesis = Some(op.nemesis);
                line.action = Some(op.action);
                line.aim = aim(&op.target);
                line.target = op.target;
            }
            EventKind::NemesisComplete(outcome) => {
                line.kind = Kind::NemesisComplete;
                line.nodes = outcome.nodes;
                line.detail = outcome.detail;
                line.aim = aim(&outcome.exact);
                line.exact = outcome.exact;
                line.hold = Some(outcome.hold);
            }
            EventKind::Note(note) => {
                line.note = Some(note.kind.name().to_owned());
                line.nodes = [note.node].into_iter().filter(|node| !node.is_empty()).collect();
                line.term = note.term;
                line.detail = note.detail;
                line.fact = note.fact;
            }
        }
        line
    }
}

impl TryFrom<Line> for Event {
    type Error = String;

    fn try_from(line: Line) -> Result<Event, String> {
        fn need<T>(field: Option<T>, what: &str) -> Result<T, String> {
            field.ok_or_else(|| format!("the field `{what}` is missing"))
        }
        let reason = |error: Option<ErrorClass>, rule: String, message: String| {
            Arc::new(Reason {
                class: error.unwrap_or(ErrorClass::Other),
                rule,
                message,
            })
        };
        let kind = match line.kind {
            Kind::Invoke => {
                let key = line.key.unwrap_or_default();
                let value = || need(line.value, "value");
                let op = match need(line.f, "f")? {
                    OpKind::Read => Op::Read { key },
                    OpKind::Write => Op::Write { key, value: value()? },
                    OpKind::Cas => Op::Cas {
                        key,
                        expected: need(line.expected, "expected")?,
                        new: need(line.new, "new")?,
                    },
                    OpKind::Append => Op::Append { key, value: value()? },
                    OpKind::Add => Op::Add { key, value: value()? },
                    OpKind::Remove => Op::Remove { key, value: value()? },
                    OpKind::Transfer => Op::Transfer { key, value: value()? },
                    OpKind::Acquire => Op::Acquire { key },
                    OpKind::TryAcquire => Op::TryAcquire { key },
                    OpKind::Release => Op::Release { key },
                    OpKind::Enqueue => Op::Enqueue { key, value: value()? },
                    OpKind::Dequeue => Op::Dequeue { key },
                    OpKind::Generate => Op::Generate { key },
                    OpKind::Watch => Op::Watch {
                        key,
                        from: need(line.from, "from")?,
                    },
                    OpKind::Txn => Op::Txn {
                        key,
                        micro_ops: need(line.micro_ops, "micro_ops")?,
                    },
                };
                EventKind::Invoke { op, node: line.node }
            }
            Kind::Ok => EventKind::Complete(Outcome::Ok(Answer { value: line.value })),
            Kind::Fail if line.mismatch => EventKind::Complete(Outcome::mismatch(line.value)),
            Kind::Fail => EventKind::Complete(Outcome::Fail(Failure::Error(reason(
                line.error,
                line.rule,
                line.message,
            )))),
            Kind::Info => EventKind::Complete(Outcome::Info(reason(line.error, line.rule, line.message))),
            Kind::NemesisInvoke => EventKind::NemesisInvoke(NemesisOp {
                nemesis: need(line.nemesis, "nemesis")?,
                action: need(line.action, "action")?,
                target: line.target,
            }),
            Kind::NemesisComplete => EventKind::NemesisComplete(Box::new(NemesisOutcome {
                nodes: line.nodes,
                detail: line.detail,
                exact: line.exact,
                hold: need(line.hold, "hold")?,
            })),
            Kind::Note => EventKind::Note(Box::new(Note {
                kind: need(line.note, "note")?.into(),
                node: line.nodes.into_iter().next().unwrap_or_default(),
                term: line.term,
                detail: line.detail,
                fact: line.fact,
            })),
        };
        Ok(Event {
            time_ns: line.time_ns,
            process: line.process,
            kind,
        })
    }
}
