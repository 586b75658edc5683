//! What a fault is: a nemesis that performs it, a generator that schedules it, and the list entry that makes
//! both.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, Db, Environment};
use generator::Generator;
use history::{Aim, NemesisOutcome, Target};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::on_off::{OnOff, Span};
use crate::target::Targets;

/// What a nemesis can reach.
#[derive(Clone)]
pub struct NemesisContext {
    /// The nodes and the network between them.
    pub environment: Arc<dyn Environment>,
    /// The store on them.
    pub db: Arc<dyn Db>,
}

/// Performs the faults of one entry of the list. It never panics and never waits without a limit.
#[async_trait]
pub trait Nemesis: Send {
    /// Begins a fault, and verifies by a probe that it took hold. What went wrong is part of the outcome.
    ///
    /// # Errors
    /// Why it was not even tried; nothing was changed then.
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String>;

    /// Ends all its faults that are in force, and verifies by a probe that they are gone.
    async fn end(&mut self, ctx: &NemesisContext) -> NemesisOutcome;

    /// Undoes everything that this nemesis can do, whether or not it recalls having done it, and verifies it.
    /// May be called any number of times.
    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        self.end(ctx).await
    }
}

/// A fault, ready to run. [`crate::compose`] makes one of several that take turns.
pub struct Fault {
    /// Which of the list.
    pub entry: &'static Entry,
    /// What performs it.
    pub nemesis: Box<dyn Nemesis>,
    /// When it begins and ends. Without end, so put a time limit around it; each beginning is followed by an
    /// end before the next beginning.
    pub generator: Box<dyn Generator>,
}

/// A nemesis with its targets, all of which make sense: a fault can be made of it without an error.
#[derive(Clone)]
pub struct Planned {
    /// Which of the list.
    pub entry: &'static Entry,
    targets: Vec<Target>,
    interval: Duration,
}

/// What the user may set.
#[derive(Clone, Debug, PartialEq)]
pub struct FaultOptions {
    /// How many nodes there are.
    pub nodes: usize,
    /// The targets it is aimed at, as on the command line; empty for the default mix.
    pub targets: Vec<String>,
    /// About how long a fault lasts; the quiet after it is somewhat shorter.
    pub interval: Duration,
}

/// One line of the list of faults.
pub struct Entry {
    /// Its name on the command line, by which [`history::NemesisOp::nemesis`] addresses it.
    pub name: &'static str,
    /// One line for the user.
    pub description: &'static str,
    /// The targets it can be aimed at.
    pub targets: Targets,
    /// What it needs of the environment and of the store.
    pub needs: &'static [Ability],
    /// Where it takes part although the user named no nemesis.
    pub by_default: ByDefault,
    /// The colour of its band in pictures, `#rrggbb`. The plan of a run records it, since reports know no
    /// nemesis.
    pub colour: &'static str,
    /// How long a fault lasts, at least and at most, as multiples of the interval.
    pub hold: (f64, f64),
    /// How long it is quiet before a fault, at least and at most, as multiples of the interval.
    pub quiet: (f64, f64),
    /// Makes what performs it; all that is random comes from this generator.
    pub new: fn(ChaCha8Rng) -> Box<dyn Nemesis>,
}

/// Where a nemesis takes part although the user named none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ByDefault {
    /// Everywhere: no store in order fails because of it.
    Everywhere,
    /// In hunts only.
    InHunts,
    /// Nowhere.
    Nowhere,
}

impl Entry {
    /// Reads the targets.
    ///
    /// # Errors
    /// One line for a user who wants the impossible, such as a majority of two nodes.
    pub fn plan(&'static self, options: &FaultOptions) -> Result<Planned, String> {
        Ok(Planned {
            entry: self,
            targets: self.targets.bag(self.name, options.nodes, &options.targets)?,
            interval: options.interval,
        })
    }
}

impl Planned {
    /// Makes the fault; `seed` decides everything random.
    pub fn fault(&self, seed: u64) -> Fault {
        let entry = self.entry;
        let hold = Span::of(self.interval, entry.hold);
        let quiet = Span::of(self.interval, entry.quiet);
        let targets = self.targets.clone();
        Fault {
            entry,
            nemesis: (entry.new)(ChaCha8Rng::seed_from_u64(seed)),
            generator: Box::new(OnOff::new(entry.name, targets, hold, quiet, seed)),
        }
    }
}

impl Default for FaultOptions {
    fn default() -> Self {
        FaultOptions {
            nodes: 5,
            targets: Vec::new(),
            interval: Duration::from_millis(2500),
        }
    }
}
