//! Whatever the bytes, a reader answers: it never panics, never hangs and never uses memory beyond the file's
//! size. (The folder `fuzz/` does the same with coverage, given a nightly compiler.)

#[path = "support/jepsen_file.rs"]
mod support;

use std::path::Path;

use history::formats::{FORMATS, PARQUET, read_bytes};
use proptest::prelude::*;

/// A file of each format that is text.
const VALID: &[(&str, &str)] = &[
    (
        "etcd-report",
        "{\"ClientId\":1,\"Input\":{\"Type\":\"txn\",\"Txn\":{\"Conditions\":[{\"Key\":\"a\",\"ExpectedRevision\":0}],\
         \"OperationsOnSuccess\":[{\"Type\":\"put-operation\",\"Put\":{\"Key\":\"a\",\"Value\":{\"Value\":\"1\"},\"LeaseID\":7}}]}},\
         \"Call\":1,\"Output\":{\"Txn\":{\"Results\":[{\"Deleted\":0}]},\"Revision\":2},\"Return\":9}\n\
         {\"ClientId\":2,\"Input\":{\"Type\":\"range\",\"Range\":{\"Start\":\"a\",\"End\":\"c\"}},\"Call\":10,\
         \"Output\":{\"Range\":{\"KVs\":[{\"Key\":\"b\",\"Value\":{\"Hash\":5}}],\"Count\":1}},\"Return\":19}\n",
    ),
    (
        "chaos",
        "{\"action\":\"dump\",\"proc\":0,\"data\":[10,10]}\n\
         {\"action\":\"call\",\"proc\":1,\"data\":{\"Op\":1,\"From\":0,\"To\":1,\"Amount\":5}}\n\
         {\"action\":\"return\",\"proc\":1,\"data\":{\"Tso\":9,\"Ok\":true,\"FromBalance\":10,\"ToBalance\":10}}\n\
         {\"action\":\"call\",\"proc\":1,\"data\":{\"Op\":0,\"From\":0,\"To\":0,\"Amount\":0}}\n\
         {\"action\":\"return\",\"proc\":1,\"data\":{\"Tso\":9,\"Balances\":[5,15]}}\n",
    ),
    (
        "journal",
        "{\"time_ns\":1,\"process\":0,\"type\":\"invoke\",\"f\":\"cas\",\"key\":1,\"expected\":null,\"new\":\"é\",\"node\":1}\n\
     {\"time_ns\":2,\"process\":0,\"type\":\"fail\",\"value\":-4,\"mismatch\":true}\n\
     {\"time_ns\":3,\"process\":1,\"type\":\"invoke\",\"f\":\"read\"}\n\
     {\"time_ns\":4,\"process\":1,\"type\":\"ok\",\"value\":[1,2]}\n\
     {\"time_ns\":5,\"process\":2,\"type\":\"invoke\",\"f\":\"txn\",\"micro_ops\":[{\"f\":\"read\",\"key\":1}]}\n\
     {\"time_ns\":6,\"process\":2,\"type\":\"info\",\"error\":\"timeout\",\"message\":\"x\"}\n",
    ),
    (
        "jepsen-log",
        "INFO  jepsen.util - 0\t:invoke\t:cas\t[1 2]\nINFO  jepsen.util - 0\t:fail\t:cas\t[1 2]\n\
     INFO  jepsen.util - 1\t:invoke\t:write\t3\nINFO  jepsen.util - 1\t:info\t:write\t:timed-out\n",
    ),
    (
        "elle-json",
        "[{\"index\":0,\"process\":1,\"type\":\"invoke\",\"value\":[[\"append\",3,1],[\"r\",2,null]]},\n\
     {\"index\":1,\"process\":1,\"type\":\"ok\",\"value\":[[\"append\",3,1],[\"r\",2,[1,2.5,true]]],\"error\":\"a\\\"b\"}]\n",
    ),
    (
        "porcupine-kv",
        "{:process 0, :type :invoke, :f :append, :key \"0\", :value \"x 0 0 y\"}\n\
     {:process 0, :type :ok, :f :append, :key \"0\", :value \"x 0 0 y\"}\n",
    ),
    (
        "edn",
        "; a comment\n[#op{:process 0, :type :invoke, :f :drain, :value nil, :time 12N}\n\
     {:process 0, :type :ok, :f :drain, :value [\\a #{1 2} \"q\\u00e9\\n\" ##Inf {:a 0x1f} #_x 1/2]}\n\
     {:process :nemesis, :type :info, :f :start, :value {:n1 #inst \"2015\"}}\n\
     {:process 4, :type :invoke, :f :cas, :value [7 [1 2]]} ^:m {:process 4, :type :info, :f :cas, :value [7 [1 2]]}]",
    ),
];

