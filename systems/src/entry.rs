//! What a system is: the types that the list and its entries share.

use std::path::{Path, PathBuf};
use std::time::Duration;

use control::{Ability, MakeSystem};
use history::{ErrorRule, LogPattern, ObjectKind};

use crate::PlantedBug;

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
    /// What the lines of its nodes' logs mean.
    pub log_patterns: &'static [LogPattern],
    /// Within which time it goes on after a fault, as perjury sets it up: some elections, with a wide margin
    /// for a busy machine. What takes longer is told; `None` for the bounds that fit any store.
    pub recovers_within: Option<Duration>,
    /// About how long a fault lasts where the user does not say: longer than it takes to elect another
    /// leader, and the quiet after it long enough for that, too.
    pub fault_interval: Duration,
    /// Nemeses that are known to make it fail, and how: they take part only where the user names them, so
    /// that a test finds what is not known yet.
    pub fails_under: &'static [(&'static str, &'static str)],
    /// Nemeses that do not take part in every test, and that it is known to stand: two of them, drawn from
    /// the seed, take part where the user names none.
    pub stands: &'static [&'static str],
    /// Finds the store's program; `None` where there is nothing to find.
    pub locate: Option<Locate>,
    /// Makes it ready to run in an environment.
    pub make: MakeSystem,
}

impl Entry {
    /// Whether this is something that operators do to stores, and it is not known how to do it to this one.
    pub fn lacks(&self, ability: Ability) -> bool {
        ability.is_of_store() && !self.abilities.contains(&ability)
    }
}
