//! `compact`: has nodes drop the past: the log is replaced by a snapshot, old revisions are deleted.
//!
//! Shows: followers that lag and have to be sent a snapshot while they are at work, state that a snapshot
//! forgot, watchers that miss what was compacted under them. Published case: etcd's watch that drops an event
//! when a deletion is compacted (etcd-io/etcd#18089).
//!
//! It is over at once, as with `transfer`.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use control::{Ability, ControlError, Db, ProcessState};
use history::{Aim, Hold, NemesisOutcome};
use rand_chacha::ChaCha8Rng;

use crate::act::{lines, nodes_in, nothing, on_each, outcome};
use crate::alongside::Alongside;
use crate::target::PROCESSES;
use crate::target::hit::Hit;
use crate::{Entry, Nemesis, NemesisContext};

pub(super) const ENTRY: Entry = Entry {
    name: "compact",
    description: "has nodes replace their logs by snapshots and drop old revisions",
    targets: PROCESSES,
    needs: &[Ability::Compact],
    by_default: true,
    often: 1,
    colour: "#324767",
    hold: (0.1, 0.2),
    quiet: (0.1, 0.4),
    alongside: Alongside {
        needs_process: true,
        needs_quorum: true,
        never_with: &["client-partition"],
        ..Alongside::ANYTHING
    },
    new: |rng| Box::new(Compact { rng }),
};

struct Compact {
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Compact {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        let all = ctx.environment.nodes();
        let mut taken = ctx.holds.taken(ENTRY.name, all);
        // One that is frozen would not answer, and was not what another fault is about.
        let running = nodes_in(ctx, |state| state == ProcessState::Running).await;
        for node in all.iter().filter(|node| !running.contains(&node.index)) {
            taken
                .entry(node.index)
                .or_insert_with(|| "does not run".to_owned());
        }
        let hit = Hit::aimed(ctx, aim, &taken, &mut self.rng).await?;
        let untrue: Arc<Mutex<BTreeSet<usize>>> = Arc::default();
        let compact = |db: Arc<dyn Db>, node| {
            let untrue = untrue.clone();
            async move {
                let done = db.compact(node).await;
                if let Err(ControlError::Untrue(_)) = done {
                    untrue.lock().unwrap_or_else(PoisonError::into_inner).insert(node);
                }
                done.map(drop)
            }
        };
        let errors = on_each(ctx, &hit.nodes, compact).await;
        let untrue = untrue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (lies, refused): (Vec<_>, Vec<_>) =
            errors.into_iter().partition(|(node, _)| untrue.contains(node));
        // A store may refuse, as long as it has not recovered from something else: nothing was broken then.
        let hit = Hit {
            nodes: (hit.nodes.iter().copied())
                .filter(|node| refused.iter().all(|(other, _)| other != node))
                .collect(),
            ..hit
        };
        if hit.nodes.is_empty() {
            let hold = Hold::Refused(lines(ctx, refused).join("; "));
            return Ok(NemesisOutcome { hold, ..nothing() });
        }
        let detail = format!("compacted {}", hit.describe(ctx));
        Ok(outcome(ctx, &hit.nodes, detail, lines(ctx, lies)))
    }

    async fn end(&mut self, _ctx: &NemesisContext) -> NemesisOutcome {
        nothing()
    }
}
