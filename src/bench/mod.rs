//! `perjury bench`: how fast perjury itself is, and the bundled cluster beside etcd on the same machine.

mod check;
mod overhead;

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use control::{Client, ControlError};
use generator::Generator;
use history::{Op, Outcome};
use serde_json::json;
use tokio::process::{Child, Command};

use crate::cli::{BenchArgs, BenchWhat};
use crate::exit::{CommandResult, Done, Failure};
use crate::output::say;
use crate::process::block_on;
use crate::run::{Connect, Dispatcher, Journal, Runner, TokioRuntime};

/// How long an answer may take.
pub(super) const HTTP_TIMEOUT: Duration = Duration::from_secs(5);
/// How often each figure is taken; the median is what counts.
pub(super) const ROUNDS: usize = 5;

/// Measures and prints medians.
pub fn run(args: BenchArgs) -> CommandResult {
    if let BenchWhat::Check { ops, grid_ops, seed } = args.what {
        check::run(ops as usize, grid_ops as usize, seed)?;
        return Ok(Done::Fine);
    }
    block_on(async {
        let mut interrupts = crate::commands::test::watch_interrupts()?;
        // Dropped when interrupted, and with it the processes that were started and their directory.
        let measured = async {
            match args.what {
                BenchWhat::Runner { concurrency, ops } => bench_runner(concurrency, ops).await,
                BenchWhat::Check { .. } => Ok(()),
                BenchWhat::Overhead { nodes, clients, time } => overhead::run(nodes, clients, time).await,
                BenchWhat::Store {
                    nodes,
                    connections,
                    time,
                } => bench_stores(nodes, connections, time).await,
            }
        };
        tokio::select! {
            result = measured => result?,
            _ = interrupts.wait_for(|count| *count >= 1) => return Err(anyhow!("interrupted").into()),
        }
        Ok::<_, Failure>(Done::Fine)
    })
}

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
    async fn connect(&self, _: usize) -> Result<Box<dyn Client>, ControlError> {
        Ok(Box::new(NoOp))
    }
}

