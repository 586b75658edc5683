//! `clock`: shifts the wall clocks of the store's processes: jumps, drift, and strobing back and forth.
//!
//! Shows: leases and timestamps that trust clocks: a leader that serves reads on a lease that has run out elsewhere,
//! last-write-wins that loses the later write, snapshots read in the past or the future. Published cases: CockroachDB's and
//! YugaByte's stale reads under clock skew (Jepsen 2017, 2019), Cassandra's lost updates (Jepsen 2013).
//!
//! The machine's own clock is never touched: each process is led to see another one (see [`control::inside`]). A process
//! that is started anew sees the real clock again.
//!
//! Targets are `KIND`, `KIND=VALUE`, and either with `@WHO`: `jump`, `jump=-30000@leader` (milliseconds), `drift=50000@n1`
//! (microseconds a second), `strobe@minority`.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use control::inside::ClockShift;
use control::{Ability, Node};
use history::{NemesisAction, NemesisOp, NemesisOutcome};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::act::{name, outcome, skipped};
use crate::faults::kill::describe;
use crate::on_off::{Cycle, Span};
use crate::tamper::tamper;
use crate::target::kinds::{Asked, Drawn, Kind, knows_nodes, parse};
use crate::target::nodes::{Target, bag_of, name_nodes, target};
use crate::{Entry, Fault, FaultOptions, Nemesis, NemesisContext};

const NAME: &str = "clock";

/// How often a strobing clock jumps.
const STROBE: Duration = Duration::from_millis(200);
const MS: i64 = 1_000_000;
/// Whom a target may name.
const WHO: &[&str] = &["one", "minority", "majority", "all", "leader"];

static KINDS: [Kind; 3] = [
    kind("jump", "ms", 50.0, 7_200_000.0, 3e12),
    kind("drift", "µs/s", 100.0, 500_000.0, 1e6),
    kind("strobe", "ms", 50.0, 60_000.0, 3e12),
];

const TARGETS: &[Target] = &[
    target("jump", 1, 2),
    target("drift", 1, 1),
    target("strobe", 1, 1),
];

const fn kind(name: &'static str, unit: &'static str, least: f64, most: f64, limit: f64) -> Kind {
    Kind {
        name,
        unit,
        least,
        most,
        limit,
        is_signed: true,
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    description: "shifts the wall clocks that the store's processes see; the machine's clock is left alone",
    targets: &["jump", "drift", "strobe", "jump=-30000@leader", "drift=50000@n1"],
    needs: &[Ability::Clock],
    by_default: false,
    min_nodes: 1,
    colour: "#b07aa1",
    make,
};

fn make(options: &FaultOptions) -> Result<Fault, String> {
    let targets = bag_of(NAME, TARGETS, options, |target, nodes| {
        Some(read(target, nodes)?.map(drop))
    })?;
    let hold = Span::of(options.interval, 0.6, 1.2);
    let quiet = Span::of(options.interval, 0.3, 0.6);
    Ok(Fault {
        name: NAME,
        nemesis: Box::new(Clock {
            shifted: BTreeSet::new(),
            strobing: None,
            rng: ChaCha8Rng::seed_from_u64(options.seed),
        }),
        generator: Box::new(Cycle::new(NAME, targets, hold, quiet, options.seed)),
    })
}

fn read<'a>(target: &'a str, nodes: &[Node]) -> Option<Result<Asked<'a>, String>> {
    parse(&KINDS, target, |who| knows_nodes(WHO, nodes, who))
}

struct Clock {
    /// The nodes whose processes were shifted and not yet seen to be back.
    shifted: BTreeSet<usize>,
    /// The task that shifts to and fro, and by what it is told to end.
    strobing: Option<(JoinHandle<()>, oneshot::Sender<()>)>,
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Clock {
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        match op.action {
            NemesisAction::Start => self.shift(ctx, &op.target).await,
            NemesisAction::Stop => self.shift_back(ctx).await,
        }
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        if self.shifted.is_empty() {
            return outcome(ctx, &[], String::new(), Vec::new());
        }
        self.shift_back(ctx).await
    }
}

