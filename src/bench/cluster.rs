//! Clusters on loopback, started for a benchmark: the bundled one and etcd's.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::json;
use tokio::process::{Child, Command};

use super::HTTP_TIMEOUT;

/// A cluster on loopback, started for a benchmark; dropping it kills its processes.
pub struct Cluster {
    name: &'static str,
    /// Where its nodes listen for clients.
    pub http: Vec<SocketAddr>,
    /// A put of a number to a node.
    pub put: fn(&reqwest::Client, SocketAddr, u64) -> reqwest::RequestBuilder,
    _processes: Vec<Child>,
    _directory: tempfile::TempDir,
}

/// Whether `etcd` is on the PATH.
pub async fn has_etcd() -> bool {
    let version = Command::new("etcd")
        .arg("--version")
        .stdout(std::process::Stdio::null())
        .status();
    matches!(version.await, Ok(status) if status.success())
}

/// Free loopback ports. Another program may take one before it is used; then the start fails with an error.
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

/// A directory for a cluster, on the same disk as the runs.
fn place() -> Result<tempfile::TempDir> {
    std::fs::create_dir_all("runs").context("cannot make the directory runs")?;
    let builder = &mut tempfile::Builder::new();
    builder
        .prefix("bench-")
        .tempdir_in("runs")
        .context("cannot make a directory in runs")
}

/// Starts the bundled cluster.
pub async fn start_bundled(nodes: u16) -> Result<Cluster> {
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

/// Starts a cluster of etcd's.
pub async fn start_etcd(nodes: u16) -> Result<Cluster> {
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
