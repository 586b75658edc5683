//! Every error of readers and writers: one line, with file, line and reason.

use std::path::Path;

use history::formats::{FORMATS, Remark, read, read_bytes, write};
use history::{History, Op, Outcome, Value};

const ASK: &str = "{:process 0, :type :invoke, :f :read, :value nil}\n";

/// What is said of `text`.
fn complaint(text: &str, format: &str) -> String {
    match read_bytes(text.as_bytes(), Path::new("h"), Some(format)) {
        Ok(imported) => panic!("{text} was read: {imported:?}"),
        Err(error) => {
            let error = error.to_string();
            assert!(!error.contains('\n'), "{error}");
            error
        }
    }
}

#[test]
fn edn() {
    let cases = [
        ("{:type :ok}", "h:2: the operation has no process"),
        ("{:process 1, :f :read}", "h:2: the operation has no type"),
        ("{:process 1, :type :invoke}", "h:2: the operation has no f"),
        (
            "{:process 1, :type :ack}",
            "h:2: unknown type :ack (known: :invoke :ok :fail :info)",
        ),
        (
            "{:process 1, :type 3}",
            "h:2: unknown type 3 (known: :invoke :ok :fail :info)",
        ),
        (
            "{:process -1}",
            "h:2: the process must be a number or a name, not -1",
        ),
        (
            "{:process [1]}",
            "h:2: the process must be a number or a name, not [1]",
        ),
        (
            "{:process 1, :process 1}",
            "h:2: the field :process appears twice",
        ),
        ("{:f :read, :f :read}", "h:2: the field :f appears twice"),
        ("{:time 1, :time 1}", "h:2: the field :time appears twice"),
        (
            "{:time soon}",
            "h:2: the time must be a number or a date, not soon",
        ),
        (
            "{:process 1, :type :invoke, :f :teleport}",
            "h:2: unknown operation `teleport` (known: read r get read-init, write w put, cas, append, add, inc \
             incr increment, dec decr decrement, remove delete, acquire lock, try-acquire try-lock, release unlock, enqueue, \
             dequeue, drain, transfer, generate, txn)",
        ),
        (
            "{:process 1, :type :invoke, :f :cas, :value 3}",
            "h:2: the value of a cas must be [expected new], not 3",
        ),
        (
            "{:process 1, :type :invoke, :f :txn, :value 3}",
            "h:2: the value of a txn must be a list of micro-operations, not 3",
        ),
        (
            "{:process 1, :type :invoke, :f :txn, :value [[:cas 1 2]]}",
            "h:2: unknown micro-operation [:cas 1 2] (known: [r key value], [w key value], [append key value], [version key value])",
        ),
        (
            "{:process 0, :type :invoke, :f :read}",
            "h:2: process 0 invokes while its previous operation is still open (since line 1)",
        ),
        (
            "{:process 1, :type :ok, :f :read}",
            "h:2: process 1 completes an operation that it never invoked, or has completed before",
        ),
        (
            "{:process 0, :type :ok, :f :write, :value 3}",
            "h:2: a read was invoked, and a write completes",
        ),
        (
            "{:process 0, :type :ok, :f :read, :key 3, :value 3}",
            "h:2: key nil was invoked, and key 3 completes",
        ),
        ("5", "h:2: an operation must be a map, not 5"),
        ("[{:process 1}]", "h:2: an operation must be a map, not a list"),
        (")", "h:2: unexpected `)`"),
        ("{:process 1", "h:2: the file ends in the middle of a form"),
        ("{:process 1, :type", "h:2: the file ends in the middle of a form"),
        (
            "{:process 1, :type :invoke\n{:process 2, :type :invoke}\n",
            "h:2: the file ends (line 4) before the operation that begins here: \
             the file ends in the middle of a form",
        ),
        (
            "{:process 1, :type :invoke, :f :drain}\n{:process 1, :type :ok, :f :drain, :value 1}",
            "h:3: a drain must return a list of elements, not 1",
        ),
        (
            "{:process 1, :type :invoke, :f :txn, :value [[:r 1 nil]]}\n{:process 1, :type :ok, :f :txn, :value [[:r 2 nil]]}",
            "h:3: the micro-operations that complete are not those that were invoked",
        ),
    ];
    for (second, expected) in cases {
        assert_eq!(complaint(&format!("{ASK}{second}"), "edn"), expected, "{second}");
    }
    let framed = [
        (format!("[{ASK}"), "h:2: the file ends before the `]` of its list"),
        (
            format!("[{ASK}] {ASK}"),
            "h:2: something follows the end of the list",
        ),
        (format!("[{ASK})"), "h:2: unexpected `)`"),
    ];
    for (text, expected) in framed {
        assert_eq!(complaint(&text, "edn"), expected, "{text}");
    }
}

