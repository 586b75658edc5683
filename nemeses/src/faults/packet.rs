//! `packet`: delays, jitters, loses, doubles, reorders and damages packets between nodes, and makes links slow.
//!
//! Shows: elections that never end because timeouts are shorter than round trips, messages handled twice or in the wrong
//! order, leases that are kept by a clock while the messages that end them are late. Published cases: etcd's and TiKV's
//! elections under packet delay (Chaos Mesh's reports), Redis-Raft's and Hazelcast's trouble with slow networks (Jepsen
//! 2020, 2017).
//!
//! Targets are `KIND`, `KIND=VALUE`, and either with `@WHO`: `delay`, `loss=30@n1`, `slow-link=1000@leader`, `jitter@all`,
//! `delay=50@n1>n2`. What is left out is drawn. Only what nodes send each other is touched; clients are not.

use std::time::Duration;

use async_trait::async_trait;
use control::{Ability, Link, Node, Sample, Shape as LinkShape, links_between};
use history::{NemesisAction, NemesisOp, NemesisOutcome};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tokio::time::timeout;

use crate::act::{name, outcome, skipped};
use crate::faults::partition::open_all;
use crate::on_off::{Cycle, Span};
use crate::target::kinds::{Asked, Drawn, Kind, knows_nodes, parse};
use crate::target::links::{Grudge, named_links};
use crate::target::nodes::{Target, bag_of, target};
use crate::{Entry, Fault, FaultOptions, Nemesis, NemesisContext};

const NAME: &str = "packet";

/// Whom a target may name, besides nodes and links.
const WHO: &[&str] = &["one", "leader", "all"];
/// How long one change to the network may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// How many datagrams a sample has.
const SAMPLED: usize = 60;
/// How large they are where the link is slow, and else.
const LARGE: usize = 1200;
const SMALL: usize = 64;
/// How long after the last datagram of a sample the others are waited for, besides the longest delay.
const LATE: Duration = Duration::from_millis(300);

static KINDS: [Kind; 7] = [
    kind("delay", "ms", 10.0, 250.0),
    kind("jitter", "ms", 20.0, 200.0),
    kind("loss", "%", 10.0, 60.0),
    kind("duplicate", "%", 10.0, 60.0),
    kind("reorder", "%", 10.0, 50.0),
    kind("corrupt", "%", 10.0, 40.0),
    kind("slow-link", "kbit/s", 200.0, 4000.0),
];

const TARGETS: &[Target] = &[
    target("delay", 2, 2),
    target("jitter", 2, 1),
    target("loss", 2, 2),
    target("duplicate", 2, 1),
    target("reorder", 2, 1),
    target("corrupt", 2, 1),
    target("slow-link", 2, 1),
];

const fn kind(name: &'static str, unit: &'static str, least: f64, most: f64) -> Kind {
    let limit = match unit.as_bytes() {
        b"%" => 100.0,
        b"ms" => 60_000.0,
        _ => 1e9,
    };
    Kind {
        name,
        unit,
        least,
        most,
        limit,
        is_signed: false,
    }
}

pub(super) const ENTRY: Entry = Entry {
    name: NAME,
    description: "delays, loses, doubles, reorders and damages packets between nodes, or makes links slow",
    targets: &[
        "delay",
        "jitter",
        "loss",
        "duplicate",
        "reorder",
        "corrupt",
        "slow-link",
        "delay=50@leader",
        "loss=30@n1>n2",
    ],
    needs: &[Ability::Shape],
    by_default: false,
    min_nodes: 2,
    colour: "#76b7b2",
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
        nemesis: Box::new(Packet {
            rng: ChaCha8Rng::seed_from_u64(options.seed),
        }),
        generator: Box::new(Cycle::new(NAME, targets, hold, quiet, options.seed)),
    })
}

struct Packet {
    rng: ChaCha8Rng,
}

/// Reads a target; `None` if it begins with no kind of trouble.
fn read<'a>(target: &'a str, nodes: &[Node]) -> Option<Result<Asked<'a>, String>> {
    parse(&KINDS, target, |who| match named_links(who, nodes) {
        Some(links) => links.map(drop),
        None => knows_nodes(WHO, nodes, who),
    })
}

/// The links and how they are shaped.
struct Trouble {
    kind: &'static Kind,
    value: f64,
    grudge: Grudge,
}

