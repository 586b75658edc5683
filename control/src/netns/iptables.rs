//! Cutting links with iptables: a chain of our own in the receiving node's namespace drops what a sender sends.
//!
//! Invariants:
//! - Only the chain `PERJURY` is ever written; it is replaced as a whole in one transaction of `iptables-restore`, so
//!   that a node's links change all at once.
//! - The rule is at the receiver: the sender notices nothing, its connections go silent.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{AccessFlags, access};

use super::namespace::Namespace;
use crate::ControlError;

/// Reads its rules from standard input; comes with `iptables`.
const PROGRAM: &str = "iptables-restore";

/// Where it is on Debian, and not always on an unprivileged user's `PATH`.
const MORE_DIRECTORIES: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// How long one call may take; usually some 5 ms.
const LIMIT: Duration = Duration::from_secs(10);

/// An `iptables-restore` that works.
#[derive(Clone, Debug)]
pub(super) struct Iptables {
    program: PathBuf,
    /// Its lock file is in `/run`, which an unprivileged user cannot write: give it one of its own.
    private_run: bool,
}

impl Iptables {
    /// Finds it and tries it in a namespace that is thrown away.
    ///
    /// # Errors
    /// Why it cannot be used, and the remedy.
    pub(super) fn find() -> Result<Iptables, (String, String)> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let Some(program) = find_program(&path) else {
            return Err((
                "iptables is not installed".into(),
                "install the package `iptables`, or use --links switch".into(),
            ));
        };
        let found = Iptables {
            program,
            private_run: access("/run", AccessFlags::W_OK).is_err(),
        };
        let tried = Namespace::create().and_then(|namespace| {
            found.hook(&namespace)?;
            found.set(&namespace, &[Ipv4Addr::LOCALHOST])
        });
        match tried {
            Ok(()) => Ok(found),
            Err(error) => Err((
                format!("iptables does not work here: {error}"),
                "use --links switch".into(),
            )),
        }
    }

    /// Makes the chain in a node's namespace and sends all input through it.
    pub(super) fn hook(&self, namespace: &Namespace) -> Result<(), ControlError> {
        self.run(
            namespace,
            "*filter\n:PERJURY - [0:0]\n-A INPUT -j PERJURY\nCOMMIT\n",
        )
    }

    /// From now on the node drops what comes from exactly these senders.
    pub(super) fn set(&self, namespace: &Namespace, senders: &[Ipv4Addr]) -> Result<(), ControlError> {
        self.run(namespace, &rules(senders))
    }

    fn run(&self, namespace: &Namespace, input: &str) -> Result<(), ControlError> {
        let system = |source| ControlError::System {
            what: format!("cannot run {}", self.program.display()),
            source,
        };
        let mut command = Command::new(&self.program);
        command
            .args(["--noflush", "--wait"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .process_group(0);
        let (network, private_run) = (Arc::clone(namespace.fd()), self.private_run);
        // SAFETY: system calls only; nothing is allocated.
        unsafe {
            command.pre_exec(move || {
                setns(&network, CloneFlags::CLONE_NEWNET)?;
                if private_run {
                    // For this one process only.
                    unshare(CloneFlags::CLONE_NEWNS)?;
                    let none: Option<&str> = None;
                    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), none)?;
                }
                Ok(())
            });
        }
        let mut child = command.spawn().map_err(system)?;
        if let Some(mut stdin) = child.stdin.take() {
            // If it ended early, its exit status says more than a broken pipe.
            let _ = stdin.write_all(input.as_bytes());
        }
        let deadline = Instant::now() + LIMIT;
        let status = loop {
            if let Some(status) = child.try_wait().map_err(system)? {
                break status;
            }
            if Instant::now() > deadline {
                let _ = child.kill();
                let _ = child.wait();
                return Err(ControlError::Deadline {
                    what: format!("the end of {}", self.program.display()),
                    limit: LIMIT,
                    hint: String::new(),
                });
            }
            std::thread::sleep(Duration::from_micros(500));
        };
        if status.success() {
            return Ok(());
        }
        let mut stderr = Vec::new();
        if let Some(stream) = child.stderr.take() {
            let _ = stream.take(400).read_to_end(&mut stderr);
        }
        let stderr = String::from_utf8_lossy(&stderr);
        Err(ControlError::Other(format!(
            "{} failed ({status}): {}",
            self.program.display(),
            stderr.split_whitespace().collect::<Vec<_>>().join(" ")
        )))
    }
}

/// The whole content of the chain. Naming a chain that exists empties it, within the same transaction.
fn rules(senders: &[Ipv4Addr]) -> String {
    let mut text = String::from("*filter\n:PERJURY - [0:0]\n");
    for sender in senders {
        let _ = writeln!(text, "-A PERJURY -s {sender}/32 -j DROP");
    }
    text.push_str("COMMIT\n");
    text
}

fn find_program(path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .chain(MORE_DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(PROGRAM))
        .find(|program: &PathBuf| is_executable(program))
}

fn is_executable(path: &Path) -> bool {
    path.is_file() && access(path, AccessFlags::X_OK).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chain_is_replaced_as_a_whole() {
        for (senders, expected) in [
            (vec![], "*filter\n:PERJURY - [0:0]\nCOMMIT\n"),
            (
                vec![Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::new(10, 77, 0, 3)],
                "*filter\n:PERJURY - [0:0]\n-A PERJURY -s 10.77.0.1/32 -j DROP\n-A PERJURY -s 10.77.0.3/32 -j DROP\n\
                 COMMIT\n",
            ),
        ] {
            assert_eq!(rules(&senders), expected);
        }
    }
}
