//! `perjury bench shapes`: a grid of histories that are hard to judge, each in a way of its own
//! ([`synthetic::SHAPES`]), valid or with one violation. What stays undecided is named, with the reason.

use anyhow::{Context, Result, bail};
use checker::synthetic::{self, Shape};
use checker::{Analysis, Options, Verdict, objects};

use super::cell::{self, CELL_BYTES, CELL_TIME};
use super::median;
use crate::output::say;

const SIZES: [usize; 3] = [500, 2_000, 10_000];
const CLIENTS: [usize; 4] = [5, 20, 50, 100];

/// Judges and prints the grid, or those of its shapes whose names contain `only`.
pub fn run(most_ops: usize, only: &str, seed: u64) -> Result<()> {
    say!(
        "seconds until it is decided, valid and with one violation (limits {} s, {} GiB)",
        CELL_TIME.as_secs(),
        CELL_BYTES >> 30
    );
    let clients = CLIENTS.map(|clients| format!("{:>15}", format!("{clients} clients")));
    say!("{:<18} {:>6}{}", "shape", "ops", clients.concat());
    let (mut cells, mut slowest, mut undecided) = (0, 0.0f64, Vec::new());
    for shape in synthetic::SHAPES.iter().filter(|shape| shape.name.contains(only)) {
        let mut times = Vec::new();
        for operations in SIZES.into_iter().filter(|operations| *operations <= most_ops) {
            let mut row = String::new();
            for clients in CLIENTS {
                for is_valid in [true, false] {
                    let (analysis, took) = judge(shape, operations, clients, is_valid, seed)?;
                    cells += 1;
                    slowest = slowest.max(took);
                    let cell = match analysis.verdict {
                        Verdict::Unknown => {
                            let name = if is_valid { "valid" } else { "violation" };
                            let name = format!("{}, {operations} ops, {clients} clients, {name}", shape.name);
                            undecided.push((name, reason(&analysis)));
                            "unknown".to_owned()
                        }
                        _ => {
                            times.push(took);
                            format!("{took:.3}")
                        }
                    };
                    row += &format!("{cell:>width$}", width = if is_valid { 7 } else { 8 });
                }
            }
            say!("{:<18} {operations:>6}{row}", shape.name);
        }
        say!("{:<18} median {:.4} s: {}", "", median(&mut times), shape.about);
    }
    say!(
        "{cells} cells, slowest {slowest:.2} s, {} undecided",
        undecided.len()
    );
    for (name, reason) in undecided {
        say!("  {name}: {reason}");
    }
    Ok(())
}

fn judge(
    shape: &Shape,
    operations: usize,
    clients: usize,
    is_valid: bool,
    seed: u64,
) -> Result<(Analysis, f64)> {
    let history = shape.history(operations, clients, is_valid, seed);
    let model = objects::find(shape.model).with_context(|| format!("there is no model {}", shape.model))?;
    let options = Options {
        model,
        ..Options::default()
    };
    let (analysis, took) = cell::judge(&history, options);
    let expected = if is_valid {
        Verdict::Valid
    } else {
        Verdict::Invalid
    };
    match analysis.verdict {
        verdict if verdict == expected || verdict == Verdict::Unknown => Ok((analysis, took)),
        wrong => bail!(
            "{wrong} is wrong: {} {operations} {clients} {expected}, seed {seed}",
            shape.name
        ),
    }
}

fn reason(analysis: &Analysis) -> String {
    let reasons = analysis.unknown.iter().map(|(_, why)| why.to_string());
    reasons.collect::<Vec<_>>().join("; ")
}
