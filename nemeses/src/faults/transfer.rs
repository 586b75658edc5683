//! `transfer`: hands leadership to another node, as an operator does before maintenance.
//!
//! Shows: requests that were under way when the leader gave up, reads and leases by which the old leader still goes on. Published
//! case: etcd's leases revoked by a leader that had been replaced (etcd-io/etcd#15247).
//!
//! A transfer is over at once; what the schedule calls its end only ends the shade in the plots.

use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, Node};
use history::{Hold, NemesisAction, NemesisOp, NemesisOutcome};
use rand::SeedableRng;
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep, timeout};

use crate::act::{leader, name, outcome, skipped};
use crate::on_off::{Cycle, Span};
use crate::target::nodes::{Target, bag, name_nodes, named_nodes, target};
use crate::{Entry, Fault, FaultOptions, Nemesis, NemesisContext};

const NAME: &str = "transfer";

/// How long the store may take.
const TRANSFER_LIMIT: Duration = Duration::from_secs(20);
/// How long the new leader may take to say so.
const LEADER_LIMIT: Duration = Duration::from_secs(2);
/// How often it is asked.
const LEADER_POLL: Duration = Duration::from_millis(20);

const TARGETS: &[Target] = &[target("one", 2, 1)];

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    description: "hands leadership to another node, as operators do",
    targets: &["one", "n2"],
    needs: &[Ability::Transfer],
    by_default: false,
    min_nodes: 2,
    colour: "#ff9da7",
    make,
};

fn make(options: &FaultOptions) -> Result<Fault, String> {
    let targets = bag(NAME, TARGETS, options)?;
    let hold = Span::of(options.interval, 0.1, 0.3);
    let quiet = Span::of(options.interval, 0.2, 0.8);
    Ok(Fault {
        name: NAME,
        nemesis: Box::new(Transfer {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
        }),
        generator: Box::new(Cycle::new(NAME, targets, hold, quiet, options.seed)),
    })
}

struct Transfer {
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Transfer {
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        match op.action {
            NemesisAction::Start => self.transfer(ctx, &op.target).await,
            NemesisAction::Stop => outcome(ctx, &[], String::new(), Vec::new()),
        }
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        outcome(ctx, &[], String::new(), Vec::new())
    }
}

impl Transfer {
    async fn transfer(&mut self, ctx: &NemesisContext, target: &str) -> NemesisOutcome {
        let nodes = ctx.environment.nodes();
        let Some(from) = leader(ctx, true).await else {
            return skipped("no node says that it is leader");
        };
        let to = match self.choose(target, nodes, from) {
            Ok(to) => to,
            Err(why) => return skipped(why),
        };
        let done = match timeout(TRANSFER_LIMIT, ctx.db.transfer_leadership(to)).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no end within {} s", TRANSFER_LIMIT.as_secs())),
        };
        let detail = format!("from {} to {}", name(ctx, from), name(ctx, to));
        // A store may refuse, as long as it has not recovered from another fault: nothing was broken then. It must not say that it
        // has done what it has not.
        let hold = match done {
            Ok(()) => leads(ctx, to)
                .await
                .map_or_else(Hold::Failed, |()| Hold::Verified),
            Err(why) => Hold::Skipped(format!("{detail}: {why}")),
        };
        NemesisOutcome {
            exact: name_nodes(nodes, &[to]),
            hold,
            ..outcome(ctx, &[from], detail, Vec::new())
        }
    }

    fn choose(&mut self, target: &str, nodes: &[Node], from: usize) -> Result<usize, String> {
        let others: Vec<usize> = match named_nodes(target, nodes) {
            Some(named) => named?,
            None => nodes.iter().map(|node| node.index).collect(),
        };
        let others: Vec<usize> = others.into_iter().filter(|node| *node != from).collect();
        let drawn = others.choose(&mut self.rng).copied();
        drawn.ok_or_else(|| "the node leads already".to_owned())
    }
}

/// Waits until `to` leads.
async fn leads(ctx: &NemesisContext, to: usize) -> Result<(), String> {
    let deadline = Instant::now() + LEADER_LIMIT;
    loop {
        let now = leader(ctx, false).await;
        if now == Some(to) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(match now {
                Some(other) => format!("{} leads", name(ctx, other)),
                None => "nobody leads".to_owned(),
            });
        }
        sleep(LEADER_POLL).await;
    }
}
