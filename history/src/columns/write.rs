//! Operations into a Parquet file.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::ColumnsError;
use crate::{Failure, Ns, Op, Operation, Outcome, Reason, Value};

/// How many operations are written at once.
const BATCH_ROWS: usize = 1 << 16;
/// How many operations are in a row group: what other programs read at once.
const GROUP_ROWS: usize = 1 << 20;

/// A column, what stands in it, and whether it is there if nothing does.
struct Column {
    name: &'static str,
    cell: Cell,
    is_required: bool,
}

#[derive(Clone, Copy)]
enum Cell {
    Integer(fn(&Operation) -> Option<i64>),
    Text(fn(&Operation) -> Option<Cow<'_, str>>),
    Truth(fn(&Operation) -> Option<bool>),
}

const fn required(name: &'static str, cell: Cell) -> Column {
    Column {
        name,
        cell,
        is_required: true,
    }
}

const fn optional(name: &'static str, cell: Cell) -> Column {
    Column {
        name,
        cell,
        is_required: false,
    }
}

/// All columns. Values that are integers stand in the column without `_json`.
const COLUMNS: &[Column] = &[
    required("process", Cell::Integer(|x| Some(x.process.into()))),
    required("f", Cell::Text(|x| Some(x.op.kind().name().into()))),
    optional("key", Cell::Integer(|x| integer(key(x)))),
    optional("key_json", Cell::Text(|x| json(key(x)))),
    optional("value", Cell::Integer(value)),
    optional("value_json", Cell::Text(value_json)),
    optional("expected", Cell::Integer(|x| integer(expected(x)))),
    optional("expected_json", Cell::Text(|x| json(expected(x)))),
    optional("answer", Cell::Integer(|x| integer(answer(x)))),
    optional("answer_json", Cell::Text(|x| json(answer(x)))),
    required("start", Cell::Integer(|x| signed(x.invoked_ns))),
    required("finish", Cell::Integer(|x| signed(x.completed_ns.map(Ns::get)?))),
    required("outcome", Cell::Text(outcome)),
    optional("mismatch", Cell::Truth(mismatch)),
    optional("error", Cell::Text(|x| Some(reason(x)?.class.name().into()))),
    optional("rule", Cell::Text(|x| told(&reason(x)?.rule))),
    optional("message", Cell::Text(|x| told(&reason(x)?.message))),
    optional("node", Cell::Integer(|x| x.node.map(i64::from))),
];

/// The positions of events.
const POSITIONS: &[Column] = &[
    required("invoked", Cell::Integer(|x| signed(x.invoked))),
    // What is open has none.
    required("completed", Cell::Integer(|x| signed(x.completed))),
];

/// A file that is being written.
pub struct Writer<W: Write + Send> {
    out: ArrowWriter<W>,
    schema: SchemaRef,
    columns: Vec<&'static Column>,
}

impl<W: Write + Send> Writer<W> {
    /// A file for operations such as these: columns in which none of them has anything are left out. Without
    /// the positions of events, their times alone order them.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn new<'a>(
        out: W,
        such_as: impl Iterator<Item = &'a Operation> + Clone,
        with_positions: bool,
    ) -> Result<Writer<W>, ColumnsError> {
        let is_used = |column: &&Column| {
            let mut operations = such_as.clone();
            column.is_required || operations.any(|operation| column.cell.is_filled(operation))
        };
        let positions = if with_positions { POSITIONS } else { &[] };
        let columns: Vec<&Column> = COLUMNS.iter().chain(positions).filter(is_used).collect();
        let field = |column: &&Column| Field::new(column.name, column.cell.data_type(), true);
        let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(GROUP_ROWS))
            .build();
        // What perjury reads is the Parquet alone, and so may others.
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true);
        let out = ArrowWriter::try_new_with_options(out, schema.clone(), options).map_err(unwritten)?;
        Ok(Writer { out, schema, columns })
    }

    /// Adds operations.
    ///
    /// # Errors
    /// When the file cannot be written, or one of them needs a column that was left out.
    pub fn push(&mut self, operations: &[Operation]) -> Result<(), ColumnsError> {
        let is_left_out = |column: &&Column| !self.columns.iter().any(|other| other.name == column.name);
        for column in COLUMNS.iter().filter(is_left_out) {
            if operations
                .iter()
                .any(|operation| column.cell.is_filled(operation))
            {
                let name = column.name;
                return Err(ColumnsError::File(format!(
                    "the file was begun without the column `{name}`"
                )));
            }
        }
        for part in operations.chunks(BATCH_ROWS) {
            let columns = self
                .columns
                .iter()
                .map(|column| column.cell.array(part))
                .collect();
            let batch = RecordBatch::try_new(self.schema.clone(), columns)
                .map_err(|error| ColumnsError::File(error.to_string()))?;
            self.out.write(&batch).map_err(unwritten)?;
        }
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn finish(self) -> Result<(), ColumnsError> {
        self.out.close().map_err(unwritten)?;
        Ok(())
    }
}

