//! What every command's process needs: its log and its async runtime.

use std::future::Future;

use anyhow::Context;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::exit::Failure;

/// Sends the log of this process to `writer`. PERJURY_LOG says how much of it, such as `debug` or
/// `info,raft=trace`; `info` where it says nothing.
pub fn log_to(writer: impl for<'a> MakeWriter<'a> + Send + Sync + 'static) {
    let wanted = std::env::var("PERJURY_LOG").ok();
    let filter = wanted
        .and_then(|wanted| wanted.parse().ok())
        .unwrap_or_else(|| Targets::new().with_default(LevelFilter::INFO));
    let lines = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(writer);
    tracing_subscriber::registry().with(lines).with(filter).init();
}

/// Runs `work` on a tokio runtime with one thread per core.
pub fn block_on<T>(work: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?;
    let result = runtime.block_on(work);
    // A blocking call that hangs must not keep the user waiting.
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
    result
}
