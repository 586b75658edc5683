//! `perjury bench runner`: the controller alone, with clients that answer at once.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use async_trait::async_trait;
use control::{Client, ControlError};
use generator::Generator;
use history::{Op, Outcome};

use super::{ROUNDS, median};
use crate::output::say;
use crate::run::{Connect, Dispatcher, Journal, Runner, TokioRuntime};

/// A client that answers at once.
struct NoOp;

#[async_trait]
impl Client for NoOp {
    async fn invoke(&mut self, op: &Op) -> Outcome {
        match op {
            Op::Read { .. } => Outcome::ok_value(history::Value::Nil),
            _ => Outcome::ok(),
        }
    }
}

#[async_trait]
impl Connect for NoOp {
    async fn connect(&self, _: usize, _: Duration) -> Result<Box<dyn Client>, ControlError> {
        Ok(Box::new(NoOp))
    }
}

/// Prints the rate of each round and their median.
pub async fn run(concurrency: usize, ops: u64) -> Result<()> {
    if concurrency == 0 || ops == 0 {
        bail!("give at least one client thread and one operation");
    }
    say!("controller with a no-op client, register workload, {concurrency} client threads, {ops} operations");
    let mut rates = Vec::new();
    for round in 1..=ROUNDS {
        let directory = std::env::temp_dir().join(format!("perjury-bench-{}-{round}", std::process::id()));
        std::fs::create_dir(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let result = once(&directory, concurrency, ops, round as u64).await;
        std::fs::remove_dir_all(&directory)
            .with_context(|| format!("cannot remove {}", directory.display()))?;
        let rate = result?;
        say!("  round {round}: {rate:>9.0} operations/s");
        rates.push(rate);
    }
    say!(
        "  median:  {:>9.0} operations/s, journal included",
        median(&mut rates)
    );
    Ok(())
}

async fn once(directory: &Path, concurrency: usize, ops: u64, seed: u64) -> Result<f64> {
    let workload = workloads::find("register").ok_or_else(|| anyhow!("no register workload"))?;
    let workload = (workload.make)(&workloads::WorkloadOptions {
        seed,
        clients: concurrency,
        ..workloads::WorkloadOptions::default()
    });
    let journal = Journal::create(&directory.join("history.jsonl"), None)?;
    let dispatcher = Arc::new(Dispatcher::new(TokioRuntime::start(), journal, concurrency));
    let mut runner = Runner::new(dispatcher.clone(), Arc::new(NoOp), 1, Duration::from_secs(1));
    let generator: Box<dyn Generator> =
        Box::new(generator::clients(generator::limit(ops, workload.generator)));
    let start = Instant::now();
    runner.run(generator, None).await?;
    let done = dispatcher.totals().ok;
    if done != ops {
        bail!("{done} of {ops} operations ended ok");
    }
    dispatcher.close()?;
    Ok(ops as f64 / start.elapsed().as_secs_f64())
}
