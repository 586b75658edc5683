//! `clock`: shifts the wall clocks of the store's processes: jumps, drift, and strobing back and forth.
//!
//! Shows: leases and timestamps that trust clocks: a leader that serves reads on a lease that has run out
//! elsewhere, last-write-wins that loses the later write, snapshots read in the past or the future. Published
//! cases: CockroachDB's and YugaByte's stale reads under clock skew (Jepsen 2017, 2019), Cassandra's lost
//! updates (Jepsen 2013).
//!
//! The machine's own clock is never touched: each process is led to see another one (see
//! [`control::inside`]). A process that is started while the fault lasts sees the shifted clock soon after,
//! as on a machine whose clock is wrong.
//!
//! Targets are `KIND`, `KIND=VALUE`, and either with `@WHOM`: `jump`, `jump=-30000@leader` (milliseconds),
//! `drift=50000@n1` (microseconds a second), `strobe@minority`.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use control::Ability;
use control::inside::ClockShift;
use history::{Aim, NemesisOutcome, Pick};
use rand_chacha::ChaCha8Rng;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::act::{name, nothing, outcome};
use crate::alongside::Alongside;
use crate::tamper::set_clock;
use crate::target::kinds::{Kind, Values, draw, names_of};
use crate::target::nodes::names;
use crate::target::{Names, Targets};
use crate::{Entry, Nemesis, NemesisContext};

/// How often a strobing clock jumps.
const STROBE: Duration = Duration::from_millis(200);
/// A millisecond in nanoseconds.
const MS: f64 = 1e6;
/// Whom a target may name, besides nodes.
const WHOM: &[Pick] = &[Pick::One, Pick::Minority, Pick::Majority, Pick::All, Pick::Leader];

/// What a clock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Jump,
    Drift,
    Strobe,
}

const KINDS: [(What, Kind); 3] = [
    (What::Jump, kind("jump", 2, "ms", 50.0, 7_200_000.0, 3e12)),
    (What::Drift, kind("drift", 1, "µs/s", 100.0, 500_000.0, 1e6)),
    (What::Strobe, kind("strobe", 1, "ms", 50.0, 60_000.0, 3e12)),
];

const fn kind(
    name: &'static str,
    weight: usize,
    unit: &'static str,
    least: f64,
    most: f64,
    limit: f64,
) -> Kind {
    Kind {
        name,
        min_nodes: 1,
        weight,
        values: Some(Values {
            unit,
            least,
            most,
            limit,
            is_signed: true,
        }),
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "clock",
    description: "shifts the wall clocks that the store's processes see; the machine's clock is left alone",
    targets: Targets {
        picks: &[],
        kinds: &names_of(&KINDS),
        whom: WHOM,
        names: Names::Nodes,
        examples: &["jump=-30000@leader", "drift=50000@n1"],
    },
    needs: &[Ability::Clock],
    by_default: false,
    often: 1,
    colour: "#882e9e",
    hold: (0.6, 1.2),
    quiet: (0.3, 0.6),
    alongside: Alongside {
        needs_process: true,
        ..Alongside::ANYTHING
    },
    new: |rng| {
        Box::new(Clock {
            shifted: BTreeSet::new(),
            strobing: None,
            rng,
        })
    },
};

struct Clock {
    /// The nodes whose processes were shifted and not yet seen to be back.
    shifted: BTreeSet<usize>,
    /// The task that shifts to and fro, and the signal that ends it.
    strobing: Option<(JoinHandle<()>, oneshot::Sender<()>)>,
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Clock {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        let taken = ctx.holds.taken(ENTRY.name, ctx.environment.nodes());
        let drawn = draw(ctx, &KINDS, aim, WHOM, &taken, &mut self.rng).await?;
        let shift = match drawn.what {
            What::Drift => ClockShift {
                offset_ns: 0,
                drift_ppm: drawn.value as i64,
            },
            What::Jump | What::Strobe => ClockShift {
                offset_ns: (drawn.value * MS) as i64,
                drift_ppm: 0,
            },
        };
        let hit = &drawn.hit.nodes;
        self.shifted.extend(hit);
        ctx.holds.shift_clocks(hit, shift);
        let mut errors = Vec::new();
        let mut processes = 0;
        for &node in hit {
            match set_clock(ctx, node, shift).await {
                Ok(count) => processes += count,
                Err(why) => errors.push(format!("{}: {why}", name(ctx, node))),
            }
        }
        if processes == 0 && errors.is_empty() {
            return Err(format!("nothing runs on {}", names(ctx.environment.nodes(), hit)));
        }
        if drawn.what == What::Strobe {
            let (end, ended) = oneshot::channel();
            let task = tokio::spawn(strobe(ctx.clone(), hit.clone(), shift, ended));
            self.strobing = Some((task, end));
        }
        let detail = format!(
            "{} {:+} {} on {}",
            drawn.kind.name,
            drawn.value,
            drawn.kind.unit(),
            drawn.hit.describe(ctx)
        );
        Ok(NemesisOutcome {
            exact: drawn.exact(ctx),
            ..outcome(ctx, hit, detail, errors)
        })
    }

    async fn end(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        if let Some((task, end)) = self.strobing.take() {
            // Signalled and awaited, not aborted: a process that is held while its clock is set would die of
            // it.
            let _ = end.send(());
            let _ = task.await;
        }
        let nodes: Vec<usize> = std::mem::take(&mut self.shifted).into_iter().collect();
        ctx.holds.clocks_are_right(&nodes);
        if nodes.is_empty() {
            return nothing();
        }
        let mut errors = Vec::new();
        for &node in &nodes {
            if let Err(why) = set_clock(ctx, node, ClockShift::default()).await {
                self.shifted.insert(node);
                errors.push(format!("{}: {why}", name(ctx, node)));
            }
        }
        outcome(ctx, &nodes, "clocks are as they were".into(), errors)
    }
}

/// Shifts back and forth until it is signalled to end. An error comes from a process that ends just then; the
/// next turn shows.
async fn strobe(ctx: NemesisContext, nodes: Vec<usize>, shift: ClockShift, mut ended: oneshot::Receiver<()>) {
    let mut is_shifted = true;
    // Also when the nemesis is dropped.
    while timeout(STROBE, &mut ended).await.is_err() {
        is_shifted = !is_shifted;
        let shift = if is_shifted { shift } else { ClockShift::default() };
        for &node in &nodes {
            if let Err(why) = set_clock(&ctx, node, shift).await {
                tracing::debug!("strobing {}: {why}", name(&ctx, node));
            }
        }
    }
}
