//! Which nodes must not hear which: the choice of links, as a pure function of nodes, leader and seed.
//!
//! The picks are Jepsen's (`jepsen.nemesis`), plus those that are aimed at the leader.

use control::{Link, Node, both_ways, links_between};
use history::Pick;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::target::links::Grudge;
use crate::target::nodes::{name, names};

/// Whether knowing the leader changes which links are picked.
pub(crate) fn prefers_leader(pick: Pick) -> bool {
    pick.with_leader().is_some() || matches!(pick, Pick::Majority | Pick::OneWay)
}

/// Decides which links to cut. Of picks that also choose nodes, the nodes are those that are cut off:
/// [`Pick::One`] is alone, [`Pick::Minority`] is apart from the rest. [`Pick::Majority`] is a bare majority
/// apart from the rest; the leader, where one is known, is among the rest.
///
/// # Errors
/// When the leader is to be hit and none is known, when there are too few nodes, or when links cannot be
/// picked that way.
pub(crate) fn grudge(
    pick: Pick,
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
    if pick.with_leader().is_some() && leader.is_none() {
        return Err("no node says that it is leader".into());
    }
    let leader_first = |mut order: Vec<usize>| {
        if let Some(position) = order.iter().position(|node| Some(*node) == leader) {
            order.swap(0, position);
        }
        order
    };
    // The largest minority, and no smaller than one node.
    let fewer = (count.saturating_sub(1) / 2).max(1);
    Ok(match pick {
        Pick::Halves => split(nodes, &order, count / 2),
        Pick::One => split(nodes, &order, 1),
        Pick::Leader => split(nodes, &leader_first(order), 1),
        Pick::Majority => split(nodes, &leader_first(order), fewer),
        Pick::Minority | Pick::MinorityWithLeader | Pick::MinorityWithoutLeader => {
            let size = rng.random_range(1..=fewer);
            // Stable: the others stay in their random order.
            match pick.with_leader() {
                Some(true) => order.sort_by_key(|node| Some(*node) != leader),
                Some(false) => order.sort_by_key(|node| Some(*node) == leader),
                None => {}
            }
            split(nodes, &order, size)
        }
        Pick::MajoritiesRing => ring(nodes, &order)?,
        Pick::Bridge => bridge(nodes, &order)?,
        Pick::OneWay => {
            let order = if rng.random_bool(0.5) {
                leader_first(order)
            } else {
                order
            };
            one_way(nodes, &order, rng.random_bool(0.5))
        }
        Pick::MajorityWithLeader | Pick::MajorityWithoutLeader | Pick::All => {
            return Err(format!("no links can be picked as `{}`", pick.name()));
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
        (links_between(&rest, one), "hears no node but is heard")
    } else {
        (links_between(one, &rest), "is heard by no node but hears")
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

    use history::Whom;
    use rand::SeedableRng;

    use super::*;
    use crate::target::links::named;

    const PICKS: [Pick; 10] = [
        Pick::Halves,
        Pick::One,
        Pick::Leader,
        Pick::Majority,
        Pick::Minority,
        Pick::MinorityWithLeader,
        Pick::MinorityWithoutLeader,
        Pick::MajoritiesRing,
        Pick::Bridge,
        Pick::OneWay,
    ];

    /// Calls `check` with many grudges of a pick.
    fn each(pick: Pick, mut check: impl FnMut(usize, Option<usize>, &Grudge)) {
        for count in 4..8 {
            let nodes = Node::numbered(count);
            for seed in 0..40 {
                let leader = (seed % 4 != 0 || pick.with_leader().is_some()).then_some(seed as usize % count);
                let mut rng = ChaCha8Rng::seed_from_u64(seed);
                check(
                    count,
                    leader,
                    &grudge(pick, &nodes, leader, &mut rng).expect("enough nodes"),
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
        for pick in PICKS {
            each(pick, |count, _, grudge| {
                let set: BTreeSet<Link> = grudge.links.iter().copied().collect();
                assert_eq!(set.len(), grudge.links.len(), "{pick:?}: {grudge:?}");
                assert!(!set.is_empty(), "{pick:?} of {count} cuts nothing");
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
                assert_eq!(symmetric, pick != Pick::OneWay, "{pick:?}");
            });
        }
    }

    #[test]
    fn sides_have_the_sizes_that_their_names_say() {
        each(Pick::Halves, |count, _, grudge| {
            assert_eq!(grudge.nodes.len(), count / 2)
        });
        each(Pick::One, |_, _, grudge| assert_eq!(grudge.nodes.len(), 1));
        each(Pick::Leader, |_, leader, grudge| {
            assert_eq!(grudge.nodes, leader.into_iter().collect::<Vec<_>>())
        });
        each(Pick::Majority, |count, leader, grudge| {
            assert_eq!(grudge.nodes.len(), (count - 1) / 2);
            assert!(
                leader.is_none_or(|leader| grudge.nodes.contains(&leader)),
                "the leader is among the fewer"
            );
        });
        each(Pick::Minority, |count, _, grudge| {
            assert!((1..=(count - 1) / 2).contains(&grudge.nodes.len()))
        });
    }

    #[test]
    fn in_a_ring_each_hears_a_majority_of_its_own() {
        each(Pick::MajoritiesRing, |count, _, grudge| {
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
        each(Pick::Bridge, |count, _, grudge| {
            let full = heard(count, grudge)
                .iter()
                .filter(|set| set.len() == count)
                .count();
            assert_eq!(full, 1);
        });
    }

    #[test]
    fn one_way_leaves_the_other_way_open() {
        each(Pick::OneWay, |count, _, grudge| {
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
        let text = |pick| {
            let mut rng = ChaCha8Rng::seed_from_u64(7);
            grudge(pick, &nodes, Some(2), &mut rng)
                .expect("enough nodes")
                .text
        };
        assert_eq!(text(Pick::Leader), "n3 | n1 n2 n4 n5");
        let majority = text(Pick::Majority);
        let (left, right) = majority.split_once(" | ").expect("two sides");
        assert!(
            left.contains("n3") && left.len() == 5 && right.len() == 8,
            "{majority}"
        );
    }

    #[test]
    fn too_little_to_break() {
        let mut rng = ChaCha8Rng::seed_from_u64(0);
        // (pick, nodes, leader, possible)
        let cases = [
            (Pick::Halves, 1, None, false),
            (Pick::Halves, 2, None, true),
            (Pick::Leader, 5, None, false),
            (Pick::Bridge, 2, None, false),
            (Pick::Bridge, 3, None, true),
            (Pick::MajoritiesRing, 3, None, false),
            (Pick::MajoritiesRing, 4, None, true),
        ];
        for (pick, count, leader, possible) in cases {
            let made = grudge(pick, &Node::numbered(count), leader, &mut rng);
            assert_eq!(made.is_ok(), possible, "{pick:?} of {count}: {made:?}");
        }
    }

    #[test]
    fn the_exact_form_cuts_the_same_links() {
        for pick in PICKS {
            each(pick, |count, _, grudge| {
                let nodes = Node::numbered(count);
                let mut links = grudge.links.clone();
                links.sort_unstable();
                let Whom::Links(cuts) = grudge.by_name(&nodes) else {
                    panic!("a grudge names links");
                };
                let again = named(&cuts, &nodes).expect("known nodes");
                assert_eq!(again.links, links, "{pick:?}: {}", grudge.text);
            });
        }
    }
}
