//! Which columns a file has, and how they are brought into few types.
//!
//! Plain batches have columns of these types only: `Int64`, `Float64`, `Utf8`, `Boolean`; and `UInt8` for
//! what an operation is and how it ended, as codes.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Float32Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, ArrowPrimitiveType, Int64Array, RecordBatch, UInt8Array};
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};

use super::ColumnsError;
use crate::OpKind;

/// The names that outcomes have in files, by code; null is the code 0.
pub(super) const OUTCOMES: [&str; 4] = ["", "ok", "fail", "info"];

/// What a column may consist of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Integer,
    /// Nanoseconds, or a date with a time.
    Time,
    /// Integers, numbers, texts or truth values, all as they are.
    Value,
    Text,
    Truth,
    /// The name of a kind of operation.
    Function,
    Outcome,
}

/// Every column: its name, what it consists of, and whether a file must have it.
const COLUMNS: &[(&str, Kind, bool)] = &[
    ("process", Kind::Integer, true),
    ("f", Kind::Function, true),
    ("key", Kind::Value, false),
    ("key_json", Kind::Text, false),
    ("value", Kind::Value, false),
    ("value_json", Kind::Text, false),
    ("expected", Kind::Value, false),
    ("expected_json", Kind::Text, false),
    ("answer", Kind::Value, false),
    ("answer_json", Kind::Text, false),
    ("start", Kind::Time, true),
    ("finish", Kind::Time, true),
    ("outcome", Kind::Outcome, true),
    ("mismatch", Kind::Truth, false),
    ("error", Kind::Text, false),
    ("rule", Kind::Text, false),
    ("message", Kind::Text, false),
    ("node", Kind::Integer, false),
    ("invoked", Kind::Integer, false),
    ("completed", Kind::Integer, false),
];

/// The columns of a file that are used.
pub(super) struct Layout {
    /// Their places in the file, ascending.
    used: Vec<usize>,
    kinds: Vec<Kind>,
    plain: SchemaRef,
    unused: Vec<String>,
}

impl Layout {
    /// The layout of a file with this schema.
    pub fn of(schema: &Schema) -> Result<Layout, ColumnsError> {
        let mut layout = Layout {
            used: Vec::new(),
            kinds: Vec::new(),
            plain: Arc::new(Schema::empty()),
            unused: Vec::new(),
        };
        let mut fields = Vec::new();
        for (place, field) in schema.fields().iter().enumerate() {
            let Some((name, kind, _)) = COLUMNS.iter().find(|(name, ..)| name == field.name()) else {
                layout.unused.push(field.name().clone());
                continue;
            };
            // All of it is null.
            if *field.data_type() == DataType::Null {
                continue;
            }
            let plain = kind.plain(field.data_type()).ok_or_else(|| {
                let is = kind.expected();
                ColumnsError::File(format!(
                    "the column `{name}` is of the type {}; {is} expected",
                    field.data_type()
                ))
            })?;
            layout.used.push(place);
            layout.kinds.push(*kind);
            fields.push(Field::new(*name, plain, true));
        }
        let has = |wanted: &str| fields.iter().any(|field| field.name() == wanted);
        let mut required = COLUMNS.iter().filter(|(.., is_required)| *is_required);
        if let Some((name, ..)) = required.find(|(name, ..)| !has(name)) {
            return Err(ColumnsError::File(format!(
                "it has no column `{name}`; a history in Parquet has process, f, start, finish and outcome at least"
            )));
        }
        if has("invoked") != has("completed") {
            return Err(ColumnsError::File(
                "of the columns `invoked` and `completed` it has only one".to_owned(),
            ));
        }
        layout.plain = Arc::new(Schema::new(fields));
        Ok(layout)
    }

    /// The places of the columns that are used.
    pub fn used(&self) -> impl Iterator<Item = usize> + '_ {
        self.used.iter().copied()
    }

    /// The names of those that are not.
    pub fn unused(&self) -> &[String] {
        &self.unused
    }

    /// Whether the positions of events are named.
    pub fn has_positions(&self) -> bool {
        self.plain.column_with_name("invoked").is_some()
    }

    /// A batch of the used columns in the types of plain batches; `before` rows were read before.
    pub fn plain(&self, batch: &RecordBatch, before: u64) -> Result<RecordBatch, ColumnsError> {
        let columns = batch.columns().iter().zip(&self.kinds).zip(self.plain.fields());
        let columns: Result<Vec<ArrayRef>, ColumnsError> = columns
            .map(|((array, kind), field)| kind.convert(array, field.name(), before))
            .collect();
        RecordBatch::try_new(self.plain.clone(), columns?)
            .map_err(|error| ColumnsError::File(error.to_string()))
    }
}

