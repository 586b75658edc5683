//! `corrupt`: damages the files of a minority of nodes: flips a bit, or cuts the end off a file.
//!
//! Shows: damage that is taken for data, damage that spreads from one node to all, and the end of a log that is taken for
//! a torn write although it was acknowledged. Published cases: Ganesan et al., "Redundancy Does Not Imply Fault
//! Tolerance" (FAST 2017); Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage" (FAST 2018). Jepsen's
//! `bitflip` and `truncate-file` do the same.
//!
//! A node is killed, one of its files is damaged, and it is started again. What then happens is for the verdict:
//! - It runs: the damage stays. It was corrected, or nobody has looked there yet.
//! - It refuses to start: the store has seen it. At the end of the fault the files are put back as they were before the
//!   damage; the node has done nothing since, so that it has forgotten nothing.
//! - It runs and ends later: its files cannot be put back without forgetting what it did meanwhile, which no consensus
//!   forgives. It is started again, and given up if it does not stay up.
//!
//! Invariant: over a whole run at most a minority of the nodes is hit. More than that, and what was acknowledged may be
//! nowhere, through no fault of the store. Even so a store without protocol-aware recovery may lose a write when the end
//! of one node's log is cut off: it was acknowledged with this node's help. That is beyond what Raft promises, and
//! `corrupt:truncate` finds it.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use control::ProcessState;
use history::{Hold, NemesisAction, NemesisOp, NemesisOutcome};
use rand::seq::IndexedRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep};

use crate::act::{name, nodes_in, outcome, settle, skipped};
use crate::on_off::{Cycle, Span};
use crate::tamper::tamper;
use crate::target::nodes::{Target, bag, target};
use crate::{Entry, Fault, FaultOptions, Nemesis, NemesisContext};

const NAME: &str = "corrupt";

const TARGETS: &[Target] = &[target("bitflip", 3, 1), target("truncate", 3, 1)];

/// How long a node must run after its start to count as one that takes its files for good.
const RUNS_AFTER: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(20);

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    description: "damages a file of a killed node and starts it; at most a minority of the nodes in a run",
    targets: &["bitflip", "truncate"],
    needs: &[],
    by_default: false,
    min_nodes: 3,
    colour: "#d37295",
    make,
};

fn make(options: &FaultOptions) -> Result<Fault, String> {
    let targets = bag(NAME, TARGETS, options)?;
    let hold = Span::of(options.interval, 0.4, 1.2);
    let quiet = Span::of(options.interval, 0.4, 0.8);
    Ok(Fault {
        name: NAME,
        nemesis: Box::new(Corrupt {
            hit: BTreeSet::new(),
            refusing: None,
            lost: BTreeSet::new(),
            rng: ChaCha8Rng::seed_from_u64(options.seed),
        }),
        generator: Box::new(Cycle::new(NAME, targets, hold, quiet, options.seed)),
    })
}

struct Corrupt {
    /// Every node that was ever hit.
    hit: BTreeSet<usize>,
    /// The node whose files are to be put back before it is started.
    refusing: Option<usize>,
    /// Those that were given up.
    lost: BTreeSet<usize>,
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Corrupt {
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        match op.action {
            NemesisAction::Start => self.hit(ctx, &op.target).await,
            NemesisAction::Stop => self.heal(ctx).await,
        }
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let mut told = Vec::new();
        let mut errors = Vec::new();
        let mut nodes = Vec::new();
        if let Some(node) = self.refusing {
            nodes.push(node);
            match self.put_back(ctx, node).await {
                Ok(()) => {
                    self.refusing = None;
                    told.push(format!("{}'s files put back", name(ctx, node)));
                }
                Err(why) => errors.push(format!("{}: {why}", name(ctx, node))),
            }
        }
        let mut gone = nodes_in(ctx, |state| state == ProcessState::Gone).await;
        gone.retain(|node| !self.lost.contains(node) && self.refusing != Some(*node));
        for node in gone {
            nodes.push(node);
            match (start(ctx, node).await, self.hit.contains(&node)) {
                (Ok(true), _) => told.push(format!("{} started again", name(ctx, node))),
                (Ok(false), true) => {
                    self.lost.insert(node);
                    ctx.db.give_up(node).await;
                    told.push(format!(
                        "{} does not stay up with its damage and is given up",
                        name(ctx, node)
                    ));
                }
                // Not of this fault; that it does not come back is told at the end of the run.
                (Ok(false), false) => told.push(format!("{} does not stay up", name(ctx, node))),
                (Err(why), _) => errors.push(format!("{}: {why}", name(ctx, node))),
            }
        }
        outcome(ctx, &nodes, told.join("; "), errors)
    }
}

