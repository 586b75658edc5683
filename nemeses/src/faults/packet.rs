//! `packet`: delays, jitters, loses, duplicates, reorders and damages packets between nodes, and makes links
//! slow.
//!
//! Shows: elections that never end because timeouts are shorter than round trips, messages handled twice or
//! in the wrong order, leases that are kept by a clock while the messages that end them are late. Published
//! cases: etcd's and TiKV's elections under packet delay (Chaos Mesh's reports), what Redis-Raft and
//! Hazelcast get wrong in slow networks (Jepsen 2020, 2017).
//!
//! Targets are `KIND`, `KIND=VALUE`, and either with `@WHOM`: `delay`, `loss=30@n1`, `slow-link=1000@leader`,
//! `jitter@all`, `delay=50@n1>n2`. What is left out is drawn. Only what nodes send each other is touched;
//! clients are not.

use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, Link, Sample, Shape as LinkShape, links_between};
use history::{Aim, NemesisOutcome, Pick, Whom};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::time::timeout;

use crate::act::{nothing, outcome};
use crate::alongside::Alongside;
use crate::faults::partition::open_all;
use crate::holds::Taken;
use crate::target::kinds::{Kind, Values, draw, names_of, typed_kind_of};
use crate::target::links::{Grudge, named};
use crate::target::nodes::names;
use crate::target::{Names, Targets};
use crate::{Entry, Nemesis, NemesisContext};

/// Whom a target may name, besides nodes and links.
const WHOM: &[Pick] = &[Pick::One, Pick::Leader, Pick::All];
/// How long one change to the network may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// How many datagrams a sample has.
const SAMPLED: usize = 60;
/// How many samples must all contradict what was done to a link: one may by chance.
const SAMPLES: usize = 3;
/// How large they are on a slow link, and on others.
const LARGE: usize = 1200;
const SMALL: usize = 64;
/// How long to wait for the others after the last datagram of a sample was sent, besides the longest delay.
const LATE: Duration = Duration::from_millis(300);

/// What happens to packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum What {
    Delay,
    Jitter,
    Loss,
    Duplicate,
    Reorder,
    Corrupt,
    SlowLink,
}

const KINDS: [(What, Kind); 7] = [
    (What::Delay, kind("delay", 2, MS, 10.0, 250.0)),
    (What::Jitter, kind("jitter", 1, MS, 20.0, 200.0)),
    (What::Loss, kind("loss", 2, PERCENT, 10.0, 60.0)),
    (What::Duplicate, kind("duplicate", 1, PERCENT, 10.0, 60.0)),
    (What::Reorder, kind("reorder", 1, PERCENT, 10.0, 50.0)),
    (What::Corrupt, kind("corrupt", 1, PERCENT, 10.0, 40.0)),
    (What::SlowLink, kind("slow-link", 1, KBIT, 200.0, 4000.0)),
];

/// Units, and the most that can be set.
const MS: (&str, f64) = ("ms", 60_000.0);
const PERCENT: (&str, f64) = ("%", 100.0);
const KBIT: (&str, f64) = ("kbit/s", 1e9);

