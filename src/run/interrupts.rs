//! What SIGINT, SIGTERM and SIGHUP do: the first one ends a run early, the second one at once.

use std::future::Future;

use anyhow::{Context, anyhow};
use tokio::sync::watch;

use crate::exit::Failure;

/// How often this process was interrupted: once to finish early, twice to give up.
pub type Interrupts = watch::Receiver<u32>;

/// Counts SIGINT, SIGTERM and SIGHUP from now on. Must be called on a tokio runtime.
///
/// # Errors
/// When the signals cannot be caught.
pub fn watch_interrupts() -> anyhow::Result<Interrupts> {
    use tokio::signal::unix::{SignalKind, signal};
    let (sender, receiver) = watch::channel(0);
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signals = signal(kind).context("cannot listen for signals")?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                sender.send_modify(|count| *count += 1);
            }
        });
    }
    Ok(receiver)
}

/// The result of `work`; `None` if a second interrupt comes first.
pub async fn unless_aborted<T>(mut interrupts: Interrupts, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        result = work => Some(result),
        _ = interrupts.wait_for(|count| *count >= 2) => None,
    }
}

/// The failure of a run that was interrupted before there was anything to judge.
pub fn interrupted() -> Failure {
    Failure::Harness(anyhow!(
        "interrupted; `perjury check` judges whatever had been recorded by then"
    ))
}
