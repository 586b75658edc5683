//! `membership`: takes nodes out of the cluster and back in, while clients are at work.
//!
//! Shows: two majorities that do not overlap when several changes are made at once, a removed node that still leads or still
//! counts, a node that comes back with an empty disk and is believed. Published cases: single-server changes that span terms lose
//! committed entries (Ongaro, raft-dev, 2015); RethinkDB's split brain after reconfiguration (Jepsen 2016); Redis-Raft's
//! removed nodes (Jepsen 2020).

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, ControlError};
use history::{NemesisAction, NemesisOp, NemesisOutcome};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::time::timeout;

use crate::act::{leader, name, outcome, skipped};
use crate::faults::kill::describe;
use crate::on_off::{Cycle, Span};
use crate::target::nodes::names;
use crate::target::nodes::{Target, bag, choose, needs_leader, target};
use crate::{Entry, Fault, FaultOptions, Nemesis, NemesisContext};

const NAME: &str = "membership";

/// How long one change may take: a cluster may want to be quiet before it, and a node has to catch up after it.
const CHANGE_LIMIT: Duration = Duration::from_secs(30);

const TARGETS: &[Target] = &[
    target("one", 3, 1),
    target("leader", 3, 1),
    target("minority", 3, 1),
    target("minority-with-leader", 3, 0),
    target("minority-without-leader", 3, 0),
];

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    description: "removes nodes from the cluster, and adds them again",
    targets: &[
        "one",
        "leader",
        "minority",
        "minority-with-leader",
        "minority-without-leader",
        "n2",
    ],
    needs: &[Ability::Membership],
    by_default: false,
    min_nodes: 3,
    colour: "#b07aa1",
    make,
};

fn make(options: &FaultOptions) -> Result<Fault, String> {
    let targets = bag(NAME, TARGETS, options)?;
    let hold = Span::of(options.interval, 0.4, 1.0);
    let quiet = Span::of(options.interval, 0.4, 0.8);
    Ok(Fault {
        name: NAME,
        nemesis: Box::new(Membership {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
        }),
        generator: Box::new(Cycle::new(NAME, targets, hold, quiet, options.seed)),
    })
}

struct Membership {
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Membership {
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        match op.action {
            NemesisAction::Start => self.remove(ctx, &op.target).await,
            NemesisAction::Stop => add_missing(ctx).await,
        }
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        add_missing(ctx).await
    }
}

impl Membership {
    async fn remove(&mut self, ctx: &NemesisContext, target: &str) -> NemesisOutcome {
        let nodes = ctx.environment.nodes();
        let leader = leader(ctx, needs_leader(target)).await;
        let chosen = match choose(target, nodes, leader, &mut self.rng) {
            Ok(chosen) if 2 * chosen.len() >= nodes.len() => {
                return skipped("a majority of the nodes must remain members");
            }
            Ok(chosen) => chosen,
            Err(why) => return skipped(why),
        };
        let mut errors = Vec::new();
        // One after the other: so the two majorities overlap.
        for &node in &chosen {
            if let Err(why) = change(ctx.db.remove_member(node)).await {
                errors.push(format!("{}: {why}", name(ctx, node)));
            }
        }
        match members(ctx).await {
            Ok(members) => {
                let still: Vec<usize> = chosen
                    .iter()
                    .copied()
                    .filter(|node| members.contains(node))
                    .collect();
                if !still.is_empty() {
                    errors.push(format!("still members: {}", names(nodes, &still)));
                }
            }
            Err(why) => errors.push(why),
        }
        let detail = format!("removed {}", describe(ctx, &chosen, leader));
        outcome(ctx, &chosen, detail, errors)
    }
}

/// Takes back whoever is no member, and sees that all are.
async fn add_missing(ctx: &NemesisContext) -> NemesisOutcome {
    let nodes = ctx.environment.nodes();
    let missing = |members: &BTreeSet<usize>| -> Vec<usize> {
        let all = nodes.iter().map(|node| node.index);
        all.filter(|node| !members.contains(node)).collect()
    };
    let added = match members(ctx).await {
        Ok(members) => missing(&members),
        Err(why) => return outcome(ctx, &[], String::new(), vec![why]),
    };
    if added.is_empty() {
        return outcome(ctx, &[], String::new(), Vec::new());
    }
    let mut errors = Vec::new();
    for &node in &added {
        if let Err(why) = change(ctx.db.add_member(node)).await {
            errors.push(format!("{}: {why}", name(ctx, node)));
        }
    }
    match members(ctx).await.map(|members| missing(&members)) {
        Ok(still) if still.is_empty() => {}
        Ok(still) => errors.push(format!("not members yet: {}", names(nodes, &still))),
        Err(why) => errors.push(why),
    }
    let detail = format!("added {}", names(nodes, &added));
    outcome(ctx, &added, detail, errors)
}

async fn members(ctx: &NemesisContext) -> Result<BTreeSet<usize>, String> {
    change(ctx.db.members())
        .await
        .map(BTreeSet::from_iter)
        .map_err(|why| format!("who the members are: {why}"))
}

async fn change<T>(work: impl Future<Output = Result<T, ControlError>>) -> Result<T, String> {
    match timeout(CHANGE_LIMIT, work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no end within {} s", CHANGE_LIMIT.as_secs())),
    }
}
