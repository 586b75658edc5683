//! `corrupt`: damages the files of a minority of nodes: flips a bit, or cuts the end off a file.
//!
//! Shows: damage that is taken for data, damage that spreads from one node to all, and the end of a log that
//! is taken for a torn write although it was acknowledged. Published cases: Ganesan et al., "Redundancy Does
//! Not Imply Fault Tolerance" (FAST 2017); Alagappan et al., "Protocol-Aware Recovery for Consensus-Based
//! Storage" (FAST 2018). Jepsen's `bitflip` and `truncate-file` do the same.
//!
//! A node is killed, one of its files is damaged, and it is started again. What then happens is for the
//! verdict:
//! - It runs: the damage stays. It was corrected, or the store has not read that place yet.
//! - It refuses to start: the store has seen it. At the end of the fault the files are put back as they were
//!   before the damage; the node has done nothing since, so that it has forgotten nothing.
//! - It runs and ends later: its files cannot be put back without forgetting what it did meanwhile, which no
//!   consensus forgives. It is started again, and given up if it does not stay up.
//!
//! Invariant: over a whole run at most a minority of the nodes is hit. More than that, and what was
//! acknowledged may be nowhere, through no fault of the store. Even so a store without protocol-aware
//! recovery may lose a write when the end of one node's log is cut off: it was acknowledged with this node's
//! help. That is beyond what Raft promises, and `corrupt:truncate` finds it.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use control::ProcessState;
use history::{Aim, NemesisOutcome, Whom};
use rand::RngExt;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep};

use crate::act::{comes_up, name, nodes_in, outcome, settle};
use crate::alongside::Alongside;
use crate::tamper::tamper;
use crate::target::kinds::{Kind, kind_of};
use crate::target::nodes::{by_name, indices};
use crate::target::{Names, Targets};
use crate::{Entry, Nemesis, NemesisContext};

/// How long a node must run after its start to count as one that takes its files for good.
const RUNS_AFTER: Duration = Duration::from_secs(1);
const POLL: Duration = Duration::from_millis(20);

/// What is done to a file, by the names under which `perjury tamper damage` does it.
const KINDS: [Kind; 2] = [kind("bitflip"), kind("truncate")];

const fn kind(name: &'static str) -> Kind {
    Kind {
        name,
        min_nodes: 3,
        weight: 1,
        values: None,
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "corrupt",
    description: "damages a file of a killed node and starts it; at most a minority of the nodes in a run",
    targets: Targets {
        picks: &[],
        kinds: &KINDS,
        whom: &[],
        names: Names::Nodes,
        examples: &["bitflip@n2"],
    },
    needs: &[],
    by_default: false,
    often: 1,
    colour: "#47eba9",
    hold: (0.4, 1.2),
    quiet: (0.4, 0.8),
    alongside: Alongside {
        needs_process: true,
        ends_process: true,
        takes_nodes: true,
        never_with: &[
            "kill",
            "crash-loop",
            "restart",
            "pause",
            "power",
            "fsync",
            "disk-full",
            "membership",
        ],
        ..Alongside::ANYTHING
    },
    new: |rng| {
        Box::new(Corrupt {
            hit: BTreeSet::new(),
            refusing: None,
            rng,
        })
    },
};

struct Corrupt {
    /// Every node that was ever hit.
    hit: BTreeSet<usize>,
    /// The node whose files are to be put back before it is started.
    refusing: Option<usize>,
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Corrupt {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        let kind = kind_of(&KINDS, aim)?;
        let node = self.choose(ctx, aim.whom.as_ref()).await?;
        let detail;
        let mut errors = Vec::new();
        match self.damage(ctx, node, kind).await {
            Ok((what, runs)) => {
                let then = if runs { "it runs" } else { "it refuses to start" };
                detail = format!("{}: {what}; {then}", name(ctx, node));
            }
            Err(why) => {
                detail = String::new();
                errors.push(format!("{}: {why}", name(ctx, node)));
            }
        }
        Ok(NemesisOutcome {
            exact: kind.exactly(0.0, by_name(ctx.environment.nodes(), &[node])),
            ..outcome(ctx, &[node], detail, errors)
        })
    }

    async fn end(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let mut done = Vec::new();
        let mut errors = Vec::new();
        let mut nodes = Vec::new();
        if let Some(node) = self.refusing {
            nodes.push(node);
            match self.put_back(ctx, node).await {
                Ok(()) => {
                    self.refusing = None;
                    ctx.holds.let_go(ENTRY.name, node);
                    done.push(format!("{}'s files put back", name(ctx, node)));
                }
                Err(why) => errors.push(format!("{}: {why}", name(ctx, node))),
            }
        }
        let mut gone = nodes_in(ctx, |state| state == ProcessState::Gone).await;
        gone.retain(|node| !ctx.holds.is_down(*node) && self.refusing != Some(*node));
        for node in gone {
            nodes.push(node);
            match (start(ctx, node).await, self.hit.contains(&node)) {
                (Ok(true), _) => done.push(format!("{} started again", name(ctx, node))),
                (Ok(false), true) => {
                    ctx.holds.keep_down(ENTRY.name, &[node]);
                    ctx.db.give_up(node).await;
                    done.push(format!(
                        "{} does not stay up with its damage and is given up",
                        name(ctx, node)
                    ));
                }
                // Not of this fault; that it does not come back shows at the end of the run.
                (Ok(false), false) => done.push(format!("{} does not stay up", name(ctx, node))),
                (Err(why), _) => errors.push(format!("{}: {why}", name(ctx, node))),
            }
        }
        outcome(ctx, &nodes, done.join("; "), errors)
    }
}

impl Corrupt {
    /// A random node, of those that are named if any are; once a minority was hit, one of those.
    async fn choose(&mut self, ctx: &NemesisContext, whom: Option<&Whom>) -> Result<usize, String> {
        let nodes = ctx.environment.nodes();
        let named = match whom {
            Some(Whom::Nodes(names)) => Some(indices(names, nodes)?),
            _ => None,
        };
        let most = nodes.len().saturating_sub(1) / 2;
        let mut may = nodes_in(ctx, |state| state != ProcessState::Gone).await;
        may.retain(|node| ctx.holds.reason(ENTRY.name, *node).is_none());
        may.retain(|node| self.hit.len() < most || self.hit.contains(node));
        may.retain(|node| named.as_ref().is_none_or(|named| named.contains(node)));
        let node = *may
            .choose(&mut self.rng)
            .ok_or("no node that may be damaged is up")?;
        self.hit.insert(node);
        Ok(node)
    }

    /// Gives what was damaged, and whether the node runs all the same.
    async fn damage(
        &mut self,
        ctx: &NemesisContext,
        node: usize,
        kind: Kind,
    ) -> Result<(String, bool), String> {
        let seed: u64 = self.rng.random();
        let directory = data_dir(ctx, node);
        ctx.db.kill(node).await.map_err(|error| error.to_string())?;
        settle(ctx.db.clone(), node, |state| state == ProcessState::Gone).await?;
        damage(ctx, node, &["copy", &directory, &spare(ctx, node)]).await?;
        let what = damage(ctx, node, &[kind.name, &seed.to_string(), &directory]).await?;
        let runs = start(ctx, node).await?;
        if !runs {
            self.refusing = Some(node);
            ctx.holds.keep_down(ENTRY.name, &[node]);
        }
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
    if !comes_up(ctx, node).await? {
        return Ok(false);
    }
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
