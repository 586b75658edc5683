//! Several faults as one.

use async_trait::async_trait;
use history::{Hold, NemesisOp, NemesisOutcome};

use crate::on_off::Turns;
use crate::{Fault, Nemesis, NemesisContext};

/// Makes one fault of several. They take turns at random, each from its start to its stop with the quiet in between,
/// so that at most one is in force at a time; [`NemesisOp::nemesis`] says whose turn it is. No faults at all make a
/// fault that never comes.
pub fn compose(faults: Vec<Fault>, seed: u64) -> Fault {
    let mut nemeses = Vec::new();
    let mut generators = Vec::new();
    for fault in faults {
        nemeses.push((fault.name, fault.nemesis));
        generators.push(fault.generator);
    }
    Fault {
        name: "faults",
        nemesis: Box::new(Composed { nemeses }),
        generator: Box::new(Turns::new(generators, seed)),
    }
}

struct Composed {
    nemeses: Vec<(&'static str, Box<dyn Nemesis>)>,
}

#[async_trait]
impl Nemesis for Composed {
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        match self.nemeses.iter_mut().find(|(name, _)| *name == op.nemesis) {
            Some((_, nemesis)) => nemesis.invoke(ctx, op).await,
            None => NemesisOutcome {
                nodes: Vec::new(),
                detail: String::new(),
                exact: String::new(),
                hold: Hold::Skipped(format!("there is no nemesis `{}` in this run", op.nemesis)),
            },
        }
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let mut merged = NemesisOutcome {
            nodes: Vec::new(),
            detail: String::new(),
            exact: String::new(),
            hold: Hold::Verified,
        };
        let mut details = Vec::new();
        let mut outcomes = Vec::new();
        for (_, nemesis) in &mut self.nemeses {
            outcomes.push(nemesis.heal(ctx).await);
        }
        for ((_, nemesis), mut outcome) in self.nemeses.iter_mut().zip(outcomes) {
            // What could not be healed while another fault still held: a process that does not stay up on a disk that fails.
            if matches!(outcome.hold, Hold::Failed(_)) {
                outcome = nemesis.heal(ctx).await;
            }
            merged.nodes.extend(outcome.nodes);
            if !outcome.detail.is_empty() {
                details.push(outcome.detail);
            }
            merged.hold = worse(merged.hold, outcome.hold);
        }
        merged.nodes.sort();
        merged.nodes.dedup();
        merged.detail = details.join("; ");
        merged
    }
}

/// Failed before skipped before verified; of two failures, both reasons.
fn worse(one: Hold, other: Hold) -> Hold {
    match (one, other) {
        (Hold::Failed(a), Hold::Failed(b)) => Hold::Failed(format!("{a}; {b}")),
        (failed @ Hold::Failed(_), _) | (_, failed @ Hold::Failed(_)) => failed,
        (skipped @ Hold::Skipped(_), _) | (_, skipped @ Hold::Skipped(_)) => skipped,
        (Hold::Verified, Hold::Verified) => Hold::Verified,
    }
}
