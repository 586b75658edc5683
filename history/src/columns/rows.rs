//! Operations out of plain batches.
//!
//! What stands in `invoked` and `completed` of the operations are positions only if the file has some; else
//! they are times, out of which [`super::order`] makes positions.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type, UInt8Type};
use arrow_array::{
    Array, ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt8Array,
};
use arrow_schema::DataType;
use rustc_hash::FxHashMap;

use super::ColumnsError;
use super::layout::OUTCOMES;
use crate::{Answer, ErrorClass, Failure, MicroOp, Ns, OPEN, Op, OpKind, Operation, Outcome, Reason, Value};

/// How many texts are kept so that the same ones share their memory.
const SHARED_TEXTS: usize = 1 << 16;

/// Whole numbers beyond this one are not exact as floating-point numbers.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Reads rows, and knows what it has read before.
#[derive(Default)]
pub(super) struct Reader {
    texts: FxHashMap<Box<str>, Value>,
    jsons: FxHashMap<Box<str>, Value>,
    reasons: FxHashMap<[Box<str>; 3], Arc<Reason>>,
    plain_reason: Option<Arc<Reason>>,
}

impl Reader {
    /// Reads the rows of a batch, before which so many rows were read.
    pub fn read(
        &mut self,
        batch: &RecordBatch,
        before: u64,
        operations: &mut Vec<Operation>,
    ) -> Result<(), ColumnsError> {
        let columns = Columns::of(batch);
        operations.reserve(batch.num_rows());
        for row in 0..batch.num_rows() {
            let operation = self.operation(&columns, row);
            operations.push(operation.map_err(|reason| ColumnsError::Row {
                row: before + row as u64 + 1,
                reason,
            })?);
        }
        Ok(())
    }

    fn operation(&mut self, columns: &Columns<'_>, row: usize) -> Result<Operation, String> {
        let process = integer(columns.process, row).ok_or("it has no process")?;
        let process = u32::try_from(process)
            .map_err(|_| format!("the process {process} is not a number of 32 bits without a sign"))?;
        let start = time(columns.start, row, "start")?.ok_or("it has no start")?;
        let finish = time(columns.finish, row, "finish")?;
        if let Some(finish) = finish.filter(|finish| *finish < start) {
            return Err(format!("it finishes at {finish}, before it starts at {start}"));
        }
        let kind = columns.kind(row)?;
        let value = self.value(&columns.value, row);
        let (op, seen) = self.op(columns, row, kind, value)?;
        let outcome = self.outcome(columns, row, seen)?;
        let (invoked, completed) = match columns.positions {
            None => (start, finish),
            Some((invoked, completed)) => (
                time(invoked, row, "invoked")?.ok_or("it has no position `invoked`")?,
                time(completed, row, "completed")?,
            ),
        };
        let completed = match (outcome.is_info(), completed) {
            (true, _) => OPEN,
            (false, Some(completed)) if columns.positions.is_none() || completed > invoked => completed,
            (false, Some(_)) => return Err("its position `completed` is not behind `invoked`".to_owned()),
            (false, None) => {
                let which = if columns.positions.is_some() {
                    "position"
                } else {
                    "time"
                };
                return Err(format!(
                    "it is {}, but has no {which} at which it ended",
                    outcome.name()
                ));
            }
        };
        let node = columns.node.and_then(|node| integer(node, row));
        let node = node
            .map(|node| u16::try_from(node).map_err(|_| format!("there is no node {node}")))
            .transpose()?;
        Ok(Operation {
            process,
            op,
            outcome,
            invoked,
            completed,
            invoked_ns: start,
            completed_ns: finish.map(Ns::new),
            node,
        })
    }

