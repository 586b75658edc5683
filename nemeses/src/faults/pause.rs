//! `pause`: freezes processes with SIGSTOP and lets them go on with SIGCONT.
//!
//! Shows: leaders that answer from old state when they wake, leases and locks held past their time, messages
//! from long ago that are taken for new ones. The same happens in the wild by garbage collection, swapping
//! and moved virtual machines. When all have slept, their timers run out at the same moment: two candidates
//! in one term, which are rare otherwise. Published cases: etcd's locks held by two clients (Jepsen 2020),
//! Elasticsearch's lost documents after pauses of the primary (Jepsen 2015).

use std::collections::BTreeSet;

use async_trait::async_trait;
use control::ProcessState;
use history::{Aim, NemesisOutcome};
use rand_chacha::ChaCha8Rng;

use crate::act::{lines, nodes_in, nothing, on_each, outcome, settle};
use crate::alongside::Alongside;
use crate::target::hit::Hit;
use crate::target::nodes::names;
use crate::target::processes;
use crate::{Entry, Nemesis, NemesisContext};

pub(super) const ENTRY: Entry = Entry {
    name: "pause",
    description: "freezes processes with SIGSTOP, and lets them go on with SIGCONT",
    targets: processes!(one: 1, minority: 1, majority: 1, all: 3, leader: 3),
    needs: &[],
    by_default: true,
    often: 2,
    colour: "#edc948",
    hold: (0.25, 1.2),
    quiet: (0.3, 0.8),
    alongside: Alongside {
        needs_process: true,
        takes_nodes: true,
        ..Alongside::ANYTHING
    },
    new: |rng| {
        Box::new(Pause {
            paused: BTreeSet::new(),
            rng,
        })
    },
};

struct Pause {
    /// The nodes that we froze and have not yet seen going on.
    paused: BTreeSet<usize>,
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Pause {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        let taken = ctx.holds.taken(ENTRY.name, ctx.environment.nodes());
        let mut hit = Hit::aimed(ctx, aim, &taken, &mut self.rng).await?;
        // What is gone cannot be frozen: a store that crashed by itself is not a fault that failed.
        let running = nodes_in(ctx, |state| state == ProcessState::Running).await;
        let wanted = names(ctx.environment.nodes(), &hit.nodes);
        hit.nodes.retain(|node| running.contains(node));
        if hit.nodes.is_empty() {
            return Err(format!("nothing runs on {wanted}"));
        }
        self.paused.extend(&hit.nodes);
        let errors = on_each(ctx, &hit.nodes, |db, node| async move {
            db.pause(node).await.map_err(|error| error.to_string())?;
            settle(db, node, |state| state == ProcessState::Stopped).await
        })
        .await;
        let detail = format!("paused {}", hit.describe(ctx));
        Ok(outcome(ctx, &hit.nodes, detail, lines(ctx, errors)))
    }

    async fn end(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let nodes: Vec<usize> = self.paused.iter().copied().collect();
        if nodes.is_empty() {
            return nothing();
        }
        let errors = on_each(ctx, &nodes, |db, node| async move {
            db.resume(node).await.map_err(|error| error.to_string())?;
            settle(db, node, |state| state != ProcessState::Stopped).await
        })
        .await;
        let stopped = nodes_in(ctx, |state| state == ProcessState::Stopped).await;
        self.paused.retain(|node| stopped.contains(node));
        let detail = format!("resumed {}", names(ctx.environment.nodes(), &nodes));
        outcome(ctx, &nodes, detail, lines(ctx, errors))
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let stopped = nodes_in(ctx, |state| state == ProcessState::Stopped).await;
        self.paused.extend(stopped);
        self.end(ctx).await
    }
}
