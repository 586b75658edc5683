//! Reports of etcd's robustness tests. What a store really did is never accused: a small store of its own is
//! asked at random, and every key of what is read from its report is linearizable, by brute force.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use history::formats::{Imported, read, read_bytes};
use history::{OPEN, Op, Operation, Outcome, Value};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

fn report(requests: &[Json]) -> Imported {
    // Each over several lines, one after the other, as etcd writes them.
    let text: Vec<String> = requests
        .iter()
        .map(|request| serde_json::to_string_pretty(request).unwrap())
        .collect();
    read_bytes(text.join("\n").as_bytes(), Path::new("operations.json"), None)
        .unwrap_or_else(|error| panic!("{error}"))
}

fn request(client: i64, call: i64, returned: i64, input: &Json, output: &Json) -> Json {
    json!({"ClientId": client, "Input": input, "Call": call, "Output": output, "Return": returned, "Metadata": output})
}

fn put(key: &str, value: &str) -> Json {
    json!({"Type": "put-operation", "Range": {"Start": "", "End": "", "Limit": 0, "KeysOnly": false},
           "Put": {"Key": key, "Value": {"Value": value}, "LeaseID": 0}, "Delete": {"Key": ""}})
}

fn delete(key: &str) -> Json {
    json!({"Type": "delete-operation", "Delete": {"Key": key}})
}

fn range(start: &str, end: &str) -> Json {
    json!({"Type": "range-operation", "Range": {"Start": start, "End": end}})
}

fn txn(conditions: &[(&str, i64)], success: &[Json], failure: &[Json]) -> Json {
    let conditions: Vec<Json> = conditions
        .iter()
        .map(|(key, revision)| json!({"Key": key, "ExpectedRevision": revision, "ExpectedVersion": 0}))
        .collect();
    json!({"Type": "txn", "LeaseGrant": null, "Range": null,
           "Txn": {"Conditions": conditions, "OperationsOnSuccess": success, "OperationsOnFailure": failure}})
}

fn get(key: &str) -> Json {
    json!({"Type": "range", "Range": {"Start": key, "End": "", "Limit": 0, "KeysOnly": false, "Revision": 0}})
}

fn kvs(pairs: &[(&str, &str, i64)]) -> Json {
    let pairs: Vec<Json> = pairs
        .iter()
        .map(|(key, value, revision)| json!({"Key": key, "Value": {"Value": value}, "ModRevision": revision, "Version": 1}))
        .collect();
    json!({"KVs": pairs, "Count": pairs.len()})
}

fn found(pairs: &[(&str, &str, i64)], revision: i64) -> Json {
    json!({"Range": kvs(pairs), "Txn": null, "Revision": revision, "member-id": "1"})
}

fn committed(is_failure: bool, results: &[Json], revision: i64) -> Json {
    json!({"Txn": {"Failure": is_failure, "Results": results}, "Revision": revision})
}

fn nothing() -> Json {
    json!({"KVs": null, "Count": 0, "Deleted": 0})
}

fn told(imported: &Imported) -> Vec<String> {
    let operations = imported.history.operations.iter();
    operations
        .map(|operation| match operation.outcome.answer() {
            Some(answer) => format!("{} {} {answer}", operation.op, operation.outcome.name()),
            None => format!("{} {}", operation.op, operation.outcome.name()),
        })
        .collect()
}

fn remarks(imported: &Imported) -> String {
    let remarks: Vec<String> = imported.remarks.iter().map(ToString::to_string).collect();
    remarks.join("\n")
}

