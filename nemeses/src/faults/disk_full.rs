//! `disk-full`: fills the disks of nodes to the last byte, and makes room again.
//!
//! Shows: half-written records that are taken for whole ones, stores that acknowledge what did not fit, and those that never
//! come back. Published cases: FoundationDB's and RethinkDB's tests, and "Redundancy Does Not Imply Fault Tolerance"
//! (Ganesan and others, FAST 2017).
//!
//! A store that ends itself on a full disk is in its right; it is started again when there is room.

use std::collections::BTreeSet;

use async_trait::async_trait;
use control::Ability;
use history::{NemesisAction, NemesisOp, NemesisOutcome};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

use crate::act::{leader, name, outcome, restart_ended, skipped};
use crate::faults::kill::describe;
use crate::on_off::{Cycle, Span};
use crate::tamper::disk;
use crate::target::nodes::{PROCESS_NAMES, PROCESSES, bag, choose, needs_leader};
use crate::{Entry, Fault, FaultOptions, Nemesis, NemesisContext};

const NAME: &str = "disk-full";

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    description: "fills the disks of nodes, and makes room again",
    targets: PROCESS_NAMES,
    needs: &[Ability::Fill],
    by_default: false,
    min_nodes: 1,
    colour: "#bab0ac",
    make,
};

fn make(options: &FaultOptions) -> Result<Fault, String> {
    let targets = bag(NAME, PROCESSES, options)?;
    let hold = Span::of(options.interval, 0.4, 1.2);
    let quiet = Span::of(options.interval, 0.4, 0.8);
    Ok(Fault {
        name: NAME,
        nemesis: Box::new(DiskFull {
            full: BTreeSet::new(),
            rng: ChaCha8Rng::seed_from_u64(options.seed),
        }),
        generator: Box::new(Cycle::new(NAME, targets, hold, quiet, options.seed)),
    })
}

struct DiskFull {
    /// The nodes whose disks were filled and not yet seen to have room.
    full: BTreeSet<usize>,
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for DiskFull {
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        match op.action {
            NemesisAction::Start => self.fill(ctx, &op.target).await,
            NemesisAction::Stop => self.make_room(ctx).await,
        }
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        self.make_room(ctx).await
    }
}

impl DiskFull {
    async fn fill(&mut self, ctx: &NemesisContext, target: &str) -> NemesisOutcome {
        let leader = leader(ctx, needs_leader(target)).await;
        let nodes = match choose(target, ctx.environment.nodes(), leader, &mut self.rng) {
            Ok(nodes) => nodes,
            Err(why) => return skipped(why),
        };
        self.full.extend(&nodes);
        let mut errors = Vec::new();
        for &node in &nodes {
            if let Some(why) = contradiction(disk(ctx, node, "fill").await, "false") {
                errors.push(format!("{}: {why}", name(ctx, node)));
            }
        }
        let detail = format!("filled the disk of {}", describe(ctx, &nodes, leader));
        outcome(ctx, &nodes, detail, errors)
    }

    async fn make_room(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let nodes: Vec<usize> = std::mem::take(&mut self.full).into_iter().collect();
        if nodes.is_empty() {
            return outcome(ctx, &[], String::new(), Vec::new());
        }
        let mut errors = Vec::new();
        for &node in &nodes {
            if let Some(why) = contradiction(disk(ctx, node, "make-room").await, "true") {
                self.full.insert(node);
                errors.push(format!("{}: {why}", name(ctx, node)));
            }
        }
        let again = restart_ended(ctx, &nodes, &mut errors).await;
        outcome(ctx, &nodes, format!("made room{again}"), errors)
    }
}

/// Why the answer to whether there is room is not the expected one.
fn contradiction(printed: Result<Vec<u8>, String>, expected: &str) -> Option<String> {
    match printed {
        Ok(printed) if String::from_utf8_lossy(&printed).trim() == expected => None,
        Ok(_) if expected == "true" => Some("there is still no room on its disk".into()),
        Ok(_) => Some("there is still room on its disk".into()),
        Err(why) => Some(why),
    }
}
