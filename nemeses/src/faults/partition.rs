//! `partition`: cuts links between nodes. Clients stay connected to all nodes.
//!
//! Shows: stale reads from a leader that does not know that it was replaced, writes acknowledged by fewer
//! than a quorum and lost at the heal, two leaders at once. Published cases: etcd and Consul answering stale
//! reads (Jepsen 2014), MongoDB's rolled-back majority writes (Jepsen 2013, 2017), Redis Sentinel's split
//! brain (Jepsen 2013); one-way and bridge shapes: the liveness failures of Raft without PreVote and
//! CheckQuorum (Howard and Abraham, "Raft does not Guarantee Liveness in the face of Network Faults", 2020).

use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, CONTROLLER, Link, LinkControl, links_between};
use history::{Aim, NemesisOutcome, Pick, Whom};
use rand_chacha::ChaCha8Rng;
use tokio::time::timeout;

use crate::act::{leader, name, nothing, outcome, too_slow};
use crate::alongside::Alongside;
use crate::target::grudges::{grudge, prefers_leader};
use crate::target::links::{Grudge, named};
use crate::target::{Names, Targets, row};
use crate::{Entry, Nemesis, NemesisContext};

/// How long to wait for a packet over a cut link.
const CUT_LIMIT: Duration = Duration::from_millis(250);
/// How long to wait for a packet over an open link.
const OPEN_LIMIT: Duration = Duration::from_secs(1);
/// How often an open link is probed before it counts as not passing: a busy machine loses packets.
const OPEN_TRIES: usize = 3;
/// How long one change to the network may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);

pub(super) const ENTRY: Entry = Entry {
    name: "partition",
    description: "cuts links between nodes, and heals them",
    targets: Targets {
        // Those that part the leader from a majority come more often: that is where stale reads and lost
        // writes come from.
        picks: &[
            row(Pick::Halves, 2, 1),
            row(Pick::One, 2, 1),
            row(Pick::Leader, 2, 3),
            row(Pick::Majority, 3, 2),
            row(Pick::Minority, 3, 1),
            row(Pick::MinorityWithLeader, 3, 0),
            row(Pick::MinorityWithoutLeader, 3, 0),
            row(Pick::MajoritiesRing, 4, 1),
            row(Pick::Bridge, 3, 1),
            row(Pick::OneWay, 2, 1),
        ],
        kinds: &[],
        whom: &[],
        names: Names::Links,
        examples: &["n1+n2|n3", "n1>n2"],
    },
    needs: &[Ability::Cut],
    by_default: true,
    often: 3,
    colour: "#4e79a7",
    hold: (0.6, 1.2),
    quiet: (0.4, 0.8),
    alongside: Alongside {
        takes_nodes: true,
        ..Alongside::ANYTHING
    },
    new: |rng| Box::new(Partition { rng }),
};

struct Partition {
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Partition {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        if ctx.environment.net().control() == LinkControl::None {
            return Err("links cannot be cut in this environment".into());
        }
        let grudge = self.grudge(ctx, aim).await?;
        let errors = cut(ctx, &grudge.links).await;
        Ok(NemesisOutcome {
            exact: Aim::at(grudge.by_name(ctx.environment.nodes())).into(),
            ..outcome(ctx, &grudge.nodes, grudge.text, errors)
        })
    }

    async fn end(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        heal(ctx).await
    }
}

