//! Runs on nodes that are not a part of this machine: containers of a real Docker engine, and hosts behind
//! real sshds, each in a network namespace with a /tmp of its own (`scripts/ssh-hosts.sh`).
//!
//! What is missing is named, and its tests are skipped. Each test has containers or hosts of its own, so that
//! as many run at a time as there are cores.

#[path = "support/missing.rs"]
mod missing;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

use missing::missing;

const PERJURY: &str = env!("CARGO_BIN_EXE_perjury");

fn text(output: &Output) -> String {
    let text = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    text.join("\n")
}

fn run(command: &mut Command, code: i32) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {}", text(&output));
    text(&output)
}

fn lines(program: &str, args: &[&str]) -> Vec<String> {
    let output = Command::new(program).args(args).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.lines().map(str::to_owned).collect()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// How many faults of a run took hold.
fn verified(run: &Path) -> u64 {
    let results = json(&run.join("results.json"));
    let rows = results["coverage"].as_array().unwrap();
    rows.iter().filter_map(|row| row["verified"].as_u64()).sum()
}

/// The newest run below `dir`.
fn newest(dir: &Path) -> PathBuf {
    newest_of(dir).expect("there is a run")
}

/// The newest run below `dir`, if there is one yet.
fn newest_of(dir: &Path) -> Option<PathBuf> {
    let entries = std::fs::read_dir(dir.join("runs")).ok()?;
    entries.map(|entry| entry.unwrap().path()).max()
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} within 60 s");
        std::thread::sleep(Duration::from_millis(50));
    }
}

fn is_root() -> bool {
    lines("id", &["-u"]) == ["0"]
}

/// What Docker still has of the newest run below `dir`: containers, networks, images. Other people's runs,
/// and what was left of some that were interrupted, are none of a test's business.
fn in_docker(dir: &Path) -> Vec<String> {
    let undo = std::fs::read_to_string(newest(dir).join("undo.jsonl")).unwrap();
    let lines_of_undo = undo
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap());
    let label = lines_of_undo
        .filter_map(|line| Some(line.pointer("/containers/label")?.as_str()?.to_owned()))
        .next()
        .expect("the label is noted before anything is made");
    let label = format!("label={label}");
    let ask = |before: &[&str]| lines("docker", &[before, &["--quiet", "--filter", &label]].concat());
    [ask(&["ps", "--all"]), ask(&["network", "ls"]), ask(&["images"])].concat()
}