#[test]
fn other_formats() {
    let log = "INFO  jepsen.util - 0\t:invoke\t:read\tnil\n";
    let json = "{\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n";
    let journal = "{\"time_ns\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n";
    let cases = [
        (
            "jepsen-log",
            log,
            "INFO jepsen.util - 1 :invoke :write",
            "h:2: the operation has no value",
        ),
        (
            "jepsen-log",
            log,
            "INFO jepsen.util - 1 :invoke :write [1",
            "h:2: the file ends before the `]` that closes what line 2 opens",
        ),
        (
            "jepsen-log",
            log,
            "INFO jepsen.util - 1 :invoke :fly 1",
            "h:2: unknown operation `fly`",
        ),
        (
            "jepsen-log",
            log,
            "INFO jepsen.util - 1 :invoke :cas 1",
            "h:2: the value of a cas must be [expected new], not 1",
        ),
        (
            "jepsen-log",
            log,
            "INFO jepsen.util - 1 :ok :read 1",
            "h:2: process 1 completes an operation that it never",
        ),
        (
            "jepsen-log",
            log,
            "what is this?\nand this?\nINFO jepsen.util - 0 :invoke :read nil",
            "h:4: process 0 invokes while its previous operation is still open (since line 1) \
             (2 lines before it are no operations and were left out)",
        ),
        (
            "porcupine-kv",
            ASK,
            "{:process 1, :type :invoke, :f :cas, :value [1 2]}",
            "h:2: `cas` is neither get, put nor append",
        ),
        (
            "elle-json",
            json,
            "{\"process\":1,\"type\":\"invoke\"}",
            "h:2: the operation has no f",
        ),
        (
            "elle-json",
            json,
            "{\"process\":1,\"type\":\"invoke\"",
            "h:2: the file ends in the middle of an operation",
        ),
        (
            "elle-json",
            json,
            "{\"process\":1,\n\"type\":invoke}",
            "h:3: expected value",
        ),
        (
            "elle-json",
            json,
            "{\"process\":1.5}",
            "h:2: the process must be a number or a name, not 1.5",
        ),
        (
            "elle-json",
            json,
            "{\"type\":\"ack\"}",
            "h:2: unknown type \"ack\" (known: invoke, ok, fail, info)",
        ),
        (
            "elle-json",
            json,
            "{\"type\":\"ok\",\"type\":\"ok\"}",
            "h:2: the field type appears twice",
        ),
        (
            "elle-json",
            json,
            "{\"time\":\"now\"}",
            "h:2: the time must be a number or a date, not \"now\"",
        ),
        (
            "elle-json",
            json,
            "17",
            "h:2: an operation must be an object, not `1`",
        ),
        (
            "elle-json",
            json,
            "{\"process\":1,\"type\":\"invoke\",\"f\":\"teleport\"}",
            "h:2: unknown operation `teleport`",
        ),
        (
            "journal",
            journal,
            "{\"process\":1}\n{}",
            "h:2: not a journal event: missing field `time_ns` at column 13",
        ),
        (
            "journal",
            journal,
            journal,
            "h:2: event 1: process 0 invokes while its previous operation is still open",
        ),
        (
            "journal",
            journal,
            "\n\n{\"time_ns\":0,\"process\":7,\"type\":\"ok\"}",
            "h:4: event 1: process 7 completes",
        ),
        (
            "journal",
            journal,
            "{\"time_ns\":0,\"process\":4294967296,\"type\":\"invoke\",\"f\":\"read\"}",
            "h:2: event 1: the process number 4294967296 is too large",
        ),
    ];
    for (format, first, second, expected) in cases {
        let message = complaint(&format!("{first}{second}"), format);
        assert!(message.starts_with(expected), "{second}: {message}");
    }
}

#[test]
fn files_and_names() {
    let message = read(Path::new("/no/such/file"), None).unwrap_err().to_string();
    assert!(message.starts_with("cannot read /no/such/file: "), "{message}");
    assert_eq!(
        complaint("", "yaml"),
        "unknown format `yaml`; choose one of journal, jepsen, jepsen-log, etcd-report, chaos, elle-json, porcupine-kv, edn, parquet"
    );
    let cases: [(&[u8], &str); 13] = [
        (
            b"{:stats {:valid? true}, :valid? false}",
            "it holds the results of a test, and not its history; give the history.edn beside it",
        ),
        (
            b"{\n \"Request\": {\"Key\": \"a\", \"WithPrefix\": true}, \"Responses\": []}",
            "it holds watches of etcd's robustness tests; give the directory of the whole report",
        ),
        (
            b"<!DOCTYPE html>\n<p>",
            "it is a page or XML, and no history; give what it was made of",
        ),
        (
            b"\xc0\xed\xca\xf7\xdc\xca",
            "it is no text, no test.jepsen and no Parquet",
        ),
        (b"", "it is empty"),
        (b" \n\n", "it is empty"),
        (
            b"hello",
            "its format was not recognized; name it with --format: journal, jepsen, jepsen-log, etcd-report, chaos, elle-json, porcupine-kv, edn, parquet",
        ),
        (
            b"# A heading\n",
            "its format was not recognized; name it with --format: journal, jepsen, jepsen-log, etcd-report, chaos, elle-json, porcupine-kv, edn, parquet",
        ),
        (b"\0\x01", "it is no text, no test.jepsen and no Parquet"),
        (
            b"caf\xe9 is Latin",
            "it is no text, no test.jepsen and no Parquet",
        ),
        (b"\x1f\x8b\x08\0", "it is compressed (gzip): gunzip it first"),
        (b"\x28\xb5\x2f\xfd\0", "it is compressed (zstd): unzstd it first"),
        (b"\xfd7zXZ\0", "it is compressed (xz): unxz it first"),
    ];
    for (bytes, expected) in cases {
        let error = read_bytes(bytes, Path::new("h"), None).unwrap_err().to_string();
        assert_eq!(error, format!("h: {expected}"));
    }
    // A journal may end before its first event, and its name tells what it is.
    let imported = read_bytes(b"", Path::new("h.jsonl"), None).unwrap();
    assert_eq!((imported.format, imported.remarks), ("journal", Vec::new()));
    let dir = tempfile::tempdir().unwrap();
    let message = read(dir.path(), None).unwrap_err().to_string();
    assert!(message.contains("history.jsonl"), "{message}");
    assert!(
        FORMATS
            .iter()
            .all(|format| !format.about.is_empty() && !format.loses.is_empty())
    );
}

