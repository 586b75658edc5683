//! The histories of pingcap/chaos and TiPocket: one JSON object a line,
//! `{"action":"call","proc":1,"data":…}` and later `{"action":"return","proc":1,"data":…}`. TiPocket adds a
//! time.
//!
//! What `data` means depends on the test, which its fields tell:
//!
//! | fields of a request | test | becomes |
//! |---|---|---|
//! | `Op`, `Value` | register | reads and writes |
//! | `Op`, `Arg1`, `Arg2` | cas register | reads, writes and cas |
//! | `Op`, `From`, `To`, `Amount` | bank | transactions that read and write balances |
//! | `Kind`, `Keys` | long fork | transactions that read, or write 1 |
//!
//! The state that was dumped before the first request is what was there at first. A register that was not
//! dumped holds 0 at first, as its model says.
//!
//! Source: pingcap/chaos, `pkg/history`, `pkg/model`, `db/tidb/bank.go`, `db/tidb/long_fork.go`; TiPocket,
//! `pkg/history`.

use rustc_hash::FxHashMap;
use serde::Deserialize;

use super::intervals::{self, Interval};
use super::source::Source;
use super::{Format, ImportError, Read, Reads, Remark, instant};
use crate::units::plural;
use crate::{Doubt, ErrorClass, History, MicroOp, Ns, Op, Outcome, Times, Value};

/// The place of the first line: what was there at first takes two before it.
const FIRST: i64 = 2;

pub(super) const FORMAT: Format = Format {
    name: "chaos",
    about: "the JSON lines of pingcap/chaos and TiPocket: register, cas register, bank, long fork",
    loses: "it is only read",
    may_be_empty: false,
    initial: || Value::Nil,
    detect: |head| head.is_json() && head.first_map_has("\"action\"") && head.first_map_has("\"proc\""),
    read: Reads::Ordered(read),
    write: None,
};

#[derive(Deserialize)]
struct Line {
    action: String,
    proc: i64,
    #[serde(default)]
    time: String,
    #[serde(default)]
    data: serde_json::Value,
}

/// A request, by the test that it is of.
enum Request {
    /// Of a register.
    Single(Op),
    /// Of the bank: a read of all balances.
    Balances,
    Transfer(Transfer),
    /// Of the long fork: a transaction, and whether it writes.
    Group(Op, bool),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Transfer {
    from: i64,
    to: i64,
    amount: i64,
}

/// Every field that an answer may have.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Answer {
    unknown: bool,
    ok: bool,
    exists: Option<bool>,
    value: i64,
    tso: u64,
    balances: Option<Vec<i64>>,
    from_balance: i64,
    to_balance: i64,
    values: Option<Vec<Number>>,
}

/// A number, or none (`sql.NullInt64`).
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Number {
    int64: i64,
    valid: bool,
}

/// What was read of a file.
#[derive(Default)]
struct Log {
    intervals: Vec<Interval>,
    /// The time of each line, as far as they have one.
    times: Vec<Option<u64>>,
    /// The requests that are open, with the lines of their calls.
    open: FxHashMap<i64, (i64, Request)>,
    /// The state that was dumped before the first request.
    initial: Option<serde_json::Value>,
    /// Transfers of which it is unknown what they would have written.
    unknown_transfers: u64,
    unknown_reads: u64,
    nemesis: u64,
    late_states: u64,
    /// Whether requests are those of a plain register.
    is_register: bool,
}

