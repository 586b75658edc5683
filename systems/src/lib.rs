//! The systems under test: one file a system, one list that names them all.

mod bundled;
mod cluster;
mod consul;
mod etcd;
mod foreign_processes;
mod http;
mod process;
mod redis;
mod zookeeper;

use std::hash::{BuildHasher, Hasher};
use std::path::{Path, PathBuf};
use std::time::Duration;

use control::{Ability, Access, ControlError, MakeSystem};
use history::{ErrorRule, ObjectKind};

/// A planted bug of a system, and how to catch it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlantedBug {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it breaks.
    pub description: &'static str,
    /// The nemesis that shows it, as written after `--nemesis`.
    pub nemesis: &'static str,
}

/// A way of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadMode {
    /// Its name after `--read-mode`.
    pub name: &'static str,
    /// What it promises, in one line.
    pub description: &'static str,
}

/// What a system can demand of its clients, each with a flag of its own on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// A user to log in as.
    User,
    /// That user's password.
    Password,
    /// A token instead of a login.
    Token,
    /// TLS with certificates signed by the user's own authority.
    Ca,
    /// A certificate of the client.
    Cert,
    /// That certificate's key.
    Key,
}

impl Demand {
    /// Its flag, without the two dashes.
    pub const fn flag(self) -> &'static str {
        match self {
            Demand::User => "user",
            Demand::Password => "password-file",
            Demand::Token => "token-file",
            Demand::Ca => "ca-file",
            Demand::Cert => "cert-file",
            Demand::Key => "key-file",
        }
    }
}

/// Finds a store's program: where the user says it is, or else where it usually is. It fails with one line
/// for the user that names the remedy.
pub type Locate = fn(Option<&Path>) -> Result<PathBuf, String>;

/// One system on the list.
#[derive(Clone, Copy)]
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, in one line.
    pub description: &'static str,
    /// The bugs that can be switched on in it.
    pub bugs: fn() -> Vec<PlantedBug>,
    /// The kinds of objects that its clients can address, each with all its operations
    /// ([`ObjectKind::operations`]).
    pub objects: &'static [ObjectKind],
    /// What operators can do to it, among the abilities of stores ([`Ability::is_of_store`]).
    pub abilities: &'static [Ability],
    /// How reads can be done, the usual way first; empty where there is only one.
    pub read_modes: &'static [ReadMode],
    /// What it can demand of its clients.
    pub demands: &'static [Demand],
    /// The schemes that its endpoints may have; the first is meant where the user writes none.
    pub schemes: &'static [&'static str],
    /// How an endpoint of it is written.
    pub example_endpoint: &'static str,
    /// What each kind of error means; unique names.
    pub errors: &'static [ErrorRule],
    /// Finds the store's program; `None` where there is nothing to find.
    pub locate: Option<Locate>,
    /// Makes it ready to run in an environment.
    pub make: MakeSystem,
}

/// Every system.
pub const ALL: &[Entry] = &[
    bundled::ENTRY,
    etcd::ENTRY,
    consul::ENTRY,
    zookeeper::ENTRY,
    redis::ENTRY,
];

/// The system of that name.
pub fn find(name: &str) -> Option<&'static Entry> {
    ALL.iter().find(|entry| entry.name == name)
}

/// An HTTP client with one connection that repeats no request and follows no redirect, for loads beside the
/// clients'.
///
/// # Errors
/// When the system's certificates cannot be used.
pub fn http_client(timeout: Duration) -> Result<reqwest::Client, ControlError> {
    http::client(timeout, &Access::default())
}

/// A program: where the user says it is, or else on the `PATH`; `install` says how to get it.
fn find_program(name: &str, named: Option<&Path>, install: &str) -> Result<PathBuf, String> {
    if let Some(path) = named {
        // As an absolute path, so that it is found from any directory in which the daemon runs.
        return match std::fs::canonicalize(path) {
            Ok(path) if is_executable(&path) => Ok(path),
            Ok(path) if path.is_file() => Err(format!(
                "--binary {}: that cannot be executed; name the program {name}, or chmod +x it",
                path.display()
            )),
            Ok(path) => Err(format!(
                "--binary {}: that is not a file; name the program {name}",
                path.display()
            )),
            Err(error) => Err(format!(
                "--binary {}: {error}; name the program {name}",
                path.display()
            )),
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(name))
        .find(|candidate| is_executable(candidate))
        .ok_or_else(|| format!("`{name}` is not on the PATH; {install}, or name it with --binary"))
}

fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// A name that no other run has.
pub(crate) fn random_name() -> String {
    // Seeded by the operating system.
    let random = std::hash::RandomState::new().build_hasher().finish();
    format!("{random:016x}")
}
