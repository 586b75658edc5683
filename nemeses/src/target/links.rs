//! Who must not hear whom: the shapes of partitions, as pure functions of nodes, leader and seed.
//!
//! The shapes are Jepsen's (`jepsen.nemesis`), plus those that are aimed at the leader.

use std::collections::{BTreeMap, BTreeSet};

use control::{Link, Node, both_ways, links_between};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::target::nodes::{name, name_nodes, named_nodes, names};

/// The shape of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Two random halves.
    Halves,
    /// One random node alone.
    One,
    /// The leader alone.
    Leader,
    /// A bare majority apart from the rest; the leader, where one is known, is among the rest.
    Majority,
    /// A random minority, of random size, apart from the rest.
    Minority,
    /// The same, with the leader among the few.
    MinorityWithLeader,
    /// The same, with the leader among the rest.
    MinorityWithoutLeader,
    /// Every node hears a majority, no two nodes the same one.
    MajoritiesRing,
    /// Two halves that do not hear each other, and one node that both hear.
    Bridge,
    /// One node, in half of all cases the leader, that is heard by nobody but hears all, or hears nobody but is
    /// heard by all.
    OneWay,
}

/// Which links to cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grudge {
    /// The links to cut.
    pub links: Vec<Link>,
    /// The nodes on the smaller side, or all if there is no such side.
    pub nodes: Vec<usize>,
    /// For people: `n1 n2 | n3 n4 n5`.
    pub text: String,
}

impl Grudge {
    /// The links in the form that [`named_links`] reads: `n1>n3+n4;n2>n4`.
    pub fn exact(&self, nodes: &[Node]) -> String {
        let mut deaf: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for link in &self.links {
            deaf.entry(link.from).or_default().insert(link.to);
        }
        let part = |(from, to): (usize, BTreeSet<usize>)| {
            let to: Vec<usize> = to.into_iter().collect();
            format!("{}>{}", name(nodes, from), name_nodes(nodes, &to))
        };
        deaf.into_iter().map(part).collect::<Vec<_>>().join(";")
    }
}

/// Reads which links to cut from a target that names nodes, parts of which are joined by `;`: `n1+n2|n3` (the two groups
/// do not hear each other; more than two are allowed) or `n1>n2+n3` (the others do not hear n1). `None` if it names none.
///
/// # Errors
/// One line for the user: a node that is not there, or groups that overlap.
pub fn named_links(target: &str, nodes: &[Node]) -> Option<Result<Grudge, String>> {
    if !target.contains(['|', '>']) {
        return None;
    }
    Some(links_of(target, nodes))
}

fn links_of(target: &str, nodes: &[Node]) -> Result<Grudge, String> {
    let group = |text: &str| {
        named_nodes(text, nodes).unwrap_or_else(|| {
            Err(format!(
                "`{text}` names no nodes; write groups like `n1+n2|n3` or `n1>n2+n3`"
            ))
        })
    };
    let mut links = BTreeSet::new();
    let mut hit = BTreeSet::new();
    for part in target.split(';') {
        let one_way = part.contains('>');
        let groups: Vec<Vec<usize>> = part
            .split(if one_way { '>' } else { '|' })
            .map(group)
            .collect::<Result<_, _>>()?;
        if groups.len() < 2 || (one_way && groups.len() > 2) {
            return Err(format!(
                "`{part}` should be groups like `n1+n2|n3`, or `n1>n2+n3`"
            ));
        }
        for (position, left) in groups.iter().enumerate() {
            for right in &groups[position + 1..] {
                if let Some(&both) = left.iter().find(|node| right.contains(node)) {
                    return Err(format!("{} stands on both sides of `{part}`", name(nodes, both)));
                }
                links.extend(match one_way {
                    true => links_between(left, right),
                    false => both_ways(left, right),
                });
            }
        }
        let smallest = groups.iter().min_by_key(|group| group.len());
        hit.extend(smallest.into_iter().flatten().copied());
    }
    Ok(Grudge {
        links: links.into_iter().collect(),
        nodes: hit.into_iter().collect(),
        text: target
            .replace('+', " ")
            .replace('|', " | ")
            .replace('>', " > ")
            .replace(';', "; "),
    })
}

