//! `perjury bench columns`: a Parquet file that need not fit into memory, judged in groups of keys.
//!
//! Every key is a register with values written once each, and 4 clients. The rows of a thousand keys are
//! mixed, as those of clients that ask about many keys are. The last key has a stale read, which must be
//! found, and nothing else.

use std::fs::File as Disk;
use std::io::BufWriter;
use std::path::Path;

use anyhow::{Context, Result, bail};
use checker::synthetic::{self, Synthetic, Violation};
use checker::{Options, Verdict};
use history::columns::{File, Writer};
use history::units::size;
use history::{Key, Ns, OPEN, Op, Operation, Value};

use super::{forget_peak, memory, seconds};
use crate::exit::Failure;
use crate::groups::{self, Found, Shares};
use crate::output::say;

const CLIENTS: usize = 4;
/// How many histories are made; keys share them.
const PATTERNS: u64 = 64;
/// How many keys' rows are mixed.
const MIXED: u64 = 1_000;
/// What lies between two events of a key, nanoseconds.
const STEP_NS: u64 = 1_000;

/// Makes the file, judges it and prints what that took.
pub fn run(operations: u64, keys: u64, memory_limit: usize, seed: u64) -> Result<(), Failure> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let path = directory.path().join("history.parquet");
    let each = (operations / keys).max(8);
    let mut written = Ok(());
    let making = seconds(|| written = write(&path, each as usize, keys, seed));
    written?;
    let bytes = std::fs::metadata(&path).context("cannot read the file")?.len();
    say!(
        "{} operations on {keys} keys, {} in Parquet",
        each * keys,
        size(bytes)
    );
    say!("  making the file     {making:.1} s");

    forget_peak();
    let shares = Shares::of(memory_limit);
    let file = File::open(&path).map_err(|error| groups::wrong(&path, &error))?;
    let mut spilled = None;
    let splitting = seconds(|| spilled = Some(groups::split(&path, &file, &shares, None)));
    let options = Options {
        initial: Some(Value::Int(0)),
        ..Options::default()
    };
    let mut found = None;
    if let Some(spilled) = spilled.transpose()? {
        let judging = seconds(|| found = Some(groups::judge(&path, spilled, &options, &shares, None)));
        say!("  splitting it by key {splitting:.1} s");
        say!("  judging the groups  {judging:.1} s");
        say!("  file to verdict     {:.1} s", splitting + judging);
    }
    if let Some(peak) = memory("VmHWM") {
        say!(
            "  memory              {} at most, of {}",
            size(peak as u64),
            size(memory_limit as u64)
        );
    }
    if let Some(found) = found.transpose()? {
        say!("  groups              {}", found.groups);
        expect(&found, keys)?;
    }
    Ok(())
}

/// The last key, and no other one, is wrong.
fn expect(found: &Found, keys: u64) -> Result<()> {
    let analysis = &found.analysis;
    let wrong: Vec<&Key> = found.told.iter().map(|told| &told.key).collect();
    let last = Value::Int(keys as i64 - 1);
    if (analysis.verdict, analysis.unknown_total, analysis.keys as u64) != (Verdict::Invalid, 0, keys)
        || wrong != [&last]
    {
        bail!(
            "only key {last} is wrong, but {} of {keys} keys are invalid and {} unknown: {wrong:?}",
            analysis.conflicts_total,
            analysis.unknown_total
        );
    }
    Ok(())
}

fn write(path: &Path, each: usize, keys: u64, seed: u64) -> Result<()> {
    let pattern = |violation, seed| -> Vec<Operation> {
        let history = synthetic::register(&Synthetic {
            operations: each,
            clients: CLIENTS,
            open: (each / 200).min(10),
            values: None,
            violation,
            seed,
        });
        history
            .operations
            .iter()
            .map(|operation| of_key(operation, 0))
            .collect()
    };
    let patterns: Vec<Vec<Operation>> = (0..PATTERNS.min(keys))
        .map(|number| pattern(None, seed + number))
        .collect();
    let wrong = pattern(Some(Violation::Overwritten), seed);
    let all = || patterns.iter().chain([&wrong]);
    let longest = all().map(Vec::len).max().unwrap_or_default();
    let of = |key: u64| match key + 1 == keys {
        true => &wrong,
        false => &patterns[(key % PATTERNS) as usize],
    };
    let disk = BufWriter::new(Disk::create_new(path)?);
    let mut writer = Writer::new(disk, all().flatten(), false)?;
    let mut rows = Vec::new();
    for first in (0..keys).step_by(MIXED as usize) {
        let mixed = first..(first + MIXED).min(keys);
        for number in 0..longest {
            rows.extend(
                mixed
                    .clone()
                    .filter_map(|key| Some(of_key(of(key).get(number)?, key))),
            );
            if rows.len() >= 1 << 16 {
                writer.push(&rows)?;
                rows.clear();
            }
        }
    }
    writer.push(&rows)?;
    writer.finish()?;
    Ok(())
}

/// An operation of a pattern as one of a key, by clients of its own.
fn of_key(operation: &Operation, key: u64) -> Operation {
    let mut operation = operation.clone();
    let name = Value::Int(key as i64);
    match &mut operation.op {
        Op::Read { key } | Op::Write { key, .. } | Op::Cas { key, .. } => *key = name,
        _ => {}
    }
    // Clients of different keys may share a number; no key's do.
    operation.process = (operation.process + (key as u32).wrapping_mul(64)) % (1 << 31);
    let at = |position: u64| position * STEP_NS + key % STEP_NS;
    operation.invoked_ns = at(operation.invoked);
    operation.completed_ns = (operation.completed != OPEN).then(|| Ns::new(at(operation.completed)));
    operation
}
