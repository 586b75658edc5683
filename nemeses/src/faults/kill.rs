//! `kill`: ends processes with SIGKILL and starts them again.
//!
//! Shows: acknowledged writes that were only in memory, votes and terms forgotten across a restart (two
//! leaders in one term), torn logs that are not recovered. Published cases: Redis-Raft's lost updates (Jepsen
//! 2020), etcd's inconsistent data after a SIGKILL under load (etcd 3.5.0 to 3.5.2, etcd-io/etcd#13766).

use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, ProcessState};
use history::{Aim, NemesisOutcome};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use crate::act::{comes_up, let_go, lines, nodes_in, nothing, on_each, outcome, settle, started};
use crate::alongside::Alongside;
use crate::target::PROCESSES;
use crate::target::hit::Hit;
use crate::target::nodes::names;
use crate::{Entry, Nemesis, NemesisContext};

/// How long after its start a process must still run for the restart to count.
const STILL_RUNNING: Duration = Duration::from_millis(200);
/// How often processes are killed in a crash loop, and how long they live in between, milliseconds.
const LOOPS: std::ops::RangeInclusive<u32> = 3..=6;
const LIFE_MS: (f64, f64) = (5.0, 600.0);
/// The longest pause between the restarts of two nodes, milliseconds.
const RESTART_GAP_MS: u64 = 150;

pub(super) const ENTRY: Entry = Entry {
    name: "kill",
    description: "ends processes with SIGKILL, and starts them again after a short while",
    targets: PROCESSES,
    needs: &[Ability::Restart],
    by_default: true,
    often: 2,
    colour: "#e15759",
    // From 0.1 to 2 s at the default interval: a quick restart meets the election that the kill has caused.
    hold: (0.04, 0.8),
    // Shorter than after other faults: a restarted store recovers within an election, and what recovery gets
    // wrong shows only in some of the kills.
    quiet: (0.2, 0.6),
    alongside: Alongside {
        needs_process: true,
        ends_process: true,
        takes_nodes: true,
        ..Alongside::ANYTHING
    },
    new: |rng| Box::new(Kill::new(How::Once, rng)),
};

/// How processes are ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// By SIGKILL.
    Once,
    /// By SIGKILL, and again as soon as they have been started, several times.
    InLoop,
    /// By SIGTERM.
    Gently,
}

/// Ends processes and starts them again.
pub(super) struct Kill {
    how: How,
    /// The nodes that were to be started and do not run.
    away: Vec<usize>,
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Kill {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        // What did not come back is tried once more. If it stays away, one more could cost the store its
        // quorum, and its owner the store.
        let gone = nodes_in(ctx, |state| state == ProcessState::Gone).await;
        self.away.retain(|node| gone.contains(node));
        if !self.away.is_empty() {
            let mut again = std::mem::take(&mut self.away);
            again.retain(|&node| ctx.holds.reason(self.how.name(), node).is_none());
            self.start(ctx, again).await;
        }
        if !self.away.is_empty() {
            let away = names(ctx.environment.nodes(), &self.away);
            return Err(format!("{away} did not come back, so nothing more is killed"));
        }
        let mut taken = ctx.holds.taken(self.how.name(), ctx.environment.nodes());
        if self.how == How::Gently {
            for node in nodes_in(ctx, |state| state == ProcessState::Stopped).await {
                taken.insert(node, "is frozen, so that it would not act on SIGTERM".to_owned());
            }
        }
        let hit = Hit::aimed(ctx, aim, &taken, &mut self.rng).await?;
        let nodes = &hit.nodes;
        ctx.holds.keep_down(self.how.name(), nodes);
        let mut errors = self.stop(ctx, nodes).await;
        let who = hit.describe(ctx);
        let detail = match self.how {
            How::Once => format!("killed {who}"),
            How::Gently => format!("stopped {who}"),
            How::InLoop => {
                let times = self.rng.random_range(LOOPS);
                for _ in 1..times {
                    sleep(Duration::from_millis(self.rng.random_range(0..=RESTART_GAP_MS))).await;
                    let started = on_each(ctx, nodes, |db, node| async move { db.start(node).await }).await;
                    errors.extend(started);
                    sleep(self.life()).await;
                    errors.extend(self.stop(ctx, nodes).await);
                }
                format!("killed {who} {times} times")
            }
        };
        Ok(outcome(ctx, nodes, detail, lines(ctx, errors)))
    }

