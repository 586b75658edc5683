//! One file a subcommand.

#[cfg(target_os = "linux")]
mod agent;
mod bench;
mod bench_check;
mod bench_overhead;
mod check;
mod compare;
mod doctor;
mod export;
mod heal;
mod hunt;
mod list;
mod node;
mod report;
mod serve;
mod tamper;
mod test;
mod test_all;

use std::future::Future;

use anyhow::Context;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

pub use check::read_history;

use crate::cli::Command;
use crate::exit::{CommandResult, Failure};

/// Does what the user asked.
pub fn run(command: Command) -> CommandResult {
    match command {
        Command::Test(args) => test::run(*args),
        Command::TestAll(args) => test_all::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Serve(args) => serve::run(&args),
        Command::List => list::run(),
        Command::Doctor(args) => doctor::run(&args),
        Command::Heal(args) => heal::run(&args),
        Command::Hunt(args) => hunt::run(&args),
        Command::Bench(args) => bench::run(args),
        Command::Node(args) => node::run(args),
        Command::Tamper(args) => tamper::run(&args.what),
        #[cfg(target_os = "linux")]
        Command::Agent(args) => agent::run(args),
        #[cfg(not(target_os = "linux"))]
        Command::Agent(_) => Err(Failure::Usage("agents work on Linux only".into())),
    }
}

/// Sends the log of this process to `writer`: what PERJURY_LOG asks for, such as `debug` or `info,raft=trace`, or else
/// `info`.
fn log_to(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let asked = std::env::var("PERJURY_LOG").ok();
    let filter = asked
        .and_then(|asked| asked.parse().ok())
        .unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(lines).with(filter).init();
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
