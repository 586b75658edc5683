//! How long files of 1,000,000 operations of 100 clients take to become a history, format by format.
//!
//! Run: `cargo bench -p perjury-history`. The files are made once and kept in the directory for temporary
//! files.

use std::fs;
use std::path::PathBuf;

use history::formats;

fn main() {
    divan::main();
}

/// The file of one format.
fn file(format: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("perjury-bench-1m.{format}"));
    if path.exists() {
        return path;
    }
    let mut text = String::new();
    for number in 0..1_000_000u64 {
        let (process, time) = (number % 100, number * 1000);
        let is_write = number % 2 == 0;
        let f = if is_write { "write" } else { "read" };
        let value = number - number % 2;
        text += &match (format, is_write) {
            ("journal", true) => format!(
                "{{\"time_ns\":{time},\"process\":{process},\"type\":\"invoke\",\"f\":\"write\",\"value\":{value},\"node\":1}}\n\
                 {{\"time_ns\":{},\"process\":{process},\"type\":\"ok\"}}\n",
                time + 700
            ),
            ("journal", false) => format!(
                "{{\"time_ns\":{time},\"process\":{process},\"type\":\"invoke\",\"f\":\"read\",\"node\":1}}\n\
                 {{\"time_ns\":{},\"process\":{process},\"type\":\"ok\",\"value\":{value}}}\n",
                time + 700
            ),
            ("edn", _) => {
                let asked = if is_write {
                    value.to_string()
                } else {
                    "nil".to_owned()
                };
                format!(
                    "{{:type :invoke, :f :{f}, :value {asked}, :process {process}, :time {time}, :index {}}}\n\
                     {{:type :ok, :f :{f}, :value {value}, :process {process}, :time {}, :index {}}}\n",
                    2 * number,
                    time + 700,
                    2 * number + 1
                )
            }
            ("jepsen-log", _) => {
                let asked = if is_write {
                    value.to_string()
                } else {
                    "nil".to_owned()
                };
                format!(
                    "INFO  jepsen.util - {process}\t:invoke\t:{f}\t{asked}\n\
                     INFO  jepsen.util - {process}\t:ok\t:{f}\t{value}\n"
                )
            }
            _ => {
                let asked = if is_write {
                    value.to_string()
                } else {
                    "null".to_owned()
                };
                format!(
                    "{{\"index\":{},\"process\":{process},\"type\":\"invoke\",\"f\":\"{f}\",\"value\":{asked}}}\n\
                     {{\"index\":{},\"process\":{process},\"type\":\"ok\",\"f\":\"{f}\",\"value\":{value}}}\n",
                    2 * number,
                    2 * number + 1
                )
            }
        };
    }
    fs::write(&path, text).unwrap();
    path
}

#[divan::bench(args = ["journal", "edn", "jepsen-log", "elle-json"], sample_count = 9)]
fn one_million_operations(bencher: divan::Bencher, format: &str) {
    let path = file(format);
    bencher.bench_local(|| {
        let imported = formats::read(&path, Some(format)).unwrap();
        assert_eq!(imported.history.operations.len(), 1_000_000);
        imported
    });
}