impl Kind {
    /// The type in plain batches of a column that has this type in the file.
    fn plain(self, of: &DataType) -> Option<DataType> {
        let is_time = matches!(of, DataType::Timestamp(..));
        match (self, of) {
            (Kind::Integer | Kind::Time | Kind::Value, of) if of.is_integer() => Some(DataType::Int64),
            (Kind::Time, _) if is_time => Some(DataType::Int64),
            (Kind::Value, DataType::Float32 | DataType::Float64) => Some(DataType::Float64),
            (Kind::Value | Kind::Text, DataType::Utf8) => Some(DataType::Utf8),
            (Kind::Value | Kind::Truth, DataType::Boolean) => Some(DataType::Boolean),
            (Kind::Function | Kind::Outcome, DataType::Utf8) => Some(DataType::UInt8),
            _ => None,
        }
    }

    /// What must be there instead, for errors.
    fn expected(self) -> &'static str {
        match self {
            Kind::Integer => "integers are",
            Kind::Time => "nanoseconds as integers, or timestamps, are",
            Kind::Value => "integers, numbers, texts or truth values are",
            Kind::Text | Kind::Function | Kind::Outcome => "texts (UTF-8) are",
            Kind::Truth => "truth values are",
        }
    }

    fn convert(self, array: &ArrayRef, name: &str, before: u64) -> Result<ArrayRef, ColumnsError> {
        match array.data_type() {
            DataType::Utf8 if self == Kind::Function => codes(array, before, |text| {
                let mut kinds = OpKind::ALL.iter();
                let code = kinds.position(|kind| kind.name() == text);
                code.ok_or_else(|| format!("there is no operation `{text}`"))
            }),
            DataType::Utf8 if self == Kind::Outcome => codes(array, before, |text| {
                let code = OUTCOMES[1..].iter().position(|name| *name == text);
                let code = code.map(|code| code + 1);
                code.ok_or_else(|| format!("the outcome `{text}` is none of ok, fail and info"))
            }),
            DataType::Float32 => {
                let wide = array.as_primitive::<Float32Type>();
                Ok(Arc::new(
                    wide.unary::<_, arrow_array::types::Float64Type>(f64::from),
                ))
            }
            DataType::Int64 | DataType::Float64 | DataType::Utf8 | DataType::Boolean => Ok(array.clone()),
            other => integers(array, other)
                .map(|integers| Arc::new(integers) as ArrayRef)
                .ok_or_else(|| {
                    ColumnsError::File(format!(
                        "the column `{name}` has a number that does not fit into 64 bits with a sign"
                    ))
                }),
        }
    }
}

/// Integers and times as integers of 64 bits; `None` if one does not fit.
fn integers(array: &ArrayRef, of: &DataType) -> Option<Int64Array> {
    fn each<T: ArrowPrimitiveType>(
        array: &ArrayRef,
        convert: impl Fn(T::Native) -> Option<i64>,
    ) -> Option<Int64Array> {
        let array = array.as_primitive::<T>();
        array.try_unary(|number| convert(number).ok_or(())).ok()
    }
    let by = |factor: i64| move |number: i64| number.checked_mul(factor);
    match of {
        DataType::Int8 => each::<Int8Type>(array, |number| Some(number.into())),
        DataType::Int16 => each::<Int16Type>(array, |number| Some(number.into())),
        DataType::Int32 => each::<Int32Type>(array, |number| Some(number.into())),
        DataType::UInt8 => each::<UInt8Type>(array, |number| Some(number.into())),
        DataType::UInt16 => each::<UInt16Type>(array, |number| Some(number.into())),
        DataType::UInt32 => each::<UInt32Type>(array, |number| Some(number.into())),
        DataType::UInt64 => each::<UInt64Type>(array, |number| i64::try_from(number).ok()),
        DataType::Timestamp(TimeUnit::Second, _) => each::<TimestampSecondType>(array, by(1_000_000_000)),
        DataType::Timestamp(TimeUnit::Millisecond, _) => {
            each::<TimestampMillisecondType>(array, by(1_000_000))
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => each::<TimestampMicrosecondType>(array, by(1_000)),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => each::<TimestampNanosecondType>(array, by(1)),
        _ => each::<Int64Type>(array, Some),
    }
}

/// Texts as codes; a null is the code 0.
fn codes(
    array: &ArrayRef,
    before: u64,
    code: impl Fn(&str) -> Result<usize, String>,
) -> Result<ArrayRef, ColumnsError> {
    let mut codes = Vec::with_capacity(array.len());
    for (row, text) in array.as_string::<i32>().iter().enumerate() {
        let code = text.map_or(Ok(0), &code).map_err(|reason| ColumnsError::Row {
            row: before + row as u64 + 1,
            reason,
        })?;
        codes.push(u8::try_from(code).unwrap_or_default());
    }
    // Which rows have none is still to be seen.
    Ok(Arc::new(UInt8Array::new(codes.into(), array.nulls().cloned())))
}