impl Cell {
    fn is_filled(self, operation: &Operation) -> bool {
        match self {
            Cell::Integer(cell) => cell(operation).is_some(),
            Cell::Text(cell) => cell(operation).is_some(),
            Cell::Truth(cell) => cell(operation).is_some(),
        }
    }

    fn data_type(self) -> DataType {
        match self {
            Cell::Integer(_) => DataType::Int64,
            Cell::Text(_) => DataType::Utf8,
            Cell::Truth(_) => DataType::Boolean,
        }
    }

    fn array(self, operations: &[Operation]) -> ArrayRef {
        let operations = operations.iter();
        match self {
            Cell::Integer(cell) => Arc::new(operations.map(cell).collect::<Int64Array>()),
            Cell::Text(cell) => Arc::new(operations.map(cell).collect::<StringArray>()),
            Cell::Truth(cell) => Arc::new(operations.map(cell).collect::<BooleanArray>()),
        }
    }
}

fn integer(value: Option<&Value>) -> Option<i64> {
    match value {
        Some(Value::Int(number)) => Some(*number),
        _ => None,
    }
}

fn json(value: Option<&Value>) -> Option<Cow<'static, str>> {
    let value = value.filter(|value| !matches!(value, Value::Int(_)))?;
    serde_json::to_string(value).ok().map(Cow::Owned)
}

fn signed(number: u64) -> Option<i64> {
    i64::try_from(number).ok()
}

fn told(text: &str) -> Option<Cow<'_, str>> {
    (!text.is_empty()).then_some(Cow::Borrowed(text))
}

fn key(operation: &Operation) -> Option<&Value> {
    Some(operation.op.key()).filter(|key| !key.is_nil())
}

/// What was asked; of what asks for nothing, what was answered.
fn asked(operation: &Operation) -> Option<&Value> {
    match &operation.op {
        Op::Write { value, .. }
        | Op::Append { value, .. }
        | Op::Add { value, .. }
        | Op::Enqueue { value, .. }
        | Op::Cas { new: value, .. } => Some(value),
        Op::Read { .. }
        | Op::Acquire { .. }
        | Op::Release { .. }
        | Op::Dequeue { .. }
        | Op::Generate { .. } => match &operation.outcome {
            Outcome::Ok(answer) => answer.value.as_ref(),
            _ => None,
        },
        Op::Watch { .. } | Op::Txn { .. } => None,
    }
}

fn value(operation: &Operation) -> Option<i64> {
    match &operation.op {
        Op::Watch { from, .. } => Some(*from),
        _ => integer(asked(operation)),
    }
}

fn value_json(operation: &Operation) -> Option<Cow<'_, str>> {
    match &operation.op {
        Op::Txn { micro_ops, .. } => serde_json::to_string(micro_ops).ok().map(Cow::Owned),
        _ => json(asked(operation)),
    }
}

fn expected(operation: &Operation) -> Option<&Value> {
    match &operation.op {
        Op::Cas { expected, .. } => Some(expected),
        _ => None,
    }
}

/// What was answered, where the column `value` says what was asked.
fn answer(operation: &Operation) -> Option<&Value> {
    match &operation.outcome {
        Outcome::Ok(_) if asked(operation) == operation.outcome.answer() => None,
        outcome => outcome.answer(),
    }
}

fn outcome(operation: &Operation) -> Option<Cow<'_, str>> {
    let is_unrecorded = || operation.outcome == Outcome::unrecorded();
    match operation.completed_ns.is_none() && is_unrecorded() {
        true => None,
        false => Some(operation.outcome.name().into()),
    }
}

fn mismatch(operation: &Operation) -> Option<bool> {
    match operation.outcome {
        Outcome::Fail(Failure::Mismatch { .. }) => Some(true),
        _ => None,
    }
}

/// The reason of a failure, unless it says nothing, or only that there was no end.
fn reason(operation: &Operation) -> Option<&Reason> {
    let reason = operation.outcome.reason()?;
    let is_plain = *reason == *Reason::new(crate::ErrorClass::Other, "");
    (outcome(operation).is_some() && !is_plain).then_some(reason)
}

fn unwritten(error: ParquetError) -> ColumnsError {
    ColumnsError::File(format!("it cannot be written: {error}"))
}
