//! What a fault is: a nemesis that performs it, a generator that schedules it, and the list entry that makes both.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, Db, Environment, Link};
use generator::Generator;
use history::{NemesisOp, NemesisOutcome};

/// What a nemesis can reach.
#[derive(Clone)]
pub struct NemesisContext {
    /// The nodes and the network between them.
    pub environment: Arc<dyn Environment>,
    /// The store on them.
    pub db: Arc<dyn Db>,
    /// The links that faults have cut since the network was healed last.
    pub cuts: Cuts,
}

/// Links that are cut on purpose, whichever faults have done it: what a probe must find.
#[derive(Clone, Default)]
pub struct Cuts(Arc<Mutex<BTreeSet<Link>>>);

impl Cuts {
    /// Adds links; gives all of them.
    pub(crate) fn add(&self, links: &[Link]) -> Vec<Link> {
        let mut cut = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        cut.extend(links);
        cut.iter().copied().collect()
    }

    /// Whether a link is one of them.
    pub(crate) fn contains(&self, link: &Link) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains(link)
    }

    /// The network is healed as a whole.
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

/// Performs faults. It never panics and never waits without a limit; what could not be done stands in the outcome.
#[async_trait]
pub trait Nemesis: Send {
    /// Begins or ends a fault, and verifies by a probe that it took hold or is gone.
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome;

    /// Undoes everything that this nemesis can do, whether or not it thinks that it did, and verifies it. May be
    /// called any number of times.
    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome;
}

/// A fault, ready to run: one, or several that take turns (see [`crate::compose`]).
pub struct Fault {
    /// Its name, by which [`NemesisOp::nemesis`] addresses it.
    pub name: &'static str,
    /// What performs it.
    pub nemesis: Box<dyn Nemesis>,
    /// When it starts and stops. Without end, so put a time limit around it; each start is followed by a stop before
    /// the next start.
    pub generator: Box<dyn Generator>,
}

/// What the user may set.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultOptions {
    /// The seed of everything random.
    pub seed: u64,
    /// How many nodes there are.
    pub nodes: usize,
    /// At what it is aimed, each one of [`Entry::targets`]; empty for the default mix.
    pub targets: Vec<String>,
    /// About how long a fault lasts; the quiet after it is somewhat shorter.
    pub interval: Duration,
}

/// One line of the list of faults.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line for people.
    pub description: &'static str,
    /// At what it can be aimed.
    pub targets: &'static [&'static str],
    /// What it needs of the environment.
    pub needs: &'static [Ability],
    /// Whether it is among the faults of a run that names none: those that no store in order fails at.
    pub by_default: bool,
    /// The smallest number of nodes with which any of it makes sense.
    pub min_nodes: usize,
    /// The colour of its shade in pictures, `#rrggbb`; the plan of a run says it, since reports know no nemesis.
    pub colour: &'static str,
    /// Makes it.
    ///
    /// # Errors
    /// One line for a user who asked for what cannot be, such as a majority of two nodes.
    pub make: fn(&FaultOptions) -> Result<Fault, String>,
}

impl Default for FaultOptions {
    fn default() -> Self {
        FaultOptions {
            seed: 0,
            nodes: 5,
            targets: Vec::new(),
            interval: Duration::from_millis(2500),
        }
    }
}
