//! `client-partition`: cuts links between clients and nodes, while the nodes still hear each other.
//!
//! Shows: what a store and its clients make of requests that are lost, and of requests that are served while
//! their answers are lost, which no client can tell apart: an update that is done twice by a client that
//! repeats it, a lock whose holder is taken for dead while it works. Published case: etcd's Java client
//! repeating transactions that it took for lost (Jepsen, jetcd 0.8.2, 2024).
//!
//! Targets are `both`, `requests`, `answers`, each with or without `@WHOM`: `answers@leader`. What is left
//! out is drawn. All clients are hit alike, and so is the watch on who leads.

use async_trait::async_trait;
use control::{Ability, CONTROLLER, Link};
use history::{Aim, NemesisOutcome, Pick};
use rand_chacha::ChaCha8Rng;

use crate::act::outcome;
use crate::alongside::Alongside;
use crate::faults::partition::{cut, heal};
use crate::holds::Taken;
use crate::target::kinds::{Kind, draw, names_of};
use crate::target::nodes::names;
use crate::target::{Names, Targets};
use crate::{Entry, Nemesis, NemesisContext};

/// Whom a target may name, besides nodes.
const WHOM: &[Pick] = &[Pick::One, Pick::Leader, Pick::Minority, Pick::Majority, Pick::All];

/// What is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Both,
    Requests,
    Answers,
}

const KINDS: [(What, Kind); 3] = [
    (What::Both, kind("both", 1)),
    (What::Requests, kind("requests", 1)),
    (What::Answers, kind("answers", 2)),
];

const fn kind(name: &'static str, weight: usize) -> Kind {
    Kind {
        name,
        min_nodes: 1,
        weight,
        values: None,
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "client-partition",
    description: "cuts links between clients and nodes: requests, answers, or both are lost",
    targets: Targets {
        picks: &[],
        kinds: &names_of(&KINDS),
        whom: WHOM,
        names: Names::Nodes,
        examples: &["answers@leader", "both@n1+n2"],
    },
    needs: &[Ability::CutClients],
    by_default: false,
    often: 1,
    colour: "#1942e6",
    hold: (0.4, 1.0),
    quiet: (0.3, 0.6),
    alongside: Alongside::ANYTHING,
    new: |rng| Box::new(ClientPartition { rng }),
};

struct ClientPartition {
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for ClientPartition {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        let drawn = draw(ctx, &KINDS, aim, WHOM, &Taken::new(), &mut self.rng).await?;
        let hit = &drawn.hit.nodes;
        let mut links = Vec::new();
        for &node in hit {
            let (to_node, to_client) = (
                Link {
                    from: CONTROLLER,
                    to: node,
                },
                Link {
                    from: node,
                    to: CONTROLLER,
                },
            );
            match drawn.what {
                What::Both => links.extend([to_node, to_client]),
                What::Requests => links.push(to_node),
                What::Answers => links.push(to_client),
            }
        }
        let errors = cut(ctx, &links).await;
        let who = names(ctx.environment.nodes(), hit);
        let text = match drawn.what {
            What::Both => format!("clients | {who}"),
            What::Requests => format!("requests of clients to {who} are lost"),
            What::Answers => format!("answers of {who} to clients are lost"),
        };
        Ok(NemesisOutcome {
            exact: drawn.exact(ctx),
            ..outcome(ctx, hit, text, errors)
        })
    }

    async fn end(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        heal(ctx).await
    }
}