impl Trouble {
    fn shape(&self) -> LinkShape {
        let ms = Duration::from_secs_f64(self.value / 1e3);
        let share = self.value / 100.0;
        let plain = LinkShape::default();
        match self.kind.name {
            "delay" => LinkShape { delay: ms, ..plain },
            "jitter" => LinkShape {
                delay: ms,
                jitter: ms,
                ..plain
            },
            "loss" => LinkShape { loss: share, ..plain },
            "duplicate" => LinkShape {
                duplicate: share,
                ..plain
            },
            // Only what is delayed can be overtaken.
            "reorder" => LinkShape {
                delay: Duration::from_millis(20),
                reorder: share,
                ..plain
            },
            "corrupt" => LinkShape {
                corrupt: share,
                ..plain
            },
            _ => LinkShape {
                rate: (self.value * 1e3) as u64,
                ..plain
            },
        }
    }

    /// Why a sample of a shaped link contradicts the shape; bounds that hold on a busy machine, which only adds delays and
    /// losses, and for all but one sample in some thousands.
    fn contradiction(&self, sample: &Sample) -> Option<String> {
        let count = sample.sent as f64;
        let share = self.value / 100.0;
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        let lost = sample.sent.saturating_sub(sample.arrived);
        let wrong = match self.kind.name {
            "delay" => sample.arrived > 0 && ms(sample.way(10)) < self.value * 0.95,
            // From nothing to twice the value: half of them more than the value.
            "jitter" => sample.arrived > 0 && ms(sample.way(90)) - ms(sample.way(10)) < self.value * 0.5,
            "loss" | "corrupt" => (lost as f64) < count * share / 4.0,
            "duplicate" => (sample.again as f64) < count * share / 4.0,
            "reorder" => sample.overtaken == 0 && count * share > 8.0,
            _ => {
                let bits = (sample.sent * LARGE * 8) as f64;
                lost == 0 && sample.lasted.as_secs_f64() < 0.8 * bits / (self.value * 1e3)
            }
        };
        wrong.then(|| {
            format!(
                "a sample of {} datagrams contradicts {}: {} arrived, {} twice, {} overtaken, median way {:.1} ms",
                sample.sent,
                self.words(),
                sample.arrived,
                sample.again,
                sample.overtaken,
                ms(sample.way(50))
            )
        })
    }

    fn words(&self) -> String {
        format!("{} {} {}", self.kind.name, self.value, self.kind.unit)
    }
}

#[async_trait]
impl Nemesis for Packet {
    async fn invoke(&mut self, ctx: &NemesisContext, op: &NemesisOp) -> NemesisOutcome {
        match op.action {
            NemesisAction::Start => self.shape(ctx, &op.target).await,
            NemesisAction::Stop => heal(ctx).await,
        }
    }

    async fn heal(&mut self, ctx: &NemesisContext) -> NemesisOutcome {
        heal(ctx).await
    }
}

impl Packet {
    async fn shape(&mut self, ctx: &NemesisContext, target: &str) -> NemesisOutcome {
        let net = ctx.environment.net();
        if !net.can_shape() {
            return skipped("links cannot be shaped in this environment");
        }
        let trouble = match self.draw(ctx, target).await {
            Ok(trouble) => trouble,
            Err(why) => return skipped(why),
        };
        let shape = trouble.shape();
        let mut errors = Vec::new();
        for &link in &trouble.grudge.links {
            if let Err(error) = net.shape(link, shape).await {
                errors.push(error.to_string());
                break;
            }
        }
        if errors.is_empty() {
            errors.extend(self.verify(ctx, &trouble).await);
        }
        let detail = format!("{} on {}", trouble.words(), trouble.grudge.text);
        let exact = format!(
            "{}={}@{}",
            trouble.kind.name,
            trouble.value,
            trouble.grudge.exact(ctx.environment.nodes())
        );
        NemesisOutcome {
            exact,
            ..outcome(ctx, &trouble.grudge.nodes, detail, errors)
        }
    }

