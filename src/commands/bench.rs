//! `perjury bench`: how fast perjury itself is, and the bundled cluster compared with etcd on the same
//! machine.

use anyhow::anyhow;

use crate::bench::{check, detection, overhead, runner, shapes, store};
use crate::cli::{BenchArgs, BenchWhat};
use crate::exit::{CommandResult, Done, Failure};
use crate::process::block_on;
use crate::run::interrupts::watch_interrupts;

/// Measures and prints medians.
pub fn run(args: BenchArgs) -> CommandResult {
    if let BenchWhat::Check { ops, grid_ops, seed } = args.what {
        check::run(ops as usize, grid_ops as usize, seed)?;
        return Ok(Done::Fine);
    }
    if let BenchWhat::Shapes { grid_ops, only, seed } = &args.what {
        shapes::run(*grid_ops as usize, only, *seed)?;
        return Ok(Done::Fine);
    }
    if let BenchWhat::Detection { rounds, record } = &args.what {
        detection::run(*rounds, record.as_deref())?;
        return Ok(Done::Fine);
    }
    if let BenchWhat::Columns {
        operations,
        keys,
        memory_limit,
        seed,
    } = args.what
    {
        return columns(operations, keys, memory_limit, seed);
    }
    block_on(async {
        let mut interrupts = watch_interrupts()?;
        // When this is dropped by an interrupt, the processes that were started and their directory go with
        // it.
        let measured = async {
            match args.what {
                BenchWhat::Runner { concurrency, ops } => runner::run(concurrency, ops).await,
                BenchWhat::Check { .. }
                | BenchWhat::Shapes { .. }
                | BenchWhat::Columns { .. }
                | BenchWhat::Detection { .. } => Ok(()),
                BenchWhat::Overhead { nodes, clients, time } => overhead::run(nodes, clients, time).await,
                BenchWhat::Store {
                    nodes,
                    connections,
                    time,
                } => store::run(nodes, connections, time).await,
            }
        };
        tokio::select! {
            result = measured => result?,
            _ = interrupts.wait_for(|count| *count >= 1) => return Err(anyhow!("interrupted").into()),
        }
        Ok::<_, Failure>(Done::Fine)
    })
}

#[cfg(feature = "parquet")]
fn columns(operations: u64, keys: u64, memory_limit: usize, seed: u64) -> CommandResult {
    crate::bench::columns::run(operations, keys, memory_limit, seed)?;
    Ok(Done::Fine)
}

#[cfg(not(feature = "parquet"))]
fn columns(_: u64, _: u64, _: usize, _: u64) -> CommandResult {
    Err(Failure::Usage(history::formats::NO_PARQUET.to_owned()))
}