impl Shape {
    /// The shape of that name.
    pub fn named(name: &str) -> Option<Shape> {
        Some(match name {
            "halves" => Shape::Halves,
            "one" => Shape::One,
            "leader" => Shape::Leader,
            "majority" => Shape::Majority,
            "minority" => Shape::Minority,
            "minority-with-leader" => Shape::MinorityWithLeader,
            "minority-without-leader" => Shape::MinorityWithoutLeader,
            "majorities-ring" => Shape::MajoritiesRing,
            "bridge" => Shape::Bridge,
            "one-way" => Shape::OneWay,
            _ => return None,
        })
    }

    /// Whether knowing the leader changes it.
    pub fn prefers_leader(self) -> bool {
        self.needs_leader() || matches!(self, Shape::Majority | Shape::OneWay)
    }

    /// Whether there is none without a leader.
    pub fn needs_leader(self) -> bool {
        matches!(
            self,
            Shape::Leader | Shape::MinorityWithLeader | Shape::MinorityWithoutLeader
        )
    }
}

/// Decides which links to cut.
///
/// # Errors
/// When the leader is to be hit and none is known, or when there are too few nodes.
pub fn grudge(
    shape: Shape,
    nodes: &[Node],
    leader: Option<usize>,
    rng: &mut ChaCha8Rng,
) -> Result<Grudge, String> {
    let mut order: Vec<usize> = nodes.iter().map(|node| node.index).collect();
    order.shuffle(rng);
    let count = order.len();
    if count < 2 {
        return Err("a partition needs at least 2 nodes".into());
    }
    let leader_first = |mut order: Vec<usize>| {
        if let Some(position) = order.iter().position(|node| Some(*node) == leader) {
            order.swap(0, position);
        }
        order
    };
    // The largest minority, and no smaller than one node.
    let fewer = (count.saturating_sub(1) / 2).max(1);
    Ok(match shape {
        Shape::Halves => split(nodes, &order, count / 2),
        Shape::One => split(nodes, &order, 1),
        shape if shape.needs_leader() && leader.is_none() => {
            return Err("no node says that it is leader".into());
        }
        Shape::Leader => split(nodes, &leader_first(order), 1),
        Shape::Majority => split(nodes, &leader_first(order), fewer),
        Shape::Minority | Shape::MinorityWithLeader | Shape::MinorityWithoutLeader => {
            let size = rng.random_range(1..=fewer);
            // Stable: the others stay in their random order.
            match shape {
                Shape::MinorityWithLeader => order.sort_by_key(|node| Some(*node) != leader),
                Shape::MinorityWithoutLeader => order.sort_by_key(|node| Some(*node) == leader),
                _ => {}
            }
            split(nodes, &order, size)
        }
        Shape::MajoritiesRing => ring(nodes, &order)?,
        Shape::Bridge => bridge(nodes, &order)?,
        Shape::OneWay => {
            let order = if rng.random_bool(0.5) {
                leader_first(order)
            } else {
                order
            };
            one_way(nodes, &order, rng.random_bool(0.5))
        }
    })
}

/// The first `size` nodes of `order` apart from the others.
fn split(nodes: &[Node], order: &[usize], size: usize) -> Grudge {
    let (left, right) = order.split_at(size);
    let (left, right) = (sorted(left), sorted(right));
    Grudge {
        links: both_ways(&left, &right),
        text: format!("{} | {}", names(nodes, &left), names(nodes, &right)),
        nodes: left,
    }
}

/// Each node keeps its nearest neighbours on both sides of a ring, as many as a majority needs.
fn ring(nodes: &[Node], order: &[usize]) -> Result<Grudge, String> {
    let count = order.len();
    if count < 4 {
        return Err("a ring of majorities needs at least 4 nodes".into());
    }
    // Neighbours on each side: 2 * reach + 1 nodes are a majority of count / 2 + 1.
    let reach = (count / 2).div_ceil(2);
    let mut links = Vec::new();
    for (i, &from) in order.iter().enumerate() {
        for (j, &to) in order.iter().enumerate() {
            let apart = i.abs_diff(j);
            if apart.min(count - apart) > reach {
                links.push(Link { from, to });
            }
        }
    }
    let ring: Vec<&str> = order.iter().map(|&node| name(nodes, node)).collect();
    Ok(Grudge {
        links,
        nodes: sorted(order),
        text: format!("ring {}, each hears its neighbours", ring.join(" ")),
    })
}