#[test]
fn what_is_left_out_is_said() {
    let begun = "{\"time_ns\":0,\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n";
    let torn = format!("{begun}{{\"time_ns\":1,\"process\":0,\"ty");
    let imported = read_bytes(torn.as_bytes(), Path::new("h"), None).unwrap();
    assert_eq!(
        imported.remarks,
        [
            Remark::from("the last line is cut off and was left out"),
            Remark::from("1 operation has no completion and counts as info"),
        ]
    );
    // Editors of Windows put a byte order mark before the text.
    let odd = "\u{feff}{\"time_ns\":5,\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}\n\
               {\"time_ns\":4,\"process\":0,\"type\":\"ok\"}\n";
    let imported = read_bytes(odd.as_bytes(), Path::new("h"), None).unwrap();
    assert_eq!(
        imported.remarks,
        [
            Remark::from(
                "operations whose times say that they completed before they were invoked: 1; what counts is the order of the events in the file"
            ),
            Remark::from("reads that are ok without a value: 1; they claim nothing"),
        ]
    );
}

#[test]
fn times_since_1970_become_times_since_the_first_event() {
    let at = |ns: u64| 1_700_000_000_000_000_000 + ns;
    let lines = [
        format!(
            "{{\"time_ns\":{},\"process\":0,\"type\":\"invoke\",\"f\":\"read\"}}\n",
            at(0)
        ),
        format!(
            "{{\"time_ns\":{},\"process\":0,\"type\":\"ok\",\"value\":1}}\n",
            at(7)
        ),
    ];
    let imported = read_bytes(lines.concat().as_bytes(), Path::new("h"), None).unwrap();
    let operation = &imported.history.operations[0];
    assert_eq!(
        (
            operation.invoked_ns,
            operation.completed_ns.map(u64::from),
            imported.history.end_ns
        ),
        (0, Some(7), 7)
    );
    assert_eq!(
        imported.remarks,
        [Remark::from(
            "times do not count from the start of a run; they are shown relative to the first event"
        )]
    );
}

#[test]
fn exports_that_cannot_be() {
    let written = |op: Op, outcome: Outcome, format: &str| {
        let ask = format!("{ASK}{{:process 0, :type :ok, :f :read, :value nil}}");
        let mut history = read_bytes(ask.as_bytes(), Path::new("h"), Some("edn"))
            .unwrap()
            .history;
        history.operations[0].op = op;
        history.operations[0].outcome = outcome;
        write(&history, format, &mut Vec::new()).unwrap_err().to_string()
    };
    let key = Value::Nil;
    let list = Value::list(vec![1.into()]);
    let cases = [
        (
            Op::Dequeue { key: key.clone() },
            Outcome::ok_value(1.into()),
            "porcupine-kv",
            "dequeue is neither get, put nor append",
        ),
        (
            Op::Read { key: key.clone() },
            Outcome::ok(),
            "porcupine-kv",
            "a get without an answer",
        ),
        (
            Op::Read { key: key.clone() },
            Outcome::ok_value(list.clone()),
            "porcupine-kv",
            "[1] cannot be written in a plain text",
        ),
        (
            Op::Read {
                key: Value::text("\""),
            },
            Outcome::ok_value(key.clone()),
            "porcupine-kv",
            "\"\\\"\" cannot be written in a plain text",
        ),
        (
            Op::Read { key: list.clone() },
            Outcome::ok(),
            "edn",
            "its key is a list",
        ),
        (
            Op::Read { key: list },
            Outcome::ok(),
            "elle-json",
            "its key is a list",
        ),
    ];
    for (op, outcome, format, reason) in cases {
        let expected = format!("the format {format} cannot express operation 0: {reason}");
        assert_eq!(written(op, outcome, format), expected);
    }
    for format in ["jepsen-log", "yaml"] {
        let message = write(&History::default(), format, &mut Vec::new())
            .unwrap_err()
            .to_string();
        assert_eq!(
            message,
            format!(
                "cannot write the format `{format}`; choose one of journal, elle-json, porcupine-kv, edn, parquet"
            )
        );
    }
}