fn read(source: &Source<'_>) -> Result<Read, ImportError> {
    let bytes = source.all()?;
    let mut log = Log::default();
    let mut is_called = false;
    for (number, text) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let wrong = |reason: String| source.malformed(number + 1, reason);
        log.times.push(None);
        if text.trim_ascii().is_empty() {
            continue;
        }
        let line: Line = serde_json::from_slice(text).map_err(|error| wrong(format!("no event: {error}")))?;
        let time_ns = instant::nanoseconds(&line.time).and_then(|time| u64::try_from(time).ok());
        log.times[number] = time_ns;
        match line.action.as_str() {
            "call" => {
                is_called = true;
                let request = request(&line.data).map_err(wrong)?;
                log.is_register |= matches!(request, Request::Single(_)) && line.data.get("Arg1").is_none();
                if log
                    .open
                    .insert(line.proc, (FIRST + number as i64, request))
                    .is_some()
                {
                    let proc = line.proc;
                    return Err(wrong(format!(
                        "process {proc} calls while its previous request is open"
                    )));
                }
            }
            "return" => {
                let Some((call, request)) = log.open.remove(&line.proc) else {
                    return Err(wrong(format!(
                        "process {} returns what it never called",
                        line.proc
                    )));
                };
                let answer = match line.data.is_null() {
                    true => None,
                    false => Some(
                        serde_json::from_value(line.data)
                            .map_err(|error| wrong(format!("no answer: {error}")))?,
                    ),
                };
                log.ended(line.proc, call, FIRST + number as i64, request, answer);
            }
            "dump" if !is_called => log.initial = Some(line.data).filter(|state| !state.is_null()),
            "dump" => log.late_states += 1,
            "inject" | "recover" => log.nemesis += 1,
            other => {
                return Err(wrong(format!(
                    "unknown action `{other}` (known: call, return, dump, inject, recover)"
                )));
            }
        }
    }
    let last = FIRST + log.times.len() as i64;
    for (proc, (call, request)) in std::mem::take(&mut log.open) {
        log.ended(proc, call, last, request, None);
    }
    log.finish().map_err(|reason| source.malformed(1, reason))
}

/// What a request asks for.
fn request(data: &serde_json::Value) -> Result<Request, String> {
    let number = |name: &str| data.get(name).and_then(serde_json::Value::as_i64);
    let has = |name: &str| data.get(name).is_some();
    let key = Value::Nil;
    if has("Amount") {
        return match number("Op") {
            Some(0) => Ok(Request::Balances),
            Some(1) => Transfer::deserialize(data)
                .map(Request::Transfer)
                .map_err(|error| format!("no transfer: {error}")),
            _ => Err("the Op of a bank must be 0 (read) or 1 (transfer)".to_owned()),
        };
    }
    if let (Some(kind), Some(keys)) = (
        data.get("Kind"),
        data.get("Keys").and_then(|keys| keys.as_array()),
    ) {
        let keys = keys.iter().filter_map(serde_json::Value::as_i64).map(Value::Int);
        let is_write = kind == "write";
        let micro_ops = keys.map(|key| match is_write {
            true => MicroOp::Write { key, value: 1.into() },
            false => MicroOp::Read { key },
        });
        let micro_ops = micro_ops.collect();
        return Ok(Request::Group(Op::Txn { key, micro_ops }, is_write));
    }
    let value = |name: &str| {
        number(name)
            .map(Value::Int)
            .ok_or_else(|| format!("a request has no {name}"))
    };
    let op = match (
        data.get("Op")
            .map(|op| op.as_bool().map_or(op.as_i64(), |is_write| Some(is_write.into()))),
        has("Arg1"),
    ) {
        (Some(Some(0)), _) if has("Arg1") || has("Value") => Op::Read { key },
        (Some(Some(1)), true) => Op::Write {
            key,
            value: value("Arg1")?,
        },
        (Some(Some(1)), false) if has("Value") => Op::Write {
            key,
            value: value("Value")?,
        },
        (Some(Some(2)), true) => Op::Cas {
            key,
            expected: value("Arg1")?,
            new: value("Arg2")?,
        },
        _ => {
            let fields = data
                .as_object()
                .map(|fields| fields.keys().map(String::as_str).collect::<Vec<_>>());
            return Err(format!(
                "a request with the fields {} is of a test that is not known (known: register, cas register, bank, long fork)",
                fields.unwrap_or_default().join(", ")
            ));
        }
    };
    Ok(Request::Single(op))
}