impl Clock {
    async fn shift(&mut self, ctx: &NemesisContext, target: &str) -> NemesisOutcome {
        let nodes = ctx.environment.nodes();
        let asked = match read(target, nodes) {
            Some(Ok(asked)) => asked,
            Some(Err(why)) => return skipped(why),
            None => return skipped(format!("no kind of trouble `{target}`")),
        };
        let Drawn {
            kind,
            value,
            nodes: hit,
            leader,
        } = match asked.draw(ctx, WHO, &mut self.rng).await {
            Ok(drawn) => drawn,
            Err(why) => return skipped(why),
        };
        let shift = match kind.name {
            "drift" => ClockShift {
                offset_ns: 0,
                drift_ppm: value as i64,
            },
            _ => ClockShift {
                offset_ns: (value * MS as f64) as i64,
                drift_ppm: 0,
            },
        };
        self.shifted.extend(&hit);
        let mut errors = Vec::new();
        let mut processes = 0;
        for &node in &hit {
            match set(ctx, node, shift).await {
                Ok(count) => processes += count,
                Err(why) => errors.push(format!("{}: {why}", name(ctx, node))),
            }
        }
        if processes == 0 && errors.is_empty() {
            let hit: Vec<String> = hit.iter().map(|&node| name(ctx, node)).collect();
            return skipped(format!("nothing runs on {}", hit.join(" ")));
        }
        if kind.name == "strobe" {
            let (end, ended) = oneshot::channel();
            let task = tokio::spawn(strobe(ctx.clone(), hit.clone(), shift, ended));
            self.strobing = Some((task, end));
        }
        let detail = format!(
            "{} {value:+} {} on {}",
            kind.name,
            kind.unit,
            describe(ctx, &hit, leader)
        );
        NemesisOutcome {
            exact: format!("{}={value}@{}", kind.name, name_nodes(nodes, &hit)),
            ..outcome(ctx, &hit, detail, errors)
        }
    }

    async fn shift_back(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        if let Some((task, end)) = self.strobing.take() {
            // Told and awaited, not aborted: a process that is held while its clock is set would die of it.
            let _ = end.send(());
            let _ = task.await;
        }
        let nodes: Vec<usize> = std::mem::take(&mut self.shifted).into_iter().collect();
        let mut errors = Vec::new();
        for &node in &nodes {
            if let Err(why) = set(ctx, node, ClockShift::default()).await {
                self.shifted.insert(node);
                errors.push(format!("{}: {why}", name(ctx, node)));
            }
        }
        outcome(ctx, &nodes, "clocks as they were".into(), errors)
    }
}

/// Back and forth, until it is told to end. An error is that of a process that ends just then; the next turn shows.
async fn strobe(ctx: NemesisContext, nodes: Vec<usize>, shift: ClockShift, mut ended: oneshot::Receiver<()>) {
    let mut is_shifted = true;
    // Also when the nemesis is dropped.
    while timeout(STROBE, &mut ended).await.is_err() {
        is_shifted = !is_shifted;
        let shift = if is_shifted { shift } else { ClockShift::default() };
        for &node in &nodes {
            if let Err(why) = set(&ctx, node, shift).await {
                tracing::debug!("strobing {}: {why}", name(&ctx, node));
            }
        }
    }
}

/// Shifts the clocks of all processes of a node, and reads back how they are shifted. How many there are.
async fn set(ctx: &NemesisContext, node: usize, shift: ClockShift) -> Result<usize, String> {
    let processes = ctx.db.processes(node).await;
    for process in &processes {
        let args = [
            "clock".to_owned(),
            format!("--pid={}", process.pid),
            format!("--offset-ns={}", shift.offset_ns),
            format!("--drift-ppm={}", shift.drift_ppm),
        ];
        let printed = match tamper(ctx, node, args).await {
            // It has ended meanwhile, by itself or by another fault.
            Err(_) if !ctx.db.processes(node).await.contains(process) => continue,
            printed => printed?,
        };
        let found: ClockShift = serde_json::from_slice(&printed).map_err(|error| {
            format!(
                "the clock of process {} cannot be read back: {error}",
                process.pid
            )
        })?;
        if found != shift {
            return Err(format!(
                "process {} sees {found:?} instead of {shift:?}",
                process.pid
            ));
        }
    }
    Ok(processes.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        let nodes = Node::numbered(3);
        let cases = [
            ("jump", "jump None None"),
            ("jump=-30000@leader", "jump Some(-30000.0) Some(\"leader\")"),
            ("drift=50000@n1+n2", "drift Some(50000.0) Some(\"n1+n2\")"),
            (
                "drift=2000000",
                "error: `2000000` should be between -1000000 and 1000000 µs/s, and not 0",
            ),
            (
                "jump=0",
                "error: `0` should be between -3000000000000 and 3000000000000 ms, and not 0",
            ),
            (
                "strobe@some",
                "error: `some` should be one, minority, majority, all, leader, or names of nodes such as n1+n2",
            ),
        ];
        for (target, expected) in cases {
            let told = match read(target, &nodes).expect("a kind") {
                Ok(asked) => format!("{} {:?} {:?}", asked.kind.name, asked.value, asked.who),
                Err(why) => format!("error: {why}"),
            };
            assert_eq!(told, expected, "{target}");
        }
        assert!(read("leader", &nodes).is_none());
    }
}