    /// What was asked, and what the column `value` says of the answer.
    fn op(
        &mut self,
        columns: &Columns<'_>,
        row: usize,
        kind: OpKind,
        value: Result<Option<Value>, String>,
    ) -> Result<(Op, Option<Value>), String> {
        let key = self.value(&columns.key, row)?.unwrap_or_default();
        if kind == OpKind::Txn {
            let text = columns.value.json.and_then(|json| text(json, row));
            let text = text.ok_or("a txn needs its micro-operations in `value_json`")?;
            let micro_ops: Vec<MicroOp> = serde_json::from_str(text)
                .map_err(|error| format!("`value_json` is no list of micro-operations: {error}"))?;
            return Ok((Op::Txn { key, micro_ops }, None));
        }
        let value = value?;
        let need = |value: Option<Value>, name: &str| {
            value.ok_or_else(|| {
                format!("a {kind} needs `{name}`, which is null; nil is `null` in `{name}_json`")
            })
        };
        Ok(match kind {
            OpKind::Read => (Op::Read { key }, value),
            OpKind::Acquire => (Op::Acquire { key }, value),
            OpKind::Release => (Op::Release { key }, value),
            OpKind::Dequeue => (Op::Dequeue { key }, value),
            OpKind::Generate => (Op::Generate { key }, value),
            OpKind::Write => (
                Op::Write {
                    key,
                    value: need(value, "value")?,
                },
                None,
            ),
            OpKind::Append => (
                Op::Append {
                    key,
                    value: need(value, "value")?,
                },
                None,
            ),
            OpKind::Add => (
                Op::Add {
                    key,
                    value: need(value, "value")?,
                },
                None,
            ),
            OpKind::Enqueue => (
                Op::Enqueue {
                    key,
                    value: need(value, "value")?,
                },
                None,
            ),
            OpKind::Cas => {
                let expected = need(self.value(&columns.expected, row)?, "expected")?;
                (
                    Op::Cas {
                        key,
                        expected,
                        new: need(value, "value")?,
                    },
                    None,
                )
            }
            OpKind::Watch => match value {
                Some(Value::Int(from)) => (Op::Watch { key, from }, None),
                _ => return Err("a watch needs the revision from which it listens in `value`".to_owned()),
            },
            OpKind::Txn => unreachable!("it was read above"),
        })
    }

    /// How it ended; `seen` is what the column `value` says was answered.
    fn outcome(&mut self, columns: &Columns<'_>, row: usize, seen: Option<Value>) -> Result<Outcome, String> {
        let code = columns.outcome.is_valid(row).then(|| columns.outcome.value(row));
        let name = OUTCOMES[usize::from(code.unwrap_or_default())];
        Ok(match name {
            "ok" => {
                let value = match (seen, self.value(&columns.answer, row)?) {
                    (Some(seen), Some(answer)) if seen != answer => {
                        return Err(format!(
                            "`value` says that {seen} was answered, and `answer` {answer}"
                        ));
                    }
                    (seen, answer) => seen.or(answer),
                };
                Outcome::Ok(Answer { value })
            }
            "fail"
                if columns
                    .mismatch
                    .is_some_and(|column| column.is_valid(row) && column.value(row)) =>
            {
                Outcome::mismatch(self.value(&columns.answer, row)?)
            }
            "fail" => Outcome::Fail(Failure::Error(self.reason(columns, row)?)),
            "info" => Outcome::Info(self.reason(columns, row)?),
            _ => Outcome::unrecorded(),
        })
    }

    fn reason(&mut self, columns: &Columns<'_>, row: usize) -> Result<Arc<Reason>, String> {
        let texts = [columns.error, columns.rule, columns.message]
            .map(|column| column.and_then(|column| text(column, row)).unwrap_or_default());
        if texts == [""; 3] {
            let plain = self
                .plain_reason
                .get_or_insert_with(|| Reason::new(ErrorClass::Other, ""));
            return Ok(plain.clone());
        }
        let names = texts.map(Box::from);
        if let Some(known) = self.reasons.get(&names) {
            return Ok(known.clone());
        }
        let [error, rule, message] = texts;
        let class = match error {
            "" => ErrorClass::Other,
            error => ErrorClass::ALL
                .into_iter()
                .find(|class| class.name() == error)
                .ok_or_else(|| format!("there is no class of errors `{error}`"))?,
        };
        let reason = Reason::by_rule(class, rule, message);
        forget_many(&mut self.reasons);
        self.reasons.insert(names, reason.clone());
        Ok(reason)
    }

    /// The value in a row; `None` where nothing is said.
    fn value(&mut self, column: &ValueColumn<'_>, row: usize) -> Result<Option<Value>, String> {
        let plain = match &column.plain {
            Cells::Nothing => None,
            Cells::Integers(cells) => integer(cells, row).map(Value::Int),
            Cells::Texts(cells) => text(cells, row).map(|text| self.shared_text(text)),
            Cells::Truths(cells) => cells.is_valid(row).then(|| Value::boolean(cells.value(row))),
            Cells::Numbers(cells) if cells.is_valid(row) => Some(number(cells.value(row))?),
            Cells::Numbers(_) => None,
        };
        let Some(json) = column.json.and_then(|json| text(json, row)) else {
            return Ok(plain);
        };
        match plain {
            Some(_) => Err(format!(
                "`{0}` and `{0}_json` are both given; one must be null",
                column.name
            )),
            None => self.shared_json(json, column.name).map(Some),
        }
    }

    fn shared_text(&mut self, text: &str) -> Value {
        if let Some(known) = self.texts.get(text) {
            return known.clone();
        }
        forget_many(&mut self.texts);
        let value = Value::text(text);
        self.texts.insert(text.into(), value.clone());
        value
    }