const fn kind(
    name: &'static str,
    weight: usize,
    (unit, limit): (&'static str, f64),
    least: f64,
    most: f64,
) -> Kind {
    Kind {
        name,
        min_nodes: 2,
        weight,
        values: Some(Values {
            unit,
            least,
            most,
            limit,
            is_signed: false,
        }),
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: "packet",
    description: "delays, loses, doubles, reorders and damages packets between nodes, or makes links slow",
    targets: Targets {
        picks: &[],
        kinds: &names_of(&KINDS),
        whom: WHOM,
        names: Names::NodesAndLinks,
        examples: &["delay=50@leader", "loss=30@n1>n2"],
    },
    needs: &[Ability::Shape],
    by_default: false,
    often: 1,
    colour: "#76b7b2",
    hold: (0.6, 1.2),
    quiet: (0.3, 0.6),
    alongside: Alongside::ANYTHING,
    new: |rng| Box::new(Packet { rng }),
};

struct Packet {
    rng: ChaCha8Rng,
}

/// What happens to the packets of which links.
struct Disturbance {
    what: What,
    kind: Kind,
    value: f64,
    grudge: Grudge,
}

impl Disturbance {
    fn shape(&self) -> LinkShape {
        let ms = Duration::from_secs_f64(self.value / 1e3);
        let share = self.value / 100.0;
        let mut shape = LinkShape::default();
        match self.what {
            What::Delay => shape.delay = ms,
            What::Jitter => (shape.delay, shape.jitter) = (ms, ms),
            What::Loss => shape.loss = share,
            What::Duplicate => shape.duplicate = share,
            // Only what is delayed can be overtaken.
            What::Reorder => (shape.delay, shape.reorder) = (Duration::from_millis(20), share),
            What::Corrupt => shape.corrupt = share,
            What::SlowLink => shape.rate = (self.value * 1e3) as u64,
        }
        shape
    }

    /// Why a sample of a shaped link contradicts the shape; bounds that hold on a busy machine, which only
    /// adds delays and losses, and for all but one sample in a hundred.
    fn contradiction(&self, sample: &Sample) -> Option<String> {
        let count = sample.sent as f64;
        let share = self.value / 100.0;
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let lost = sample.sent.saturating_sub(sample.arrived);
        let wrong = match self.what {
            What::Delay => sample.arrived > 0 && ms(sample.way(10)) < self.value * 0.95,
            // From nothing to twice the value: half of them more than the value.
            What::Jitter => sample.arrived > 0 && ms(sample.way(90)) - ms(sample.way(10)) < self.value * 0.5,
            What::Loss | What::Corrupt => (lost as f64) < count * share / 4.0,
            What::Duplicate => (sample.again as f64) < count * share / 4.0,
            What::Reorder => sample.overtaken == 0 && count * share > 8.0,
            What::SlowLink => {
                let bits = (sample.sent * LARGE * 8) as f64;
                lost == 0 && sample.lasted.as_secs_f64() < 0.8 * bits / (self.value * 1e3)
            }
        };
        wrong.then(|| {
            format!(
                "a sample of {} datagrams contradicts {}: {} arrived, {} twice, {} overtaken, median way {:.1} ms",
                sample.sent,
                self.describe(),
                sample.arrived,
                sample.again,
                sample.overtaken,
                ms(sample.way(50))
            )
        })
    }

    fn describe(&self) -> String {
        format!("{} {} {}", self.kind.name, self.value, self.kind.unit())
    }
}

#[async_trait]
impl Nemesis for Packet {
    async fn begin(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<NemesisOutcome, String> {
        let net = ctx.environment.net();
        if !net.can_shape() {
            return Err("links cannot be shaped in this environment".into());
        }
        let disturbance = self.draw(ctx, aim).await?;
        let shape = disturbance.shape();
        let Disturbance {
            kind, value, grudge, ..
        } = &disturbance;
        let cut = net.cuts().await;
        let open: Vec<Link> = (grudge.links.iter().copied())
            .filter(|link| !cut.contains(link))
            .collect();
        if open.is_empty() {
            return Err("another fault has cut all of these links".into());
        }
        let mut errors = Vec::new();
        for &link in &grudge.links {
            if let Err(error) = net.shape(link, shape).await {
                errors.push(error.to_string());
                break;
            }
        }
        if errors.is_empty() {
            errors.extend(self.verify(ctx, &disturbance, &open).await);
        }
        let detail = format!("{} on {}", disturbance.describe(), grudge.text);
        Ok(NemesisOutcome {
            exact: kind.exactly(*value, grudge.by_name(ctx.environment.nodes())),
            ..outcome(ctx, &grudge.nodes, detail, errors)
        })
    }

    async fn end(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        heal(ctx).await
    }
}

impl Packet {
    /// Decides what a target leaves open.
    async fn draw(&mut self, ctx: &NemesisContext, aim: &Aim) -> Result<Disturbance, String> {
        let nodes = ctx.environment.nodes();
        if let Some(Whom::Links(cuts)) = &aim.whom {
            let (what, kind) = typed_kind_of(&KINDS, aim)?;
            return Ok(Disturbance {
                what,
                kind,
                value: kind.value(aim, &mut self.rng),
                grudge: named(cuts, nodes)?,
            });
        }
        let drawn = draw(ctx, &KINDS, aim, WHOM, &Taken::new(), &mut self.rng).await?;
        let hit = drawn.hit.nodes;
        let all: Vec<usize> = nodes.iter().map(|node| node.index).collect();
        // What these nodes send, what they are sent, or both.
        let direction = match aim.whom {
            None => self.rng.random_range(0..3),
            Some(_) => 2,
        };
        let mut links = Vec::new();
        if direction != 1 {
            links.extend(links_between(&hit, &all));
        }
        if direction != 0 {
            links.extend(links_between(&all, &hit));
        }
        links.sort_unstable();
        links.dedup();
        let way = ["what they send", "what they are sent", "all links"][direction];
        Ok(Disturbance {
            what: drawn.what,
            kind: drawn.kind,
            value: drawn.value,
            grudge: Grudge {
                links,
                text: format!("{} ({way})", names(nodes, &hit)),
                nodes: hit,
            },
        })
    }

    /// Looks at one of the links that are not cut, by a sample.
    async fn verify(
        &mut self,
        ctx: &NemesisContext,
        disturbance: &Disturbance,
        open: &[Link],
    ) -> Option<String> {
        let link = open[self.rng.random_range(0..open.len())];
        let shape = disturbance.shape();
        let bytes = if shape.rate > 0 { LARGE } else { SMALL };
        let queued = match shape.rate {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64((SAMPLED * LARGE * 8) as f64 / rate as f64),
        };
        let limit = shape.delay + shape.jitter + queued + LATE;
        let mut why = None;
        for _ in 0..SAMPLES {
            why = match sample(ctx, link, bytes, limit).await {
                Ok(sample) => disturbance.contradiction(&sample),
                Err(why) => return Some(why),
            };
            if why.is_none() {
                break;
            }
        }
        why
    }
}

async fn sample(ctx: &NemesisContext, link: Link, bytes: usize, limit: Duration) -> Result<Sample, String> {
    let net = ctx.environment.net();
    timeout(limit + CALL_LIMIT, net.sample(link, SAMPLED, bytes, limit))
        .await
        .map_err(|_| "sampling a link does not end".to_owned())?
        .map_err(|error| format!("a link cannot be sampled: {error}"))
}

/// Undoes every shape, and every cut, and looks at a link.
async fn heal(ctx: &NemesisContext) -> NemesisOutcome {
    if !ctx.environment.net().can_shape() {
        return nothing();
    }
    let errors = match open_all(ctx).await {
        Ok(()) => looks_open(ctx).await,
        Err(why) => Some(why),
    };
    outcome(
        ctx,
        &[],
        "all links are as they were".into(),
        Vec::from_iter(errors),
    )
}

/// Why a sample of a link contradicts that nothing is done to it.
async fn looks_open(ctx: &NemesisContext) -> Option<String> {
    let from = ctx.environment.nodes().len() - 1;
    match sample(ctx, Link { from, to: 0 }, SMALL, LATE).await {
        // A busy machine may be slow, but not that.
        Ok(sample) if sample.arrived * 10 >= sample.sent * 9 && sample.again == 0 => None,
        Ok(sample) => Some(format!(
            "after the heal {} of {} datagrams arrived, {} of them twice",
            sample.arrived, sample.sent, sample.again
        )),
        Err(why) => Some(why),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_that_contradict() {
        let disturbance = |what: What, value| Disturbance {
            what,
            kind: KINDS
                .iter()
                .find(|(other, _)| *other == what)
                .expect("in the table")
                .1,
            value,
            grudge: Grudge {
                links: Vec::new(),
                nodes: Vec::new(),
                text: String::new(),
            },
        };
        let ms = Duration::from_millis;
        let calm = Sample {
            sent: 60,
            arrived: 60,
            ways: vec![ms(1); 60],
            lasted: ms(120),
            ..Sample::default()
        };
        for (what, kind) in KINDS {
            let value = kind.values.expect("all have values").most / 2.0;
            assert!(
                disturbance(what, value).contradiction(&calm).is_some(),
                "{}",
                kind.name
            );
        }
        let cases = [
            (
                What::Delay,
                50.0,
                Sample {
                    ways: vec![ms(50); 60],
                    ..calm.clone()
                },
            ),
            (
                What::Jitter,
                50.0,
                Sample {
                    ways: (0..60).map(|n| ms(n * 100 / 60)).collect(),
                    ..calm.clone()
                },
            ),
            (
                What::Loss,
                30.0,
                Sample {
                    arrived: 45,
                    ..calm.clone()
                },
            ),
            (
                What::Duplicate,
                30.0,
                Sample {
                    again: 15,
                    ..calm.clone()
                },
            ),
            (
                What::Reorder,
                30.0,
                Sample {
                    overtaken: 9,
                    ..calm.clone()
                },
            ),
            (
                What::Corrupt,
                30.0,
                Sample {
                    arrived: 45,
                    ..calm.clone()
                },
            ),
            (
                What::SlowLink,
                1000.0,
                Sample {
                    lasted: ms(580),
                    ..calm
                },
            ),
        ];
        for (what, value, sample) in cases {
            assert_eq!(disturbance(what, value).contradiction(&sample), None, "{what:?}");
        }
    }
}