fn has_docker() -> bool {
    let answers = Command::new("docker")
        .args(["version", "--format", "{{.Server.Version}}"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !answers || !is_root() {
        missing("docker", "no engine answers, or this is not root");
    }
    answers && is_root()
}

fn docker(dir: &Path, args: &str) -> Command {
    let mut command = Command::new(PERJURY);
    command
        .args(["test", "--env", "docker", "--nodes", "3"])
        .args(args.split_whitespace())
        .current_dir(dir);
    command
}

#[test]
fn containers_are_broken_and_removed() {
    if !has_docker() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let nemesis = "--nemesis kill,partition,clock,fsync,disk-full --fault-interval 800ms";
    let said = run(&mut docker(dir.path(), &format!("--time-limit 12s {nemesis}")), 0);
    let run_dir = newest(dir.path());
    assert!(verified(&run_dir) >= 3, "{said}");
    assert_eq!(json(&run_dir.join("test.json"))["links"], "iptables");
    assert!(run_dir.join("n1/node.log").is_file(), "no log was brought along");
    assert_eq!(in_docker(dir.path()), Vec::<String>::new());
}

#[test]
fn a_planted_bug_shows_in_containers() {
    if !has_docker() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let args = "--bug stale-read --nemesis partition:leader --time-limit 40s --fault-interval 1500ms --stop-on-violation";
    run(&mut docker(dir.path(), args), 1);
    assert_eq!(in_docker(dir.path()), Vec::<String>::new());
}

#[test]
fn containers_do_not_outlive_their_controller() {
    if !has_docker() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let mut controller = docker(dir.path(), "--time-limit 60s --nemesis partition,pause")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("operations", || {
        let history = newest_of(dir.path()).map(|run| run.join("history.jsonl"));
        history.is_some_and(|history| history.metadata().is_ok_and(|meta| meta.len() > 100_000))
    });
    // Containers, network and image: the label by which they are looked for is the right one.
    assert_eq!(in_docker(dir.path()).len(), 5);
    controller.kill().unwrap();
    controller.wait().unwrap();
    wait_for("the end of the containers", || in_docker(dir.path()).len() == 2);
    run(Command::new(PERJURY).arg("heal").current_dir(dir.path()), 0);
    assert_eq!(in_docker(dir.path()), Vec::<String>::new());
    // What was journalled until then can be judged.
    let checked = Command::new(PERJURY)
        .arg("check")
        .arg(newest(dir.path()))
        .output()
        .unwrap();
    assert!(matches!(checked.status.code(), Some(0 | 2)), "{}", text(&checked));
}

/// Three hosts, removed with this. They have networks and files of their own, but see each other's processes.
struct Hosts {
    place: tempfile::TempDir,
}

impl Hosts {
    fn up() -> Option<Hosts> {
        if !is_root() || !Path::new("/usr/sbin/sshd").exists() {
            missing("sshd", "it is not installed, or this is not root");
            return None;
        }
        // Each host has a /tmp of its own, so this must be elsewhere.
        let place = tempfile::Builder::new()
            .prefix("pj")
            .tempdir_in("/var/tmp")
            .unwrap();
        run(Hosts::script().arg("up").arg(place.path()).arg("3"), 0);
        Some(Hosts { place })
    }

    fn script() -> Command {
        Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/ssh-hosts.sh"))
    }

    fn file(&self, name: &str) -> String {
        self.place.path().join(name).display().to_string()
    }

    /// A command that is run where the hosts can be reached.
    fn command(&self, program: &str) -> Command {
        let mut command = Hosts::script();
        command.arg("run").arg(self.place.path()).arg(program);
        command
    }

    fn perjury(&self, dir: &Path, args: &str) -> Command {
        let mut command = self.command(PERJURY);
        command.args(args.split_whitespace()).current_dir(dir);
        command.arg("--nodes-file").arg(self.file("hosts"));
        command.arg("--ssh-key").arg(self.file("key"));
        command.arg("--known-hosts").arg(self.file("known_hosts"));
        command
    }

    fn namespace(&self, host: usize) -> String {
        let name = self.place.path().file_name().unwrap().to_string_lossy();
        format!("perjury-ssh-{name}-{host}")
    }

    /// What is left on the hosts: files, rules, processes, and disks of the runs in `dir`.
    fn left(&self, dir: &Path) -> Vec<String> {
        let mut left = Vec::new();
        for host in 1..=3 {
            let files = std::fs::read_dir(self.place.path().join(format!("{host}/tmp"))).unwrap();
            left.extend(files.map(|entry| entry.unwrap().path().display().to_string()));
            for iptables in ["iptables", "ip6tables"] {
                let rules = lines("ip", &["netns", "exec", &self.namespace(host), iptables, "-S"]);
                left.extend(rules.into_iter().filter(|rule| rule.contains("PERJURY")));
            }
        }
        let is_ours = |line: &String| line.contains("/tmp/perjury-");
        // Another user may be testing on hosts of their own.
        let there: Vec<String> = (1..=3)
            .flat_map(|host| lines("ip", &["netns", "pids", &self.namespace(host)]))
            .map(|pid| pid.trim().to_owned())
            .collect();
        let is_there = |line: &String| {
            let pid = line.split_whitespace().next().unwrap_or_default();
            there.iter().any(|other| other == pid)
        };
        let processes = lines("ps", &["-Ao", "pid,command"]).into_iter();
        left.extend(processes.filter(|line| is_ours(line) && is_there(line)));
        // Loop devices are those of the whole machine, so here the names of the runs must do.
        let runs = std::fs::read_dir(dir.join("runs")).into_iter().flatten();
        let runs: Vec<String> = runs
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        let is_of_runs = |line: &String| runs.iter().any(|run| line.contains(run.as_str()));
        left.extend(lines("losetup", &["--all"]).into_iter().filter(is_of_runs));
        left
    }
}

impl Drop for Hosts {
    fn drop(&mut self) {
        let _ = Hosts::script().arg("down").arg(self.place.path()).status();
    }
}

#[test]
fn hosts_are_broken_and_left_as_they_were() {
    let Some(hosts) = Hosts::up() else { return };
    let dir = tempfile::tempdir().unwrap();
    let nemesis = "--nemesis kill,partition,clock,fsync,disk-full,power --fault-interval 800ms";
    let args = format!("test --env ssh --time-limit 15s {nemesis}");
    let said = run(&mut hosts.perjury(dir.path(), &args), 0);
    let run_dir = newest(dir.path());
    assert!(verified(&run_dir) >= 3, "{said}");
    assert!(run_dir.join("n1/node.log").is_file(), "no log was brought along");
    assert_eq!(hosts.left(dir.path()), Vec::<String>::new());
}

#[test]
fn a_store_that_is_installed_on_hosts_needs_no_name() {
    if !Path::new("/usr/share/java/zookeeper.jar").exists() {
        missing("zookeeper", "it is not installed");
        return;
    }
    let Some(hosts) = Hosts::up() else { return };
    let dir = tempfile::tempdir().unwrap();
    // No kills, after which ZooKeeper 3.8.0 has been seen to lose what it had acknowledged.
    let args = "test zookeeper --env ssh --time-limit 5s --nemesis pause:one --fault-interval 2s";
    run(&mut hosts.perjury(dir.path(), args), 0);
    assert_eq!(hosts.left(dir.path()), Vec::<String>::new());
}

#[test]
fn a_planted_bug_shows_on_hosts() {
    let Some(hosts) = Hosts::up() else { return };
    let dir = tempfile::tempdir().unwrap();
    let args = "test --env ssh --bug stale-read --nemesis partition:leader --time-limit 40s --fault-interval 1500ms \
                --stop-on-violation";
    run(&mut hosts.perjury(dir.path(), args), 1);
    assert_eq!(hosts.left(dir.path()), Vec::<String>::new());
}

#[test]
fn mistakes_about_hosts_are_told_and_leave_nothing() {
    let Some(hosts) = Hosts::up() else { return };
    let dir = tempfile::tempdir().unwrap();
    let empty = dir.path().join("empty");
    std::fs::write(&empty, "").unwrap();
    let stranger = dir.path().join("stranger");
    let key = stranger.display().to_string();
    run(
        Command::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f", &key]),
        0,
    );
    let public = std::fs::read_to_string(dir.path().join("stranger.pub")).unwrap();
    let wrong = dir.path().join("wrong");
    let key_of = |public: &str| public.split(' ').take(2).collect::<Vec<_>>().join(" ");
    std::fs::write(&wrong, format!("10.78.0.1 {}\n", key_of(&public))).unwrap();
    let (own_key, known) = (hosts.file("key"), hosts.file("known_hosts"));
    let (empty, wrong) = (empty.display().to_string(), wrong.display().to_string());
    for (node, ssh_key, known_hosts, expected) in [
        ("root@10.78.0.1", &own_key, &empty, "its key is not in"),
        (
            "root@10.78.0.1",
            &own_key,
            &wrong,
            "the connection is being intercepted",
        ),
        ("root@10.78.0.1", &key, &known, "cannot log in as root"),
        ("root@10.78.0.1:23", &own_key, &known, "does sshd run there"),
        ("root@10.78.0.1,root@10.78.0.1", &own_key, &known, "named twice"),
    ] {
        let mut command = hosts.command(PERJURY);
        command.args(["test", "--env", "ssh", "--time-limit", "2s", "--node", node]);
        command
            .args(["--ssh-key", ssh_key, "--known-hosts", known_hosts])
            .current_dir(dir.path());
        let output = command.output().unwrap();
        let code = output.status.code();
        assert!(matches!(code, Some(254 | 255)), "{node}: {code:?}");
        assert!(text(&output).contains(expected), "{node}: {}", text(&output));
    }
    assert_eq!(hosts.left(dir.path()), Vec::<String>::new());
}

#[test]
fn what_dead_agents_leave_on_hosts_is_healed() {
    let Some(hosts) = Hosts::up() else { return };
    let dir = tempfile::tempdir().unwrap();
    for agents_die_too in [false, true] {
        let args = "test --env ssh --time-limit 60s --nemesis partition,power --fault-interval 3s";
        let mut controller = hosts
            .perjury(dir.path(), args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let cut = |host| {
            let rules = lines("ip", &["netns", "exec", &hosts.namespace(host), "iptables", "-S"]);
            rules.iter().any(|rule| rule.contains("DROP"))
        };
        wait_for("a partition", || (1..=3).any(cut));
        if agents_die_too {
            for process in hosts.left(dir.path()) {
                // Only the agents: what they started is for `heal`.
                if let Some((pid, _)) = process.trim().split_once(' ')
                    && process.contains(" agent ")
                {
                    let _ = Command::new("kill").args(["-9", pid]).status();
                }
            }
        }
        controller.kill().unwrap();
        controller.wait().unwrap();
        if !agents_die_too {
            wait_for("the agents' own work", || hosts.left(dir.path()).is_empty());
        } else {
            assert_ne!(hosts.left(dir.path()), Vec::<String>::new());
        }
        // Hosts are reached from where the run was started.
        run(hosts.command(PERJURY).arg("heal").current_dir(dir.path()), 0);
        assert_eq!(
            hosts.left(dir.path()),
            Vec::<String>::new(),
            "agents died: {agents_die_too}"
        );
    }
}

static FOREIGN: Mutex<()> = Mutex::new(());

/// A cluster that another user runs on the hosts: here perjury's own, started by hand. There is one at a
/// time, because its processes are looked for by their ports, and hosts see each other's processes.
struct Foreign {
    _turn: MutexGuard<'static, ()>,
    nodes: Vec<Child>,
    /// What the command lines of its processes contain, also of those that were started again.
    data: String,
}

impl Foreign {
    fn script(hosts: &Hosts, host: usize) -> String {
        let peers: Vec<String> = (1..=3)
            .map(|id| format!("--peer={id}=10.78.0.{id}:7000"))
            .collect();
        format!(
            "exec {} node --id={host} --data={} --raft=10.78.0.{host}:7000 --http=10.78.0.{host}:8000 {}",
            // Where the hosts see it: they have a /tmp of their own.
            hosts.file("perjury"),
            hosts.file(&format!("data{host}")),
            peers.join(" ")
        )
    }

    fn start(hosts: &Hosts) -> Foreign {
        let turn = FOREIGN.lock().unwrap_or_else(PoisonError::into_inner);
        std::fs::copy(PERJURY, hosts.file("perjury")).unwrap();
        let nodes = (1..=3).map(|host| {
            let script = Foreign::script(hosts, host);
            std::fs::write(hosts.file(&format!("start{host}")), &script).unwrap();
            Command::new("ip")
                .args(["netns", "exec", &hosts.namespace(host), "sh", "-c", &script])
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        });
        Foreign {
            _turn: turn,
            nodes: nodes.collect(),
            data: hosts.file("data"),
        }
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.kill();
            let _ = node.wait();
        }
        for (pid, _) in processes_with(&self.data) {
            let _ = Command::new("kill").args(["-9", &pid]).status();
        }
    }
}

/// The nodes whose command line contains `data`, with their states.
fn processes_with(data: &str) -> Vec<(String, String)> {
    let all = lines("ps", &["-Ao", "pid,state,command"]);
    let ours = all
        .iter()
        .filter(|line| line.contains(data) && line.contains("perjury node "));
    ours.map(|line| {
        let mut words = line.split_whitespace().map(str::to_owned);
        (words.next().unwrap_or_default(), words.next().unwrap_or_default())
    })
    .collect()
}

const ENDPOINTS: &str = "--endpoints http://10.78.0.1:8000,http://10.78.0.2:8000,http://10.78.0.3:8000";

#[test]
fn a_cluster_that_was_already_running_is_broken_where_its_hosts_can_be_reached() {
    let Some(hosts) = Hosts::up() else { return };
    let foreign = Foreign::start(&hosts);
    let dir = tempfile::tempdir().unwrap();
    let test = |args: &str| hosts.perjury(dir.path(), &format!("test {ENDPOINTS} {args}"));
    // Nothing is done that was not asked for.
    let said = run(&mut test("--time-limit 3s"), 0);
    assert!(said.contains("no faults"), "{said}");
    let said = run(&mut test("--time-limit 3s --nemesis kill"), 254);
    assert!(said.contains("--start-command"), "{said}");
    let said = run(&mut test("--time-limit 3s --nemesis power"), 254);
    assert!(said.contains("did not start"), "{said}");
    // Two hosts for each other: faults would hit the wrong one.
    let swapped = ENDPOINTS
        .replace("10.78.0.1", "x")
        .replace("10.78.0.2", "10.78.0.1")
        .replace('x', "10.78.0.2");
    let args = format!("test {swapped} --time-limit 3s --nemesis pause");
    let said = run(&mut hosts.perjury(dir.path(), &args), 254);
    assert!(said.contains("give --node in the order of --endpoints"), "{said}");
    let start = format!(
        "i=$(ip -4 -o addr show dev eth0 | sed 's/.*10.78.0.\\([0-9]\\).*/\\1/'); setsid sh {0}/start$i >> {0}/restarts 2>&1 < /dev/null &",
        hosts.place.path().display()
    );
    let nemesis = "--nemesis kill,pause,partition,clock --fault-interval 1s --time-limit 15s";
    let output = test(nemesis).arg("--start-command").arg(start).output().unwrap();
    let restarts = std::fs::read_to_string(hosts.file("restarts")).unwrap_or_default();
    let said = format!("{}\nrestarts:\n{restarts}", text(&output));
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(verified(&newest(dir.path())) >= 4, "{said}");
    assert_eq!(hosts.left(dir.path()), Vec::<String>::new());
    let processes = processes_with(&foreign.data);
    assert_eq!(processes.len(), 3, "{processes:?}");
    assert!(
        processes.iter().all(|(_, state)| !state.starts_with('T')),
        "{processes:?}"
    );
    // Where the first one does not come back no other one is killed.
    let output = test("--nemesis kill:one --fault-interval 1s --time-limit 6s --start-command false")
        .output()
        .unwrap();
    assert!(matches!(output.status.code(), Some(2 | 255)), "{}", text(&output));
    assert_eq!(processes_with(&foreign.data).len(), 2, "{}", text(&output));
}

#[test]
fn when_the_controller_dies_a_cluster_that_was_already_running_is_let_go() {
    let Some(hosts) = Hosts::up() else { return };
    let foreign = Foreign::start(&hosts);
    let dir = tempfile::tempdir().unwrap();
    let pause = "[[fault]]\nat = \"500ms\"\nlasts = \"50s\"\nnemesis = \"pause\"\ntarget = \"all\"\n";
    std::fs::write(dir.path().join("pause.toml"), pause).unwrap();
    for agents_die_too in [false, true] {
        let args = format!("test {ENDPOINTS} --schedule pause.toml --time-limit 60s");
        let mut controller = hosts
            .perjury(dir.path(), &args)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let stopped = || {
            let processes = processes_with(&foreign.data);
            processes
                .iter()
                .filter(|(_, state)| state.starts_with('T'))
                .count()
        };
        wait_for("that all stand still", || stopped() == 3);
        if agents_die_too {
            for process in hosts.left(dir.path()) {
                if let Some((pid, _)) = process.trim().split_once(' ')
                    && process.contains(" agent ")
                {
                    let _ = Command::new("kill").args(["-9", pid]).status();
                }
            }
        }
        controller.kill().unwrap();
        controller.wait().unwrap();
        if !agents_die_too {
            wait_for("that they go on", || stopped() == 0);
        }
        run(hosts.command(PERJURY).arg("heal").current_dir(dir.path()), 0);
        assert_eq!(stopped(), 0);
        assert_eq!(hosts.left(dir.path()), Vec::<String>::new());
    }
}
