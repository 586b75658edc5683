//! `pause`: freezes processes with SIGSTOP and lets them go on with SIGCONT.
//!
//! Shows: leaders that answer from old state when they wake, leases and locks held past their time, messages from
//! long ago that are taken for new ones. The same happens in the wild by garbage collection, swapping and moved virtual
//! machines. Published cases: etcd's locks held by two clients (Jepsen 2020), Elasticsearch's lost
//! documents after pauses of the primary (Jepsen 2015).

use std::collections::BTreeSet;

use async_trait::async_trait;
use control::ProcessState;
use history::{NemesisAction, NemesisOp, NemesisOutcome};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::act::{leader, lines, nodes_in, on_each, outcome, settle, skipped};
use crate::faults::kill::describe;
use crate::on_off::{Cycle, Span};
use crate::target::nodes::names;
use crate::target::nodes::{PROCESS_NAMES, PROCESSES, bag, choose, needs_leader};
use crate::{Entry, Fault, FaultOptions, Nemesis, NemesisContext};

const NAME: &str = "pause";

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    description: "freezes processes with SIGSTOP, and lets them go on with SIGCONT",
    targets: PROCESS_NAMES,
    needs: &[],
    by_default: true,
    min_nodes: 1,
    colour: "#edc948",
    make,
};

fn make(options: &FaultOptions) -> Result<Fault, String> {
    let targets = bag(NAME, PROCESSES, options)?;
    let hold = Span::of(options.interval, 0.6, 1.2);
    let quiet = Span::of(options.interval, 0.4, 0.8);
    Ok(Fault {
        name: NAME,
        nemesis: Box::new(Pause {
            paused: BTreeSet::new(),
            rng: ChaCha8Rng::seed_from_u64(options.seed),
        }),
        generator: Box::new(Cycle::new(NAME, targets, hold, quiet, options.seed)),
    })
}

struct Pause {
    /// The nodes that we froze and have not yet seen going on.
    paused: BTreeSet<usize>,
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Pause {
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        match op.action {
            NemesisAction::Start => self.pause(ctx, &op.target).await,
            NemesisAction::Stop => self.resume(ctx).await,
        }
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let stopped = nodes_in(ctx, |state| state == ProcessState::Stopped).await;
        self.paused.extend(stopped);
        self.resume(ctx).await
    }
}

impl Pause {
    async fn pause(&mut self, ctx: &NemesisContext, target: &str) -> NemesisOutcome {
        let leader = leader(ctx, needs_leader(target)).await;
        let chosen = match choose(target, ctx.environment.nodes(), leader, &mut self.rng) {
            Ok(nodes) => nodes,
            Err(why) => return skipped(why),
        };
        // What is gone cannot be frozen: a store that crashed by itself is not a fault that failed.
        let running = nodes_in(ctx, |state| state == ProcessState::Running).await;
        let nodes: Vec<usize> = chosen
            .iter()
            .copied()
            .filter(|node| running.contains(node))
            .collect();
        if nodes.is_empty() {
            let chosen = names(ctx.environment.nodes(), &chosen);
            return skipped(format!("nothing runs on {chosen}"));
        }
        self.paused.extend(&nodes);
        let errors = on_each(ctx, &nodes, |db, node| async move {
            db.pause(node).await.map_err(|error| error.to_string())?;
            settle(db, node, |state| state == ProcessState::Stopped).await
        })
        .await;
        let detail = format!("paused {}", describe(ctx, &nodes, leader));
        outcome(ctx, &nodes, detail, lines(ctx, errors))
    }

    async fn resume(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let nodes: Vec<usize> = self.paused.iter().copied().collect();
        if nodes.is_empty() {
            return outcome(ctx, &[], String::new(), Vec::new());
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
}