fn unknown() -> Outcome {
    Outcome::info(ErrorClass::Other, "the answer is unknown")
}

impl Log {
    fn ended(&mut self, client: i64, call: i64, returned: i64, request: Request, answer: Option<Answer>) {
        let answer = answer.unwrap_or(Answer {
            unknown: true,
            ..Answer::default()
        });
        let known = |outcome: Outcome| if answer.unknown { unknown() } else { outcome };
        let (op, outcome) = match request {
            Request::Single(op) => {
                let outcome = known(match &op {
                    Op::Read { .. } if answer.exists == Some(false) => Outcome::ok_value(Value::Nil),
                    Op::Read { .. } => Outcome::ok_value(answer.value.into()),
                    // Only of a cas does `Ok` tell something.
                    Op::Cas { .. } if !answer.ok => Outcome::mismatch(None),
                    _ => Outcome::ok(),
                });
                (op, outcome)
            }
            Request::Balances if answer.unknown || answer.balances.is_none() => {
                self.unknown_reads += 1;
                return;
            }
            Request::Balances => {
                let balances = answer.balances.as_deref().unwrap_or_default();
                let accounts =
                    (0..balances.len() as i64).map(|account| MicroOp::Read { key: account.into() });
                let saw = balances.iter().copied().map(Value::Int).collect();
                (txn(accounts.collect()), Outcome::ok_value(Value::list(saw)))
            }
            Request::Transfer(transfer) => match self.transfer(transfer, &answer) {
                Some(done) => done,
                None => {
                    self.unknown_transfers += 1;
                    return;
                }
            },
            Request::Group(op, is_write) => {
                let values = answer.values.as_deref().unwrap_or_default();
                let saw = |value: &Number| {
                    if value.valid {
                        Value::Int(value.int64)
                    } else {
                        Value::Nil
                    }
                };
                let outcome = match (answer.ok && !answer.unknown, is_write) {
                    (true, true) => Outcome::ok_value(Value::list(vec![Value::Nil])),
                    (true, false) => Outcome::ok_value(Value::list(values.iter().map(saw).collect())),
                    // Any error of a write is told so, also one behind which it may have happened.
                    (false, true) => unknown(),
                    (false, false) => Outcome::fail(ErrorClass::Other, "the read failed"),
                };
                (op, outcome)
            }
        };
        self.push(client, op, outcome, call, returned);
    }

    fn push(&mut self, client: i64, op: Op, outcome: Outcome, call_ns: i64, return_ns: i64) {
        self.intervals.push(Interval {
            client,
            op,
            outcome,
            call_ns,
            return_ns,
        });
    }

    /// What a transfer read and wrote; `None` if that is unknown.
    fn transfer(&self, transfer: Transfer, answer: &Answer) -> Option<(Op, Outcome)> {
        let Transfer { from, to, amount } = transfer;
        let read = |key: i64| MicroOp::Read { key: key.into() };
        if !answer.ok && !answer.unknown {
            let outcome = Outcome::fail(ErrorClass::Other, "the transfer was not made");
            return Some((txn(vec![read(from), read(to)]), outcome));
        }
        if from == to || answer.tso == 0 {
            return None;
        }
        let write = |key: i64, value: i64| MicroOp::Write {
            key: key.into(),
            value: value.into(),
        };
        let (before_from, before_to) = (answer.from_balance, answer.to_balance);
        let op = txn(vec![
            read(from),
            read(to),
            write(from, before_from.checked_sub(amount)?),
            write(to, before_to.checked_add(amount)?),
        ]);
        let saw = vec![before_from.into(), before_to.into(), Value::Nil, Value::Nil];
        let outcome = match answer.unknown {
            true => unknown(),
            false => Outcome::ok_value(Value::list(saw)),
        };
        Some((op, outcome))
    }

