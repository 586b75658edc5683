//! `compact`: has nodes drop the past: the log is replaced by a snapshot, old revisions are deleted.
//!
//! Shows: followers that lag and have to be sent a snapshot while they are at work, state that a snapshot forgot, watchers that miss what
//! was compacted under them. Published case: etcd's watch that drops an event when a deletion is compacted
//! (etcd-io/etcd#18089).
//!
//! It is over at once, as with `transfer`.

use async_trait::async_trait;
use control::Ability;
use history::{NemesisAction, NemesisOp, NemesisOutcome};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::act::{leader, lines, on_each, outcome, skipped};
use crate::faults::kill::describe;
use crate::on_off::{Cycle, Span};
use crate::target::nodes::{PROCESS_NAMES, PROCESSES, bag, choose, needs_leader};
use crate::{Entry, Fault, FaultOptions, Nemesis, NemesisContext};

const NAME: &str = "compact";

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    description: "has nodes replace their logs by snapshots and drop old revisions",
    targets: PROCESS_NAMES,
    needs: &[Ability::Compact],
    by_default: false,
    min_nodes: 1,
    colour: "#bab0ac",
    make,
};

fn make(options: &FaultOptions) -> Result<Fault, String> {
    let targets = bag(NAME, PROCESSES, options)?;
    let hold = Span::of(options.interval, 0.1, 0.2);
    let quiet = Span::of(options.interval, 0.1, 0.4);
    Ok(Fault {
        name: NAME,
        nemesis: Box::new(Compact {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
        }),
        generator: Box::new(Cycle::new(NAME, targets, hold, quiet, options.seed)),
    })
}

struct Compact {
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Compact {
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        match op.action {
            NemesisAction::Start => self.compact(ctx, &op.target).await,
            NemesisAction::Stop => outcome(ctx, &[], String::new(), Vec::new()),
        }
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        outcome(ctx, &[], String::new(), Vec::new())
    }
}

impl Compact {
    async fn compact(&mut self, ctx: &NemesisContext, target: &str) -> NemesisOutcome {
        let leader = leader(ctx, needs_leader(target)).await;
        let nodes = match choose(target, ctx.environment.nodes(), leader, &mut self.rng) {
            Ok(nodes) => nodes,
            Err(why) => return skipped(why),
        };
        let errors = on_each(
            ctx,
            &nodes,
            |db, node| async move { db.compact(node).await.map(drop) },
        )
        .await;
        let detail = format!("compacted {}", describe(ctx, &nodes, leader));
        outcome(ctx, &nodes, detail, lines(ctx, errors))
    }
}
