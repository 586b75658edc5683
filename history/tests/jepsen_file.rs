//! Jepsen's binary `test.jepsen`.

#[path = "support/jepsen_file.rs"]
mod support;

use std::path::Path;

use history::formats::{Imported, read_bytes};
use history::{Op, Outcome, Value};
use proptest::prelude::*;
use support::{Stream, file, results, root, small, vector};

fn read(bytes: &[u8]) -> Imported {
    read_bytes(bytes, Path::new("test.jepsen"), None).unwrap_or_else(|error| panic!("{error}"))
}

fn complaint(bytes: &[u8]) -> String {
    match read_bytes(bytes, Path::new("test.jepsen"), None) {
        Ok(imported) => panic!("{imported:?}"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_history_in_chunks() {
    let imported = read(&small(1, &Value::boolean(false)));
    assert_eq!(
        (imported.format, imported.history.operations.len()),
        ("jepsen", 2)
    );
    let read = &imported.history.operations[1];
    assert_eq!(read.outcome, Outcome::ok_value(1.into()));
    assert_eq!(
        (read.invoked_ns, read.completed_ns.map(u64::from)),
        (2_000_000, Some(3_000_000))
    );
    assert_eq!(imported.remarks, ["Jepsen itself found this test invalid".into()]);
    for (valid, said) in [
        (Value::boolean(true), "valid"),
        (Value::form(":unknown"), "unknown"),
    ] {
        let imported = self::read(&small(1, &valid));
        assert_eq!(
            imported.remarks,
            [format!("Jepsen itself found this test {said}").into()]
        );
    }
}

#[test]
fn a_history_of_version_0_is_a_list_of_maps() {
    let name = |name: &str| Value::form(name);
    let op = |kind: &str, value: Value| {
        Value::map(vec![
            (name(":process"), 0.into()),
            (name(":type"), name(kind)),
            (name(":f"), name(":cas")),
            (name(":value"), value),
            (name(":time"), 5.into()),
            (
                name(":error"),
                Value::list(vec![name(":timeout"), Value::text("late")]),
            ),
        ])
    };
    let pair = Value::list(vec![1.into(), 2.into()]);
    let mut history = Stream::default();
    history.value(&Value::list(vec![op(":invoke", pair.clone()), op(":info", pair)]));
    let imported = read(&file(0, &[(1, 2, history.bytes), (4, 2, root())]));
    let operation = &imported.history.operations[0];
    assert_eq!(
        operation.op,
        Op::Cas {
            key: Value::Nil,
            expected: 1.into(),
            new: 2.into()
        }
    );
    assert_eq!(
        operation.outcome.reason().map(|reason| reason.message.as_str()),
        Some("late")
    );
}

#[test]
fn what_cannot_be_read_says_what_to_do() {
    let whole = small(1, &Value::boolean(true));
    let mut newer = whole.clone();
    newer[9] = 2;
    let mut unfinished = whole.clone();
    unfinished[10..18].fill(0);
    let mut damaged = whole.clone();
    damaged[60] ^= 1;
    let none = Value::map(Vec::new());
    let mut odd = Stream::default();
    odd.operation(0, ":invoke", 0, ":compare", &Value::Nil, &none);
    let odd = file(1, &[(1, 4, odd.bytes), (4, 2, root())]);
    let twice = file(
        1,
        &[
            (5, 4, Vec::new()),
            (1, 5, vector(0, &[(0, 5), (0, 5)])),
            (4, 2, root()),
        ],
    );
    let circle = file(1, &[(1, 5, vector(0, &[(0, 1)])), (4, 2, root())]);
    let lost = file(1, &[(4, 2, root())]);
    let instead = "; give the history.edn beside it";
    let cases = [
        (
            newer,
            "it has version 2 of Jepsen's format, of which 0 to 1 are known",
            instead,
        ),
        (
            unfinished,
            "it has no index: the test ended before its history was written",
            instead,
        ),
        (
            damaged,
            "the block at byte 18 is damaged: its checksum differs",
            instead,
        ),
        (
            whole[..whole.len() - 1].to_vec(),
            "it ends within the block at byte ",
            instead,
        ),
        (whole[..12].to_vec(), "it ends too early", instead),
        (twice, "its history holds block 5 twice", instead),
        (circle, "its history nests in block 1", instead),
        (lost, "it has no block 1", instead),
        (odd, "operation 1: unknown operation `compare` (known: ", ""),
    ];
    for (bytes, why, instead) in cases {
        let message = complaint(&bytes);
        assert!(message.starts_with(&format!("test.jepsen: {why}")), "{message}");
        assert!(message.ends_with(instead) && !message.contains('\n'), "{message}");
    }
}

#[test]
fn nothing_grows_beyond_the_file() {
    // Lists of lists that each refer to the one before: 2^60 elements, if they were counted one by one.
    let mut stream = Stream::default();
    stream.bytes.extend([0xCD, 0xE5, 0x01]);
    for number in 0..31 {
        stream.bytes.extend([0xCD, 0xE6, 0x80 + number, 0x80 + number]);
    }
    let bytes = file(1, &[(1, 4, stream.bytes), (4, 2, root())]);
    assert!(complaint(&bytes).contains("an operation must be a map"));
    // A count that no file can hold, and a value that nests without end.
    for history in [
        vec![0xEC, 0xF8, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF],
        vec![0xED; 100_000],
    ] {
        let bytes = file(1, &[(1, 2, history), (4, 2, root())]);
        assert!(complaint(&bytes).ends_with("give the history.edn beside it"));
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<i64>().prop_map(Value::Int),
        (0_u32..64, any::<bool>()).prop_map(|(bits, sign)| {
            let number = (1_i64.wrapping_shl(bits)).wrapping_sub(1);
            Value::Int(if sign { !number } else { number })
        }),
        "[a-zé𝄞\u{0}]{0,12}".prop_map(|text| Value::text(&text)),
        any::<bool>().prop_map(Value::boolean),
        "[a-e]{1,2}".prop_map(|name| Value::form(&format!(":{name}"))),
        (1_i32..100).prop_map(|number| Value::float(f64::from(number) + 0.5)),
    ];
    leaf.prop_recursive(3, 24, 10, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..10).prop_map(Value::list),
            prop::collection::vec(inner.clone(), 0..10).prop_map(Value::set),
            prop::collection::vec((inner.clone(), inner), 0..6).prop_map(Value::map),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn values_are_read_as_they_were_written(values in prop::collection::vec(any_value(), 1..8)) {
        let none = Value::map(Vec::new());
        let mut stream = Stream::default();
        for (number, value) in (0..).zip(&values) {
            // One that is no pair, so that values are not taken for tuples.
            let value = Value::list(vec![0.into(), 0.into(), value.clone()]);
            stream.operation(2 * number, ":invoke", 0, ":write", &value, &none);
            stream.operation(2 * number + 1, ":ok", 0, ":write", &value, &none);
        }
        let bytes = file(1, &[(1, 4, stream.bytes), (2, 3, results(&Value::Nil)), (4, 2, root())]);
        let read: Vec<Value> = read(&bytes).history.operations.iter().map(|operation| match &operation.op {
            Op::Write { value: Value::List(parts), .. } => parts[2].clone(),
            other => panic!("{other}"),
        }).collect();
        prop_assert_eq!(read, values);
    }

    #[test]
    fn damaged_files_are_refused_or_read(
        which in 0_i64..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        length in any::<prop::sample::Index>(),
    ) {
        let mut bytes = small(which, &Value::Nil);
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        bytes.truncate(6 + length.index(bytes.len() * 2));
        let _ = read_bytes(&bytes, Path::new("noise"), None);
    }

    /// Behind checksums that are right, so that the values themselves are odd.
    #[test]
    fn odd_values_are_refused_or_read(bytes in prop::collection::vec(any::<u8>(), 0..60), kind in 2_u16..6) {
        let _ = read_bytes(&file(1, &[(1, kind, bytes), (4, 2, root())]), Path::new("noise"), None);
    }
}

#[test]
fn indices_count() {
    let none = Value::map(Vec::new());
    let mut stream = Stream::default();
    stream.operation(2, ":invoke", 0, ":read", &Value::Nil, &none);
    stream.operation(3, ":ok", 0, ":read", &1.into(), &none);
    stream.operation(0, ":invoke", 1, ":write", &1.into(), &none);
    stream.operation(1, ":ok", 1, ":write", &1.into(), &none);
    let imported = read(&file(1, &[(1, 4, stream.bytes), (4, 2, root())]));
    assert!(matches!(imported.history.operations[0].op, Op::Write { .. }));
}

#[test]
fn names_that_edn_cannot_hold_are_told_otherwise() {
    let none = Value::map(Vec::new());
    let mut stream = Stream::default();
    stream.operation(0, ":invoke", 0, ":write", &Value::form(":a b"), &none);
    let imported = read(&file(1, &[(1, 4, stream.bytes), (4, 2, root())]));
    let written = match &imported.history.operations[0].op {
        Op::Write { value, .. } => value.clone(),
        other => panic!("{other}"),
    };
    assert_eq!(written, Value::form("#keyword \"a b\""));
}