/// The first node of `order` between two halves of the others.
fn bridge(nodes: &[Node], order: &[usize]) -> Result<Grudge, String> {
    let Some((&middle, rest)) = order.split_first().filter(|(_, rest)| rest.len() >= 2) else {
        return Err("a bridge needs at least 3 nodes".into());
    };
    let (left, right) = rest.split_at(rest.len() / 2);
    let (left, right) = (sorted(left), sorted(right));
    let text = format!(
        "{} | {} | {}",
        names(nodes, &left),
        name(nodes, middle),
        names(nodes, &right)
    );
    Ok(Grudge {
        links: both_ways(&left, &right),
        nodes: sorted(order),
        text: format!("{text} (the middle hears both)"),
    })
}

/// The first node of `order` is deaf, or mute.
fn one_way(nodes: &[Node], order: &[usize], deaf: bool) -> Grudge {
    let (one, rest) = order.split_at(1);
    let rest = sorted(rest);
    let (links, what) = if deaf {
        (links_between(&rest, one), "hears nobody but is heard")
    } else {
        (links_between(one, &rest), "is heard by nobody but hears")
    };
    Grudge {
        links,
        text: format!("{} {what}", names(nodes, one)),
        nodes: one.to_vec(),
    }
}

fn sorted(nodes: &[usize]) -> Vec<usize> {
    let mut nodes = nodes.to_vec();
    nodes.sort_unstable();
    nodes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use rand::SeedableRng;

    use super::*;

    const SHAPES: [Shape; 10] = [
        Shape::Halves,
        Shape::One,
        Shape::Leader,
        Shape::Majority,
        Shape::Minority,
        Shape::MinorityWithLeader,
        Shape::MinorityWithoutLeader,
        Shape::MajoritiesRing,
        Shape::Bridge,
        Shape::OneWay,
    ];

    /// Calls `check` with many grudges of a shape.
    fn each(shape: Shape, mut check: impl FnMut(usize, Option<usize>, &Grudge)) {
        for count in 4..8 {
            let nodes = Node::numbered(count);
            for seed in 0..40 {
                let leader = (seed % 4 != 0 || shape.needs_leader()).then_some(seed as usize % count);
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                check(
                    count,
                    leader,
                    &grudge(shape, &nodes, leader, &mut rng).expect("enough nodes"),
                );
            }
        }
    }

    /// Whom each node hears, itself included.
    fn heard(count: usize, grudge: &Grudge) -> Vec<BTreeSet<usize>> {
        let cut = |from, to| grudge.links.contains(&Link { from, to });
        (0..count)
            .map(|to| (0..count).filter(|&from| from == to || !cut(from, to)).collect())
            .collect()
    }

    #[test]
    fn links_are_real_and_named_once() {
        for shape in SHAPES {
            each(shape, |count, _, grudge| {
                let set: BTreeSet<Link> = grudge.links.iter().copied().collect();
                assert_eq!(set.len(), grudge.links.len(), "{shape:?}: {grudge:?}");
                assert!(!set.is_empty(), "{shape:?} of {count} cuts nothing");
                assert!(
                    set.iter()
                        .all(|link| link.from != link.to && link.from < count && link.to < count)
                );
                let symmetric = set.iter().all(|link| {
                    set.contains(&Link {
                        from: link.to,
                        to: link.from,
                    })
                });
                assert_eq!(symmetric, shape != Shape::OneWay, "{shape:?}");
            });
        }
    }

    #[test]
    fn sides_have_the_sizes_that_their_names_say() {
        each(Shape::Halves, |count, _, grudge| {
            assert_eq!(grudge.nodes.len(), count / 2)
        });
        each(Shape::One, |_, _, grudge| assert_eq!(grudge.nodes.len(), 1));
        each(Shape::Leader, |_, leader, grudge| {
            assert_eq!(grudge.nodes, leader.into_iter().collect::<Vec<_>>())
        });
        each(Shape::Majority, |count, leader, grudge| {
            assert_eq!(grudge.nodes.len(), (count - 1) / 2);
            assert!(
                leader.is_none_or(|leader| grudge.nodes.contains(&leader)),
                "the leader is among the fewer"
            );
        });
        each(Shape::Minority, |count, _, grudge| {
            assert!((1..=(count - 1) / 2).contains(&grudge.nodes.len()))
        });
    }

    #[test]
    fn in_a_ring_each_hears_a_majority_of_its_own() {
        each(Shape::MajoritiesRing, |count, _, grudge| {
            let heard = heard(count, grudge);
            assert!(
                heard.iter().all(|set| set.len() > count / 2),
                "{count}: {grudge:?}"
            );
            assert_eq!(
                heard.iter().collect::<BTreeSet<_>>().len(),
                count,
                "no two hear the same"
            );
        });
    }

    #[test]
    fn a_bridge_is_heard_by_all_and_alone_in_that() {
        each(Shape::Bridge, |count, _, grudge| {
            let full = heard(count, grudge)
                .iter()
                .filter(|set| set.len() == count)
                .count();
            assert_eq!(full, 1);
        });
    }

    #[test]
    fn one_way_leaves_the_other_way_open() {
        each(Shape::OneWay, |count, _, grudge| {
            assert_eq!(grudge.links.len(), count - 1);
            assert!(grudge.links.iter().all(|link| !grudge.links.contains(&Link {
                from: link.to,
                to: link.from
            })));
        });
    }

    #[test]
    fn texts_read_well() {
        let nodes = Node::numbered(5);
        let text = |shape| {
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            grudge(shape, &nodes, Some(2), &mut rng)
                .expect("enough nodes")
                .text
        };
        assert_eq!(text(Shape::Leader), "n3 | n1 n2 n4 n5");
        let majority = text(Shape::Majority);
        let (left, right) = majority.split_once(" | ").expect("two sides");
        assert!(
            left.contains("n3") && left.len() == 5 && right.len() == 8,
            "{majority}"
        );
    }

    #[test]
    fn too_little_to_break() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        // (shape, nodes, leader, possible)
        let cases = [
            (Shape::Halves, 1, None, false),
            (Shape::Halves, 2, None, true),
            (Shape::Leader, 5, None, false),
            (Shape::Bridge, 2, None, false),
            (Shape::Bridge, 3, None, true),
            (Shape::MajoritiesRing, 3, None, false),
            (Shape::MajoritiesRing, 4, None, true),
        ];
        for (shape, count, leader, possible) in cases {
            let made = grudge(shape, &Node::numbered(count), leader, &mut rng);
            assert_eq!(made.is_ok(), possible, "{shape:?} of {count}: {made:?}");
        }
    }

    #[test]
    fn links_by_name() {
        let nodes = Node::numbered(5);
        // (target, exact form or the error)
        let cases = [
            ("n1|n2", "n1>n2;n2>n1"),
            ("n1>n2", "n1>n2"),
            ("n2+n1>n4+n3", "n1>n3+n4;n2>n3+n4"),
            ("n1|n2|n3", "n1>n2+n3;n2>n1+n3;n3>n1+n2"),
            ("n1>n2;n2>n1+n3", "n1>n2;n2>n1+n3"),
            ("n1|n6", "error: there is no node n6 among 5"),
            ("n1|n1+n2", "error: n1 stands on both sides of `n1|n1+n2`"),
            (
                "n1>n2>n3",
                "error: `n1>n2>n3` should be groups like `n1+n2|n3`, or `n1>n2+n3`",
            ),
            (
                "n1|",
                "error: `` names no nodes; write groups like `n1+n2|n3` or `n1>n2+n3`",
            ),
        ];
        for (target, expected) in cases {
            let told = match named_links(target, &nodes).expect("it speaks of links") {
                Ok(grudge) => grudge.exact(&nodes),
                Err(why) => format!("error: {why}"),
            };
            assert_eq!(told, expected, "{target}");
        }
        assert_eq!(named_links("halves", &nodes), None);
    }

    #[test]
    fn the_exact_form_cuts_the_same_links() {
        for shape in SHAPES {
            each(shape, |count, _, grudge| {
                let nodes = Node::numbered(count);
                let mut links = grudge.links.clone();
                links.sort_unstable();
                let again = named_links(&grudge.exact(&nodes), &nodes)
                    .expect("links")
                    .expect("known nodes");
                assert_eq!(again.links, links, "{shape:?}: {}", grudge.text);
            });
        }
    }
}
