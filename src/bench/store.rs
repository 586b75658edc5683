//! `perjury bench store`: writes to the bundled cluster, compared with etcd's on the same machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::cluster::{Cluster, has_etcd, start_bundled, start_etcd};
use super::{HTTP_TIMEOUT, ROUNDS, median};
use crate::output::say;

/// One store's figures.
struct Figures {
    puts_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Puts that were refused or not answered; they count for nothing.
    errors: usize,
}

/// Prints the figures of each round, their medians, and the ratio.
pub async fn run(nodes: u16, connections: usize, time: Duration) -> Result<()> {
    if nodes == 0 || connections == 0 {
        bail!("give at least one node and one connection");
    }
    say!(
        "puts on {nodes} nodes with fsync, {connections} connections, {ROUNDS} rounds of {time:?} each, alternating"
    );
    let mut bundled = Vec::new();
    let mut etcd = Vec::new();
    let has_etcd = has_etcd().await;
    for round in 1..=ROUNDS {
        let figures = load(start_bundled(nodes).await?, connections, time).await?;
        print_figures(round, "bundled", &figures);
        bundled.push(figures);
        if has_etcd {
            let figures = load(start_etcd(nodes).await?, connections, time).await?;
            print_figures(round, "etcd", &figures);
            etcd.push(figures);
        }
    }
    let ours = median(&mut bundled.iter().map(|f| f.puts_per_s).collect::<Vec<_>>());
    say!(
        "median bundled: {ours:.0} puts/s, p50 {:.2} ms",
        median_p50(&bundled)
    );
    if has_etcd {
        let theirs = median(&mut etcd.iter().map(|f| f.puts_per_s).collect::<Vec<_>>());
        say!(
            "median etcd:    {theirs:.0} puts/s, p50 {:.2} ms",
            median_p50(&etcd)
        );
        say!("ratio bundled / etcd: {:.2}", ours / theirs);
    } else {
        say!(
            "etcd is not on the PATH: there is nothing to compare with (Debian: apt-get install etcd-server)"
        );
    }
    Ok(())
}

fn print_figures(round: usize, name: &str, figures: &Figures) {
    say!(
        "  round {round} {name:<8} {:>7.0} puts/s  p50 {:>6.2} ms  p99 {:>7.2} ms  {} errors",
        figures.puts_per_s,
        figures.p50_ms,
        figures.p99_ms,
        figures.errors
    );
}

async fn load(cluster: Cluster, connections: usize, time: Duration) -> Result<Figures> {
    let stop = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for connection in 0..connections {
        let client = systems::http_client(HTTP_TIMEOUT)?;
        let address = cluster.http[connection % cluster.http.len()];
        let (put, stop) = (cluster.put, stop.clone());
        tasks.push(tokio::spawn(async move {
            let mut latencies_us = Vec::new();
            let mut errors = 0;
            let mut number = connection as u64;
            while !stop.load(Ordering::Relaxed) {
                let sent = Instant::now();
                let done = match put(&client, address, number).send().await {
                    Ok(response) if response.status().is_success() => response.bytes().await.is_ok(),
                    _ => false,
                };
                if done {
                    latencies_us.push(sent.elapsed().as_micros() as u64);
                } else {
                    errors += 1;
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                number += connections as u64;
            }
            (latencies_us, errors)
        }));
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut latencies_us = Vec::new();
    let mut errors = 0;
    for task in tasks {
        let (some_us, some_errors) = task.await?;
        latencies_us.extend(some_us);
        errors += some_errors;
    }
    let seconds = start.elapsed().as_secs_f64();
    latencies_us.sort_unstable();
    let at = |share: f64| {
        let index = (latencies_us.len() as f64 * share) as usize;
        latencies_us.get(index).copied().unwrap_or_default() as f64 / 1000.0
    };
    Ok(Figures {
        puts_per_s: latencies_us.len() as f64 / seconds,
        p50_ms: at(0.5),
        p99_ms: at(0.99),
        errors,
    })
}

fn median_p50(figures: &[Figures]) -> f64 {
    median(&mut figures.iter().map(|figures| figures.p50_ms).collect::<Vec<_>>())
}
