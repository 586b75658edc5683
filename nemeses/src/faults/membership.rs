//! `membership`: takes nodes out of the cluster and back in, while clients are at work.
//!
//! Shows: two majorities that do not overlap when several changes are made at once, a removed node that still
//! leads or still counts, a node that comes back with an empty disk and is believed. Published cases:
//! single-server changes that span terms lose committed entries (Ongaro, raft-dev, 2015); RethinkDB's split
//! brain after reconfiguration (Jepsen 2016); Redis-Raft's removed nodes (Jepsen 2020).

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, ControlError};
use history::{Aim, NemesisOutcome, Pick};
use rand_chacha::ChaCha8Rng;
use tokio::time::timeout;

use crate::act::{name, nothing, outcome, too_slow};
use crate::nemesis::ByDefault;
use crate::target::hit::Hit;
use crate::target::nodes::names;
use crate::target::{PROCESSES, Targets, row};
use crate::{Entry, Nemesis, NemesisContext};

/// How long one change may take: a cluster may want to be quiet before it, and a node has to catch up after
/// it.
const CHANGE_LIMIT: Duration = Duration::from_secs(30);

pub(super) const ENTRY: Entry = Entry {
    name: "membership",
    description: "removes nodes from the cluster, and adds them again",
    targets: Targets {
        picks: &[
            row(Pick::One, 3, 1),
            row(Pick::Leader, 3, 1),
            row(Pick::Minority, 3, 1),
            row(Pick::MinorityWithLeader, 3, 0),
            row(Pick::MinorityWithoutLeader, 3, 0),
        ],
        examples: &["n2"],
        ..PROCESSES
    },
    needs: &[Ability::Membership],
    by_default: ByDefault::Nowhere,
    colour: "#a675f0",
    hold: (0.4, 1.0),
    quiet: (0.4, 0.8),
    new: |rng| Box::new(Membership { rng }),
};

struct Membership {
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Membership {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        let nodes = ctx.environment.nodes();
        let hit = Hit::aimed(ctx, aim, &mut self.rng).await?;
        if 2 * hit.nodes.len() >= nodes.len() {
            return Err("a majority of the nodes must remain members".into());
        }
        let mut errors = Vec::new();
        // One after the other: so the two majorities overlap.
        for &node in &hit.nodes {
            if let Err(why) = change(ctx.db.remove_member(node)).await {
                errors.push(format!("{}: {why}", name(ctx, node)));
            }
        }
        match members(ctx).await {
            Ok(members) => {
                let still: Vec<usize> = hit
                    .nodes
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
        let detail = format!("removed {}", hit.describe(ctx));
        Ok(outcome(ctx, &hit.nodes, detail, errors))
    }

    async fn end(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        add_missing(ctx).await
    }
}

/// Adds the nodes that are not members, and checks that then all are.
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
        return nothing();
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
        Err(_) => Err(too_slow(CHANGE_LIMIT)),
    }
}