#[test]
fn requests_become_what_they_say_of_each_key() {
    let long = "a value of more than nineteen bytes";
    let cases: Vec<(Json, Json, &[&str])> = vec![
        (
            txn(&[], &[put("a", "1")], &[]),
            committed(false, &[nothing()], 2),
            &["write(\"a\", \"1\") ok"],
        ),
        // A result is not needed for a put.
        (
            txn(&[], &[put("a", "1")], &[]),
            committed(false, &[], 2),
            &["write(\"a\", \"1\") ok"],
        ),
        (get("a"), found(&[], 1), &["read(\"a\") ok nil"]),
        (get("a"), found(&[("a", "1", 2)], 2), &["read(\"a\") ok \"1\""]),
        (
            txn(&[], &[delete("a")], &[]),
            committed(false, &[json!({"Deleted": 1})], 2),
            &["write(\"a\", nil) ok"],
        ),
        (
            txn(&[], &[delete("a")], &[]),
            committed(false, &[nothing()], 1),
            &["read(\"a\") ok nil"],
        ),
        (
            txn(&[("a", 0)], &[put("a", "1")], &[]),
            committed(false, &[nothing()], 2),
            &["cas(\"a\", nil -> \"1\") ok"],
        ),
        (
            txn(&[("a", 0)], &[put("a", "1")], &[range("a", "")]),
            committed(true, &[kvs(&[("a", "0", 2)])], 2),
            &["cas(\"a\", nil -> \"1\") fail", "read(\"a\") ok \"0\""],
        ),
        // No answer tells which value has that revision.
        (
            txn(&[("a", 7)], &[put("a", "1")], &[]),
            committed(false, &[nothing()], 8),
            &["write(\"a\", \"1\") ok"],
        ),
        (
            txn(&[("a", 7)], &[put("a", "1")], &[]),
            committed(true, &[], 8),
            &[],
        ),
        (
            txn(&[("a", 0)], &[put("a", "1"), put("b", "2")], &[]),
            json!({"Error": "context deadline exceeded"}),
            &["cas(\"a\", nil -> \"1\") info", "write(\"b\", \"2\") info"],
        ),
        (get("a"), json!({"Error": "context deadline exceeded"}), &[]),
        (
            json!({"Type": "compact", "Compact": {"Revision": 3}}),
            json!({"Compact": {}, "Revision": -1}),
            &[],
        ),
        (
            json!({"Type": "defragment", "Defragment": {}}),
            json!({"Defragment": {}}),
            &[],
        ),
        // An older revision is no answer about now.
        (
            json!({"Type": "range", "Range": {"Start": "a", "Revision": 3}}),
            found(&[("a", "1", 2)], 9),
            &[],
        ),
        (
            json!({"Type": "range", "Range": {"Start": "a", "End": "b", "KeysOnly": true}}),
            found(&[("a", "", 2)], 9),
            &[],
        ),
        // A long value is known by its hash.
        (
            txn(&[], &[put("a", long), range("a", "")], &[]),
            committed(
                false,
                &[
                    nothing(),
                    json!({"KVs": [{"Key": "a", "Value": {"Hash": 1_021_239_865_u32}}], "Count": 1}),
                ],
                2,
            ),
            &[
                "write(\"a\", :hash-1021239865) ok",
                "read(\"a\") ok :hash-1021239865",
            ],
        ),
    ];
    for (input, output, expected) in cases {
        let imported = report(&[request(0, 10, 20, &input, &output)]);
        assert_eq!(imported.format, "etcd-report");
        assert_eq!(told(&imported), expected, "{input}");
    }
}

#[test]
fn a_range_says_what_is_not_there() {
    let list = |start: &str, end: &str| json!({"Type": "range", "Range": {"Start": start, "End": end, "Revision": 0}});
    let write = |key: &str| {
        request(
            1,
            0,
            5,
            &txn(&[], &[put(key, "0")], &[]),
            &committed(false, &[nothing()], 2),
        )
    };
    let before = [write("a"), write("b"), write("c")];
    let cut =
        json!({"Range": {"KVs": [{"Key": "b", "Value": {"Value": "1"}, "ModRevision": 2}], "Count": 2}});
    let cases = [
        (
            list("a", "c"),
            found(&[("b", "1", 2)], 3),
            vec!["read(\"a\") ok nil", "read(\"b\") ok \"1\""],
        ),
        (
            list("b", "\0"),
            found(&[("b", "1", 2)], 3),
            vec!["read(\"b\") ok \"1\"", "read(\"c\") ok nil"],
        ),
        // There is one more, which may be c.
        (
            list("a", "\0"),
            cut,
            vec!["read(\"a\") ok nil", "read(\"b\") ok \"1\""],
        ),
    ];
    for (input, output, expected) in cases {
        let mut requests = before.to_vec();
        requests.push(request(0, 10, 20, &input, &output));
        let imported = report(&requests);
        assert_eq!(told(&imported)[3..], expected, "{input}");
        assert!(
            remarks(&imported).contains("1 request touch several keys"),
            "{}",
            remarks(&imported)
        );
    }
}

