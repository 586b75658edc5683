//! `kill`: ends processes with SIGKILL and starts them again.
//!
//! Shows: acknowledged writes that were only in memory, votes and terms forgotten across a restart (two leaders in
//! one term), torn logs that are not recovered. Published cases: Redis-Raft's lost updates (Jepsen 2020), etcd's
//! inconsistent data after a SIGKILL under load (etcd 3.5.0 to 3.5.2, etcd-io/etcd#13766).

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, ProcessState};
use history::{NemesisAction, NemesisOp, NemesisOutcome};
use rand::seq::SliceRandom;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use crate::act::{leader, lines, nodes_in, on_each, outcome, settle, skipped};
use crate::on_off::{Cycle, Span};
use crate::target::nodes::names;
use crate::target::nodes::{PROCESS_NAMES, PROCESSES, bag, choose, needs_leader};
use crate::{Entry, Fault, FaultOptions, Nemesis, NemesisContext};

const NAME: &str = "kill";

/// How long after its start a process must still run for the restart to count.
const STILL_RUNNING: Duration = Duration::from_millis(200);
/// How often processes are killed in a crash loop, and how long they live in between, milliseconds.
const LOOPS: std::ops::RangeInclusive<u32> = 3..=6;
const LIFE_MS: (f64, f64) = (5.0, 600.0);
/// The longest pause between the restarts of two nodes, milliseconds.
const RESTART_GAP_MS: u64 = 150;

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    description: "ends processes with SIGKILL, and starts them again after a short while",
    targets: PROCESS_NAMES,
    needs: &[Ability::Restart],
    by_default: true,
    min_nodes: 1,
    colour: "#e15759",
    make,
};

fn make(options: &FaultOptions) -> Result<Fault, String> {
    fault(NAME, How::Once, options)
}

/// How processes are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// By SIGKILL.
    Once,
    /// By SIGKILL, and again as soon as they have been started, several times.
    InLoop,
    /// By SIGTERM.
    Gently,
}

/// A fault that ends processes and starts them again.
pub(crate) fn fault(name: &'static str, how: How, options: &FaultOptions) -> Result<Fault, String> {
    let targets = bag(name, PROCESSES, options)?;
    // From 0.1 to 2 s at the default interval: a quick restart meets the election that the kill has caused.
    let hold = Span::of(options.interval, 0.04, 0.8);
    // Shorter than after other faults: a restarted store recovers within an election, and what recovery gets wrong
    // shows only in some of the kills.
    let quiet = Span::of(options.interval, 0.2, 0.6);
    Ok(Fault {
        name,
        nemesis: Box::new(Kill {
            how,
            killed: BTreeSet::new(),
            away: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(options.seed),
        }),
        generator: Box::new(Cycle::new(name, targets, hold, quiet, options.seed)),
    })
}

struct Kill {
    how: How,
    /// The nodes that we ended and have not yet seen running again.
    killed: BTreeSet<usize>,
    /// Those of them that were to be started and do not run.
    away: Vec<usize>,
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Kill {
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        match op.action {
            NemesisAction::Start => self.kill(ctx, &op.target).await,
            NemesisAction::Stop => {
                let nodes = self.killed.iter().copied().collect();
                self.start(ctx, nodes).await
            }
        }
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let gone = nodes_in(ctx, |state| state == ProcessState::Gone).await;
        self.killed.extend(gone);
        let mut nodes = Vec::new();
        for &node in &self.killed {
            if !ctx.db.is_given_up(node).await {
                nodes.push(node);
            }
        }
        self.start(ctx, nodes).await
    }
}