/// A file of each format.
fn valid() -> Vec<(&'static str, Vec<u8>)> {
    let texts = VALID
        .iter()
        .map(|(format, text)| (*format, text.as_bytes().to_vec()));
    texts
        .chain([("jepsen", support::small(1, &history::Value::boolean(true)))])
        .collect()
}

/// Reads `bytes` as every format.
fn read_as_everything(bytes: &[u8]) {
    for format in FORMATS.iter().map(|format| Some(format.name)).chain([None]) {
        if let Ok(imported) = read_bytes(bytes, Path::new("noise"), format) {
            assert!(imported.history.operations.len() <= bytes.len());
        }
    }
}

/// A change of one place.
fn change() -> impl Strategy<Value = (prop::sample::Index, u8, u8)> {
    (any::<prop::sample::Index>(), 0u8..4, any::<u8>())
}

fn changed(mut bytes: Vec<u8>, changes: Vec<(prop::sample::Index, u8, u8)>) -> Vec<u8> {
    for (place, how, byte) in changes {
        let place = place.index(bytes.len().max(1));
        // Mostly bytes that mean something.
        let byte = b"[](){}\"\\:;#^,-0189 \n/.rneN_"[..]
            .get(usize::from(byte))
            .copied()
            .unwrap_or(byte);
        match how {
            _ if place >= bytes.len() => bytes.push(byte),
            0 => bytes[place] = byte,
            1 => bytes.insert(place, byte),
            2 => drop(bytes.remove(place)),
            _ => bytes.truncate(place.max(1)),
        }
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3000))]

    #[test]
    fn random_bytes(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        read_as_everything(&bytes);
    }

    #[test]
    fn random_syntax(text in "[\\[\\](){}\"\\\\:;#^, \n0-9a-fnrNx/.+_-]{0,120}") {
        read_as_everything(text.as_bytes());
    }

    #[test]
    fn damaged_files(which in any::<prop::sample::Index>(), changes in prop::collection::vec(change(), 1..6)) {
        let (_, bytes) = which.get(&valid()).clone();
        read_as_everything(&changed(bytes, changes));
    }
}

#[test]
fn valid_files_are_read() {
    for (format, bytes) in valid() {
        let imported = read_bytes(&bytes, Path::new("h"), None).unwrap();
        assert_eq!(imported.format, format);
    }
    let all = valid();
    let is_there = |name: &str| all.iter().any(|(format, _)| *format == name);
    // What has a feature of its own is damaged by tests of its own (columns.rs).
    assert!(
        FORMATS
            .iter()
            .all(|format| is_there(format.name) || format.name == PARQUET)
    );
}

/// Deep nesting, long tokens and many brackets: each answered within the limits on depth.
#[test]
fn extremes() {
    let many = 50_000;
    for piece in [
        "[", "(", "{", "#{", "{\"a\":", "^", "#_", "#a ", "#", "\\", "\"", "\"\\u", ":", "9", "-", "; ",
        "[]", "##", "\u{feff}",
    ] {
        let text = piece.repeat(many);
        read_as_everything(text.as_bytes());
        read_as_everything(format!("{{:process 0, :type :invoke, :f :write, :value {text}").as_bytes());
        read_as_everything(
            format!("{{\"process\":0,\"type\":\"invoke\",\"f\":\"write\",\"value\":{text}").as_bytes(),
        );
        read_as_everything(format!("INFO jepsen.util - 0 :invoke :write {text}").as_bytes());
        read_as_everything(format!("{{\"time_ns\":{text},\"process\":0}}").as_bytes());
    }
    for number in [
        "1e999999999",
        "-1e-999",
        "0x",
        "99r1",
        "1/0",
        "007N",
        "36rzzzzzzzzzzzzzzzzzzzzz",
        "1.2.3",
    ] {
        read_as_everything(
            format!("{{:process 0, :time {number}, :type :invoke, :f :write, :value {number}}}").as_bytes(),
        );
    }
    let values = "[1 2 3]".repeat(many / 10);
    let wide = format!("{{:process 0, :type :invoke, :f :write, :value [{values}]}}");
    let imported = read_bytes(wide.as_bytes(), Path::new("wide"), None).unwrap();
    assert_eq!(imported.history.operations.len(), 1);
}