#[test]
fn a_revision_stands_for_its_value() {
    let seen = |value: &str| request(0, 0, 5, &get("a"), &found(&[("a", value, 4)], 4));
    let swap = |is_failure: bool| {
        request(
            0,
            10,
            20,
            &txn(&[("a", 4)], &[put("a", "2")], &[]),
            &committed(is_failure, &[nothing()], 5),
        )
    };
    assert_eq!(
        told(&report(&[seen("1"), swap(false)]))[1],
        "cas(\"a\", \"1\" -> \"2\") ok"
    );
    assert_eq!(
        told(&report(&[seen("1"), swap(true)]))[1],
        "cas(\"a\", \"1\" -> \"2\") fail"
    );
    // A value that is put twice may be there in another revision.
    let again = request(
        3,
        0,
        5,
        &txn(&[], &[put("a", "1")], &[]),
        &json!({"Error": "lost"}),
    );
    assert_eq!(
        told(&report(&[again.clone(), again, seen("1"), swap(true)])).len(),
        3
    );
    // Answers that differ about a revision tell nothing of its value.
    assert_eq!(
        told(&report(&[seen("1"), seen("3"), swap(false)]))[2],
        "write(\"a\", \"2\") ok"
    );
}

#[test]
fn a_lease_may_delete_each_of_its_keys() {
    let mut leased = put("a", "1");
    leased["Put"]["LeaseID"] = json!(9);
    let put = request(
        0,
        10,
        20,
        &txn(&[], &[leased], &[]),
        &committed(false, &[nothing()], 2),
    );
    let revoke = |output: Json| {
        request(
            0,
            30,
            40,
            &json!({"Type": "leaseRevoke", "LeaseRevoke": {"LeaseID": 9}}),
            &output,
        )
    };
    let from = |requests: &[Json]| {
        let imported = report(requests);
        assert!(
            remarks(&imported).contains("1 key were put with a lease"),
            "{}",
            remarks(&imported)
        );
        let deleted = &imported.history.operations;
        let deleted: Vec<&Operation> = deleted
            .iter()
            .filter(|operation| operation.outcome.is_info())
            .collect();
        assert_eq!(deleted.len(), 1);
        assert_eq!(
            deleted[0].op,
            Op::Write {
                key: Value::text("a"),
                value: Value::Nil
            }
        );
        deleted[0].invoked_ns
    };
    // It may expire; one that was revoked had not expired before.
    assert_eq!(from(std::slice::from_ref(&put)), 10);
    assert_eq!(from(&[put.clone(), revoke(json!({"Error": "lost"}))]), 10);
    assert_eq!(
        from(&[put, revoke(json!({"LeaseRevoke": {}, "Revision": 3}))]),
        30
    );
}

#[test]
fn the_operations_of_all_clients_belong_together() {
    let dir = tempfile::tempdir().unwrap();
    let text = |request: &Json| serde_json::to_string_pretty(request).unwrap();
    for (client, request) in [
        (
            "client-1",
            request(
                1,
                0,
                5,
                &txn(&[], &[put("a", "1")], &[]),
                &committed(false, &[nothing()], 2),
            ),
        ),
        (
            "client-2",
            request(2, 10, 15, &get("a"), &found(&[("a", "1", 2)], 2)),
        ),
    ] {
        fs::create_dir_all(dir.path().join(client)).unwrap();
        fs::write(dir.path().join(client).join("operations.json"), text(&request)).unwrap();
    }
    fs::create_dir_all(dir.path().join("server-0/member")).unwrap();
    let imported = read(dir.path(), None).unwrap();
    assert_eq!(
        told(&imported),
        ["write(\"a\", \"1\") ok", "read(\"a\") ok \"1\""]
    );
    assert!(remarks(&imported).contains("operations.json of 2 clients was read"));
    let error = read(&dir.path().join("client-1/operations.json"), None)
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("it holds what one of several clients did; give the directory of the whole report, "),
        "{error}"
    );
}

