//! What a fault is: a nemesis that performs it, a generator that schedules it, and the list entry that makes
//! both.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, Db, Environment};
use history::{Aim, NemesisOutcome, Target};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::alongside::Alongside;
use crate::draw::{Bag, Span};
use crate::holds::Holds;
use crate::target::Targets;

/// What a nemesis can reach.
#[derive(Clone)]
pub struct NemesisContext {
    /// The nodes and the network between them.
    pub environment: Arc<dyn Environment>,
    /// The store on them.
    pub db: Arc<dyn Db>,
    /// What the faults that are in force hold on to.
    pub holds: Arc<Holds>,
}

impl NemesisContext {
    /// Nodes that no fault holds on to yet.
    pub fn new(environment: Arc<dyn Environment>, db: Arc<dyn Db>) -> NemesisContext {
        NemesisContext {
            environment,
            db,
            holds: Arc::default(),
        }
    }
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

/// A fault, ready to run. [`crate::compose`] says when which of several comes.
pub struct Fault {
    /// Which of the list.
    pub entry: &'static Entry,
    /// What performs it.
    pub nemesis: Box<dyn Nemesis>,
    /// At what it is aimed, and how long it lasts.
    pub(crate) drawable: Drawable,
}

/// A nemesis as episodes are drawn of it.
pub(crate) struct Drawable {
    /// Which of the list.
    pub entry: &'static Entry,
    /// Drawn from without replacement, then filled anew.
    pub targets: Bag<Target>,
    /// Whether it may be aimed at nodes that another fault has hit: the user named no targets.
    pub aims_freely: bool,
    /// How long it holds.
    pub hold: Span,
    /// How long it is quiet before it.
    pub quiet: Span,
}

impl Drawable {
    /// Draws no targets of this kind, unless the user named them.
    pub fn leave_out(&mut self, kind: &str) {
        if self.aims_freely {
            let is_other = |target: &Target| target.aim().and_then(|aim| aim.kind.as_deref()) != Some(kind);
            self.targets.retain(is_other);
        }
    }
}

/// A nemesis with its targets, all of which make sense: a fault can be made of it without an error.
#[derive(Clone)]
pub struct Planned {
    /// Which of the list.
    pub entry: &'static Entry,
    targets: Vec<Target>,
    aims_freely: bool,
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
    /// Whether it takes part in a test whose user named no nemesis: no store in order fails because of it.
    /// In a hunt all take part.
    pub by_default: bool,
    /// How often it comes beside the others of a run: twice as often as one with half of it.
    pub often: usize,
    /// The colour of its band in pictures, `#rrggbb`. The plan of a run records it, since reports know no
    /// nemesis.
    pub colour: &'static str,
    /// How long a fault lasts, at least and at most, as multiples of the interval.
    pub hold: (f64, f64),
    /// How long it is quiet before a fault, at least and at most, as multiples of the interval.
    pub quiet: (f64, f64),
    /// How it gets along with other faults.
    pub alongside: Alongside,
    /// Makes what performs it; all that is random comes from this generator.
    pub new: fn(ChaCha8Rng) -> Box<dyn Nemesis>,
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
            aims_freely: options.targets.is_empty(),
            interval: options.interval,
        })
    }
}

impl Planned {
    /// Makes the fault; `seed` decides everything random.
    pub fn fault(&self, seed: u64) -> Fault {
        let entry = self.entry;
        Fault {
            entry,
            nemesis: (entry.new)(ChaCha8Rng::seed_from_u64(seed)),
            drawable: Drawable {
                entry,
                targets: Bag::new(self.targets.clone()),
                aims_freely: self.aims_freely,
                hold: Span::of(self.interval, entry.hold),
                quiet: Span::of(self.interval, entry.quiet),
            },
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
