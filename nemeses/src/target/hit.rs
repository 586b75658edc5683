//! Who is hit: the choice of nodes once the store has said who leads.

use history::{Aim, Whom};
use rand_chacha::ChaCha8Rng;

use crate::NemesisContext;
use crate::act::{leader, name};
use crate::holds::Taken;
use crate::target::nodes;

/// The nodes that a fault hits.
#[derive(Debug)]
pub(crate) struct Hit {
    /// Their indices, in ascending order.
    pub nodes: Vec<usize>,
    /// Who led just before, as far as that is known.
    pub leader: Option<usize>,
}

impl Hit {
    /// The nodes of a target that has no kind, but for those that other faults hold on to.
    ///
    /// # Errors
    /// See [`Hit::at`].
    pub async fn aimed(
        ctx: &NemesisContext,
        aim: &Aim,
        taken: &Taken,
        rng: &mut ChaCha8Rng,
    ) -> Result<Hit, String> {
        match &aim.whom {
            Some(whom) => Hit::at(ctx, whom, taken, rng).await,
            None => Err(format!("`{aim}` names no nodes")),
        }
    }

    /// Chooses nodes, none of which is taken.
    ///
    /// # Errors
    /// When the leader matters and none is known, when there are too few nodes, when nodes cannot be chosen
    /// so, or when all of them are taken.
    pub async fn at(
        ctx: &NemesisContext,
        whom: &Whom,
        taken: &Taken,
        rng: &mut ChaCha8Rng,
    ) -> Result<Hit, String> {
        let all = ctx.environment.nodes();
        let is_wanted = matches!(whom, Whom::Pick(pick) if pick.with_leader().is_some());
        let leader = leader(ctx, is_wanted).await;
        let mut nodes = match whom {
            Whom::Nodes(names) => nodes::indices(names, all)?,
            Whom::Pick(pick) => nodes::choose(*pick, all, leader, taken, rng)?,
            Whom::Links(_) => return Err(format!("`{whom}` names links, and nodes are wanted")),
        };
        let reason = |node: &usize| Some(format!("{} {}", name(ctx, *node), taken.get(node)?));
        let reasons: Vec<String> = nodes.iter().filter_map(reason).collect();
        nodes.retain(|node| !taken.contains_key(node));
        match nodes.is_empty() {
            true => Err(reasons.join(", ")),
            false => Ok(Hit { nodes, leader }),
        }
    }

    /// `n1 n3 (leader)`.
    pub fn describe(&self, ctx: &NemesisContext) -> String {
        let describe = |&node: &usize| match Some(node) == self.leader {
            true => format!("{} (leader)", name(ctx, node)),
            false => name(ctx, node),
        };
        self.nodes.iter().map(describe).collect::<Vec<_>>().join(" ")
    }
}
