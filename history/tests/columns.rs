//! Histories in Parquet as others write them: what columns may be like, what they mean, and what is wrong.

#![cfg(feature = "parquet")]

use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray,
    TimestampMillisecondArray, UInt64Array,
};
use history::columns::{File, spill};
use history::formats::{read_bytes, write};
use history::{
    ErrorClass, Event, EventKind, History, Key, OPEN, Op, Operation, Outcome, Part, Process, Value,
};
use parquet::arrow::ArrowWriter;

/// Columns with their names.
type Named = Vec<(&'static str, ArrayRef)>;

/// The bytes of a file with these columns.
fn file(columns: Named) -> Vec<u8> {
    let batch = RecordBatch::try_from_iter_with_nullable(
        columns.into_iter().map(|(name, array)| (name, array, true)),
    )
    .unwrap();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn integers(cells: impl IntoIterator<Item = Option<i64>>) -> ArrayRef {
    Arc::new(cells.into_iter().collect::<Int64Array>())
}

fn texts<'a>(cells: impl IntoIterator<Item = Option<&'a str>>) -> ArrayRef {
    Arc::new(cells.into_iter().collect::<StringArray>())
}

/// Rows that write 1 and read it, with other columns in the place of some, or beside them.
fn with(others: Named) -> Vec<u8> {
    let mut columns: Named = vec![
        ("process", integers([Some(0), Some(1)])),
        ("f", texts([Some("write"), Some("read")])),
        ("value", integers([Some(1), Some(1)])),
        ("start", integers([Some(10), Some(30)])),
        ("finish", integers([Some(20), Some(40)])),
        ("outcome", texts([Some("ok"), Some("ok")])),
    ];
    for (name, array) in others {
        match columns.iter_mut().find(|(other, _)| *other == name) {
            Some(column) => column.1 = array,
            None => columns.push((name, array)),
        }
    }
    file(columns)
}

fn read(bytes: &[u8]) -> Result<History, String> {
    let read = read_bytes(bytes, Path::new("h"), None);
    read.map(|imported| imported.history)
        .map_err(|error| error.to_string())
}

fn operations(others: Named) -> Vec<Operation> {
    read(&with(others)).unwrap().operations
}

#[test]
fn a_row_is_an_operation() {
    let operations = operations(Vec::new());
    let expected = Operation {
        process: 1,
        op: Op::Read { key: Key::Nil },
        outcome: Outcome::ok_value(1.into()),
        invoked: 2,
        completed: 3,
        invoked_ns: 30,
        completed_ns: Some(40.into()),
        node: None,
    };
    assert_eq!(operations[1], expected);
    assert_eq!((operations[0].invoked, operations[0].completed), (0, 1));
}

#[test]
fn what_begins_when_another_ends_is_concurrent_with_it() {
    let operations = operations(vec![("start", integers([Some(10), Some(20)]))]);
    assert_eq!((operations[0].invoked, operations[0].completed), (0, 2));
    assert_eq!((operations[1].invoked, operations[1].completed), (1, 3));
}

#[test]
fn values_have_many_types() {
    let list = Value::list(vec![1.into(), Value::text("a")]);
    let cases: Vec<(Named, Option<Value>)> = vec![
        (
            vec![("value", Arc::new(Int32Array::from(vec![1, -5])))],
            Some((-5).into()),
        ),
        (
            vec![("value", Arc::new(UInt64Array::from(vec![1, 5])))],
            Some(5.into()),
        ),
        (
            vec![("value", Arc::new(Float64Array::from(vec![1.0, 5.0])))],
            Some(5.into()),
        ),
        (
            vec![("value", Arc::new(Float64Array::from(vec![1.0, 2.5])))],
            Some(Value::float(2.5)),
        ),
        (
            vec![("value", Arc::new(BooleanArray::from(vec![true, false])))],
            Some(Value::boolean(false)),
        ),
        (
            vec![("value", texts([Some("1"), Some("5")]))],
            Some(Value::text("5")),
        ),
        (vec![("value", integers([Some(1), None]))], None),
        (
            vec![
                ("value", integers([Some(1), None])),
                ("value_json", texts([None, Some("null")])),
            ],
            Some(Value::Nil),
        ),
        (
            vec![
                ("value", integers([Some(1), None])),
                ("value_json", texts([None, Some("[1, \"a\"]")])),
            ],
            Some(list),
        ),
        (
            vec![
                ("value", integers([Some(1), None])),
                ("answer", integers([None, Some(7)])),
            ],
            Some(7.into()),
        ),
    ];
    for (columns, expected) in cases {
        let operations = operations(columns);
        assert_eq!(operations[1].outcome.answer(), expected.as_ref());
    }
}

#[test]
fn times_are_nanoseconds_or_dates() {
    let dates = |times: [i64; 2]| Arc::new(TimestampMillisecondArray::from(times.to_vec())) as ArrayRef;
    let operations = operations(vec![("start", dates([0, 1])), ("finish", dates([1, 2]))]);
    assert_eq!(operations[1].invoked_ns, 1_000_000);
    // Dates are shown from the first event on.
    let now = 1_700_000_000_000;
    let operations = self::operations(vec![
        ("start", dates([now, now + 5])),
        ("finish", dates([now + 2, now + 6])),
    ]);
    assert_eq!(operations[1].invoked_ns, 5_000_000);
}

#[test]
fn outcomes() {
    let operations = operations(vec![
        ("f", texts([Some("cas"), Some("cas")])),
        ("expected", integers([Some(0), Some(4)])),
        ("outcome", texts([Some("fail"), Some("fail")])),
        ("mismatch", Arc::new(BooleanArray::from(vec![Some(true), None]))),
        ("answer", integers([Some(9), None])),
        ("error", texts([None, Some("timeout")])),
    ]);
    assert_eq!(operations[0].outcome, Outcome::mismatch(Some(9.into())));
    assert_eq!(operations[1].outcome, Outcome::fail(ErrorClass::Timeout, ""));

    let operations = self::operations(vec![
        ("outcome", texts([Some("info"), None])),
        ("finish", integers([Some(20), None])),
    ]);
    assert_eq!((operations[0].completed, operations[1].completed), (OPEN, OPEN));
    assert_eq!(operations[0].completed_ns, Some(20.into()));
    assert_eq!(operations[1].outcome, Outcome::unrecorded());
}

#[test]
fn a_process_that_goes_on_while_something_is_open_becomes_another() {
    let history = read(&with(vec![
        ("process", integers([Some(3), Some(3)])),
        ("outcome", texts([Some("info"), Some("ok")])),
    ]))
    .unwrap();
    assert!(history.is_renumbered);
    assert_eq!(
        (history.operations[0].process, history.operations[1].process),
        (3, 4)
    );
    assert!(
        !read(&with(vec![("process", integers([Some(3), Some(3)]))]))
            .unwrap()
            .is_renumbered
    );
}

#[test]
fn what_is_wrong_is_one_line() {
    let two = || integers([Some(1), Some(1)]);
    let cases: Vec<(Named, &str)> = vec![
        (
            vec![("f", texts([Some("write"), Some("destroy")]))],
            "row 2: there is no operation `destroy`",
        ),
        (
            vec![("f", texts([Some("write"), None]))],
            "row 2: it has no f, the name of the operation",
        ),
        (
            vec![("f", two())],
            "the column `f` is of the type Int64; texts (UTF-8) are expected",
        ),
        (
            vec![("process", integers([Some(-1), Some(0)]))],
            "row 1: the process -1 is not a number of 32 bits without a sign",
        ),
        (
            vec![("process", integers([None, Some(0)]))],
            "row 1: it has no process",
        ),
        (
            vec![("value", integers([None, None]))],
            "row 1: a write needs `value`, which is null; nil is `null` in `value_json`",
        ),
        (
            vec![("value_json", texts([Some("1"), None]))],
            "row 1: `value` and `value_json` are both given; one must be null",
        ),
        (
            vec![("answer", integers([None, Some(2)]))],
            "row 2: `value` says that 1 was answered, and `answer` 2",
        ),
        (
            vec![("key_json", texts([None, Some("{")]))],
            "row 2: `key_json` is not the JSON of a value: EOF while parsing an object at line 1 column 1",
        ),
        (
            vec![("start", integers([Some(10), Some(50)]))],
            "row 2: it finishes at 40, before it starts at 50",
        ),
        (
            vec![("start", integers([Some(-10), Some(30)]))],
            "row 1: `start` is negative: -10",
        ),
        (
            vec![("finish", integers([Some(20), None]))],
            "row 2: it is ok, but has no time at which it ended",
        ),
        (
            vec![("outcome", texts([Some("ok"), Some("OK")]))],
            "row 2: the outcome `OK` is none of ok, fail and info",
        ),
        (
            vec![("invoked", two())],
            "of the columns `invoked` and `completed` it has only one",
        ),
        (
            vec![
                ("invoked", integers([Some(0), Some(1)])),
                ("completed", integers([Some(1), Some(2)])),
            ],
            "two events are at the position 1; the columns `invoked` and `completed` count events from 0, or are left out",
        ),
        (
            vec![("value", Arc::new(Float64Array::from(vec![1e300, 1.0])))],
            "row 1: the floating-point number 1e300 is not exact; write integers",
        ),
        (
            vec![("value", Arc::new(UInt64Array::from(vec![u64::MAX, 1])))],
            "the column `value` has a number that does not fit into 64 bits with a sign",
        ),
    ];
    for (columns, expected) in cases {
        assert_eq!(read(&with(columns)).unwrap_err(), format!("h: {expected}"));
    }
    let lacking = file(vec![("process", two()), ("f", texts([None, None]))]);
    assert_eq!(
        read(&lacking).unwrap_err(),
        "h: it has no column `start`; a history in Parquet has process, f, start, finish and outcome at least"
    );
}

#[test]
fn damaged_files_are_refused_in_one_line() {
    let whole = with(Vec::new());
    for length in 0..whole.len() {
        if let Err(line) = read(&whole[..length]) {
            assert_eq!(line.lines().count(), 1, "{line}");
        }
    }
}

/// Whatever is changed in a file, a reader answers.
#[test]
fn changed_files_are_read_or_refused() {
    let whole = with(vec![("key_json", texts([Some("\"a\""), None]))]);
    for place in 0..whole.len() {
        for change in [0x01, 0x80, 0xff] {
            let mut bytes = whole.clone();
            bytes[place] ^= change;
            if let Err(line) = read_bytes(&bytes, Path::new("h"), Some("parquet")) {
                assert_eq!(line.to_string().lines().count(), 1, "{place} {line}");
            }
        }
    }
}

/// Sets, maps and forms; and every kind of operation with an answer beside what was asked.
#[test]
fn all_values_are_kept() {
    let values = [
        Value::Nil,
        Value::set(vec![2.into(), 1.into()]),
        Value::map(vec![(1.into(), Value::text("x"))]),
        Value::form(":kept"),
        Value::float(1.5),
        Value::text("1"),
        Value::text(""),
        Value::Int(i64::MIN),
    ];
    let mut events = Vec::new();
    for (number, value) in (0u64..).zip(values) {
        let op = Op::Write {
            key: value.clone(),
            value: value.clone(),
        };
        let kinds = [
            EventKind::Invoke { op, node: Some(3) },
            EventKind::Complete(Outcome::ok_value(Value::text("done"))),
        ];
        events.extend(kinds.map(|kind| Event {
            time_ns: number,
            process: Process::Client(number),
            kind,
        }));
    }
    let history = History::from_events(events).unwrap();
    let mut bytes = Vec::new();
    write(&history, "parquet", &mut bytes).unwrap();
    assert_eq!(read(&bytes).unwrap(), history);
}

/// Each row is in one run of one part, in its order, and all rows of a key are in the same one.
#[test]
fn rows_are_spilled_by_key() {
    let keys = || (0..1000).map(|row| Some(row % 37));
    let bytes = file(vec![
        ("process", integers((0..1000).map(Some))),
        ("f", texts((0..1000).map(|_| Some("write")))),
        ("key", integers(keys())),
        ("value", integers((0..1000).map(Some))),
        ("start", integers((0..1000).map(Some))),
        ("finish", integers((1..1001).map(Some))),
        ("outcome", texts((0..1000).map(|_| Some("ok")))),
    ]);
    let file = File::of_bytes(bytes).unwrap();
    let directory = std::env::temp_dir();
    let mut rows = 0;
    let mut homes = std::collections::BTreeMap::new();
    for part in ["1/3", "2/3", "3/3"] {
        let part: Part = part.parse().unwrap();
        let spilled = spill(&file, &directory, 5, Some(part)).unwrap();
        assert_eq!(spilled.survey.operations, 1000);
        for (number, run) in spilled.runs.iter().enumerate() {
            let history = run.history(0, false).unwrap();
            assert_eq!(history.operations.len() as u64, run.rows);
            rows += run.rows;
            for operation in &history.operations {
                let home = homes.entry(operation.op.key().clone()).or_insert((part, number));
                assert_eq!(*home, (part, number));
            }
            let sizes = run.keys().unwrap();
            assert_eq!(sizes.values().map(|size| size.rows).sum::<u64>(), run.rows);
            if run.rows == 0 {
                continue;
            }
            // Split again: the first key alone, the second left out, all others together.
            let mut hashes: Vec<u64> = sizes.keys().copied().collect();
            hashes.sort_unstable();
            let chosen = hashes.iter().enumerate().filter(|(at, _)| *at != 1);
            let into = chosen.map(|(at, hash)| (*hash, at.min(1)));
            let split = run.split(&directory, into).unwrap();
            assert_eq!(split[0].rows, sizes[&hashes[0]].rows);
            let left = run.rows - split.iter().map(|run| run.rows).sum::<u64>();
            assert_eq!(left, hashes.get(1).map_or(0, |hash| sizes[hash].rows));
        }
    }
    assert_eq!((rows, homes.len()), (1000, 37));
}