async fn bench_runner(concurrency: usize, ops: u64) -> Result<()> {
    if concurrency == 0 || ops == 0 {
        bail!("give at least one client thread and one operation");
    }
    say!("controller with a no-op client, register workload, {concurrency} client threads, {ops} operations");
    let mut rates = Vec::new();
    for round in 1..=ROUNDS {
        let directory = std::env::temp_dir().join(format!("perjury-bench-{}-{round}", std::process::id()));
        std::fs::create_dir(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
        let result = bench_runner_once(&directory, concurrency, ops, round as u64).await;
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

async fn bench_runner_once(directory: &Path, concurrency: usize, ops: u64, seed: u64) -> Result<f64> {
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

/// One store's figures.
struct Figures {
    puts_per_s: f64,
    p50_ms: f64,
    p99_ms: f64,
    /// Puts that were refused or not answered; they count for nothing.
    errors: usize,
}

/// A cluster on loopback, started for a benchmark; dropping it kills its processes.
pub(super) struct Cluster {
    name: &'static str,
    pub(super) http: Vec<SocketAddr>,
    put: fn(&reqwest::Client, SocketAddr, u64) -> reqwest::RequestBuilder,
    _processes: Vec<Child>,
    _directory: tempfile::TempDir,
}

async fn bench_stores(nodes: u16, connections: usize, time: Duration) -> Result<()> {
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
        say!("etcd is not on the PATH: nothing to compare with (Debian: apt-get install etcd-server)");
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

pub(super) async fn has_etcd() -> bool {
    let asked = Command::new("etcd")
        .arg("--version")
        .stdout(std::process::Stdio::null())
        .status();
    matches!(asked.await, Ok(status) if status.success())
}

/// Free loopback ports; another program may take one in between, and the start then fails with its own words.
fn free_ports(count: usize) -> Result<Vec<SocketAddr>> {
    let listeners: Vec<_> = (0..count)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0"))
        .collect::<std::io::Result<_>>()
        .context("cannot bind a loopback port")?;
    Ok(listeners
        .iter()
        .map(|listener| listener.local_addr())
        .collect::<std::io::Result<_>>()?)
}

fn start_process(program: &Path, args: &[String], log: &Path) -> Result<Child> {
    let log = std::fs::File::create(log).with_context(|| format!("cannot create {}", log.display()))?;
    let mut command = Command::new(program);
    command
        .args(args)
        .stdin(std::process::Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .kill_on_drop(true);
    #[cfg(target_os = "linux")]
    // SAFETY: one system call. The thread that starts it, whose death counts (prctl(2)), is the first one.
    unsafe {
        command.pre_exec(|| {
            nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(Into::into)
        });
    }
    command
        .spawn()
        .with_context(|| format!("cannot start {}", program.display()))
}

/// A directory for a cluster, on the disk on which runs are.
fn place() -> Result<tempfile::TempDir> {
    std::fs::create_dir_all("runs").context("cannot make the directory runs")?;
    let builder = &mut tempfile::Builder::new();
    builder
        .prefix("bench-")
        .tempdir_in("runs")
        .context("cannot make a directory in runs")
}

async fn start_bundled(nodes: u16) -> Result<Cluster> {
    let directory = place()?;
    let ports = free_ports(2 * usize::from(nodes))?;
    let (raft, http) = ports.split_at(usize::from(nodes));
    let binary = std::env::current_exe()?;
    let mut processes = Vec::new();
    for (index, (raft_here, http_here)) in raft.iter().zip(http).enumerate() {
        let id = index + 1;
        let mut args = vec![
            "node".into(),
            format!("--id={id}"),
            format!("--data={}", directory.path().join(format!("n{id}")).display()),
            format!("--raft={raft_here}"),
            format!("--http={http_here}"),
        ];
        args.extend(
            raft.iter()
                .zip(1..)
                .map(|(peer, id)| format!("--peer={id}={peer}")),
        );
        processes.push(start_process(
            &binary,
            &args,
            &directory.path().join(format!("n{id}.log")),
        )?);
    }
    let cluster = Cluster {
        name: "bundled",
        http: http.to_vec(),
        put: |client, address, number| {
            client
                .post(format!("http://{address}/v1/write"))
                .json(&json!({ "key": (number % 1000).to_string(), "value": number }))
        },
        _processes: processes,
        _directory: directory,
    };
    wait_ready(&cluster).await?;
    Ok(cluster)
}

pub(super) async fn start_etcd(nodes: u16) -> Result<Cluster> {
    let directory = place()?;
    let ports = free_ports(2 * usize::from(nodes))?;
    let (peer, http) = ports.split_at(usize::from(nodes));
    let members: Vec<String> = peer
        .iter()
        .zip(1..)
        .map(|(address, id): (_, usize)| format!("n{id}=http://{address}"))
        .collect();
    let mut processes = Vec::new();
    for (index, (peer_here, http_here)) in peer.iter().zip(http).enumerate() {
        let id = index + 1;
        let args = [
            format!("--name=n{id}"),
            format!("--data-dir={}", directory.path().join(format!("n{id}")).display()),
            format!("--listen-peer-urls=http://{peer_here}"),
            format!("--initial-advertise-peer-urls=http://{peer_here}"),
            format!("--listen-client-urls=http://{http_here}"),
            format!("--advertise-client-urls=http://{http_here}"),
            format!("--initial-cluster={}", members.join(",")),
            "--initial-cluster-state=new".into(),
        ];
        let log = directory.path().join(format!("n{id}.log"));
        processes.push(start_process(Path::new("etcd"), &args, &log)?);
    }
    let cluster = Cluster {
        name: "etcd",
        http: http.to_vec(),
        put: |client, address, number| {
            client.post(format!("http://{address}/v3/kv/put")).json(&json!({
                "key": BASE64.encode((number % 1000).to_string()),
                "value": BASE64.encode(number.to_string()),
            }))
        },
        _processes: processes,
        _directory: directory,
    };
    wait_ready(&cluster).await?;
    Ok(cluster)
}

/// Waits until every node accepts a put.
async fn wait_ready(cluster: &Cluster) -> Result<()> {
    let client = systems::http_client(HTTP_TIMEOUT)?;
    let deadline = Instant::now() + Duration::from_secs(20);
    for &address in &cluster.http {
        loop {
            match (cluster.put)(&client, address, 0).send().await {
                Ok(response) if response.status().is_success() => break,
                _ if Instant::now() > deadline => bail!("{} did not start within 20 s", cluster.name),
                _ => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }
    Ok(())
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

pub(super) fn median(figures: &mut [f64]) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&mut [3.0, 1.0, 2.0]), 2.0);
        assert!(median(&mut []).is_nan());
    }
}
