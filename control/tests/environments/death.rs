//! A controller that dies leaves nothing behind; seen from outside through `/proc`. And: exit codes and
//! signals.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use control::{Daemon, EnvKind, HealReport, OpenOptions, netns};

use crate::{Ended, itself};

/// Cases that need a process outside.
pub const CASES: &[&str] = &[
    "kill_supervisor",
    "kill_init",
    "kill_controller",
    "terminate",
    "exit_code",
    "heal_local",
];

const LIMIT: Duration = Duration::from_secs(20);
/// Where the run directory of the process inside is.
const RUN_DIR: &str = "PERJURY_TEST_RUN_DIR";
/// The exit code of a controller that got SIGTERM.
const ASKED: i32 = 42;

/// A process as `/proc/PID/stat` describes it: number and start.
type Process = (i32, u64);

/// Inside: opens five nodes with a daemon each and waits to be ended.
pub fn hold(case: &str) -> Result<(), Ended> {
    let kind = if case == "heal_local" {
        EnvKind::Local
    } else {
        EnvKind::Netns
    };
    if kind == EnvKind::Netns {
        if let Err(refusal) = netns::try_namespaces() {
            return Err(Ended::Missing("netns", refusal.why));
        }
        netns::enter()?;
    }
    if case == "exit_code" {
        std::process::exit(ASKED);
    }
    let run_dir = PathBuf::from(std::env::var_os(RUN_DIR).unwrap_or_default());
    let environment = control::open(kind, &OpenOptions::new(5, run_dir))?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        for node in environment.nodes() {
            let remote = environment.remote(node.index);
            let daemon = Daemon {
                program: "sleep".into(),
                args: vec!["1000".into()],
                env: Vec::new(),
                directory: remote.directory().into(),
                log: remote.directory().join("log"),
            };
            remote.spawn(&daemon).await?;
            if case == "heal_local" && node.index == 0 {
                let leaves = Daemon {
                    program: "sh".into(),
                    args: vec!["-c".into(), "setsid sleep 1000 & echo left; wait".into()],
                    ..daemon
                };
                remote.spawn(&leaves).await?;
                let log = remote.directory().join("log");
                while !fs::read_to_string(&log)?.contains("left") {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
        }
        let mut asked = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
        println!("ready");
        let in_time = tokio::time::timeout(3 * LIMIT, asked.recv()).await;
        std::process::exit(if in_time.is_ok() { ASKED } else { 1 });
    })
}