    async fn end(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let nodes = ctx.holds.of(self.how.name());
        self.start(ctx, nodes).await
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let mut nodes = ctx.holds.of(self.how.name());
        // What ended by itself is started as well; what another fault ended is for that one to start.
        let gone = nodes_in(ctx, |state| state == ProcessState::Gone).await;
        for node in gone {
            if !ctx.holds.is_down(node) && !ctx.db.is_given_up(node).await {
                nodes.push(node);
            }
        }
        self.start(ctx, nodes).await
    }
}

impl How {
    /// The nemesis that does it so.
    fn name(self) -> &'static str {
        match self {
            How::Once => "kill",
            How::InLoop => "crash-loop",
            How::Gently => "restart",
        }
    }
}

impl Kill {
    pub fn new(how: How, rng: ChaCha8Rng) -> Kill {
        Kill {
            how,
            away: Vec::new(),
            rng,
        }
    }

    async fn stop(&self, ctx: &NemesisContext, nodes: &[usize]) -> Vec<(usize, String)> {
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

    /// How long a process lives in a crash loop: log-uniformly, because it may die while it reads its log, in
    /// its first election, or just after it.
    fn life(&mut self) -> Duration {
        let (least, most) = LIFE_MS;
        Duration::from_secs_f64(least * (most / least).powf(self.rng.random()) / 1e3)
    }

    /// Starts nodes one after the other in random order with short pauses: an election among some of them
    /// while the others are still down is where forgotten votes show.
    ///
    /// A node that was started and ended by itself is no failure of this nemesis: whether the store comes
    /// back is judged at the end of the run.
    async fn start(&mut self, ctx: &NemesisContext, nodes: Vec<usize>) -> NemesisOutcome {
        let own = self.how.name();
        let (mut nodes, left) = let_go(ctx, own, &nodes);
        if nodes.is_empty() && left.is_empty() {
            return nothing();
        }
        nodes.shuffle(&mut self.rng);
        let mut errors = Vec::new();
        for (position, &node) in nodes.iter().enumerate() {
            if position > 0 {
                sleep(Duration::from_millis(self.rng.random_range(0..=RESTART_GAP_MS))).await;
            }
            errors.extend(on_each(ctx, &[node], |db, node| async move { db.start(node).await }).await);
        }
        let begun = without(&nodes, &errors);
        let coming = on_each(ctx, &begun, |_, node| {
            let ctx = ctx.clone();
            async move { comes_up(&ctx, node).await.map(drop) }
        });
        errors.extend(coming.await);
        sleep(STILL_RUNNING).await;
        let running = nodes_in(ctx, |state| state == ProcessState::Running).await;
        let gone = nodes_in(ctx, |state| state == ProcessState::Gone).await;
        let mut ended = Vec::new();
        for node in without(&nodes, &errors) {
            if running.contains(&node) {
                continue;
            } else if gone.contains(&node) {
                ended.push(node);
            } else {
                let why = format!("it does not run {} ms after its start", STILL_RUNNING.as_millis());
                errors.push((node, why));
            }
        }
        ended.sort_unstable();
        let failed: Vec<usize> = errors.iter().map(|(node, _)| *node).collect();
        // To be tried again. What ended by itself is no one's: a fault of its disk starts it when it is over.
        ctx.holds.keep_down(own, &failed);
        self.away = failed.into_iter().chain(ended.iter().copied()).collect();
        let mut detail = started(ctx, &nodes, &left);
        if !ended.is_empty() {
            detail += &format!("; {} ended by itself", names(ctx.environment.nodes(), &ended));
        }
        outcome(ctx, &nodes, detail, lines(ctx, errors))
    }
}

/// The nodes on which nothing went wrong.
fn without(nodes: &[usize], errors: &[(usize, String)]) -> Vec<usize> {
    let went_wrong = |node| errors.iter().any(|(other, _)| *other == node);
    nodes.iter().copied().filter(|&node| !went_wrong(node)).collect()
}
