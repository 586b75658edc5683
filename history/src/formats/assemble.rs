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
//! - A drain that returned n elements becomes n dequeues, each as long as the drain, by n separate processes.
//! - The nemesis' operations are all `info`: the first of a name begins a span, the second ends it. Its value
//!   becomes the span's target; whether the fault took hold is unknown, so the span has no outcome.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::Remark;
use super::jepsen::{self, Record, What};
use crate::{
    Event, EventKind, History, HistoryBuilder, HistoryError, Key, NemesisAction, NemesisOp, NemesisSpan,
    OPEN, Op, Operation, Outcome, Process, Value,
};

/// The first number for processes that the file does not name; the numbers are made small at the end.
const INVENTED: u64 = 1 << 31;

/// Time between events of a file without times, nanoseconds.
const STEP_NS: u64 = 1_000_000;

/// Takes records in the order of the file.
#[derive(Debug, Default)]
pub(crate) struct Assembler {
    builder: HistoryBuilder,
    records: u64,
    last_ns: Option<u64>,
    timeless: u64,
    /// The number under which a process continues after an `info`.
    renamed: FxHashMap<u64, u64>,
    invented: u64,
    reused: u64,
    draining: FxHashMap<u64, Drain>,
    drains: Vec<(Drain, Vec<Value>, u64, u64)>,
    empty_drains: u64,
    acting: Option<usize>,
    nil_reads: u64,
    /// The fields that are not used, with their counts.
    pub ignored_fields: BTreeMap<String, u64>,
    /// Lines that are not operations.
    pub other_lines: u64,
}

#[derive(Debug)]
struct Drain {
    line: usize,
    key: Key,
    invoked: u64,
    invoked_ns: u64,
}

impl Assembler {
    /// Takes the next record.
    ///
    /// # Errors
    /// When the record cannot follow those before it; the reason does not name the line.
    pub fn push(&mut self, record: Record) -> Result<(), String> {
        let time_ns = self.time(record.time_ns);
        self.records += 1;
        match record.what {
            What::Invoke { process, op } => {
                let process = self.begin(process)?;
                self.event(time_ns, process, EventKind::Invoke { op, node: None })
            }
            What::Ok { process, op, answer } => {
                let process = self.current(process);
                if let (Some(open), Some(op)) = (self.builder.open_operation(process), op) {
                    jepsen::complete(&mut open.op, op)?;
                    self.nil_reads +=
                        u64::from(matches!(open.op, Op::Read { .. }) && answer == Some(Value::Nil));
                }
                self.event(time_ns, process, EventKind::Complete(jepsen::succeeded(answer)))
            }
            What::End { process, outcome } => {
                let process = self.current(process);
                if let Some(drain) = self.draining.remove(&process) {
                    return match outcome {
                        Outcome::Info(_) => Err(unknown_drain(drain.line)),
                        _ => Ok(()),
                    };
                }
                self.event(time_ns, process, EventKind::Complete(outcome))
            }
            What::InvokeDrain { process, key } => {
                let process = self.begin(process)?;
                if self.builder.open_operation(process).is_some() {
                    return Err(overlap(process));
                }
                let invoked = self.builder.position();
                let drain = Drain {
                    line: record.line,
                    key,
                    invoked,
                    invoked_ns: time_ns,
                };
                self.draining.insert(process, drain);
                Ok(())
            }
            What::OkDrain { process, elements } => {
                let process = self.current(process);
                let drain = self.draining.remove(&process).ok_or_else(|| orphan(process))?;
                let elements = match elements {
                    Value::List(elements) => elements.to_vec(),
                    other => return Err(format!("a drain must return a list of elements, not {other}")),
                };
                self.empty_drains += u64::from(elements.is_empty());
                self.drains
                    .push((drain, elements, self.builder.position(), time_ns));
                Ok(())
            }
            What::Nemesis { name, detail } => {
                self.nemesis(time_ns, &name, &detail);
                Ok(())
            }
        }
    }

