//! `partition`: cuts links between nodes. Clients stay connected to all nodes.
//!
//! Shows: stale reads from a leader that does not know that it was replaced, writes acknowledged by fewer than a
//! quorum and lost at the heal, two leaders at once. Published cases: etcd and Consul answering stale reads (Jepsen
//! 2014), MongoDB's rolled-back majority writes (Jepsen 2013, 2017), Redis Sentinel's split brain (Jepsen 2013);
//! one-way and bridge shapes: the liveness failures of Raft without PreVote and CheckQuorum (Howard and Abraham, "Raft
//! does not Guarantee Liveness in the face of Network Faults", 2020).

use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, CONTROLLER, Link, LinkControl, links_between};
use history::{NemesisAction, NemesisOp, NemesisOutcome};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::time::timeout;

use crate::act::{leader, name, outcome, skipped};
use crate::on_off::{Cycle, Span};
use crate::target::links::{Grudge, Shape, grudge, named_links};
use crate::target::nodes::{Target, bag_of, target};
use crate::{Entry, Fault, FaultOptions, Nemesis, NemesisContext};

const NAME: &str = "partition";

/// The shapes. Those that part the leader from a majority come more often: that is where stale reads and
/// lost writes come from.
const SHAPES: &[Target] = &[
    target("halves", 2, 1),
    target("one", 2, 1),
    target("leader", 2, 3),
    target("majority", 3, 2),
    target("minority", 3, 1),
    target("minority-with-leader", 3, 0),
    target("minority-without-leader", 3, 0),
    target("majorities-ring", 4, 1),
    target("bridge", 3, 1),
    target("one-way", 2, 1),
];

/// How long a packet over a cut link is waited for.
const CUT_LIMIT: Duration = Duration::from_millis(250);
/// How long a packet over an open link is waited for.
const OPEN_LIMIT: Duration = Duration::from_secs(1);
/// How often an open link is probed before it counts as not passing: a busy machine loses packets.
const OPEN_TRIES: usize = 3;
/// How long one change to the network may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    description: "cuts links between nodes, and heals them",
    targets: &[
        "halves",
        "one",
        "leader",
        "majority",
        "minority",
        "minority-with-leader",
        "minority-without-leader",
        "majorities-ring",
        "bridge",
        "one-way",
        "n1+n2|n3",
        "n1>n2",
    ],
    needs: &[Ability::Cut],
    by_default: true,
    min_nodes: 2,
    colour: "#4e79a7",
    make,
};

fn make(options: &FaultOptions) -> Result<Fault, String> {
    let targets = bag_of(NAME, SHAPES, options, |target, nodes| {
        Some(named_links(target, nodes)?.map(drop))
    })?;
    let hold = Span::of(options.interval, 0.6, 1.2);
    let quiet = Span::of(options.interval, 0.4, 0.8);
    Ok(Fault {
        name: NAME,
        nemesis: Box::new(Partition {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
        }),
        generator: Box::new(Cycle::new(NAME, targets, hold, quiet, options.seed)),
    })
}

struct Partition {
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Partition {
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        match op.action {
            NemesisAction::Start => self.cut(ctx, &op.target).await,
            NemesisAction::Stop => heal(ctx).await,
        }
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        heal(ctx).await
    }
}

impl Partition {
    async fn cut(&mut self, ctx: &NemesisContext, target: &str) -> NemesisOutcome {
        if ctx.environment.net().control() == LinkControl::None {
            return skipped("links cannot be cut in this environment");
        }
        let grudge = match self.grudge(ctx, target).await {
            Ok(grudge) => grudge,
            Err(why) => return skipped(why),
        };
        let exact = grudge.exact(ctx.environment.nodes());
        let Grudge { links, nodes, text } = grudge;
        let errors = cut(ctx, &links).await;
        NemesisOutcome {
            exact,
            ..outcome(ctx, &nodes, text, errors)
        }
    }

    /// Which links a target means now.
    async fn grudge(&mut self, ctx: &NemesisContext, target: &str) -> Result<Grudge, String> {
        let nodes = ctx.environment.nodes();
        if let Some(named) = named_links(target, nodes) {
            return named;
        }
        let shape = Shape::named(target).ok_or_else(|| format!("no shape `{target}`"))?;
        let leader = match shape.prefers_leader() {
            true => leader(ctx, shape.needs_leader()).await,
            false => None,
        };
        grudge(shape, nodes, leader, &mut self.rng)
    }
}

/// Cuts these links, and sees that nothing passes them or those that other faults have cut, and that all others pass; gives a line for each thing that went wrong.
pub(crate) async fn cut(ctx: &NemesisContext, links: &[Link]) -> Vec<String> {
    let net = ctx.environment.net();
    let all = ctx.cuts.add(links);
    match timeout(CALL_LIMIT, net.cut(links)).await {
        Ok(Ok(())) => verify(ctx, &all).await,
        Ok(Err(error)) => vec![error.to_string()],
        Err(_) => vec![format!("no end within {} s", CALL_LIMIT.as_secs())],
    }
}

/// Undoes every cut, ours or not, and sees that every link passes.
pub(crate) async fn heal(ctx: &NemesisContext) -> NemesisOutcome {
    let net = ctx.environment.net();
    if net.control() == LinkControl::None {
        return outcome(ctx, &[], String::new(), Vec::new());
    }
    let errors = match open_all(ctx).await {
        Ok(()) => verify(ctx, &[]).await,
        Err(why) => vec![why],
    };
    outcome(ctx, &[], "all links open".into(), errors)
}

/// Undoes every cut and every shape of a link.
pub(crate) async fn open_all(ctx: &NemesisContext) -> Result<(), String> {
    ctx.cuts.clear();
    match timeout(CALL_LIMIT, ctx.environment.net().heal()).await {
        Ok(healed) => healed.map_err(|error| error.to_string()),
        Err(_) => Err(format!("no end within {} s", CALL_LIMIT.as_secs())),
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
    let mut words: Vec<String> = links
        .iter()
        .take(FEW)
        .map(|link| format!("{}->{}", name(ctx, link.from), name(ctx, link.to)))
        .collect();
    if links.len() > FEW {
        words.push(format!("and {} more", links.len() - FEW));
    }
    words.join(" ")
}
