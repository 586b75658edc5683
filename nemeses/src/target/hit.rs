//! Who is hit: the choice of nodes once the store has said who leads.

use history::{Aim, Whom};
use rand_chacha::ChaCha8Rng;

use crate::NemesisContext;
use crate::act::{leader, name};
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
    /// The nodes of a target that has no kind.
    ///
    /// # Errors
    /// See [`Hit::at`].
    pub async fn aimed(ctx: &NemesisContext, aim: &Aim, rng: &mut ChaCha8Rng) -> Result<Hit, String> {
        match &aim.whom {
            Some(whom) => Hit::at(ctx, whom, rng).await,
            None => Err(format!("`{aim}` names no nodes")),
        }
    }

    /// Chooses nodes.
    ///
    /// # Errors
    /// When the leader matters and none is known, when there are too few nodes, or when nodes cannot be
    /// chosen so.
    pub async fn at(ctx: &NemesisContext, whom: &Whom, rng: &mut ChaCha8Rng) -> Result<Hit, String> {
        let all = ctx.environment.nodes();
        let is_wanted = matches!(whom, Whom::Pick(pick) if pick.with_leader().is_some());
        let leader = leader(ctx, is_wanted).await;
        let nodes = match whom {
            Whom::Nodes(names) => nodes::indices(names, all)?,
            Whom::Pick(pick) => nodes::choose(*pick, all, leader, rng)?,
            Whom::Links(_) => return Err(format!("`{whom}` names links, and nodes are wanted")),
        };
        Ok(Hit { nodes, leader })
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
