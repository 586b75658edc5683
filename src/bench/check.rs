//! `perjury bench check`: the checker on histories made from a seed, compared with sorting their timestamps.
//!
//! Two parts: one register with values written once each, a million operations; and a grid of registers whose
//! values repeat, valid or with one violation, which is where checkers run out of time or memory.

use anyhow::{Context, Result, bail};
use checker::synthetic::{self, Synthetic, Violation};
use checker::{Options, Verdict, check};
use history::{History, Value, formats};

use super::cell::{self, CELL_BYTES, CELL_TIME};
use super::{ROUNDS, forget_peak, median, memory, seconds};
use crate::output::say;

/// Prints both parts.
pub fn run(ops: usize, most_ops: usize, seed: u64) -> Result<()> {
    unique(ops, seed)?;
    grid(most_ops, seed)
}

fn options() -> Options {
    Options {
        initial: Some(Value::Int(0)),
        ..Options::default()
    }
}

fn unique(operations: usize, seed: u64) -> Result<()> {
    let history = synthetic::register(&Synthetic {
        operations,
        clients: 100,
        open: 1_000.min(operations / 10),
        values: None,
        violation: None,
        seed,
    });
    say!(
        "one register, values written once, {operations} operations, 100 clients, {} open",
        1_000.min(operations / 10)
    );
    let (mut sorts, mut checks, mut files) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        sorts.push(seconds(|| sort_times(&history)));
    }
    forget_peak();
    let before = memory("VmRSS");
    for _ in 0..ROUNDS {
        let mut verdict = Verdict::Unknown;
        checks.push(seconds(|| verdict = check(&history, &options()).verdict));
        expect(verdict, Verdict::Valid)?;
    }
    let peak = memory("VmHWM");

    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let journal = directory.path().join("history.jsonl");
    let mut text = Vec::new();
    formats::write(&history, formats::JOURNAL, &mut text).context("cannot write the journal")?;
    std::fs::write(&journal, &text).with_context(|| format!("cannot write {}", journal.display()))?;
    drop((history, text));
    for _ in 0..ROUNDS {
        let mut verdict = Verdict::Unknown;
        let mut failure = None;
        files.push(seconds(|| match formats::read(&journal, None) {
            Ok(imported) => verdict = check(&imported.history, &options()).verdict,
            Err(error) => failure = Some(error),
        }));
        if let Some(error) = failure {
            return Err(error.into());
        }
        expect(verdict, Verdict::Valid)?;
    }
    let (sort, check, file) = (median(&mut sorts), median(&mut checks), median(&mut files));
    say!("  sorting the {} timestamps  {sort:.3} s", 2 * operations);
    say!(
        "  history to verdict            {check:.3} s, {:.1} times as long",
        check / sort
    );
    say!("  file to verdict               {file:.3} s");
    if let (Some(before), Some(peak)) = (before, peak) {
        say!(
            "  memory an operation           {} bytes at most, {} of them the history",
            peak / operations,
            before / operations
        );
    }
    Ok(())
}

/// What any checker must do at least, nearly: bring the times into order.
fn sort_times(history: &History) {
    let mut times: Vec<u64> = history
        .operations
        .iter()
        .flat_map(|operation| [operation.invoked, operation.completed])
        .collect();
    times.sort_unstable();
    std::hint::black_box(times);
}

fn grid(most_ops: usize, seed: u64) -> Result<()> {
    say!(
        "\none register, values 0-4: seconds until it is decided (limits {} s, {} GiB)",
        CELL_TIME.as_secs(),
        CELL_BYTES >> 30
    );
    say!(
        "{:>9} {:>8} {:>5}  {:>8} {:>14} {:>12} {:>14}",
        "ops",
        "clients",
        "open",
        "valid",
        "never-written",
        "overwritten",
        "too-many-uses"
    );
    let (mut slowest, mut undecided): (f64, usize) = (0.0, 0);
    for operations in [1_000, 10_000, 100_000]
        .into_iter()
        .filter(|operations| *operations <= most_ops)
    {
        for clients in [5, 10, 20, 50, 100] {
            for open in [0, 10, 30, 100] {
                let mut cells = Vec::new();
                for violation in [None].into_iter().chain(Violation::ALL.map(Some)) {
                    let history = synthetic::register(&Synthetic {
                        operations,
                        clients,
                        open,
                        values: Some(5),
                        violation,
                        seed,
                    });
                    let (analysis, took) = cell::judge(&history, options());
                    let verdict = analysis.verdict;
                    slowest = slowest.max(took);
                    cells.push(match (verdict, violation) {
                        (Verdict::Unknown, _) => {
                            undecided += 1;
                            "unknown".to_owned()
                        }
                        (Verdict::Valid, None) | (Verdict::Invalid, Some(_)) => format!("{took:.2}"),
                        _ => bail!(
                            "{verdict} is wrong: {operations} {clients} {open} {violation:?}, seed {seed}"
                        ),
                    });
                }
                say!(
                    "{operations:>9} {clients:>8} {open:>5}  {:>8} {:>14} {:>12} {:>14}",
                    cells[0],
                    cells[1],
                    cells[2],
                    cells[3]
                );
            }
        }
    }
    say!("slowest cell {slowest:.2} s, {undecided} undecided");
    Ok(())
}

fn expect(verdict: Verdict, expected: Verdict) -> Result<()> {
    if verdict == expected {
        Ok(())
    } else {
        bail!("the verdict is {verdict}, but the history is {expected}")
    }
}
