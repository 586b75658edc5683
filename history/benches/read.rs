//! How long files of 1,000,000 operations take to become a history. Run: `cargo bench -p perjury-history`.

use std::path::PathBuf;

use history::{History, read_journal};

fn main() {
    divan::main();
}

/// A journal of 1,000,000 operations of 100 clients, made once.
fn journal() -> PathBuf {
    let path = std::env::temp_dir().join("perjury-bench-history.jsonl");
    if !path.exists() {
        let mut text = String::new();
        for number in 0..1_000_000u64 {
            let (process, time) = (number % 100, number * 1000);
            let (ask, answer) = match number % 2 {
                0 => (format!("\"f\":\"write\",\"value\":{number},\"node\":1"), String::new()),
                _ => ("\"f\":\"read\",\"node\":2".to_owned(), format!(",\"value\":{}", number - 1)),
            };
            text += &format!("{{\"time_ns\":{time},\"process\":{process},\"type\":\"invoke\",{ask}}}\n");
            text += &format!("{{\"time_ns\":{},\"process\":{process},\"type\":\"ok\"{answer}}}\n", time + 700);
        }
        std::fs::write(&path, text).unwrap();
    }
    path
}

#[divan::bench(sample_count = 5)]
fn events_then_history(bencher: divan::Bencher) {
    let path = journal();
    bencher.bench_local(|| History::from_events(read_journal(&path).unwrap()).unwrap());
}