    fn shared_json(&mut self, json: &str, name: &str) -> Result<Value, String> {
        if let Some(known) = self.jsons.get(json) {
            return Ok(known.clone());
        }
        let value: Value = serde_json::from_str(json)
            .map_err(|error| format!("`{name}_json` is not the JSON of a value: {error}"))?;
        forget_many(&mut self.jsons);
        self.jsons.insert(json.into(), value.clone());
        Ok(value)
    }
}

/// Makes room in what is only kept to share it.
fn forget_many<K, V>(known: &mut FxHashMap<K, V>) {
    if known.len() >= SHARED_TEXTS {
        known.clear();
    }
}

/// A whole floating-point number is an integer: programs that know no integers which may be absent write them
/// so.
fn number(number: f64) -> Result<Value, String> {
    if number.fract() != 0.0 || !number.is_finite() {
        return Ok(Value::float(number));
    }
    if number.abs() > EXACT {
        return Err(format!(
            "the floating-point number {number:e} is not exact; write integers"
        ));
    }
    // Exact, by the line above.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "a whole number of at most 53 bits"
    )]
    Ok(Value::Int(number as i64))
}

/// The columns of a plain batch.
struct Columns<'a> {
    process: &'a Int64Array,
    function: &'a UInt8Array,
    outcome: &'a UInt8Array,
    start: &'a Int64Array,
    finish: &'a Int64Array,
    key: ValueColumn<'a>,
    value: ValueColumn<'a>,
    expected: ValueColumn<'a>,
    answer: ValueColumn<'a>,
    mismatch: Option<&'a BooleanArray>,
    error: Option<&'a StringArray>,
    rule: Option<&'a StringArray>,
    message: Option<&'a StringArray>,
    node: Option<&'a Int64Array>,
    positions: Option<(&'a Int64Array, &'a Int64Array)>,
}

/// A column of values, in its two forms.
struct ValueColumn<'a> {
    name: &'static str,
    plain: Cells<'a>,
    json: Option<&'a StringArray>,
}

enum Cells<'a> {
    Nothing,
    Integers(&'a Int64Array),
    Numbers(&'a Float64Array),
    Texts(&'a StringArray),
    Truths(&'a BooleanArray),
}

impl<'a> Columns<'a> {
    fn of(batch: &'a RecordBatch) -> Columns<'a> {
        let column = |name: &str| batch.column_by_name(name);
        let integers = |name: &str| column(name).map(|array| array.as_primitive::<Int64Type>());
        let texts = |name: &str| column(name).map(|array| array.as_string::<i32>());
        let must = "a layout without it is refused";
        let values = |name: &'static str, json: &str| ValueColumn {
            name,
            plain: column(name).map_or(Cells::Nothing, Cells::of),
            json: texts(json),
        };
        Columns {
            process: integers("process").expect(must),
            function: column("f").expect(must).as_primitive::<UInt8Type>(),
            outcome: column("outcome").expect(must).as_primitive::<UInt8Type>(),
            start: integers("start").expect(must),
            finish: integers("finish").expect(must),
            key: values("key", "key_json"),
            value: values("value", "value_json"),
            expected: values("expected", "expected_json"),
            answer: values("answer", "answer_json"),
            mismatch: column("mismatch").map(|array| array.as_boolean()),
            error: texts("error"),
            rule: texts("rule"),
            message: texts("message"),
            node: integers("node"),
            positions: integers("invoked").zip(integers("completed")),
        }
    }

    fn kind(&self, row: usize) -> Result<OpKind, String> {
        match self.function.is_valid(row) {
            true => Ok(OpKind::ALL[usize::from(self.function.value(row))]),
            false => Err("it has no f, the name of the operation".to_owned()),
        }
    }
}

impl<'a> Cells<'a> {
    fn of(array: &'a ArrayRef) -> Cells<'a> {
        match array.data_type() {
            DataType::Int64 => Cells::Integers(array.as_primitive()),
            DataType::Float64 => Cells::Numbers(array.as_primitive::<Float64Type>()),
            DataType::Boolean => Cells::Truths(array.as_boolean()),
            _ => Cells::Texts(array.as_string()),
        }
    }
}

fn integer(cells: &Int64Array, row: usize) -> Option<i64> {
    cells.is_valid(row).then(|| cells.value(row))
}

fn text(cells: &StringArray, row: usize) -> Option<&str> {
    cells.is_valid(row).then(|| cells.value(row))
}

/// A time or a position, which is never negative.
fn time(cells: &Int64Array, row: usize, name: &str) -> Result<Option<u64>, String> {
    integer(cells, row)
        .map(|number| u64::try_from(number).map_err(|_| format!("`{name}` is negative: {number}")))
        .transpose()
}
