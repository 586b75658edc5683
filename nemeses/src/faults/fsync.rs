//! `fsync`: makes fsync and related calls lie, fail, or take their time.
//!
//! Shows: stores that acknowledge before data are durable (with a power loss while fsync lies), that go on as
//! if nothing had happened after a failed fsync (PostgreSQL's "fsyncgate", 2018; Rebello and others, "Can
//! Applications Recover from fsync Failures?", USENIX ATC 2020), and leaders whose slow disk holds up the
//! whole cluster. Published cases: etcd's elections under slow disks (its own documentation), TigerBeetle's
//! and FoundationDB's reasons to simulate disks.
//!
//! The store's programs are started by a launcher that stands between them and the kernel (see
//! [`control::inside`]). The mode outlives a restart of a program; a store that ends itself after a failed
//! fsync is within its rights, and is started again at the end of the fault.
//!
//! Targets are `KIND`, `slow=MILLISECONDS`, and either with `@WHOM`: `lie`, `fail@leader`, `slow=500@n1`.

use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;
use control::Ability;
use control::inside::FsyncCounts;
use history::{Aim, Hold, NemesisOutcome, Pick};
use rand_chacha::ChaCha8Rng;
use tokio::time::{Instant, sleep};

use crate::act::{name, nothing, outcome, restart_ended};
use crate::alongside::Alongside;
use crate::holds::Taken;
use crate::tamper::set_fsync;
use crate::target::kinds::{Kind, Values, draw, names_of};
use crate::target::{Names, Targets};
use crate::{Entry, Nemesis, NemesisContext};

/// How long to wait for a first call at the end of a fault during which none was seen.
const LAST_CALL: Duration = Duration::from_secs(2);
/// Whom a target may name, besides nodes.
const WHOM: &[Pick] = &[Pick::One, Pick::Minority, Pick::Majority, Pick::All, Pick::Leader];

/// What fsync does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Lie,
    Fail,
    Slow,
}

const KINDS: [(What, Kind); 3] = [
    (What::Lie, kind("lie", 1, None)),
    (What::Fail, kind("fail", 1, None)),
    (What::Slow, kind("slow", 2, Some(DELAYS))),
];

const DELAYS: Values = Values {
    unit: "ms",
    least: 50.0,
    most: 1000.0,
    limit: 60_000.0,
    is_signed: false,
};

const fn kind(name: &'static str, weight: usize, values: Option<Values>) -> Kind {
    Kind {
        name,
        min_nodes: 1,
        weight,
        values,
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "fsync",
    description: "makes fsync say that it did what it did not, fail, or be slow",
    targets: Targets {
        picks: &[],
        kinds: &names_of(&KINDS),
        whom: WHOM,
        names: Names::Nodes,
        examples: &["slow=500@leader", "fail@n1"],
    },
    needs: &[Ability::Fsync],
    by_default: false,
    often: 1,
    colour: "#408a0f",
    hold: (0.4, 1.2),
    quiet: (0.4, 0.8),
    alongside: Alongside {
        takes_nodes: true,
        void: Some(("lie", "power")),
        ..Alongside::ANYTHING
    },
    new: |rng| {
        Box::new(Fsync {
            hit: BTreeSet::new(),
            before: FsyncCounts::default(),
            rng,
        })
    },
};

struct Fsync {
    /// The nodes whose fsync is not honest, or not yet seen to be.
    hit: BTreeSet<usize>,
    /// The counts of all of them when the fault began.
    before: FsyncCounts,
    rng: ChaCha8Rng,
}

#[async_trait]
impl Nemesis for Fsync {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        let drawn = draw(ctx, &KINDS, aim, WHOM, &Taken::new(), &mut self.rng).await?;
        let (mode, text) = match drawn.what {
            What::Slow => {
                let ms = drawn.value;
                (format!("{}", ms as u64), format!("takes {ms} ms more"))
            }
            What::Lie => ("lie".to_owned(), "lies".to_owned()),
            What::Fail => ("fail".to_owned(), "fails".to_owned()),
        };
        let hit = &drawn.hit.nodes;
        self.hit.extend(hit);
        self.before = FsyncCounts::default();
        let mut errors = Vec::new();
        for &node in hit {
            match set_fsync(ctx, node, Some(&mode)).await {
                Ok(counts) if counts.programs == 0 => {
                    errors.push(format!(
                        "{}: nothing was launched so that fsync can be changed",
                        name(ctx, node)
                    ));
                }
                Ok(counts) => add(&mut self.before, counts),
                Err(why) => errors.push(format!("{}: {why}", name(ctx, node))),
            }
        }
        let detail = format!("{text} on {}", drawn.hit.describe(ctx));
        Ok(NemesisOutcome {
            exact: drawn.exact(ctx),
            ..outcome(ctx, hit, detail, errors)
        })
    }

    async fn end(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        self.restore(ctx, true).await
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        self.restore(ctx, false).await
    }
}

impl Fsync {
    /// Makes fsync honest again and starts what ended itself meanwhile. `counts`: a fault during which no
    /// process called fsync had nothing to act on.
    async fn restore(&mut self, ctx: &NemesisContext, counts: bool) -> NemesisOutcome {
        let nodes: Vec<usize> = std::mem::take(&mut self.hit).into_iter().collect();
        if nodes.is_empty() {
            return nothing();
        }
        let mut errors = Vec::new();
        let answered = match counts {
            true => self.answered(ctx, &nodes).await,
            false => Ok(0),
        };
        let answered = answered.unwrap_or_else(|why| {
            errors.push(why);
            0
        });
        for &node in &nodes {
            if let Err(why) = set_fsync(ctx, node, Some("honest")).await {
                self.hit.insert(node);
                errors.push(format!("{}: {why}", name(ctx, node)));
            }
        }
        let again = restart_ended(ctx, &nodes, &mut errors).await;
        let detail = format!("fsync is honest again after {answered} calls{again}");
        let mut outcome = outcome(ctx, &nodes, detail, errors);
        if counts && answered == 0 && outcome.hold == Hold::Verified {
            outcome.hold = Hold::Skipped("no process called fsync while it was changed".into());
        }
        outcome
    }

    /// How many calls were not answered honestly since the fault began; this waits for a first one. None come
    /// from a store that stands still or has no quorum.
    ///
    /// # Errors
    /// When a node does not report its counts.
    async fn answered(&self, ctx: &NemesisContext, nodes: &[usize]) -> Result<u64, String> {
        let dishonest = |counts: FsyncCounts| counts.lied + counts.failed + counts.slowed;
        let deadline = Instant::now() + LAST_CALL;
        loop {
            let mut now = FsyncCounts::default();
            for &node in nodes {
                let counts = set_fsync(ctx, node, None).await;
                add(
                    &mut now,
                    counts.map_err(|why| format!("{}: {why}", name(ctx, node)))?,
                );
            }
            match dishonest(now).saturating_sub(dishonest(self.before)) {
                0 if Instant::now() > deadline => return Ok(0),
                0 => sleep(Duration::from_millis(50)).await,
                answered => return Ok(answered),
            }
        }
    }
}

fn add(sum: &mut FsyncCounts, counts: FsyncCounts) {
    sum.honest += counts.honest;
    sum.lied += counts.lied;
    sum.failed += counts.failed;
    sum.slowed += counts.slowed;
}