    /// Decides what a target leaves open.
    async fn draw(&mut self, ctx: &NemesisContext, target: &str) -> Result<Trouble, String> {
        let nodes = ctx.environment.nodes();
        let asked = read(target, nodes).ok_or_else(|| format!("no kind of trouble `{target}`"))??;
        if let Some(links) = asked.who.and_then(|who| named_links(who, nodes)) {
            return Ok(Trouble {
                kind: asked.kind,
                value: asked.value(&mut self.rng),
                grudge: links?,
            });
        }
        let Drawn {
            kind,
            value,
            nodes: hit,
            ..
        } = asked.draw(ctx, WHO, &mut self.rng).await?;
        let all: Vec<usize> = nodes.iter().map(|node| node.index).collect();
        // What these nodes send, what they are sent, or both.
        let direction = match asked.who {
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
        let names: Vec<String> = hit.iter().map(|&node| name(ctx, node)).collect();
        let way = ["what they send", "what they are sent", "all links"][direction];
        Ok(Trouble {
            kind,
            value,
            grudge: Grudge {
                links,
                text: format!("{} ({way})", names.join(" ")),
                nodes: hit,
            },
        })
    }

    /// Looks at one of the links, by a sample.
    async fn verify(&mut self, ctx: &NemesisContext, trouble: &Trouble) -> Option<String> {
        let mut links = trouble.grudge.links.clone();
        links.retain(|link| !ctx.cuts.contains(link));
        if links.is_empty() {
            return Some(
                "another fault has cut all of these links, so that nothing can be seen of it".into(),
            );
        }
        let link = links[self.rng.random_range(0..links.len())];
        let shape = trouble.shape();
        let bytes = if shape.rate > 0 { LARGE } else { SMALL };
        let queued = match shape.rate {
            0 => Duration::ZERO,
            rate => Duration::from_secs_f64((SAMPLED * LARGE * 8) as f64 / rate as f64),
        };
        let limit = shape.delay + shape.jitter + queued + LATE;
        match sample(ctx, link, bytes, limit).await {
            Ok(sample) => trouble.contradiction(&sample),
            Err(why) => Some(why),
        }
    }
}

async fn sample(ctx: &NemesisContext, link: Link, bytes: usize, limit: Duration) -> Result<Sample, String> {
    let net = ctx.environment.net();
    timeout(limit + CALL_LIMIT, net.sample(link, SAMPLED, bytes, limit))
        .await
        .map_err(|_| "the sample of a link does not end".to_owned())?
        .map_err(|error| format!("a link cannot be sampled: {error}"))
}

/// Undoes every shape, and every cut, and looks at a link.
async fn heal(ctx: &NemesisContext) -> NemesisOutcome {
    if !ctx.environment.net().can_shape() {
        return outcome(ctx, &[], String::new(), Vec::new());
    }
    let errors = match open_all(ctx).await {
        Ok(()) => looks_open(ctx).await,
        Err(why) => Some(why),
    };
    outcome(ctx, &[], "all links as they were".into(), Vec::from_iter(errors))
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
    fn targets() {
        let nodes = Node::numbered(3);
        // (target, what was read or the error)
        let cases = [
            ("delay", "delay None None"),
            ("delay=50", "delay Some(50.0) None"),
            ("loss=30@n1", "loss Some(30.0) Some(\"n1\")"),
            ("jitter@all", "jitter None Some(\"all\")"),
            (
                "slow-link=500@n1>n2+n3",
                "slow-link Some(500.0) Some(\"n1>n2+n3\")",
            ),
            ("loss=101", "error: `101` should be more than 0 and at most 100 %"),
            ("delay=0", "error: `0` should be more than 0 and at most 60000 ms"),
            ("delay@n9", "error: there is no node n9 among 3"),
            (
                "delay@some",
                "error: `some` should be one, leader, all, or names of nodes such as n1+n2",
            ),
        ];
        for (target, expected) in cases {
            let told = match read(target, &nodes).expect("a kind") {
                Ok(asked) => format!("{} {:?} {:?}", asked.kind.name, asked.value, asked.who),
                Err(why) => format!("error: {why}"),
            };
            assert_eq!(told, expected, "{target}");
        }
        assert!(read("halves", &nodes).is_none());
    }

    #[test]
    fn samples_that_contradict() {
        let trouble = |name: &str, value| Trouble {
            kind: KINDS.iter().find(|kind| kind.name == name).expect("a kind"),
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
        for kind in &KINDS {
            assert!(
                trouble(kind.name, kind.most / 2.0).contradiction(&calm).is_some(),
                "{}",
                kind.name
            );
        }
        let cases = [
            (
                "delay",
                50.0,
                Sample {
                    ways: vec![ms(50); 60],
                    ..calm.clone()
                },
            ),
            (
                "jitter",
                50.0,
                Sample {
                    ways: (0..60).map(|n| ms(n * 100 / 60)).collect(),
                    ..calm.clone()
                },
            ),
            (
                "loss",
                30.0,
                Sample {
                    arrived: 45,
                    ..calm.clone()
                },
            ),
            (
                "duplicate",
                30.0,
                Sample {
                    again: 15,
                    ..calm.clone()
                },
            ),
            (
                "reorder",
                30.0,
                Sample {
                    overtaken: 9,
                    ..calm.clone()
                },
            ),
            (
                "corrupt",
                30.0,
                Sample {
                    arrived: 45,
                    ..calm.clone()
                },
            ),
            (
                "slow-link",
                1000.0,
                Sample {
                    lasted: ms(580),
                    ..calm
                },
            ),
        ];
        for (name, value, sample) in cases {
            assert_eq!(trouble(name, value).contradiction(&sample), None, "{name}");
        }
    }
}