    /// The history and the remarks about it.
    ///
    /// # Errors
    /// When it ends in the middle of a drain: the line of the drain and the reason.
    pub fn finish(mut self, keyed: bool) -> Result<(History, Vec<Remark>), (usize, String)> {
        if let Some(line) = self.draining.values().map(|drain| drain.line).min() {
            return Err((line, unknown_drain(line)));
        }
        let remarks = self.remarks(keyed && self.builder.position() > 0);
        let mut history = self.builder.finish();
        history.end_ns = history.end_ns.max(self.last_ns.unwrap_or(0));
        history.is_timeless = self.timeless > 0 && self.timeless == self.records;
        history.is_renumbered = self.reused > 0;
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

    fn remarks(&self, keyed: bool) -> Vec<Remark> {
        let mut remarks = Vec::new();
        if keyed {
            remarks
                .push("every value is a [key value] tuple, so that keys are taken to be independent".into());
        }
        if self.reused > 0 {
            remarks.push(Remark::Text(format!(
                "{} times a process continued after an info; what follows is attributed to a new process",
                self.reused
            )));
        }
        if !self.drains.is_empty() {
            let elements: usize = self.drains.iter().map(|(_, elements, ..)| elements.len()).sum();
            let empty = match self.empty_drains {
                0 => String::new(),
                empty => format!("; {empty} returned nothing and were left out"),
            };
            remarks.push(Remark::Text(format!(
                "{} drains became {elements} dequeues{empty}",
                self.drains.len()
            )));
        }
        if self.nil_reads > 0 {
            remarks.push(Remark::NilReads(self.nil_reads));
        }
        if self.timeless > 0 {
            remarks.push(if self.timeless == self.records {
                "no operation has a time: events are shown one millisecond apart, in their order".into()
            } else {
                "not every operation has a time: the others take the time before them".into()
            });
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
                _ => self.records.saturating_mul(STEP_NS),
            }
        });
        self.last_ns = Some(time_ns);
        time_ns
    }

    /// The number under which `process` begins an operation.
    fn begin(&mut self, process: u64) -> Result<u64, String> {
        if process >= INVENTED {
            return Err(format!("the process number {process} is too large"));
        }
        let current = self.current(process);
        if self.draining.contains_key(&current) {
            return Err(overlap(process));
        }
        if !self.builder.is_retired(current) {
            return Ok(current);
        }
        let number = INVENTED + self.invented;
        self.invented += 1;
        self.reused += 1;
        self.renamed.insert(process, number);
        Ok(number)
    }

    fn current(&self, process: u64) -> u64 {
        if self.renamed.is_empty() {
            return process;
        }
        self.renamed.get(&process).copied().unwrap_or(process)
    }

    fn event(&mut self, time_ns: u64, process: u64, kind: EventKind) -> Result<(), String> {
        let shown = if process < INVENTED {
            process
        } else {
            let renamed = self.renamed.iter().find(|(_, number)| **number == process);
            renamed.map_or(process, |(process, _)| *process)
        };
        let event = Event {
            time_ns,
            process: Process::Client(process),
            kind,
        };
        self.builder.push(event).map_err(|error| match error {
            HistoryError::Overlap { .. } => overlap(shown),
            HistoryError::Orphan { .. } => orphan(shown),
            HistoryError::Number { .. } => format!("the process number {shown} is too large"),
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

/// Puts the dequeues of drains into the history. Later positions are shifted to make room for the additional
/// ones, so that all positions stay distinct.
fn expand(history: &mut History, drains: Vec<(Drain, Vec<Value>, u64, u64)>, invented: &mut u64) {
    if drains.is_empty() {
        return;
    }
    // A drain took no position: n dequeues need n positions before its invocation point, n before its end.
    let mut room: Vec<(u64, u64)> = Vec::with_capacity(drains.len() * 2);
    for (drain, elements, completed, _) in &drains {
        room.push((drain.invoked, elements.len() as u64));
        room.push((*completed, elements.len() as u64));
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
    // Several drains may begin or end at the same position: each takes its own part of the room there.
    let mut taken: FxHashMap<u64, u64> = FxHashMap::default();
    let mut place = |position: u64, count: u64| {
        let before = match room.partition_point(|(at, _)| *at < position) {
            0 => 0,
            number => sums[number - 1],
        };
        let taken = taken.entry(position).or_default();
        *taken += count;
        position + before + *taken - count
    };
    // Invocations come first: a drain that ends where another begins then stays concurrent with it, which
    // widens both.
    let starts: Vec<u64> = drains
        .iter()
        .map(|(drain, elements, ..)| place(drain.invoked, elements.len() as u64))
        .collect();
    for ((drain, elements, completed, completed_ns), start) in drains.into_iter().zip(starts) {
        let end = place(completed, elements.len() as u64);
        for (number, element) in (0u64..).zip(elements) {
            history.operations.push(Operation {
                // Memory holds fewer elements than there are numbers.
                process: (INVENTED + *invented) as u32,
                op: Op::Dequeue {
                    key: drain.key.clone(),
                },
                outcome: Outcome::ok_value(element),
                invoked: start + number,
                completed: end + number,
                invoked_ns: drain.invoked_ns,
                completed_ns: Some(completed_ns.into()),
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

fn overlap(process: u64) -> String {
    format!("process {process} invokes while its previous operation is still open")
}

fn orphan(process: u64) -> String {
    format!("process {process} completes an operation that it never invoked, or has completed before")
}

fn unknown_drain(line: usize) -> String {
    format!("it is unknown what the drain in line {line} took, so it cannot be expressed as dequeues")
}