#[test]
fn other_operations_of_porcupine_are_refused() {
    for (text, expected) in [
        (
            r#"{"ClientId":0,"Input":{"Op":1},"Call":0,"Output":{},"Return":1}"#,
            "o:1: the input of this operation is no request of etcd's (Type \"\"); of Porcupine's operations, only those of etcd's \
             robustness tests are known",
        ),
        (
            "{\"ClientId\":0,\n\"Input\":{\"Type\":\"compact\"},\"Call\":3,\"Return\":1}",
            "o:1: the operation returns before it is called",
        ),
        (
            "{\"ClientId\":0,\n\"Input\":{\"Type\":\"compact\"},\"Call\":3,\"Return\":4}\n{\"ClientId\":",
            "o:3: no operation: EOF while parsing",
        ),
    ] {
        let error = read_bytes(text.as_bytes(), Path::new("o"), None)
            .unwrap_err()
            .to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}

/// Whether some order of the operations explains every answer: depth first, with each state of a register
/// that begins with nil.
fn is_linearizable(operations: &[&Operation]) -> bool {
    fn next(left: &mut Vec<&Operation>, state: &Value) -> bool {
        if left.iter().all(|operation| operation.completed == OPEN) {
            return true;
        }
        let first_end = left
            .iter()
            .map(|operation| operation.completed)
            .min()
            .unwrap_or(OPEN);
        for at in 0..left.len() {
            let operation = left[at];
            if operation.invoked > first_end {
                continue;
            }
            let after = match (&operation.op, &operation.outcome) {
                (Op::Read { .. }, outcome) => (outcome.answer() == Some(state)).then(|| state.clone()),
                (Op::Write { value, .. }, _) => Some(value.clone()),
                (Op::Cas { expected, .. }, Outcome::Fail(_)) => (expected != state).then(|| state.clone()),
                (Op::Cas { expected, new, .. }, _) => (expected == state).then(|| new.clone()),
                (op, _) => panic!("{op}"),
            };
            if let Some(after) = after {
                left.swap_remove(at);
                let is_found = next(left, &after);
                left.push(operation);
                let last = left.len() - 1;
                left.swap(at, last);
                if is_found {
                    return true;
                }
            }
        }
        false
    }
    next(&mut operations.to_vec(), &Value::Nil)
}

/// A store as etcd is: keys with values, the revisions at which they were changed, and leases.
#[derive(Default)]
struct Store {
    revision: i64,
    keys: BTreeMap<String, (String, i64, i64)>,
}

impl Store {
    fn range(&self, range: &Json) -> Json {
        let (start, end) = (range["Start"].as_str().unwrap(), range["End"].as_str().unwrap());
        let is_in = |key: &str| {
            if end.is_empty() {
                key == start
            } else {
                key >= start && key < end
            }
        };
        let inside = self.keys.iter().filter(|(key, _)| is_in(key));
        let pairs: Vec<(&str, &str, i64)> = inside
            .map(|(key, (value, revision, _))| (key.as_str(), value.as_str(), *revision))
            .collect();
        kvs(&pairs)
    }

    fn ask(&mut self, input: &Json) -> Json {
        match input["Type"].as_str().unwrap() {
            "range" => json!({"Range": self.range(&input["Range"]), "Revision": self.revision}),
            "leaseRevoke" => {
                let lease = input["LeaseRevoke"]["LeaseID"].as_i64().unwrap();
                let before = self.keys.len();
                self.keys.retain(|_, (_, _, other)| *other != lease);
                self.revision += i64::from(self.keys.len() < before);
                json!({"LeaseRevoke": {}, "Revision": self.revision})
            }
            _ => {
                let txn = &input["Txn"];
                let holds = |condition: &Json| {
                    let revision = self
                        .keys
                        .get(condition["Key"].as_str().unwrap())
                        .map_or(0, |key| key.1);
                    condition["ExpectedRevision"] == revision
                };
                let is_failure = !txn["Conditions"].as_array().unwrap().iter().all(holds);
                let steps = &txn[if is_failure {
                    "OperationsOnFailure"
                } else {
                    "OperationsOnSuccess"
                }];
                let changed = self.revision + 1;
                let mut results = Vec::new();
                for step in steps.as_array().unwrap() {
                    results.push(match step["Type"].as_str().unwrap() {
                        "put-operation" => {
                            let put = &step["Put"];
                            let value = put["Value"]["Value"].as_str().unwrap().to_owned();
                            let key = put["Key"].as_str().unwrap().to_owned();
                            self.keys
                                .insert(key, (value, changed, put["LeaseID"].as_i64().unwrap()));
                            self.revision = changed;
                            nothing()
                        }
                        "delete-operation" => {
                            let is_there = self
                                .keys
                                .remove(step["Delete"]["Key"].as_str().unwrap())
                                .is_some();
                            self.revision += i64::from(is_there);
                            json!({"Deleted": i32::from(is_there)})
                        }
                        _ => self.range(&step["Range"]),
                    });
                }
                committed(is_failure, &results, self.revision)
            }
        }
    }
}

/// A request: what kind, of which key, and whether its answer is lost, or it is itself.
type Choice = (u8, usize, u8, i64);

fn asked((kind, key, _, extra): Choice, number: usize, known: &[i64]) -> Json {
    let (key, other) = (["a", "b"][key], ["b", "a"][key]);
    let value = (number / 2).to_string();
    let seen = known
        .get(extra as usize % known.len().max(1))
        .copied()
        .unwrap_or(0);
    let mut leased = put(key, &value);
    leased["Put"]["LeaseID"] = json!(extra % 2 + 1);
    match kind {
        0 => get(key),
        1 => txn(&[], &[put(key, &value)], &[]),
        2 => txn(&[], &[delete(key)], &[]),
        3 => txn(&[(key, 0)], &[put(key, &value)], &[range(key, "")]),
        4 => txn(&[(key, seen)], &[put(key, &value)], &[range(key, "")]),
        5 => txn(&[(key, seen)], &[delete(key)], &[]),
        6 => txn(
            &[(key, seen), (other, 0)],
            &[range(key, ""), put(other, &value)],
            &[],
        ),
        7 => txn(&[], &[leased], &[]),
        8 => json!({"Type": "leaseRevoke", "LeaseRevoke": {"LeaseID": extra % 2 + 1}}),
        _ => json!({"Type": "range", "Range": {"Start": "a", "End": "z", "Revision": 0}}),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(600))]

    #[test]
    fn what_a_store_did_is_never_accused(
        choices in prop::collection::vec((0_u8..10, 0_usize..2, 0_u8..8, 0_i64..6), 1..9),
        spans in prop::collection::vec((0_i64..25, 0_i64..25), 9),
    ) {
        let mut store = Store { revision: 1, keys: BTreeMap::new() };
        let mut requests = Vec::new();
        let mut known: Vec<i64> = Vec::new();
        for (number, choice) in choices.into_iter().enumerate() {
            let input = asked(choice, number, &known);
            // Each takes effect in its turn, at some moment between its call and its return.
            let at = 10 * number as i64 + 30;
            let (before, after) = spans[number];
            let output = match choice.2 {
                // Neither it nor its answer arrives, or only the answer is lost.
                0 => json!({"Error": "lost"}),
                1 => {
                    store.ask(&input);
                    json!({"Error": "lost"})
                }
                _ => store.ask(&input),
            };
            known.extend(store.keys.values().map(|key| key.1));
            requests.push(request(number as i64, at - before - 1, at + after + 1, &input, &output));
        }
        let imported = report(&requests);
        let keys: BTreeSet<&Value> = imported.history.operations.iter().map(|operation| operation.op.key()).collect();
        for key in keys {
            let of_key: Vec<&Operation> = imported.history.operations.iter()
                .filter(|operation| operation.op.key() == key).collect();
            prop_assert!(is_linearizable(&of_key), "{key}: {:?}", told(&imported));
        }
    }
}

#[test]
fn a_stale_read_is_accused() {
    let imported = report(&[
        request(
            1,
            0,
            5,
            &txn(&[], &[put("a", "1")], &[]),
            &committed(false, &[nothing()], 2),
        ),
        request(
            1,
            10,
            15,
            &txn(&[], &[put("a", "2")], &[]),
            &committed(false, &[nothing()], 3),
        ),
        request(2, 20, 25, &get("a"), &found(&[("a", "1", 2)], 3)),
    ]);
    let operations: Vec<&Operation> = imported.history.operations.iter().collect();
    assert!(!is_linearizable(&operations));
    // At the moment of a return, another one may still be under way.
    let imported = report(&[
        request(
            1,
            0,
            5,
            &txn(&[], &[put("a", "1")], &[]),
            &committed(false, &[nothing()], 2),
        ),
        request(2, 5, 9, &get("a"), &found(&[], 1)),
    ]);
    let operations: Vec<&Operation> = imported.history.operations.iter().collect();
    assert!(is_linearizable(&operations));
}
