//! The program `docker`, or one that takes the same arguments (`PERJURY_DOCKER=podman`).
//!
//! The client program and not the engine's API: it knows the user's contexts, rights and remote engines, its
//! command line has been stable for ten years, and a user can repeat by hand what it does here. A crate for
//! the API would bring an HTTP stack of its own for some eight calls a run.

use std::ffi::OsString;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::AsyncWriteExt;

use crate::ControlError;

/// How long one call may take; packing an image is the longest.
const LIMIT: Duration = Duration::from_secs(120);
/// How long an image may take to come.
const FETCH_LIMIT: Duration = Duration::from_secs(600);

/// The program's name or path.
pub(super) fn program() -> OsString {
    std::env::var_os("PERJURY_DOCKER").unwrap_or_else(|| "docker".into())
}

/// Runs it; returns what it prints, trimmed.
pub(super) async fn run<S: AsRef<str>>(args: &[S], input: Option<&[u8]>) -> Result<String, ControlError> {
    run_for(args, input, LIMIT).await
}

async fn run_for<S: AsRef<str>>(
    args: &[S],
    input: Option<&[u8]>,
    limit: Duration,
) -> Result<String, ControlError> {
    let words: Vec<&str> = args.iter().map(AsRef::as_ref).collect();
    let what = words
        .iter()
        .take_while(|word| !word.starts_with('-'))
        .take(2)
        .copied()
        .collect::<Vec<_>>()
        .join(" ");
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::NotFound => unavailable("`docker` is not on the PATH", "install Docker"),
        _ => ControlError::System {
            what: format!("cannot run docker {what}"),
            source,
        },
    };
    let mut child = tokio::process::Command::new(program())
        .args(&words)
        .stdin(if input.is_some() {
            Stdio::piped()
        } else {
            Stdio::null()
        })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .process_group(0)
        .spawn()
        .map_err(failed)?;
    let stdin = child.stdin.take();
    let feed = async {
        if let (Some(mut stdin), Some(input)) = (stdin, input) {
            // If it ended early, its exit status says more.
            let _ = stdin.write_all(input).await;
        }
    };
    let run = async { tokio::join!(feed, child.wait_with_output()).1 };
    let output = tokio::time::timeout(limit, run)
        .await
        .map_err(|_| ControlError::Deadline {
            what: format!("the end of docker {what}"),
            limit,
            hint: "; it was killed".into(),
        })?
        .map_err(failed)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned());
    }
    let words = String::from_utf8_lossy(&output.stderr);
    let words = words.trim().lines().last().unwrap_or_default().to_owned();
    match words.contains("Cannot connect to the Docker daemon") || words.contains("permission denied") {
        true => Err(unavailable(
            &words,
            "start Docker, or get permission to use it (the group `docker`)",
        )),
        false => Err(ControlError::Other(format!("docker {what}: {words}"))),
    }
}

/// Makes sure that an image is here.
///
/// # Errors
/// When it is not, and cannot be fetched either.
pub(super) async fn fetch(image: &str) -> Result<(), ControlError> {
    if run(&["image", "inspect", "--format", "{{.Id}}", image], None)
        .await
        .is_ok()
    {
        return Ok(());
    }
    let fetched = run_for(&["pull", "--quiet", image], None, FETCH_LIMIT).await;
    fetched.map(drop).map_err(|error| {
        unavailable(
            &format!("there is no image {image} here, and {error}"),
            "use --image with one that `docker images` shows or that can be fetched",
        )
    })
}

fn unavailable(why: &str, remedy: &str) -> ControlError {
    ControlError::Unavailable {
        env: "docker",
        why: why.trim_end_matches('.').into(),
        remedy: remedy.into(),
    }
}

/// Whether containers are available.
///
/// # Errors
/// Why not, and the remedy, in one line.
pub fn trial() -> Result<String, String> {
    let output = std::process::Command::new(program())
        .args(["version", "--format", "{{.Server.Version}}"])
        .stdin(Stdio::null())
        .output();
    match output {
        Err(_) => Err("`docker` is not on the PATH; install Docker".into()),
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => {
            let words = String::from_utf8_lossy(&output.stderr);
            let last = words.trim().lines().last().unwrap_or_default().to_owned();
            Err(format!(
                "{last}; start Docker, or get permission to use it (the group `docker`)"
            ))
        }
    }
}
