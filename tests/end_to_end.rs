//! Whole runs of the binary: a correct cluster passes, a planted bug is caught, and nothing is left behind.
//!
//! They are short, and each has its directories, namespaces and disks for itself, so that as many run at a
//! time as there are cores.

#[path = "support/missing.rs"]
mod missing;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use missing::missing;

fn perjury(dir: &Path, args: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perjury"));
    command
        .args(args.split_whitespace())
        .current_dir(dir)
        .stdin(Stdio::null());
    command
}

fn text(output: &Output) -> String {
    format!(
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The only run below `dir`.
fn run_dir(dir: &Path) -> PathBuf {
    let runs: Vec<_> = std::fs::read_dir(dir.join("runs"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(runs.len(), 1, "{runs:?}");
    runs.into_iter().next().unwrap()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Waits until `condition`, or fails with `what`.
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} within 20 s");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The processes, seen from here, whose command line names `dir`: the nodes of a run below it.
fn processes_of(dir: &Path) -> Vec<String> {
    let output = Command::new("ps").args(["-Ao", "pid,command"]).output().unwrap();
    let dir = std::fs::canonicalize(dir).unwrap();
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter(|line| line.contains(dir.to_str().unwrap()))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_correct_cluster_is_valid_and_everything_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let output = perjury(dir.path(), "test --time-limit 6s --seed 11")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let run = run_dir(dir.path());
    for file in [
        "test.json",
        "history.jsonl",
        "results.json",
        "report.html",
        "junit.xml",
        "summary.md",
        "perjury.log",
        "n1/node.log",
    ] {
        assert!(run.join(file).is_file(), "{file} is missing");
    }
    assert_eq!(json(&run.join("results.json"))["verdict"], "valid");
    assert_eq!(json(&run.join("test.json"))["seed"], 11);
    assert!(text(&output).contains("report.html"), "{}", text(&output));
    assert!(!run.join("n1/data").exists(), "the nodes' data were kept unasked");
    assert_eq!(processes_of(dir.path()), Vec::<String>::new());
    // The record is enough to judge it again.
    let again = perjury(dir.path(), "check").arg(&run).output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
}

#[test]
fn plain_processes_are_killed_and_paused() {
    let dir = tempfile::tempdir().unwrap();
    let output = perjury(dir.path(), "test --env local --nodes 3 --time-limit 6s")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let record = json(&run_dir(dir.path()).join("test.json"));
    assert_eq!(record["env"], "local");
    assert!(record["lost"].to_string().contains("partition"), "{record}");
    assert_eq!(processes_of(dir.path()), Vec::<String>::new());
}

#[test]
fn a_planted_bug_is_caught_with_its_certificate() {
    let dir = tempfile::tempdir().unwrap();
    // Of the planted bugs the one that shows at once, also in a debug build on a busy machine: with few
    // clients, because many that wait for a machine without time hide what goes wrong in an instant.
    let args = "test --env local --bug ack-before-quorum --nemesis kill:leader --concurrency 2n --time-limit 6s --seed 1";
    let output = perjury(dir.path(), args).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let run = run_dir(dir.path());
    let results = json(&run.join("results.json"));
    assert_eq!(results["verdict"], "invalid");
    let conflict = &results["conflicts"][0];
    assert!(
        !conflict["sentences"].as_array().unwrap().is_empty(),
        "{conflict}"
    );
    assert!(
        !conflict["operations"].as_array().unwrap().is_empty(),
        "{conflict}"
    );
    assert!(
        std::fs::read_to_string(run.join("junit.xml"))
            .unwrap()
            .contains("<failure")
    );
}

#[test]
fn the_first_violation_ends_the_run_if_that_is_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let args = "test --env local --bug ack-before-quorum --nemesis none --time-limit 5m --stop-on-violation";
    let output = perjury(dir.path(), args).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    assert!(
        text(&output).contains("a violation shows; stopping early"),
        "{}",
        text(&output)
    );
    let results = json(&run_dir(dir.path()).join("results.json"));
    assert_eq!(results["verdict"], "invalid");
    // The bug shows within a second or so; what is left of five minutes was not waited for.
    assert!(
        results["duration_s"].as_f64().unwrap() < 240.0,
        "{}",
        text(&output)
    );
    assert_eq!(processes_of(dir.path()), Vec::<String>::new());
}

#[test]
fn looking_for_a_violation_in_a_correct_cluster_finds_none() {
    let dir = tempfile::tempdir().unwrap();
    let args = "test --nemesis kill,pause,partition --time-limit 6s --seed 12 --stop-on-violation";
    let output = perjury(dir.path(), args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(
        !text(&output).contains("did not see the end of the run"),
        "{}",
        text(&output)
    );
}

fn start(dir: &Path, args: &str) -> Child {
    perjury(dir, args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits until the run's journal tells of operations and of a fault that took hold.
fn wait_for_journal(dir: &Path) {
    wait_for("a journal with a verified fault", || {
        std::fs::read_dir(dir.join("runs")).is_ok_and(|mut runs| {
            runs.any(|run| {
                let journal = run.unwrap().path().join("history.jsonl");
                std::fs::read_to_string(journal).is_ok_and(|text| text.contains("\"hold\":\"verified\""))
            })
        })
    });
}

fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args([name, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
}

#[test]
fn an_interrupt_heals_checks_and_reports() {
    let dir = tempfile::tempdir().unwrap();
    let child = start(dir.path(), "test --time-limit 10m");
    wait_for_journal(dir.path());
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(run_dir(dir.path()).join("report.html").is_file());
    assert_eq!(processes_of(dir.path()), Vec::<String>::new());
}

/// Kills the controller with -9 in mid-run.
fn kill_controller(dir: &Path, args: &str) {
    let mut child = start(dir, args);
    wait_for_journal(dir);
    signal(&child, "-KILL");
    child.wait().unwrap();
}

#[test]
fn a_killed_controller_leaves_a_history_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    kill_controller(dir.path(), "test --time-limit 10m");
    // In namespaces of their own the kernel ends the nodes; heal has to do it where there are none.
    let healed = perjury(dir.path(), "heal").output().unwrap();
    assert_eq!(healed.status.code(), Some(0), "{}", text(&healed));
    wait_for("the end of the nodes", || processes_of(dir.path()).is_empty());
    let checked = perjury(dir.path(), "check")
        .arg(run_dir(dir.path()))
        .output()
        .unwrap();
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked));
}

#[test]
fn heal_ends_the_orphans_of_plain_processes() {
    let dir = tempfile::tempdir().unwrap();
    // As deep as the runs of a hunt are.
    let place = dir.path().join("runs/hunt");
    std::fs::create_dir_all(&place).unwrap();
    // One at a time: when a controller dies, the kernel sends SIGHUP to the process groups that it orphans,
    // if they are stopped (POSIX, "orphaned process group"; exit(2)). Of nodes that are all paused nothing
    // would be left to heal.
    kill_controller(
        &place,
        "test --env local --nodes 3 --nemesis pause:one --time-limit 10m",
    );
    assert!(
        !processes_of(dir.path()).is_empty(),
        "the nodes died with their controller: the test shows nothing"
    );
    let healed = perjury(dir.path(), "heal").output().unwrap();
    assert_eq!(healed.status.code(), Some(0), "{}", text(&healed));
    assert_eq!(processes_of(dir.path()), Vec::<String>::new());
}

#[test]
fn the_next_run_heals_what_the_last_one_left() {
    let dir = tempfile::tempdir().unwrap();
    kill_controller(dir.path(), "test --env local --nodes 3 --time-limit 10m");
    let next = perjury(
        dir.path(),
        "test --env local --nodes 3 --nemesis none --time-limit 1s",
    )
    .output()
    .unwrap();
    assert_eq!(next.status.code(), Some(0), "{}", text(&next));
    assert_eq!(processes_of(dir.path()), Vec::<String>::new());
}

/// The filesystems that are mounted below a directory.
fn mounts_below(dir: &Path) -> Vec<String> {
    let dir = std::fs::canonicalize(dir).unwrap();
    std::fs::read_to_string("/proc/self/mountinfo")
        .unwrap_or_default()
        .lines()
        .filter(|line| line.contains(&*dir.to_string_lossy()))
        .map(str::to_owned)
        .collect()
}

/// The loop devices behind which a file below a directory lies.
fn loops_below(dir: &Path) -> Vec<String> {
    let dir = std::fs::canonicalize(dir).unwrap();
    let Ok(devices) = std::fs::read_dir("/sys/block") else {
        return Vec::new();
    };
    devices
        .flatten()
        .filter_map(|device| std::fs::read_to_string(device.path().join("loop/backing_file")).ok())
        .filter(|file| file.contains(&*dir.to_string_lossy()))
        .collect()
}

/// Whether an environment here can do a fault; if not, the reason is printed.
fn can(dir: &Path, env: &str, nemesis: &str) -> bool {
    let args = format!("test --env {env} --nodes 3 --nemesis {nemesis} --time-limit 1ms --ops 1 --rate 1");
    let tried = perjury(dir, &args).output().unwrap();
    let is_refused = tried.status.code() == Some(254);
    if is_refused {
        missing(nemesis, text(&tried).trim());
    }
    !is_refused
}

#[test]
fn a_disk_loses_power_also_while_others_hold_a_copy_of_its_mount() {
    let dir = tempfile::tempdir().unwrap();
    if !can(dir.path(), "local", "power") {
        return;
    }
    std::fs::remove_dir_all(dir.path().join("runs")).unwrap();
    let args = "test --env local --nodes 3 --nemesis power:all --fault-interval 2s --time-limit 10s";
    let run = perjury(dir.path(), args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    wait_for("the disks", || mounts_below(dir.path()).len() == 3);
    let mut holder = Command::new("unshare")
        .args(["--mount", "--propagation", "private", "sleep", "60"])
        .spawn()
        .unwrap();
    // Those that lost their power and live on, each behind an image that another one has replaced.
    wait_for("disks that are held", || {
        loops_below(dir.path())
            .iter()
            .any(|file| file.contains("(deleted)"))
    });
    let output = run.wait_with_output().unwrap();
    holder.kill().unwrap();
    holder.wait().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    wait_for("the end of the loop devices", || {
        loops_below(dir.path()).is_empty()
    });
    assert_eq!(mounts_below(dir.path()), Vec::<String>::new());
}

#[test]
fn a_disk_that_had_room_has_room_after_a_loss_of_power() {
    let dir = tempfile::tempdir().unwrap();
    if !can(dir.path(), "local", "power") {
        return;
    }
    std::fs::remove_dir_all(dir.path().join("runs")).unwrap();
    // While nothing runs that syncs, the disks get room again; and then they lose their power.
    let faults = [
        ("disk-full", 1000, 1000),
        ("kill", 1500, 1500),
        ("power", 2200, 300),
    ];
    let schedule: String = faults
        .iter()
        .map(|(nemesis, at, lasts)| {
            format!("[[fault]]\nat = '{at}ms'\nlasts = '{lasts}ms'\nnemesis = '{nemesis}'\ntarget = 'all'\n")
        })
        .collect();
    std::fs::write(dir.path().join("full.toml"), schedule).unwrap();
    let args = "test --env local --nodes 3 --schedule full.toml --time-limit 5s";
    let output = perjury(dir.path(), args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}

#[test]
fn a_store_whose_disk_did_not_come_back_is_not_accused() {
    // Up to which call, from the fourth on, a mount fails: until the disks are tried again, or always.
    for last in [6, 1000] {
        let dir = tempfile::tempdir().unwrap();
        if !can(dir.path(), "local", "power") {
            return;
        }
        std::fs::remove_dir_all(dir.path().join("runs")).unwrap();
        let place = std::fs::canonicalize(dir.path()).unwrap();
        let program = place.join("mount");
        let script = format!(
            "#!/bin/sh\nn=$(($(cat {0}/calls 2>/dev/null || echo 0) + 1)); echo $n > {0}/calls\n\
             [ $n -gt 3 ] && [ $n -le {last} ] && {{ echo 'no loop device' >&2; exit 32; }}\n\
             PATH=${{PATH#*:}} exec mount \"$@\"\n",
            place.display()
        );
        std::fs::write(&program, script).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(&program, mode).unwrap();
        let schedule = "[[fault]]\nat = '2s'\nlasts = '1s'\nnemesis = 'power'\ntarget = 'all'\n";
        std::fs::write(place.join("power.toml"), schedule).unwrap();
        let args = "test --env local --nodes 3 --schedule power.toml --time-limit 6s";
        let path = format!("{}:{}", place.display(), std::env::var("PATH").unwrap());
        let output = perjury(dir.path(), args).env("PATH", path).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", text(&output));
        assert!(text(&output).contains("no loop device"), "{}", text(&output));
        assert_eq!(loops_below(dir.path()), Vec::<String>::new());
        assert_eq!(mounts_below(dir.path()), Vec::<String>::new());
    }
}

#[test]
fn a_killed_controller_leaves_nothing_under_any_fault() {
    for (env, nemesis) in [
        ("local", "clock:jump@all"),
        ("local", "fsync:slow@all"),
        ("local", "power:one"),
        ("local", "disk-full:one"),
        ("netns", "packet:delay@all"),
        ("netns", "power:one"),
        ("netns", "disk-full:all"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        if !can(dir.path(), env, nemesis) {
            continue;
        }
        std::fs::remove_dir_all(dir.path().join("runs")).unwrap();
        kill_controller(
            dir.path(),
            &format!(
                "test --env {env} --nodes 3 --nemesis {nemesis} --fault-interval 400ms --time-limit 10m"
            ),
        );
        if env == "local" {
            let left = processes_of(dir.path());
            assert!(
                !left.is_empty(),
                "{nemesis}: the nodes died with their controller: the test shows nothing"
            );
        }
        let healed = perjury(dir.path(), "heal").output().unwrap();
        assert_eq!(
            healed.status.code(),
            Some(0),
            "{env} {nemesis}: {}",
            text(&healed)
        );
        assert_eq!(processes_of(dir.path()), Vec::<String>::new(), "{env} {nemesis}");
        assert_eq!(mounts_below(dir.path()), Vec::<String>::new(), "{env} {nemesis}");
        wait_for("the end of the loop devices", || {
            loops_below(dir.path()).is_empty()
        });
    }
}

#[test]
fn a_disk_that_lies_about_fsync_loses_acknowledged_writes_with_the_power_and_an_honest_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    if !can(dir.path(), "auto", "power:all") {
        return;
    }
    let power = "[[fault]]\nat = \"4s\"\nlasts = \"200ms\"\nnemesis = \"power\"\ntarget = \"all\"\n";
    let lie = "[[fault]]\nat = \"500ms\"\nlasts = \"5s\"\nnemesis = \"fsync\"\ntarget = \"lie@all\"\n";
    for (name, schedule, code) in [
        ("honest", power.to_owned(), 0),
        ("lying", format!("{lie}{power}"), 1),
    ] {
        std::fs::write(dir.path().join("schedule.toml"), schedule).unwrap();
        // With this seed nodes keep all of their logs. One that has thrown the begin of its log away for a
        // snapshot that the disk then lost does not start again, and the verdict is unknown.
        let args = "test --nodes 3 --schedule schedule.toml --min-faults 1 --time-limit 7s --seed 0";
        let output = perjury(dir.path(), args).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{name}: {}", text(&output));
    }
}

#[test]
fn a_run_is_replayed_with_its_flags_and_faults() {
    let dir = tempfile::tempdir().unwrap();
    let first = perjury(
        dir.path(),
        "test --env local --nodes 3 --nemesis kill:one --fault-interval 500ms --time-limit 3s --seed 5",
    )
    .output()
    .unwrap();
    assert_eq!(first.status.code(), Some(0), "{}", text(&first));
    let original = run_dir(dir.path());
    let schedule = std::fs::read_to_string(original.join("schedule.toml")).unwrap();
    std::fs::rename(&original, dir.path().join("original")).unwrap();
    let again = perjury(dir.path(), "test --replay original").output().unwrap();
    assert_eq!(again.status.code(), Some(0), "{}", text(&again));
    let replayed = std::fs::read_to_string(run_dir(dir.path()).join("schedule.toml")).unwrap();
    // The same nodes in the same order; the times differ by what a busy machine takes.
    let targets = |schedule: &str| -> Vec<String> {
        let is_kept = |line: &&str| line.starts_with("nemesis") || line.starts_with("target");
        schedule.lines().filter(is_kept).map(str::to_owned).collect()
    };
    assert!(schedule.contains("target = \"n"), "{schedule}");
    assert_eq!(targets(&schedule), targets(&replayed));
}

#[test]
fn a_fault_that_would_outlast_the_test_holds_until_its_end() {
    let dir = tempfile::tempdir().unwrap();
    let schedule = "[[fault]]\nat = '1s'\nlasts = '1m'\nnemesis = 'pause'\ntarget = 'one'\n";
    std::fs::write(dir.path().join("schedule.toml"), schedule).unwrap();
    let args = "test --nodes 3 --env local --schedule schedule.toml --time-limit 4s";
    let output = perjury(dir.path(), args).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let results = json(&run_dir(dir.path()).join("results.json"));
    let fault = &results["faults"][0];
    let seconds = fault["end_s"].as_f64().unwrap() - fault["start_s"].as_f64().unwrap();
    assert!(seconds > 2.5, "{fault}");
}

#[test]
fn a_hunt_finds_a_planted_bug_and_says_how_to_see_it_again() {
    let dir = tempfile::tempdir().unwrap();
    if !can(dir.path(), "netns", "partition:leader") {
        return;
    }
    // With nothing but one fault to draw, there is nothing to be lucky about; and without it nothing shows.
    let output = perjury(
        dir.path(),
        "hunt --time-limit 4m --run-time 6s --shrink-limit 1s --nemesis partition:halves --seed 3 -- --nodes 3 --concurrency 2n --bug quorum-of-the-reachable",
    )
    .output()
    .unwrap();
    let told = text(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("nemesis = \"partition\""), "{told}");
    assert!(
        told.contains("perjury test --nodes 3 --concurrency 2n --bug quorum-of-the-reachable --schedule "),
        "{told}"
    );
    assert_eq!(processes_of(dir.path()), Vec::<String>::new());
}

/// The one journal of the first run in the directory of a hunt or a matrix below `dir`.
fn journal_of_child(dir: &Path) -> Option<PathBuf> {
    let inside = |place: PathBuf| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(place).into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path())
            .filter(|path| path.is_dir())
            .collect()
    };
    let runs = inside(dir.join("runs"))
        .into_iter()
        .flat_map(inside)
        .flat_map(inside);
    runs.map(|run| run.join("history.jsonl"))
        .find(|journal| std::fs::metadata(journal).is_ok_and(|metadata| metadata.len() > 10_000))
}

#[test]
fn an_interrupted_hunt_or_matrix_ends_its_test_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let matrix = "flags = [\"--env\", \"local\", \"--nodes\", \"3\", \"--time-limit\", \"10m\"]\n\
                  nemeses = [\"kill\"]\nseeds = [1, 2]\n";
    std::fs::write(dir.path().join("matrix.toml"), matrix).unwrap();
    for (args, signal_name) in [
        (
            "hunt --run-time 10m --time-limit 10m --nemesis kill -- --env local --nodes 3",
            "-TERM",
        ),
        ("test-all matrix.toml", "-INT"),
    ] {
        let child = start(dir.path(), args);
        wait_for("a journal", || journal_of_child(dir.path()).is_some());
        let journal = journal_of_child(dir.path()).unwrap();
        signal(&child, signal_name);
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(255), "{args}: {}", text(&output));
        assert!(text(&output).contains("interrupted"), "{}", text(&output));
        let run = journal.parent().unwrap();
        // The test was ended gently: it was judged.
        assert!(run.join("report.html").is_file(), "{args}");
        assert_eq!(processes_of(dir.path()), Vec::<String>::new(), "{args}");
        std::fs::remove_dir_all(dir.path().join("runs")).unwrap();
    }
}

/// How many faults of a nemesis took hold in the only run below `dir`, and how many there were.
fn faults(dir: &Path, nemesis: &str) -> (u64, u64) {
    let results = json(&run_dir(dir).join("results.json"));
    let rows = results["coverage"].as_array().unwrap().iter();
    rows.filter(|row| row["nemesis"] == nemesis)
        .fold((0, 0), |(verified, all), row| {
            let number = |name: &str| row[name].as_u64().unwrap();
            (verified + number("verified"), all + number("faults"))
        })
}

#[test]
fn operators_act_while_clients_are_at_work() {
    let has_etcd = Command::new("etcd").arg("--version").output().is_ok();
    for system in ["bundled", "etcd"] {
        if system == "etcd" && !has_etcd {
            missing("etcd", "it is not on the PATH");
            continue;
        }
        for (nemesis, time) in [("membership", "14s"), ("transfer,compact", "6s")] {
            let dir = tempfile::tempdir().unwrap();
            let args = format!(
                "test {system} --env local --nodes 3 --nemesis {nemesis} --fault-interval 800ms --time-limit {time}"
            );
            let output = perjury(dir.path(), &args).output().unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", text(&output));
            for name in nemesis.split(',') {
                let (verified, all) = faults(dir.path(), name);
                assert!(verified > 0 && verified == all, "{name}: {}", text(&output));
            }
        }
    }
}

#[test]
fn a_matrix_is_run_and_the_worst_verdict_counts() {
    let dir = tempfile::tempdir().unwrap();
    let matrix = "flags = [\"--env\", \"local\", \"--nodes\", \"3\", \"--time-limit\", \"4s\", \"--bug\", \"ack-before-quorum\"]\n\
                  workloads = [\"register\", \"append\"]\nnemeses = [\"kill:leader\", \"none\"]\n";
    std::fs::write(dir.path().join("matrix.toml"), matrix).unwrap();
    let summary = dir.path().join("step-summary.md");
    let output = perjury(dir.path(), "test-all matrix.toml")
        .env("GITHUB_STEP_SUMMARY", &summary)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let said = text(&output);
    assert!(
        said.contains("does not support the workload `append`; left out"),
        "{said}"
    );
    let place = run_dir(dir.path());
    let page = std::fs::read_to_string(place.join("index.html")).unwrap();
    let links: Vec<&str> = page
        .split("href=\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    assert_eq!(links.len(), 2, "{links:?}");
    for link in links {
        assert!(place.join(link).is_file(), "{link} is not there");
    }
    let junit = std::fs::read_to_string(place.join("junit.xml")).unwrap();
    assert_eq!(junit.matches("<testcase").count(), 2, "{junit}");
    assert!(junit.contains("<failure"), "{junit}");
    let summary = std::fs::read_to_string(summary).unwrap();
    assert!(summary.contains("invalid: perjury test-all"), "{summary}");
    assert_eq!(summary.matches("| bundled |").count(), 2, "{summary}");
}