/// Outside.
pub fn run(case: &str, program: &Path, user: &str) -> Result<String, Ended> {
    let run_dir = tempfile::tempdir()?;
    fs::set_permissions(
        run_dir.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )?;
    let mut child = itself(program, case, user)
        .env(RUN_DIR, run_dir.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let result = watch(case, &mut child, run_dir.path());
    // Whatever went wrong, do not leave it.
    let _ = child.kill();
    let _ = child.wait();
    result
}

fn watch(case: &str, child: &mut Child, run_dir: &Path) -> Result<String, Ended> {
    let mut line = String::new();
    if let Some(stdout) = child.stdout.take() {
        BufReader::new(stdout).read_line(&mut line)?;
    }
    if line != "ready\n" {
        let status = child.wait()?;
        let mut stderr = String::new();
        if let Some(mut stream) = child.stderr.take() {
            stream.read_to_string(&mut stderr)?;
        }
        return match (case, status.code()) {
            ("exit_code", Some(ASKED)) => Ok(String::new()),
            (_, Some(crate::SKIPPED)) => Err(Ended::Skipped(stderr)),
            _ => Err(Ended::Failed(format!("{status}: {stderr}"))),
        };
    }
    let supervisor = child.id() as i32;
    let tree = descendants(supervisor);
    if case == "heal_local" {
        return heal_local(child, run_dir, &tree);
    }
    let networks = networks(&tree);
    let (init, controller) = match &tree[..] {
        [_, (init, _), (controller, _), ..] => (*init, *controller),
        _ => return Err(Ended::Failed(format!("an odd family: {tree:?}"))),
    };
    // Supervisor, init, controller and a daemon a node; the controller's, the switch's and five nodes'
    // namespaces.
    if tree.len() != 8 || networks.len() != 7 {
        return Err(Ended::Failed(format!("{tree:?} in {networks:?}")));
    }
    let report = control::heal(run_dir)?;
    if report.still_running.map(|pid| pid.pid) != Some(supervisor) {
        return Err(Ended::Failed(format!("healed a living run: {report}")));
    }
    let (victim, signal, code) = match case {
        "kill_supervisor" => (supervisor, "-KILL", None),
        "kill_init" => (init, "-KILL", Some(255)),
        "kill_controller" => (controller, "-KILL", Some(255)),
        _ => (supervisor, "-TERM", Some(ASKED)),
    };
    let start = Instant::now();
    send(signal, victim)?;
    let status = child.wait()?;
    if status.code() != code {
        return Err(Ended::Failed(format!("the supervisor ended with {status}")));
    }
    wait_for("all processes are gone", || {
        tree.iter().all(|process| !is_there(process))
    })?;
    let took = start.elapsed();
    wait_for("no process holds a namespace", || {
        held_networks(&all_pids()).is_disjoint(&networks)
    })?;
    let report = control::heal(run_dir)?;
    if report != HealReport::default() {
        return Err(Ended::Failed(format!("something to heal: {report}")));
    }
    Ok(format!(" (all gone in {} ms)", took.as_millis()))
}

fn heal_local(child: &mut Child, run_dir: &Path, tree: &[Process]) -> Result<String, Ended> {
    let report = control::heal(run_dir)?;
    if report.still_running.is_none() {
        return Err(Ended::Failed(format!("healed a living run: {report}")));
    }
    child.kill()?;
    child.wait()?;
    let orphans = &tree[1..];
    // A daemon a node, a wrapper, and what left the wrapper's process group.
    if orphans.len() != 7 || !orphans.iter().all(is_there) {
        return Err(Ended::Failed(format!("no orphans: {tree:?}")));
    }
    let first = control::heal(run_dir)?;
    let second = control::heal(run_dir)?;
    if first.done.len() != 7 || !first.is_clean() || second != HealReport::default() {
        return Err(Ended::Failed(format!("first: {first}\nsecond: {second}")));
    }
    wait_for("the orphans are gone", || {
        orphans.iter().all(|process| !is_there(process))
    })?;
    Ok(String::new())
}

/// A process and all that came from it, parents first.
fn descendants(root: i32) -> Vec<Process> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    let mut family = Vec::new();
    for pid in all_pids() {
        if let Some((parent, started)) = stat(pid) {
            children.entry(parent).or_default().push((pid, started));
            if pid == root {
                family.push((pid, started));
            }
        }
    }
    let mut next = 0;
    while next < family.len() {
        family.extend(children.get(&family[next].0).into_iter().flatten());
        next += 1;
    }
    family
}

/// The network namespaces in which these processes are or which they hold open, besides our own.
fn networks(processes: &[Process]) -> BTreeSet<PathBuf> {
    let mut held = held_networks(&processes.iter().map(|(pid, _)| *pid).collect::<Vec<_>>());
    // The outer side of the family: setpriv's network is ours.
    held.remove(&fs::read_link("/proc/self/ns/net").unwrap_or_default());
    held
}

fn held_networks(pids: &[i32]) -> BTreeSet<PathBuf> {
    let mut held = BTreeSet::new();
    for pid in pids {
        held.extend(fs::read_link(format!("/proc/{pid}/ns/net")));
        let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten();
        let targets = descriptors
            .flatten()
            .flat_map(|entry| fs::read_link(entry.path()));
        held.extend(targets.filter(|target| target.to_string_lossy().starts_with("net:[")));
    }
    held
}

fn all_pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

/// Parent and start of a process that has not ended.
fn stat(pid: i32) -> Option<(i32, u64)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    (fields.first()? != &"Z").then_some((fields.get(1)?.parse().ok()?, fields.get(19)?.parse().ok()?))
}

fn is_there(process: &Process) -> bool {
    stat(process.0).is_some_and(|(_, started)| started == process.1)
}

fn send(signal: &str, pid: i32) -> Result<(), Ended> {
    let status = std::process::Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()?;
    if status.success() {
        Ok(())
    } else {
        Err(Ended::Failed(format!("kill: {status}")))
    }
}

fn wait_for(what: &str, condition: impl Fn() -> bool) -> Result<(), Ended> {
    let deadline = Instant::now() + LIMIT;
    while !condition() {
        if Instant::now() > deadline {
            return Err(Ended::Failed(format!("never happened: {what}")));
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
