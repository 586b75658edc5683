//! `transfer`: hands leadership to another node, as an operator does before maintenance.
//!
//! Shows: requests that were under way when the leader gave up, reads and leases by which the old leader
//! still goes on. Published case: etcd's leases revoked by a leader that had been replaced
//! (etcd-io/etcd#15247).
//!
//! A transfer is over at once; what the schedule calls its end only ends its band in the plots.

use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, Node};
use history::{Aim, Hold, NemesisOutcome, Pick, Whom};
use rand::seq::IndexedRandom;
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep, timeout};

use crate::act::{leader, name, nothing, outcome, too_slow};
use crate::alongside::Alongside;
use crate::target::nodes::{by_name, indices};
use crate::target::{PROCESSES, Targets, row};
use crate::{Entry, Nemesis, NemesisContext};

/// How long the store may take.
const TRANSFER_LIMIT: Duration = Duration::from_secs(20);
/// How long the new leader may take to say so.
const LEADER_LIMIT: Duration = Duration::from_secs(2);
/// How often to ask who leads.
const LEADER_POLL: Duration = Duration::from_millis(20);

pub(super) const ENTRY: Entry = Entry {
    name: "transfer",
    description: "hands leadership to another node, as operators do",
    targets: Targets {
        picks: &[row(Pick::One, 2, 1)],
        examples: &["n2"],
        ..PROCESSES
    },
    needs: &[Ability::Transfer],
    by_default: true,
    often: 1,
    colour: "#76b814",
    hold: (0.1, 0.3),
    quiet: (0.2, 0.8),
    alongside: Alongside {
        needs_quorum: true,
        never_with: &["client-partition"],
        ..Alongside::ANYTHING
    },
    new: |rng| Box::new(Transfer { rng }),
};

struct Transfer {
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Transfer {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        let nodes = ctx.environment.nodes();
        let from = leader(ctx, true).await.ok_or("no node says that it is leader")?;
        let to = self.choose(aim, nodes, from)?;
        let done = match timeout(TRANSFER_LIMIT, ctx.db.transfer_leadership(to)).await {
            Ok(done) => done.map_err(|error| error.to_string()),
            Err(_) => Err(too_slow(TRANSFER_LIMIT)),
        };
        let detail = format!("from {} to {}", name(ctx, from), name(ctx, to));
        // A store may refuse, as long as it has not recovered from another fault: nothing was broken then. It
        // must not say that it has done what it has not.
        let hold = match done {
            Ok(()) => match leads(ctx, to).await {
                Some(leader) if leader == to => Hold::Verified,
                Some(leader) if leader == from => Hold::Failed(format!("{} leads", name(ctx, leader))),
                // It was handed over, and lost again.
                Some(_) => Hold::Verified,
                None => Hold::Refused(format!("{detail}: no node leads after it")),
            },
            Err(why) => Hold::Refused(format!("{detail}: {why}")),
        };
        Ok(NemesisOutcome {
            exact: Aim::at(by_name(nodes, &[to])).into(),
            hold,
            ..outcome(ctx, &[from], detail, Vec::new())
        })
    }

    async fn end(&mut self, _ctx: &NemesisContext) -> NemesisOutcome {
        nothing()
    }
}

impl Transfer {
    fn choose(&mut self, aim: &Aim, nodes: &[Node], from: usize) -> Result<usize, String> {
        let mut others: Vec<usize> = match &aim.whom {
            Some(Whom::Nodes(names)) => indices(names, nodes)?,
            _ => nodes.iter().map(|node| node.index).collect(),
        };
        others.retain(|node| *node != from);
        let drawn = others.choose(&mut self.rng).copied();
        drawn.ok_or_else(|| "the node leads already".to_owned())
    }
}

/// Waits until `to` leads.
async fn leads(ctx: &NemesisContext, to: usize) -> Option<usize> {
    let deadline = Instant::now() + LEADER_LIMIT;
    loop {
        let now = leader(ctx, false).await;
        if now == Some(to) || Instant::now() > deadline {
            return now;
        }
        sleep(LEADER_POLL).await;
    }
}
