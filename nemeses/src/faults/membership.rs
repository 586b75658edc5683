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
use history::{Aim, Hold, NemesisOutcome, Pick, Whom};
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep, timeout};

use crate::act::{name, nothing, outcome, too_slow};
use crate::alongside::Alongside;
use crate::target::hit::Hit;
use crate::target::majority::Connected;
use crate::target::nodes::names;
use crate::target::{PROCESSES, Targets, row};
use crate::{Entry, Nemesis, NemesisContext};

/// How long a removal may take. It is given up sooner than an addition: while it is tried, no other fault
/// can begin or end, and one that comes to nothing costs nothing.
const REMOVE_LIMIT: Duration = Duration::from_secs(10);
/// How long the members may take to learn of a removal, and how often they are asked.
const LEARN_LIMIT: Duration = Duration::from_secs(10);
const LEARN_POLL: Duration = Duration::from_millis(50);
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
    by_default: false,
    often: 1,
    colour: "#a675f0",
    hold: (0.4, 1.0),
    quiet: (0.4, 0.8),
    alongside: Alongside {
        needs_process: true,
        takes_nodes: true,
        needs_quorum: true,
        ends_alone: true,
        never_with: &["client-partition"],
        ..Alongside::ANYTHING
    },
    new: |rng| Box::new(Membership { rng }),
};

struct Membership {
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Membership {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        let nodes = ctx.environment.nodes();
        let connected = Connected::now(ctx).await;
        let all: BTreeSet<usize> = nodes.iter().map(|node| node.index).collect();
        let without = |left: &[usize]| {
            let remain = all.iter().copied().filter(|node| !left.contains(node));
            connected.can_agree(&remain.collect())
        };
        // Who names nodes may want to see what becomes of a change that cannot be agreed on.
        let is_named = matches!(aim.whom, Some(Whom::Nodes(_)));
        let mut taken = ctx.holds.taken(ENTRY.name, nodes);
        for &node in all.iter().filter(|node| !is_named && !without(&[**node])) {
            let why = "is needed for a majority that is connected";
            taken.entry(node).or_insert_with(|| why.to_owned());
        }
        let hit = Hit::aimed(ctx, aim, &taken, &mut self.rng).await?;
        if 2 * hit.nodes.len() >= nodes.len() {
            return Err("a majority of the nodes must remain members".into());
        }
        // As many as those that remain can do without.
        let mut left = Vec::new();
        for &node in &hit.nodes {
            left.push(node);
            if !is_named && !without(&left) {
                left.pop();
            }
        }
        let hit = Hit { nodes: left, ..hit };
        let mut refused = Vec::new();
        // One after the other: so the two majorities overlap.
        for &node in &hit.nodes {
            if let Err(why) = change(REMOVE_LIMIT, ctx.db.remove_member(node)).await {
                refused.push((node, format!("{}: {why}", name(ctx, node))));
            }
        }
        let agreed: Vec<usize> = (hit.nodes.iter().copied())
            .filter(|node| refused.iter().all(|(other, _)| other != node))
            .collect();
        let members = match members_without(ctx, &agreed).await {
            Ok(members) => members,
            // Those that may have been removed are added again at the end.
            Err(why) => {
                let detail = format!("asked to remove {}", hit.describe(ctx));
                return Ok(unsettled(ctx, &hit.nodes, detail, vec![why]));
            }
        };
        ctx.holds.set_removed(
            nodes
                .iter()
                .map(|node| node.index)
                .filter(|node| !members.contains(node)),
        );
        let (still, removed): (Vec<usize>, Vec<usize>) =
            hit.nodes.iter().partition(|node| members.contains(node));
        let is_refused = |node: &usize| refused.iter().any(|(other, _)| other == node);
        let lied: Vec<usize> = still.iter().copied().filter(|node| !is_refused(node)).collect();
        let mut errors = Vec::new();
        if !lied.is_empty() {
            errors.push(format!("still members: {}", names(nodes, &lied)));
        }
        let refused: Vec<String> = refused.into_iter().map(|(_, why)| why).collect();
        let hit = Hit {
            nodes: removed,
            ..hit
        };
        let mut detail = match hit.nodes.is_empty() {
            true => String::new(),
            false => format!("removed {}", hit.describe(ctx)),
        };
        if !hit.nodes.is_empty() && !refused.is_empty() {
            detail = format!("{detail}; {}", refused.join("; "));
        }
        let mut outcome = outcome(ctx, &hit.nodes, detail, errors);
        if hit.nodes.is_empty() && outcome.hold == Hold::Verified {
            outcome.hold = Hold::Refused(refused.join("; "));
        }
        Ok(outcome)
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
        Err(why) => return unsettled(ctx, &[], String::new(), vec![why]),
    };
    if added.is_empty() {
        return nothing();
    }
    let mut errors = Vec::new();
    for &node in &added {
        if let Err(why) = change(CHANGE_LIMIT, ctx.db.add_member(node)).await {
            errors.push(format!("{}: {why}", name(ctx, node)));
        }
    }
    let detail = format!("added {}", names(nodes, &added));
    match members(ctx).await.map(|members| missing(&members)) {
        Ok(still) => {
            if !still.is_empty() {
                errors.push(format!("not members yet: {}", names(nodes, &still)));
            }
            ctx.holds.set_removed(still);
        }
        Err(why) => {
            errors.push(why);
            return unsettled(ctx, &added, detail, errors);
        }
    }
    outcome(ctx, &added, detail, errors)
}

/// That the store was asked, and no one who leads says who the members are.
fn unsettled(ctx: &NemesisContext, nodes: &[usize], detail: String, why: Vec<String>) -> NemesisOutcome {
    NemesisOutcome {
        hold: Hold::Unsettled(why.join("; ")),
        ..outcome(ctx, nodes, detail, Vec::new())
    }
}

/// The members once none of these is among them, or as they are when that takes too long. Where the leader
/// itself was removed, the others learn of it from the next one, and their lists are old until then.
async fn members_without(ctx: &NemesisContext, removed: &[usize]) -> Result<BTreeSet<usize>, String> {
    let deadline = Instant::now() + LEARN_LIMIT;
    loop {
        let members = members(ctx).await?;
        let is_known = removed.iter().all(|node| !members.contains(node));
        if is_known || Instant::now() > deadline {
            return Ok(members);
        }
        sleep(LEARN_POLL).await;
    }
}

async fn members(ctx: &NemesisContext) -> Result<BTreeSet<usize>, String> {
    change(CHANGE_LIMIT, ctx.db.members())
        .await
        .map(BTreeSet::from_iter)
        .map_err(|why| format!("who the members are: {why}"))
}

async fn change<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, ControlError>>,
) -> Result<T, String> {
    match timeout(limit, work).await {
        Ok(done) => done.map_err(|error| error.to_string()),
        Err(_) => Err(too_slow(limit)),
    }
}