impl Corrupt {
    async fn hit(&mut self, ctx: &NemesisContext, kind: &str) -> NemesisOutcome {
        if TARGETS.iter().all(|target| target.name != kind) {
            return skipped(format!("no target `{kind}`"));
        }
        let Some(node) = self.choose(ctx).await else {
            return skipped("no node that may be damaged is up");
        };
        let seed: u64 = self.rng.random();
        match self.damage(ctx, node, kind, seed).await {
            Ok((what, runs)) => {
                let then = if runs { "it runs" } else { "it refuses to start" };
                outcome(
                    ctx,
                    &[node],
                    format!("{}: {what}; {then}", name(ctx, node)),
                    Vec::new(),
                )
            }
            Err(why) => NemesisOutcome {
                nodes: vec![name(ctx, node)],
                detail: String::new(),
                exact: String::new(),
                hold: Hold::Failed(format!("{}: {why}", name(ctx, node))),
            },
        }
    }

    /// A random node; once a minority was hit, one of those.
    async fn choose(&mut self, ctx: &NemesisContext) -> Option<usize> {
        let count = ctx.environment.nodes().len();
        let most = count.saturating_sub(1) / 2;
        let up = nodes_in(ctx, |state| state != ProcessState::Gone).await;
        let may: Vec<usize> = up
            .into_iter()
            .filter(|node| self.hit.len() < most || self.hit.contains(node))
            .collect();
        let node = may.choose(&mut self.rng).copied()?;
        self.hit.insert(node);
        Some(node)
    }

    /// Gives what was damaged, and whether the node runs all the same.
    async fn damage(
        &mut self,
        ctx: &NemesisContext,
        node: usize,
        kind: &str,
        seed: u64,
    ) -> Result<(String, bool), String> {
        let directory = data_dir(ctx, node);
        ctx.db.kill(node).await.map_err(|error| error.to_string())?;
        settle(ctx.db.clone(), node, |state| state == ProcessState::Gone).await?;
        damage(ctx, node, &["copy", &directory, &spare(ctx, node)]).await?;
        let what = damage(ctx, node, &[kind, &seed.to_string(), &directory]).await?;
        let runs = start(ctx, node).await?;
        self.refusing = (!runs).then_some(node);
        Ok((what, runs))
    }

    async fn put_back(&self, ctx: &NemesisContext, node: usize) -> Result<(), String> {
        damage(ctx, node, &["copy", &spare(ctx, node), &data_dir(ctx, node)]).await?;
        match start(ctx, node).await? {
            true => Ok(()),
            false => Err("it does not run with the files that it had before the damage".into()),
        }
    }
}

/// Runs `perjury tamper damage` on a node; gives the line that it prints.
async fn damage(ctx: &NemesisContext, node: usize, what: &[&str]) -> Result<String, String> {
    let args = ["damage"].iter().chain(what).map(|&word| word.to_owned());
    let printed = tamper(ctx, node, args).await?;
    Ok(String::from_utf8_lossy(&printed).trim().to_owned())
}

/// The directory of the store's data on a node, as an argument.
fn data_dir(ctx: &NemesisContext, node: usize) -> String {
    ctx.db.data_dir(node).to_string_lossy().into_owned()
}

/// Where a node's files are kept as they were before the damage.
fn spare(ctx: &NemesisContext, node: usize) -> String {
    let remote = ctx.environment.remote(node);
    remote
        .directory()
        .join("before-damage")
        .to_string_lossy()
        .into_owned()
}

/// Starts a node; says whether it stays up.
async fn start(ctx: &NemesisContext, node: usize) -> Result<bool, String> {
    ctx.db.start(node).await.map_err(|error| error.to_string())?;
    let deadline = Instant::now() + RUNS_AFTER;
    while Instant::now() < deadline {
        sleep(POLL).await;
        let state = ctx.db.state(node).await.map_err(|error| error.to_string())?;
        if state == ProcessState::Gone {
            return Ok(false);
        }
    }
    Ok(true)
}