impl Partition {
    /// Which links a target means now.
    async fn grudge(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<Grudge, String> {
        let nodes = ctx.environment.nodes();
        match &aim.whom {
            Some(Whom::Links(cuts)) => named(cuts, nodes),
            Some(Whom::Pick(pick)) => {
                let leader = match prefers_leader(*pick) {
                    true => leader(ctx, pick.with_leader().is_some()).await,
                    false => None,
                };
                grudge(*pick, nodes, leader, &mut self.rng)
            }
            Some(Whom::Nodes(_)) | None => Err(format!("`{aim}` names no links")),
        }
    }
}

/// Cuts these links, and probes that nothing passes them or those that other faults have cut, and that all
/// others pass; gives a line for each thing that went wrong.
pub(crate) async fn cut(ctx: &NemesisContext, links: &[Link]) -> Vec<String> {
    let net = ctx.environment.net();
    match timeout(CALL_LIMIT, net.cut(links)).await {
        Ok(Ok(())) => {
            let mut cut = net.cuts().await;
            cut.extend(links);
            verify(ctx, &Vec::from_iter(cut)).await
        }
        Ok(Err(error)) => vec![error.to_string()],
        Err(_) => vec![too_slow(CALL_LIMIT)],
    }
}

/// Undoes every cut, ours or not, and probes that every link passes.
pub(crate) async fn heal(ctx: &NemesisContext) -> NemesisOutcome {
    let net = ctx.environment.net();
    if net.control() == LinkControl::None {
        return nothing();
    }
    let errors = match open_all(ctx).await {
        Ok(()) => verify(ctx, &[]).await,
        Err(why) => vec![why],
    };
    outcome(ctx, &[], "all links open".into(), errors)
}

/// Undoes every cut and every shape of a link.
pub(crate) async fn open_all(ctx: &NemesisContext) -> Result<(), String> {
    match timeout(CALL_LIMIT, ctx.environment.net().heal()).await {
        Ok(healed) => healed.map_err(|error| error.to_string()),
        Err(_) => Err(too_slow(CALL_LIMIT)),
    }
}

/// Probes every link: exactly those in `cut` must not pass. Gives a line for each kind of contradiction.
async fn verify(ctx: &NemesisContext, cut: &[Link]) -> Vec<String> {
    let mut hosts: Vec<usize> = ctx.environment.nodes().iter().map(|node| node.index).collect();
    if ctx.environment.can(Ability::CutClients).is_ok() {
        hosts.push(CONTROLLER);
    }
    let mut open = links_between(&hosts, &hosts);
    open.retain(|link| !cut.contains(link));
    let (leaks, silent) = tokio::join!(leaks(ctx, cut), silent(ctx, open));
    let mut errors: Vec<String> = [leaks, silent].into_iter().flatten().collect();
    // A probe that cannot be made fails for both alike.
    errors.dedup();
    errors
}

/// A line if anything comes through a cut link.
async fn leaks(ctx: &NemesisContext, cut: &[Link]) -> Option<String> {
    match probe(ctx, cut, CUT_LIMIT).await {
        Ok(passing) if passing.is_empty() => None,
        Ok(passing) => Some(format!("a packet still passes {}", text(ctx, &passing))),
        Err(why) => Some(why),
    }
}

/// A line if a link that should be open stays silent.
async fn silent(ctx: &NemesisContext, mut open: Vec<Link>) -> Option<String> {
    for _ in 0..OPEN_TRIES {
        match probe(ctx, &open, OPEN_LIMIT).await {
            Ok(passing) => open.retain(|link| !passing.contains(link)),
            Err(why) => return Some(why),
        }
        if open.is_empty() {
            return None;
        }
    }
    Some(format!("nothing passes {}", text(ctx, &open)))
}

/// Those of the links that pass.
async fn probe(ctx: &NemesisContext, links: &[Link], limit: Duration) -> Result<Vec<Link>, String> {
    if links.is_empty() {
        return Ok(Vec::new());
    }
    let net = ctx.environment.net();
    let passes = timeout(limit + CALL_LIMIT, net.probe(links, limit))
        .await
        .map_err(|_| "the probe of the links does not end".to_owned())?
        .map_err(|error| format!("the links cannot be probed: {error}"))?;
    if passes.len() != links.len() {
        return Err(format!(
            "the probe of {} links gave {} answers",
            links.len(),
            passes.len()
        ));
    }
    Ok(links
        .iter()
        .zip(passes)
        .filter(|(_, passes)| *passes)
        .map(|(link, _)| *link)
        .collect())
}

/// `n1->n2 n1->n3`, the first few.
fn text(ctx: &NemesisContext, links: &[Link]) -> String {
    const FEW: usize = 6;
    let mut named: Vec<String> = links
        .iter()
        .take(FEW)
        .map(|link| format!("{}->{}", name(ctx, link.from), name(ctx, link.to)))
        .collect();
    if links.len() > FEW {
        named.push(format!("and {} more", links.len() - FEW));
    }
    named.join(" ")
}
