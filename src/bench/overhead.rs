//! `perjury bench overhead`: what the harness itself costs, on etcd without faults. Alternately, on one
//! cluster: a plain load generator, which builds the same requests and records nothing but how many were
//! answered; and perjury with all that belongs to a test, generator, runner, journal and the client with its
//! table of errors.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use control::{EnvKind, OpenOptions, SystemOptions};
use generator::Generator;
use history::ObjectKind;
use serde_json::json;

use super::cluster::{Cluster, has_etcd, start_etcd};
use super::{HTTP_TIMEOUT, ROUNDS, median};
use crate::output::say;
use crate::run::{Dispatcher, Journal, Runner, SystemConnect, TokioRuntime};

/// Prints both rates and their ratio.
pub async fn run(nodes: u16, clients: usize, time: Duration) -> Result<()> {
    if nodes == 0 || clients == 0 {
        bail!("give at least one node and one client");
    }
    if !has_etcd().await {
        bail!(
            "etcd is not on the PATH: there is nothing to put a load on (Debian: apt-get install etcd-server)"
        );
    }
    say!(
        "etcd, {nodes} nodes, {clients} clients, as many puts as linearizable reads, no faults, {ROUNDS} rounds of {time:?} each, \
         alternating"
    );
    let cluster = start_etcd(nodes).await?;
    // Neither side is to pay for a cold cluster.
    plain(&cluster, clients, time / 4).await?;
    let (mut plains, mut perjuries, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        let plain = plain(&cluster, clients, time).await?;
        let perjury = perjury(&cluster, clients, time, round as u64).await?;
        say!("  round {round}: plain {plain:>7.0} ops/s  perjury {perjury:>7.0} ops/s");
        plains.push(plain);
        perjuries.push(perjury);
        ratios.push(perjury / plain);
    }
    say!("median plain:   {:.0} ops/s", median(&mut plains));
    say!("median perjury: {:.0} ops/s", median(&mut perjuries));
    say!("median ratio perjury / plain: {:.2}", median(&mut ratios));
    Ok(())
}

/// Answered requests a second of clients that do nothing else.
async fn plain(cluster: &Cluster, clients: usize, time: Duration) -> Result<f64> {
    let stop = Arc::new(AtomicBool::new(false));
    let start = Instant::now();
    let mut tasks = Vec::new();
    for client in 0..clients {
        let http = systems::http_client(HTTP_TIMEOUT)?;
        let base = format!("http://{}/v3/kv", cluster.http[client % cluster.http.len()]);
        let stop = stop.clone();
        tasks.push(tokio::spawn(async move {
            let (mut done, mut number) = (0_u64, client);
            while !stop.load(Ordering::Relaxed) {
                let key = BASE64.encode(format!("plain/{}", number % (clients / 2).max(1)));
                let request = match number / clients % 2 {
                    0 => http
                        .post(format!("{base}/put"))
                        .json(&json!({ "key": key, "value": BASE64.encode(number.to_string()) })),
                    _ => http.post(format!("{base}/range")).json(&json!({ "key": key })),
                };
                if let Ok(response) = request.send().await
                    && response.status().is_success()
                    && response.bytes().await.is_ok()
                {
                    done += 1;
                }
                number += clients;
            }
            done
        }));
    }
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    let mut done = 0;
    for task in tasks {
        done += task.await?;
    }
    Ok(done as f64 / start.elapsed().as_secs_f64())
}

/// Operations that ended ok a second, of a whole test but for the judging.
async fn perjury(cluster: &Cluster, clients: usize, time: Duration, seed: u64) -> Result<f64> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let environment = control::open(
        EnvKind::External,
        &OpenOptions::new(cluster.http.len(), directory.path()),
    )?;
    let entry = systems::find("etcd").ok_or_else(|| anyhow!("no system etcd"))?;
    let options = SystemOptions {
        endpoints: (cluster.http.iter())
            .map(|address| format!("http://{address}"))
            .collect(),
        ..SystemOptions::default()
    };
    let connect = SystemConnect {
        system: (entry.make)(environment, &options)?,
        object: ObjectKind::Register,
    };
    let workload = workloads::find("register").ok_or_else(|| anyhow!("no register workload"))?;
    let workload = (workload.make)(&workloads::WorkloadOptions {
        seed,
        clients,
        readers: 0.0,
        mix: [1, 1, 0],
        ..workloads::WorkloadOptions::default()
    });
    let journal = Journal::create(&directory.path().join("history.jsonl"), None)?;
    let dispatcher = Arc::new(Dispatcher::new(TokioRuntime::start(), journal, clients));
    let mut runner = Runner::new(
        dispatcher.clone(),
        Arc::new(connect),
        cluster.http.len(),
        HTTP_TIMEOUT,
    );
    let limited = generator::time_limit(time.as_nanos() as u64, workload.generator);
    let generator: Box<dyn Generator> = Box::new(generator::clients(limited));
    let start = Instant::now();
    runner.run(generator, None).await?;
    let rate = dispatcher.totals().ok as f64 / start.elapsed().as_secs_f64();
    dispatcher.close()?;
    Ok(rate)
}
