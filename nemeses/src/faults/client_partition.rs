//! `client-partition`: cuts links between clients and nodes, while the nodes still hear each other.
//!
//! Shows: what a store and its clients make of requests that are lost, and of requests that are served while their answers are
//! lost, which nobody who asked can tell apart: an update that is done twice by a client that repeats it, a lock whose holder is
//! taken for dead while it works. Published case: etcd's Java client repeating transactions that it took for lost (Jepsen, jetcd
//! 0.8.2, 2024).
//!
//! Targets are `both`, `requests`, `answers`, each with or without `@WHO`: `answers@leader`. What is left out is drawn. All
//! clients are hit alike, and so is whoever asks the nodes who leads.

use async_trait::async_trait;
use control::{Ability, CONTROLLER, Link, Node};
use history::{NemesisAction, NemesisOp, NemesisOutcome};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::act::{outcome, skipped};
use crate::faults::partition::{cut, heal};
use crate::on_off::{Cycle, Span};
use crate::target::kinds::{Asked, Kind, knows_nodes, parse};
use crate::target::nodes::names;
use crate::target::nodes::{Target, bag_of, name_nodes, target};
use crate::{Entry, Fault, FaultOptions, Nemesis, NemesisContext};

const NAME: &str = "client-partition";

/// Whom a target may name, besides nodes.
const WHO: &[&str] = &["one", "leader", "minority", "majority", "all"];

static KINDS: [Kind; 3] = [kind("both"), kind("requests"), kind("answers")];

const TARGETS: &[Target] = &[
    target("both", 1, 1),
    target("requests", 1, 1),
    target("answers", 1, 2),
];

const fn kind(name: &'static str) -> Kind {
    Kind {
        name,
        unit: "",
        least: 1.0,
        most: 1.0,
        limit: 1.0,
        is_signed: false,
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    description: "cuts links between clients and nodes: what clients ask, what they are answered, or both is lost",
    targets: &["both", "requests", "answers", "answers@leader", "both@n1+n2"],
    needs: &[Ability::CutClients],
    by_default: false,
    min_nodes: 1,
    colour: "#9c755f",
    make,
};

fn make(options: &FaultOptions) -> Result<Fault, String> {
    let targets = bag_of(NAME, TARGETS, options, |target, nodes| {
        Some(read(target, nodes)?.map(drop))
    })?;
    let hold = Span::of(options.interval, 0.4, 1.0);
    let quiet = Span::of(options.interval, 0.3, 0.6);
    Ok(Fault {
        name: NAME,
        nemesis: Box::new(ClientPartition {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
        }),
        generator: Box::new(Cycle::new(NAME, targets, hold, quiet, options.seed)),
    })
}

/// Reads a target; `None` if it begins with none of the words.
fn read<'a>(target: &'a str, nodes: &[Node]) -> Option<Result<Asked<'a>, String>> {
    parse(&KINDS, target, |who| knows_nodes(WHO, nodes, who))
}

struct ClientPartition {
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for ClientPartition {
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        match op.action {
            NemesisAction::Start => self.begin(ctx, &op.target).await,
            NemesisAction::Stop => heal(ctx).await,
        }
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        heal(ctx).await
    }
}

impl ClientPartition {
    async fn begin(&mut self, ctx: &NemesisContext, target: &str) -> NemesisOutcome {
        let all = ctx.environment.nodes();
        let asked = match read(target, all) {
            Some(Ok(asked)) => asked,
            Some(Err(why)) => return skipped(why),
            None => return skipped(format!("no target `{target}`")),
        };
        let drawn = match asked.draw(ctx, WHO, &mut self.rng).await {
            Ok(drawn) => drawn,
            Err(why) => return skipped(why),
        };
        let mut links = Vec::new();
        for &node in &drawn.nodes {
            if drawn.kind.name != "answers" {
                links.push(Link {
                    from: CONTROLLER,
                    to: node,
                });
            }
            if drawn.kind.name != "requests" {
                links.push(Link {
                    from: node,
                    to: CONTROLLER,
                });
            }
        }
        let errors = cut(ctx, &links).await;
        let who = names(all, &drawn.nodes);
        let text = match drawn.kind.name {
            "requests" => format!("what clients ask {who} is lost"),
            "answers" => format!("what {who} answer clients is lost"),
            _ => format!("clients | {who}"),
        };
        NemesisOutcome {
            exact: format!("{}@{}", drawn.kind.name, name_nodes(all, &drawn.nodes)),
            ..outcome(ctx, &drawn.nodes, text, errors)
        }
    }
}
