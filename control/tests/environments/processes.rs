//! Starting, signalling and watching processes on a node, and moving files; the same in every environment.

use std::sync::Arc;
use std::time::{Duration, Instant};

use control::{Command, ControlError, Daemon, Environment, Output, Pid, ProcessState, Remote, Signal};

use crate::cases::{Done, ensure, wait_for};

/// Everything a node must be able to do.
pub async fn all(environment: Arc<dyn Environment>) -> Done {
    let remote = &*environment.remote(2);
    signals(remote).await?;
    groups(remote).await?;
    what_leaves_its_group(remote).await?;
    ends(remote).await?;
    commands_and_files(remote).await?;
    let log = remote.directory().join("log");
    let text = || std::fs::read_to_string(&log).unwrap_or_default();
    // Left to the tear-down.
    remote.spawn(&daemon(remote, "sleep", &["1000"])).await?;
    remote
        .spawn(&daemon(remote, "sh", &["-c", "setsid sleep 1000 & echo gone"]))
        .await?;
    wait_for("a wrapper ends before what it started", || {
        text().contains("gone")
    })
    .await?;
    Ok(())
}

fn daemon(remote: &dyn Remote, program: &str, args: &[&str]) -> Daemon {
    Daemon {
        program: program.into(),
        args: args.iter().map(Into::into).collect(),
        env: vec![("GREETING".into(), "hello".into())],
        directory: remote.directory().to_path_buf(),
        log: remote.directory().join("log"),
    }
}

/// Signals have taken hold when the call returns.
async fn signals(remote: &dyn Remote) -> Done {
    let start = Instant::now();
    let sleeper = remote.spawn(&daemon(remote, "sleep", &["1000"])).await?;
    println!("spawned in {} us", start.elapsed().as_micros());
    for (signal, expected) in [
        (None, ProcessState::Running),
        (Some(Signal::Stop), ProcessState::Stopped),
        (Some(Signal::Stop), ProcessState::Stopped),
        (Some(Signal::Cont), ProcessState::Running),
        (Some(Signal::Cont), ProcessState::Running),
        (Some(Signal::Stop), ProcessState::Stopped),
        // SIGKILL does not wait for SIGCONT.
        (Some(Signal::Kill), ProcessState::Gone),
        (Some(Signal::Cont), ProcessState::Gone),
    ] {
        if let Some(signal) = signal {
            remote.signal(sleeper, signal).await?;
        }
        let state = remote.state(sleeper).await?;
        ensure(state == expected, format!("{state:?} after {signal:?}"))?;
    }
    Ok(())
}

/// A wrapper and what it started get signals together.
async fn groups(remote: &dyn Remote) -> Done {
    let log = remote.directory().join("log");
    let text = || std::fs::read_to_string(&log).unwrap_or_default();
    let wrapper = remote
        .spawn(&daemon(
            remote,
            "sh",
            &["-c", "sleep 1000 & echo started $!; wait"],
        ))
        .await?;
    wait_for("the wrapper starts its child", || text().contains("started ")).await?;
    remote.signal(wrapper, Signal::Kill).await?;
    let inner: i32 = text().trim().rsplit(' ').next().unwrap_or_default().parse()?;
    wait_for("the wrapper's child ends", || {
        !std::fs::exists(format!("/proc/{inner}")).unwrap_or(true)
    })
    .await?;
    Ok(())
}

/// So does what a wrapper started and what then left its process group.
async fn what_leaves_its_group(remote: &dyn Remote) -> Done {
    let log = remote.directory().join("log");
    let text = || std::fs::read_to_string(&log).unwrap_or_default();
    let wrapper = remote
        .spawn(&daemon(
            remote,
            "sh",
            &["-c", "setsid sleep 1000 & echo left $!; wait"],
        ))
        .await?;
    wait_for("the wrapper starts what leaves its group", || {
        text().contains("left ")
    })
    .await?;
    let inner: i32 = text().trim().rsplit(' ').next().unwrap_or_default().parse()?;
    wait_for("it leaves", || {
        stat(inner).is_some_and(|(_, group)| group == inner)
    })
    .await?;
    for (signal, expected) in [
        (Signal::Stop, Some('T')),
        (Signal::Cont, Some('S')),
        (Signal::Stop, Some('T')),
        (Signal::Kill, None),
    ] {
        remote.signal(wrapper, signal).await?;
        let state = stat(inner).map(|(state, _)| state).filter(|state| *state != 'Z');
        // On a busy machine what was let go still waits for its turn to sleep again.
        let state = state.map(|state| if state == 'R' { 'S' } else { state });
        ensure(
            state == expected,
            format!("what left is {state:?} after {signal:?}"),
        )?;
    }
    Ok(())
}

/// The end of a daemon is noticed, and nothing else is touched.
async fn ends(remote: &dyn Remote) -> Done {
    let log = remote.directory().join("log");
    let text = || std::fs::read_to_string(&log).unwrap_or_default();
    let short = remote
        .spawn(&daemon(remote, "sh", &["-c", "echo $GREETING; pwd; exit 3"]))
        .await?;
    wait_for("the daemon that ends by itself is written down", || {
        text().contains("hello")
    })
    .await?;
    let mut state = remote.state(short).await?;
    for _ in 0..1000 {
        if state == ProcessState::Gone {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
        state = remote.state(short).await?;
    }
    ensure(state == ProcessState::Gone, "the end of a daemon was not noticed")?;
    ensure(
        text().contains(&*remote.directory().to_string_lossy()),
        "not in its directory",
    )?;
    let other = Pid { pid: 1, started: 1 };
    remote.signal(other, Signal::Kill).await?;
    ensure(
        remote.state(other).await? == ProcessState::Gone,
        "process 1 counts as one that was started here",
    )?;

    let error = remote.spawn(&daemon(remote, "/no/such/program", &[])).await;
    ensure(
        error.is_err_and(|error| error.to_string().contains("/no/such/program on n3")),
        "a program that is not there was started",
    )?;
    Ok(())
}

/// Commands run to their end or their limit, and files are copied both ways.
async fn commands_and_files(remote: &dyn Remote) -> Done {
    let log = remote.directory().join("log");
    let output = remote
        .exec(&Command::new("sh", ["-c", "echo out; echo err >&2; exit 5"]))
        .await?;
    let expected = Output {
        code: Some(5),
        stdout: b"out\n".into(),
        stderr: b"err\n".into(),
    };
    ensure(output == expected, format!("{output:?}"))?;
    let mut forever = Command::new("sleep", ["1000"]);
    forever.limit = Duration::from_millis(50);
    ensure(
        matches!(remote.exec(&forever).await, Err(ControlError::Deadline { .. })),
        "a command outlived its limit",
    )?;

    let (here, there, back) = (
        log.with_file_name("a"),
        log.with_file_name("b"),
        log.with_file_name("c"),
    );
    std::fs::write(&here, "content")?;
    remote.upload(&here, &there).await?;
    remote.download(&there, &back).await?;
    remote.upload(&here, &here).await?;
    ensure(
        std::fs::read(&back)? == b"content" && std::fs::read(&here)? == b"content",
        "copies differ",
    )?;
    ensure(
        remote.download(&log.with_file_name("none"), &back).await.is_err(),
        "copied nothing",
    )?;
    Ok(())
}

/// State and process group of a process, from proc_pid_stat(5).
fn stat(pid: i32) -> Option<(char, i32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace();
    let state = fields.next()?.chars().next()?;
    Some((state, fields.nth(1)?.parse().ok()?))
}