    /// The history, with what was there at first.
    fn finish(mut self) -> Result<Read, String> {
        let mut remarks: Vec<Remark> = Vec::new();
        let state = self.initial.take();
        let initial = match (&state, self.is_register) {
            (None, true) => Some((0.into(), "a register holds 0 at first, as its model says")),
            (Some(state), is_register) => Some((
                first(state, is_register)?,
                "what was dumped before the first request was there at first",
            )),
            (None, false) => None,
        };
        if let Some((value, said)) = initial {
            let op = match value {
                Value::List(balances) => txn((0..)
                    .zip(balances.iter())
                    .map(|(account, balance)| MicroOp::Write {
                        key: Value::Int(account),
                        value: balance.clone(),
                    })
                    .collect()),
                value => Op::Write {
                    key: Value::Nil,
                    value,
                },
            };
            let outcome = match &op {
                Op::Txn { micro_ops, .. } => {
                    Outcome::ok_value(Value::list(vec![Value::Nil; micro_ops.len()]))
                }
                _ => Outcome::ok(),
            };
            self.push(i64::MIN, op, outcome, 0, 1);
            remarks.push(format!("{said}: it is shown as a write before all others").into());
        }
        let counted = [
            (
                self.unknown_transfers,
                "transfer",
                "of which no one knows what they would have written were left out",
            ),
            (self.unknown_reads, "read", "without an answer were left out"),
            (
                self.late_states,
                "state",
                "that were dumped after the first request were left out",
            ),
            (self.nemesis, "line", "about faults were left out"),
        ];
        for (count, what, said) in counted {
            if count > 0 {
                remarks.push(Remark::Text(format!("{} {said}", plural(count, what))));
            }
        }
        let intervals = std::mem::take(&mut self.intervals);
        let mut history = intervals::history(intervals);
        self.tell_times(&mut history);
        if history.times == Times::Places {
            remarks.push("no line has a time: instead the lines are counted".into());
        }
        history
            .doubts
            .extend((self.unknown_transfers > 0).then_some(Doubt::UnknownAsked));
        Ok((history, remarks))
    }

    /// Gives operations the times of their lines, whose places they have so far.
    fn tell_times(&self, history: &mut History) {
        if self.times.iter().all(Option::is_none) {
            history.times = Times::Places;
        }
        let mut latest = self.times.iter().flatten().copied().next().unwrap_or(0);
        let times: Vec<u64> = (0..)
            .zip(&self.times)
            .map(|(number, time)| {
                latest = match history.times {
                    Times::Places => number * Times::EVENT_NS,
                    Times::Recorded => time.unwrap_or(latest),
                };
                latest
            })
            .collect();
        let at = |place: u64| {
            let line = place.saturating_sub(FIRST as u64) as usize;
            times.get(line).or(times.last()).copied().unwrap_or(0)
        };
        for operation in &mut history.operations {
            operation.invoked_ns = at(operation.invoked_ns);
            operation.completed_ns = operation.completed_ns.map(|line| Ns::new(at(line.get())));
        }
        history.end_ns = times.last().copied().unwrap_or(0);
    }
}

fn txn(micro_ops: Vec<MicroOp>) -> Op {
    let key = Value::Nil;
    Op::Txn { key, micro_ops }
}

/// What was there at first: a number, or the balances of all accounts. A cas register that does not exist is
/// -1.
fn first(state: &serde_json::Value, is_register: bool) -> Result<Value, String> {
    let wrong = || format!("a state must be a number or a list of balances, not {state}");
    match state {
        serde_json::Value::Array(balances) => balances
            .iter()
            .map(|balance| balance.as_i64().map(Value::Int))
            .collect::<Option<Vec<Value>>>()
            .map(Value::list)
            .ok_or_else(wrong),
        state => match state.as_i64() {
            Some(-1) if !is_register => Ok(Value::Nil),
            Some(number) => Ok(number.into()),
            None => Err(wrong()),
        },
    }
}
