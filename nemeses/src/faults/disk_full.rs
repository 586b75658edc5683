//! `disk-full`: fills the disks of nodes to the last byte, and makes room again.
//!
//! Shows: half-written records that are taken for whole ones, stores that acknowledge what did not fit, and
//! those that never come back. Published cases: FoundationDB's and RethinkDB's tests, and "Redundancy Does
//! Not Imply Fault Tolerance" (Ganesan and others, FAST 2017).
//!
//! A store that ends itself on a full disk is within its rights; it is started again when there is room.

use std::collections::BTreeSet;

use async_trait::async_trait;
use control::Ability;
use history::{Aim, NemesisOutcome};
use rand_chacha::ChaCha8Rng;

use crate::act::{name, nothing, outcome, restart_ended};
use crate::alongside::Alongside;
use crate::holds::Taken;
use crate::tamper::disk;
use crate::target::PROCESSES;
use crate::target::hit::Hit;
use crate::{Entry, Nemesis, NemesisContext};

pub(super) const ENTRY: Entry = Entry {
    name: "disk-full",
    description: "fills the disks of nodes, and makes room again",
    targets: PROCESSES,
    needs: &[Ability::Fill],
    by_default: false,
    often: 1,
    colour: "#3b5c0a",
    hold: (0.4, 1.2),
    quiet: (0.4, 0.8),
    alongside: Alongside {
        takes_nodes: true,
        ..Alongside::ANYTHING
    },
    new: |rng| {
        Box::new(DiskFull {
            full: BTreeSet::new(),
            rng,
        })
    },
};

struct DiskFull {
    /// The nodes whose disks were filled and not yet seen to have room.
    full: BTreeSet<usize>,
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for DiskFull {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        let hit = Hit::aimed(ctx, aim, &Taken::new(), &mut self.rng).await?;
        self.full.extend(&hit.nodes);
        let mut errors = Vec::new();
        for &node in &hit.nodes {
            if let Some(why) = contradiction(disk(ctx, node, "fill").await, "false") {
                errors.push(format!("{}: {why}", name(ctx, node)));
            }
        }
        let detail = format!("filled the disk of {}", hit.describe(ctx));
        Ok(outcome(ctx, &hit.nodes, detail, errors))
    }

    async fn end(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        let nodes: Vec<usize> = std::mem::take(&mut self.full).into_iter().collect();
        if nodes.is_empty() {
            return nothing();
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
