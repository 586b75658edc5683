//! Several faults as one.

use generator::Generator;
use history::{Hold, NemesisAction, NemesisOp, NemesisOutcome};

use crate::act::skipped;
use crate::episodes::Episodes;
use crate::{Entry, Fault, Nemesis, NemesisContext};

/// The faults of a run.
pub struct Faults {
    /// What performs them.
    pub nemeses: Nemeses,
    /// When they begin and end. Without end, so put a time limit around it.
    pub generator: Box<dyn Generator>,
}

/// What performs the faults of a run.
pub struct Nemeses(Vec<(&'static Entry, Box<dyn Nemesis>)>);

/// How faults are drawn.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drawing {
    /// How many may be in force at once, at least 1.
    pub at_once: usize,
    /// The names of the nodes.
    pub nodes: Vec<String>,
    /// The seed of everything random.
    pub seed: u64,
}

/// Makes one of several faults, which come in episodes: quiet, one fault or several that overlap, and quiet
/// again. Each comes as often as its entry says. Of no faults it makes one that never comes.
pub fn compose(faults: Vec<Fault>, drawing: Drawing) -> Faults {
    let mut nemeses = Vec::new();
    let mut drawables = Vec::new();
    let names: Vec<&str> = faults.iter().map(|fault| fault.entry.name).collect();
    for mut fault in faults {
        if let Some((kind, nemesis)) = fault.entry.alongside.void
            && names.contains(&nemesis)
        {
            fault.drawable.leave_out(kind);
        }
        nemeses.push((fault.entry, fault.nemesis));
        drawables.push(fault.drawable);
    }
    Faults {
        nemeses: Nemeses(nemeses),
        generator: Box::new(Episodes::new(
            drawables,
            drawing.at_once,
            drawing.nodes,
            drawing.seed,
        )),
    }
}

impl Nemeses {
    /// Begins or ends a fault.
    pub async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        let Some((entry, nemesis)) = (self.0.iter_mut()).find(|(entry, _)| entry.name == op.nemesis) else {
            return skipped(format!("this run has no nemesis `{}`", op.nemesis));
        };
        match op.action {
            NemesisAction::Stop => nemesis.end(ctx).await,
            NemesisAction::Start => {
                let nodes = ctx.environment.nodes();
                let begun = match entry.targets.check(entry.name, &op.target, nodes) {
                    Ok(aim) => nemesis.begin(ctx, aim).await,
                    Err(why) => Err(why),
                };
                begun.unwrap_or_else(skipped)
            }
        }
    }

    /// Undoes everything that these nemeses can do, and verifies it. May be called any number of times.
    pub async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let mut merged = NemesisOutcome {
            nodes: Vec::new(),
            detail: String::new(),
            exact: Default::default(),
            hold: Hold::Verified,
        };
        let mut details = Vec::new();
        let mut outcomes = Vec::new();
        for (_, nemesis) in &mut self.0 {
            outcomes.push(nemesis.heal(ctx).await);
        }
        for ((_, nemesis), mut outcome) in self.0.iter_mut().zip(outcomes) {
            // It may have failed because another fault was still in force: a process does not stay up on a
            // disk that fails. By now all are healed.
            if matches!(outcome.hold, Hold::Failed(_) | Hold::Unsettled(_)) {
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

/// Failed before unsettled before skipped before verified; of two failures, both reasons.
fn worse(one: Hold, other: Hold) -> Hold {
    match (one, other) {
        (Hold::Failed(a), Hold::Failed(b)) => Hold::Failed(format!("{a}; {b}")),
        (failed @ Hold::Failed(_), _) | (_, failed @ Hold::Failed(_)) => failed,
        (open @ Hold::Unsettled(_), _) | (_, open @ Hold::Unsettled(_)) => open,
        (skipped @ (Hold::Skipped(_) | Hold::Refused(_)), _)
        | (_, skipped @ (Hold::Skipped(_) | Hold::Refused(_))) => skipped,
        (Hold::Verified, Hold::Verified) => Hold::Verified,
    }
}
