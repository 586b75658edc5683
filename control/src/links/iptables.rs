//! Cutting links with iptables: a chain of our own at the receiving node drops what a sender sends.
//!
//! Invariants:
//! - Only the chain `PERJURY` is ever written, and the two rules that lead to it; it is replaced as a whole
//!   in one transaction of `iptables-restore`, so that a node's links change all at once.
//! - The rule is at the receiver: the sender notices nothing, its connections go silent.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::IpAddr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use nix::unistd::{AccessFlags, access};

use crate::ControlError;
use crate::environments::netns::Namespace;

/// Which addresses a chain matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    V4,
    V6,
}

/// The rules that send everything through the chain are the first ones, so that no other rule accepts what is
/// to be dropped; what is forwarded, to a container on the host, goes through it as well.
const HOOK: &str = "*filter\n:PERJURY - [0:0]\n-I INPUT 1 -j PERJURY\n-I FORWARD 1 -j PERJURY\nCOMMIT\n";
/// Removes all of it, whatever the chain contains.
const UNHOOK: &str = "*filter\n-D INPUT -j PERJURY\n-D FORWARD -j PERJURY\n-F PERJURY\n-X PERJURY\nCOMMIT\n";
/// Fails if there is no such chain.
const LOOK: &str = "*filter\n-Z PERJURY\nCOMMIT\n";

/// Where it is on Debian, and not always on an unprivileged user's `PATH`.
const MORE_DIRECTORIES: [&str; 3] = ["/usr/sbin", "/sbin", "/usr/local/sbin"];

/// How long one call may take; usually some 5 ms.
const LIMIT: Duration = Duration::from_secs(10);

/// An `iptables-restore` (or `ip6tables-restore`), which reads its rules from standard input. Every call
/// takes the network namespace to act in; `None` is that of this process.
#[derive(Clone, Debug)]
pub(crate) struct Iptables {
    program: PathBuf,
    family: Family,
    /// Its lock file is in `/run`, which an unprivileged user cannot write: give it one of its own.
    private_run: bool,
}

impl Iptables {
    /// Finds it and tries it in a temporary namespace.
    ///
    /// # Errors
    /// Why it cannot be used, and the remedy.
    pub(crate) fn find(family: Family) -> Result<Iptables, (String, String)> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let Some(program) = find_program(family.program(), &path) else {
            return Err((
                "iptables is not installed".into(),
                "install the package `iptables`".into(),
            ));
        };
        let found = Iptables {
            program,
            family,
            private_run: access("/run", AccessFlags::W_OK).is_err(),
        };
        let tried = Namespace::create().and_then(|namespace| {
            found.hook(Some(&namespace))?;
            let sender = match family {
                Family::V4 => IpAddr::from([127, 0, 0, 1]),
                Family::V6 => IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1_u16]),
            };
            found.set(Some(&namespace), &[sender])?;
            found.unhook(Some(&namespace))
        });
        match tried {
            Ok(()) => Ok(found),
            Err(error) => Err((
                format!("iptables does not work here: {error}"),
                "find out what it is missing".into(),
            )),
        }
    }

    /// Makes the chain and sends everything that comes in through it.
    pub(crate) fn hook(&self, place: Option<&Namespace>) -> Result<(), ControlError> {
        self.run(place, HOOK)
    }

    /// Whether the chain is there.
    pub(crate) fn is_hooked(&self, place: Option<&Namespace>) -> bool {
        self.run(place, LOOK).is_ok()
    }

    /// Removes the chain and the rules that lead to it.
    pub(crate) fn unhook(&self, place: Option<&Namespace>) -> Result<(), ControlError> {
        self.run(place, UNHOOK)
    }

    /// From now on what comes from exactly these senders is dropped; those of the other family do not count.
    pub(crate) fn set(&self, place: Option<&Namespace>, senders: &[IpAddr]) -> Result<(), ControlError> {
        let ours = senders
            .iter()
            .filter(|sender| sender.is_ipv4() == (self.family == Family::V4));
        self.run(place, &rules(ours))
    }

    fn run(&self, place: Option<&Namespace>, input: &str) -> Result<(), ControlError> {
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
        let (network, private_run) = (place.map(|place| Arc::clone(place.fd())), self.private_run);
        // SAFETY: system calls only; nothing is allocated.
        unsafe {
            command.pre_exec(move || {
                if let Some(network) = &network {
                    setns(network, CloneFlags::CLONE_NEWNET)?;
                }
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
fn rules<'a>(senders: impl Iterator<Item = &'a IpAddr>) -> String {
    let mut text = String::from("*filter\n:PERJURY - [0:0]\n");
    for sender in senders {
        let _ = writeln!(text, "-A PERJURY -s {sender} -j DROP");
    }
    text.push_str("COMMIT\n");
    text
}

impl Family {
    /// The program that sets its rules.
    fn program(self) -> &'static str {
        match self {
            Family::V4 => "iptables-restore",
            Family::V6 => "ip6tables-restore",
        }
    }
}

fn find_program(name: &str, path: &OsStr) -> Option<PathBuf> {
    std::env::split_paths(path)
        .chain(MORE_DIRECTORIES.iter().map(PathBuf::from))
        .map(|directory| directory.join(name))
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
        let address = |text: &str| text.parse::<IpAddr>().expect("an address");
        for (senders, expected) in [
            (vec![], "*filter\n:PERJURY - [0:0]\nCOMMIT\n"),
            (
                vec![address("10.77.0.1"), address("fd77::3")],
                "*filter\n:PERJURY - [0:0]\n-A PERJURY -s 10.77.0.1 -j DROP\n-A PERJURY -s fd77::3 -j DROP\nCOMMIT\n",
            ),
        ] {
            assert_eq!(rules(senders.iter()), expected);
        }
    }
}
