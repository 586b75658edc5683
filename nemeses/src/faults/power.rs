//! `power`: cuts the power of whole nodes: their processes end, and what was not synced to their disks is
//! gone, or torn: of the ends of files a random part is left (`control/src/inside/torn.rs`).
//!
//! Shows: acknowledged writes that were never made durable; logs whose directory entry, rename or length was
//! not synced; a torn record that is taken for a whole one or for damage, or that stays where the next one is
//! written. A kill alone cannot show it, because the kernel keeps what a dead process wrote. Published cases:
//! Redpanda's and NATS JetStream's lost acknowledged writes (Jepsen 2022, 2025), and the crash bugs of Pillai
//! and others, "All File Systems Are Not Created Equal", OSDI 2014.
//!
//! Together with [`fsync`](super::fsync)`:lie` it shows that the store really depends on what it syncs.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::time::Duration;

use async_trait::async_trait;
use control::inside::FsyncMode;
use control::inside::volume::Survived;
use control::{Ability, ProcessState};
use history::{Aim, NemesisOutcome};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::time::sleep;

use crate::act::{comes_up, let_go, lines, name, nodes_in, nothing, on_each, outcome, settle, started};
use crate::alongside::Alongside;
use crate::tamper::{disk, restore_power, set_fsync};
use crate::target::hit::Hit;
use crate::target::nodes::names;
use crate::target::processes;
use crate::{Entry, Nemesis, NemesisContext};

pub(super) const ENTRY: Entry = Entry {
    name: "power",
    description: "cuts the power of nodes: what was not synced is gone or torn; then starts them again",
    // What the others still know heals what one has lost.
    targets: processes!(one: 1, minority: 1, majority: 2, all: 4, leader: 1),
    needs: &[Ability::Power],
    by_default: true,
    often: 1,
    colour: "#4b0a5c",
    hold: (0.04, 0.4),
    quiet: (0.3, 0.8),
    alongside: Alongside {
        ends_process: true,
        takes_nodes: true,
        never_with: &["disk-full"],
        ..Alongside::ANYTHING
    },
    new: |rng| {
        Box::new(Power {
            dark: BTreeMap::new(),
            held: BTreeSet::new(),
            rng,
        })
    },
};

/// How long a sync waits that is to be cut short by the power: longer than the cut takes.
const HELD_MS: &str = "30000";
/// For how long the nodes go on writing meanwhile.
const WRITES_MS: RangeInclusive<u64> = 5..=50;

struct Power {
    /// The nodes whose disk has not come back, with what decides what is left on it. Nothing can be started
    /// there.
    dark: BTreeMap<usize, u64>,
    /// The nodes whose syncs wait.
    held: BTreeSet<usize>,
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Power {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        let mut taken = ctx.holds.taken(ENTRY.name, ctx.environment.nodes());
        // A process that was killed has left behind what it had not synced.
        taken.retain(|node, _| !ctx.holds.is_down(*node));
        let hit = Hit::aimed(ctx, aim, &taken, &mut self.rng).await?;
        let nodes = &hit.nodes;
        ctx.holds.keep_down(ENTRY.name, nodes);
        // Frozen first: what loses power says nothing more. A process that went on while its disk is off
        // could acknowledge a write whose sync had begun before: the file system, which stops at once, may
        // let such a sync end without an error.
        let running = nodes_in(ctx, |state| state == ProcessState::Running).await;
        let alive: Vec<usize> = nodes
            .iter()
            .copied()
            .filter(|node| running.contains(node))
            .collect();
        self.hold_syncs(ctx, &alive).await;
        let frozen = on_each(ctx, &alive, |db, node| async move {
            db.pause(node).await.map_err(|error| error.to_string())?;
            settle(db, node, |state| state != ProcessState::Running).await
        })
        .await;
        let mut errors = lines(ctx, frozen);
        // All disks before any process ends, so that no node hears what another one no longer knows.
        for &node in nodes {
            if let Err(why) = disk(ctx, node, "cut-power").await {
                errors.push(format!("{}: {why}", name(ctx, node)));
            }
        }
        self.let_syncs_go(ctx, &mut errors).await;
        let killed = on_each(ctx, nodes, |db, node| async move {
            db.kill(node).await.map_err(|error| error.to_string())?;
            settle(db, node, |state| state == ProcessState::Gone).await
        })
        .await;
        errors.extend(lines(ctx, killed));
        self.dark
            .extend(nodes.iter().map(|&node| (node, self.rng.random())));
        let mut detail = format!("cut the power of {}", hit.describe(ctx));
        let torn = self.restore(ctx, &mut errors).await;
        detail += &told(torn);
        Ok(outcome(ctx, nodes, detail, errors))
    }