impl Kill {
    async fn kill(&mut self, ctx: &NemesisContext, target: &str) -> NemesisOutcome {
        // What did not come back stays away; one more could cost the store its quorum, and its owner the store.
        if !self.away.is_empty() {
            let away = names(ctx.environment.nodes(), &self.away);
            return skipped(format!("{away} did not come back, so nothing more is killed"));
        }
        let leader = leader(ctx, needs_leader(target)).await;
        let nodes = match choose(target, ctx.environment.nodes(), leader, &mut self.rng) {
            Ok(nodes) => nodes,
            Err(why) => return skipped(why),
        };
        if self.how == How::Gently {
            // SIGTERM is not heard by who was stopped.
            let stopped = nodes_in(ctx, |state| state == ProcessState::Stopped).await;
            if nodes.iter().any(|node| stopped.contains(node)) {
                let who = names(ctx.environment.nodes(), &stopped);
                return skipped(format!("{who} stand still, so that SIGTERM is not heard"));
            }
        }
        self.killed.extend(&nodes);
        let mut errors = self.end(ctx, &nodes).await;
        let who = describe(ctx, &nodes, leader);
        let detail = match self.how {
            How::Once => format!("killed {who}"),
            How::Gently => format!("stopped {who}"),
            How::InLoop => {
                let times = self.rng.random_range(LOOPS);
                for _ in 1..times {
                    sleep(Duration::from_millis(self.rng.random_range(0..=RESTART_GAP_MS))).await;
                    let started = on_each(ctx, &nodes, |db, node| async move { db.start(node).await }).await;
                    errors.extend(started);
                    sleep(self.life()).await;
                    errors.extend(self.end(ctx, &nodes).await);
                }
                format!("killed {who} {times} times")
            }
        };
        outcome(ctx, &nodes, detail, lines(ctx, errors))
    }

    async fn end(&self, ctx: &NemesisContext, nodes: &[usize]) -> Vec<(usize, String)> {
        let gently = self.how == How::Gently;
        on_each(ctx, nodes, |db, node| async move {
            let ended = if gently {
                db.stop(node).await
            } else {
                db.kill(node).await
            };
            ended.map_err(|error| error.to_string())?;
            settle(db, node, |state| state == ProcessState::Gone).await
        })
        .await
    }

    /// How long a process lives in a crash loop: log-uniformly, because it may die while it reads its log, in its first election, or just
    /// after it.
    fn life(&mut self) -> Duration {
        let (least, most) = LIFE_MS;
        Duration::from_secs_f64(least * (most / least).powf(self.rng.random()) / 1e3)
    }

    /// Starts nodes one after the other in random order with short pauses: an election among some of them while
    /// the others are still down is where forgotten votes show.
    async fn start(&mut self, ctx: &NemesisContext, mut nodes: Vec<usize>) -> NemesisOutcome {
        if nodes.is_empty() {
            return outcome(ctx, &[], String::new(), Vec::new());
        }
        nodes.shuffle(&mut self.rng);
        let mut errors = Vec::new();
        for (position, &node) in nodes.iter().enumerate() {
            if position > 0 {
                sleep(Duration::from_millis(self.rng.random_range(0..=RESTART_GAP_MS))).await;
            }
            errors.extend(on_each(ctx, &[node], |db, node| async move { db.start(node).await }).await);
        }
        let runs = |state| state == ProcessState::Running;
        let started = without(&nodes, &errors);
        errors.extend(on_each(ctx, &started, |db, node| settle(db, node, runs)).await);
        sleep(STILL_RUNNING).await;
        let running = nodes_in(ctx, runs).await;
        for node in without(&nodes, &errors) {
            if running.contains(&node) {
                self.killed.remove(&node);
            } else {
                let why = format!("it does not run {} ms after its start", STILL_RUNNING.as_millis());
                errors.push((node, why));
            }
        }
        self.away = nodes
            .iter()
            .copied()
            .filter(|node| self.killed.contains(node))
            .collect();
        let detail = format!("started {}", names(ctx.environment.nodes(), &nodes));
        outcome(ctx, &nodes, detail, lines(ctx, errors))
    }
}

/// The nodes on which nothing went wrong.
fn without(nodes: &[usize], errors: &[(usize, String)]) -> Vec<usize> {
    let went_wrong = |node| errors.iter().any(|(other, _)| *other == node);
    nodes.iter().copied().filter(|&node| !went_wrong(node)).collect()
}

/// `n1 n3 (leader)`.
pub(crate) fn describe(ctx: &NemesisContext, nodes: &[usize], leader: Option<usize>) -> String {
    let names: Vec<String> = nodes
        .iter()
        .map(|&node| {
            let name = crate::act::name(ctx, node);
            if Some(node) == leader {
                format!("{name} (leader)")
            } else {
                name
            }
        })
        .collect();
    names.join(" ")
}
