//! EDN syntax: what each form becomes, and what is said of malformed ones.

use std::path::Path;

use history::formats::{Imported, read_bytes};
use history::{Op, Value};

fn read(text: &str) -> Result<Imported, String> {
    read_bytes(text.as_bytes(), Path::new("h.edn"), Some("edn")).map_err(|error| error.to_string())
}

/// What is written by a write of `form`.
fn value_of(form: &str) -> Result<Value, String> {
    // Because of the read, vectors of two are not tuples of independent keys.
    let read_op = "{:process 1, :type :invoke, :f :read, :value nil}";
    let imported = read(&format!(
        "{{:process 0, :type :invoke, :f :write, :value {form}}} {read_op}"
    ))?;
    match &imported.history.operations[0].op {
        Op::Write { value, .. } => Ok(value.clone()),
        other => panic!("{other}"),
    }
}

fn int(number: i64) -> Value {
    Value::Int(number)
}

fn form(spelling: &str) -> Value {
    Value::form(spelling)
}

fn text(text: &str) -> Value {
    Value::text(text)
}

fn list(values: impl IntoIterator<Item = Value>) -> Value {
    Value::list(values.into_iter().collect())
}

#[test]
fn forms_become_values() {
    let cases = [
        ("nil", Value::Nil),
        ("0", int(0)),
        ("-7", int(-7)),
        ("+7", int(7)),
        ("12N", int(12)),
        ("9223372036854775807", int(i64::MAX)),
        ("-9223372036854775808", int(i64::MIN)),
        ("9223372036854775808", form("9223372036854775808")),
        (
            "-123456789012345678901234567890N",
            form("-123456789012345678901234567890"),
        ),
        ("0x1F", int(31)),
        ("-0xff", int(-255)),
        ("017", int(15)),
        ("2r101", int(5)),
        ("36rZZ", int(35 * 36 + 35)),
        ("1/2", form("1/2")),
        ("1.5", form("1.5")),
        ("-1.50e-3", form("-0.0015")),
        ("10M", form("1E1M")),
        ("##NaN", form("##NaN")),
        ("true", form("true")),
        ("false", form("false")),
        (":x", form(":x")),
        (":a.b/c-d", form(":a.b/c-d")),
        ("sym/bol", form("sym/bol")),
        ("-", form("-")),
        ("->x", form("->x")),
        (r#""""#, text("")),
        (r#""x y""#, text("x y")),
        (r#""a\n\t\"\\\u00e9\ud83d\ude00z""#, text("a\n\t\"\\é😀z")),
        ("\"two\nlines\"", text("two\nlines")),
        (r"\a", form(r"\a")),
        (r"\newline", form("\\\n")),
        (r"\u0041", form(r"\A")),
        (r"\o101", form(r"\A")),
        (r"[\( \)]", list([form(r"\("), form(r"\)")])),
        ("[]", list([])),
        ("[1 [2 (3)]]", list([int(1), list([int(2), list([int(3)])])])),
        ("[1,2,,3]", list([int(1), int(2), int(3)])),
        ("#{3 1 2}", Value::set(vec![int(1), int(2), int(3)])),
        (
            "{:b 2, :a 1}",
            Value::map(vec![(form(":a"), int(1)), (form(":b"), int(2))]),
        ),
        ("#_ignored 4", int(4)),
        ("#_#_a b 4", int(4)),
        ("[1 #_2 3 #_4]", list([int(1), int(3)])),
        ("; a comment\n 5", int(5)),
        ("^:meta 6", int(6)),
        ("^{:a 1} [7]", list([int(7)])),
        (
            r#"#inst "2015-01-01T01:00:00.000+01:00""#,
            form(r#"#inst "2015-01-01T00:00:00Z""#),
        ),
        (r#"#uuid "F81d4fae""#, form(r#"#uuid "f81d4fae""#)),
        (r#"#my/tag "x""#, form(r#"#my/tag "x""#)),
        ("#my.Tuple[1 2]", list([int(1), int(2)])),
        ("#:ns{:a 1}", Value::map(vec![(form(":a"), int(1))])),
    ];
    for (form, expected) in cases {
        assert_eq!(value_of(form), Ok(expected), "{form}");
    }
}

#[test]
fn malformed_forms_are_named() {
    let deep = "[".repeat(300);
    let cases = [
        ("12x", "h.edn:1: `12x` is not a number"),
        ("08", "h.edn:1: `08` is not a number"),
        ("\"\\q\"", "h.edn:1: an unknown escape in a string"),
        ("\"\\ud800x\"", "h.edn:1: a \\u escape that is not a character"),
        ("\"\\u12\"", "h.edn:1: a \\u escape that is not a character"),
        ("\"abc", "h.edn:1: the file ends in the string that line 1 opens"),
        ("\n[1\n2", "h.edn:3: unexpected `}`"),
        ("#{1 1}", "h.edn:1: a set that holds 1 twice"),
        ("{:a 1 :a 1}", "h.edn:1: a map that has the key :a twice"),
        ("{:a}", "h.edn:1: the map's key :a has no value"),
        (":", "h.edn:1: a keyword without a name"),
        ("@x", "h.edn:1: unexpected `@`"),
        (
            "#!",
            "h.edn:1: `#` must begin a set, a tag, a discarded form or a symbolic value",
        ),
        (&deep, "h.edn:1: forms are nested more than 200 deep"),
    ];
    for (form, expected) in cases {
        let message = value_of(form).unwrap_err();
        assert!(message.starts_with(expected), "{form}: {message}");
    }
    let invalid = read_bytes(
        b"{:process 0 :f :write :type :invoke :value \"\xff\"}",
        Path::new("h.edn"),
        Some("edn"),
    );
    assert_eq!(
        invalid.unwrap_err().to_string(),
        "h.edn:1: text that is not UTF-8"
    );
}

#[test]
fn a_file_may_be_framed_in_many_ways() {
    let ask = "{:process 0, :type :invoke, :f :read, :value nil}";
    let answer = "{:process 0, :type :ok, :f :read, :value 5}";
    let files = [
        format!("{ask}\n{answer}\n"),
        format!("{ask} {answer}"),
        format!("[{ask}\n {answer}]"),
        format!("({ask},\n\n {answer}\n)\n; the end"),
        format!("\u{feff}; first\n[{ask} #_{{:process 1}} ; here\n{answer}]"),
        format!("[#jepsen.history.Op{ask} #knossos.op.Op{answer}]"),
        format!("^{{:source x}} {ask} {answer}"),
        format!("{}\n{answer}", ask.replace(", ", ",\n  ")),
        format!("{}{answer}", ask.replace(":process", ":jepsen/process")),
        format!("{}{answer}", ask.replace(":f :read", ":f :register/read")),
        format!("#:jepsen{ask}{answer}"),
    ];
    let expected = read(&files[0]).unwrap().history;
    assert_eq!(expected.operations.len(), 1);
    for file in files {
        assert_eq!(read(&file).unwrap().history, expected, "{file}");
        let detected = read_bytes(file.as_bytes(), Path::new("h"), None).unwrap();
        assert_eq!(detected.format, "edn", "{file}");
    }
}

/// Blocks are some 256 KiB: maps over several lines cross their borders here.
#[test]
fn large_files_are_read_alike_however_their_lines_break() {
    let mut flat = String::new();
    let mut broken = String::from("[");
    for number in 0..20_000 {
        for kind in ["invoke", "ok"] {
            let line = format!(
                "{{:process {}, :type :{kind}, :f :write, :value {number}, :time {number}}}",
                number % 7
            );
            flat.push_str(&line);
            flat.push('\n');
            broken.push_str(&line.replace(", ", ",\n ; a comment with { and \"\n "));
            broken.push('\n');
        }
    }
    broken.push(']');
    let flat = read(&flat).unwrap().history;
    assert_eq!(flat.operations.len(), 20_000);
    assert_eq!(read(&broken).unwrap().history, flat);
    let torn = read(&broken[..broken.len() - 40]).unwrap_err();
    assert!(torn.starts_with("h.edn:3599"), "{torn}");
}