    async fn end(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let off = ctx.holds.of(ENTRY.name);
        if off.is_empty() {
            return nothing();
        }
        let (nodes, left) = let_go(ctx, ENTRY.name, &off);
        let mut errors = Vec::new();
        self.let_syncs_go(ctx, &mut errors).await;
        let torn = self.restore(ctx, &mut errors).await;
        let mut failed = on_each(ctx, &nodes, |db, node| async move { db.start(node).await }).await;
        let mut ended = Vec::new();
        for &node in &nodes {
            if failed.iter().any(|(other, _)| *other == node) {
                continue;
            }
            match comes_up(ctx, node).await {
                Ok(true) => {}
                // The store's doing; the end of the run shows whether it comes back.
                Ok(false) => ended.push(node),
                Err(why) => failed.push((node, why)),
            }
        }
        let away: Vec<usize> = failed.iter().map(|(node, _)| *node).collect();
        // To be tried again. What ended by itself is no one's: a fault of its disk starts it when it is over.
        ctx.holds.keep_down(ENTRY.name, &away);
        let mut detail = started(ctx, &nodes, &left) + &told(torn);
        if !ended.is_empty() {
            detail += &format!("; {} ended by itself", names(ctx.environment.nodes(), &ended));
        }
        errors.extend(lines(ctx, failed));
        outcome(ctx, &nodes, detail, errors)
    }
}

impl Power {
    /// Has syncs wait on the nodes where that can be done, so that the power fails in the middle of one: by
    /// itself a process that is frozen has nearly always synced what it had written, and nothing would be
    /// torn. Where a disk lies or fails it goes on doing so.
    async fn hold_syncs(&mut self, ctx: &NemesisContext, nodes: &[usize]) {
        for &node in nodes {
            let is_honest = set_fsync(ctx, node, None)
                .await
                .is_ok_and(|counts| counts.programs > 0 && counts.mode == FsyncMode::Honest);
            if is_honest {
                self.held.insert(node);
                // Where it fails, the power is cut without.
                let _ = set_fsync(ctx, node, Some(HELD_MS)).await;
            }
        }
        if !self.held.is_empty() {
            sleep(Duration::from_millis(self.rng.random_range(WRITES_MS))).await;
        }
    }

    /// Syncs do again what they should; adds what went wrong, a line each.
    async fn let_syncs_go(&mut self, ctx: &NemesisContext, errors: &mut Vec<String>) {
        for node in std::mem::take(&mut self.held) {
            if let Err(why) = set_fsync(ctx, node, Some("honest")).await {
                self.held.insert(node);
                errors.push(format!("{}: {why}", name(ctx, node)));
            }
        }
    }

    /// Brings back the disks that are still without power; gives how many files came back torn, and adds what
    /// went wrong, a line each.
    async fn restore(&mut self, ctx: &NemesisContext, errors: &mut Vec<String>) -> u64 {
        let mut torn = 0;
        for (node, seed) in std::mem::take(&mut self.dark) {
            let survived = restore_power(ctx, node, seed).await.and_then(|printed| {
                serde_json::from_slice::<Survived>(&printed).map_err(|error| error.to_string())
            });
            if let Ok(survived) = &survived {
                torn += survived.torn;
            }
            let why = match survived {
                Ok(Survived { synced: false, .. }) => "its disk lost what had been synced".to_owned(),
                Ok(Survived { unsynced: true, .. }) => "its disk kept what had not been synced".to_owned(),
                Ok(_) => continue,
                Err(why) => {
                    self.dark.insert(node, seed);
                    why
                }
            };
            errors.push(format!("{}: {why}", name(ctx, node)));
        }
        torn
    }
}

/// How many files came back torn, after what else is told.
fn told(torn: u64) -> String {
    match torn {
        0 => String::new(),
        1 => "; 1 file came back torn".to_owned(),
        more => format!("; {more} files came back torn"),
    }
}
