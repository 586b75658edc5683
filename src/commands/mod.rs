//! One file a subcommand.

mod bench;
mod bench_check;
mod bench_overhead;
mod check;
mod export;
mod heal;
mod list;
mod node;
mod report;
mod test;

use std::future::Future;

use anyhow::Context;

use crate::cli::Command;
use crate::exit::{CommandResult, Failure};

/// Does what the user asked.
pub fn run(command: Command) -> CommandResult {
    match command {
        Command::Test(args) => test::run(args),
        Command::Check(args) => check::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Report(args) => report::run(&args),
        Command::List => list::run(),
        Command::Heal(args) => heal::run(&args),
        Command::Bench(args) => bench::run(args),
        Command::Node(args) => node::run(args),
    }
}

/// Runs `work` on a tokio runtime with a thread a core.
fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let result = runtime.block_on(work);
    // Nothing that still hangs in a blocking call may keep the user waiting.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}
