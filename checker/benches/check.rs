//! How long the checker takes: `cargo bench -p perjury-checker`.
//!
//! One register with values written once each (the exact procedure), many such registers, and one with
//! repeated values (the search). Histories are valid: every operation is looked at.

#[path = "../tests/common/mod.rs"]
mod common;

use checker::synthetic::{Synthetic, register};
use checker::{Verdict, check};
use common::{Long, long_history, options};
use divan::Bencher;
use divan::counter::ItemsCount;
use history::{History, Op, Value};

fn main() {
    divan::main();
}

const LONG: Long = Long {
    operations: 1_000_000,
    clients: 50,
    values: None,
    info_per_mille: 5,
    telling: 10,
};

fn measure(bencher: Bencher, history: &History) {
    bencher
        .counter(ItemsCount::new(history.operations.len()))
        .bench_local(|| {
            assert_eq!(check(history, &options()).verdict, Verdict::Valid);
        });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn exact_one_key(bencher: Bencher) {
    measure(bencher, &long_history(1, LONG));
}

/// The long case of the documentation: a hundred clients, a thousand open operations.
fn million() -> History {
    register(&Synthetic {
        operations: 1_000_000,
        clients: 100,
        open: 1_000,
        values: None,
        violation: None,
        seed: 1,
    })
}

#[divan::bench(sample_count = 15, sample_size = 1)]
fn exact_million(bencher: Bencher) {
    measure(bencher, &million());
}

/// What [`exact_million`] is compared with: sorting all positions of the same history.
#[divan::bench(sample_count = 15, sample_size = 1)]
fn sort_million(bencher: Bencher) {
    let history = million();
    let positions = || -> Vec<u64> {
        let operations = history.operations.iter();
        operations.flat_map(|x| [x.invoked, x.completed]).collect()
    };
    bencher
        .with_inputs(positions)
        .bench_local_values(|mut positions| {
            positions.sort_unstable();
            positions
        });
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn exact_3000_keys(bencher: Bencher) {
    let mut operations = Vec::new();
    for number in 0..3000 {
        for mut operation in long_history(
            number,
            Long {
                operations: 333,
                ..LONG
            },
        )
        .operations
        {
            match &mut operation.op {
                Op::Read { key } | Op::Write { key, .. } | Op::Cas { key, .. } => {
                    *key = Value::Int(number as i64)
                }
                _ => {}
            }
            operations.push(operation);
        }
    }
    measure(bencher, &common::history(operations));
}

#[divan::bench(sample_count = 5, sample_size = 1)]
fn search_one_key(bencher: Bencher) {
    measure(
        bencher,
        &long_history(
            1,
            Long {
                operations: 100_000,
                clients: 10,
                values: Some(4),
                info_per_mille: 0,
                ..LONG
            },
        ),
    );
}
