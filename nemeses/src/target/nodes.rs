//! Nodes by name, and the choice of nodes: pure functions of nodes, leader and seed.

use control::Node;
use history::{Pick, Whom};
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::holds::Taken;

/// The nodes of these names, in ascending order.
///
/// # Errors
/// One line for the user: a node that does not exist, or one that is named twice.
pub(crate) fn indices(names: &[String], nodes: &[Node]) -> Result<Vec<usize>, String> {
    let mut found = Vec::new();
    for name in names {
        let Some(node) = nodes.iter().find(|node| node.name == *name) else {
            return Err(format!("there is no node {name} among {}", nodes.len()));
        };
        if found.contains(&node.index) {
            return Err(format!("{name} is named twice"));
        }
        found.push(node.index);
    }
    found.sort_unstable();
    Ok(found)
}

/// The name of a node.
pub(crate) fn name(nodes: &[Node], index: usize) -> &str {
    nodes.get(index).map_or("?", |node| node.name.as_str())
}

/// The names of some nodes, with spaces between.
pub(crate) fn names(nodes: &[Node], indices: &[usize]) -> String {
    let names: Vec<&str> = indices.iter().map(|&index| name(nodes, index)).collect();
    names.join(" ")
}

/// Nodes as a target names them.
pub(crate) fn by_name(nodes: &[Node], indices: &[usize]) -> Whom {
    Whom::Nodes(
        indices
            .iter()
            .map(|&index| name(nodes, index).to_owned())
            .collect(),
    )
}

/// Chooses nodes, those that are taken only if there are too few others, and gives them in ascending order.
///
/// # Errors
/// When the leader matters and none is known, when there are too few nodes, or when nodes cannot be picked
/// that way.
pub(crate) fn choose(
    pick: Pick,
    nodes: &[Node],
    leader: Option<usize>,
    taken: &Taken,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<usize>, String> {
    let count = nodes.len();
    if pick.with_leader().is_some() && leader.is_none() {
        return Err("no node says that it is leader".into());
    }
    let size = match pick {
        Pick::One | Pick::Leader => 1,
        Pick::Minority | Pick::MinorityWithLeader | Pick::MinorityWithoutLeader if count >= 3 => {
            rng.random_range(1..=(count - 1) / 2)
        }
        // Sometimes a bare majority and sometimes more, but never all.
        Pick::Majority | Pick::MajorityWithLeader | Pick::MajorityWithoutLeader if count >= 3 => {
            rng.random_range(count / 2 + 1..count)
        }
        Pick::All => count,
        _ => return Err(format!("`{}` cannot be picked of {count} nodes", pick.name())),
    };
    let mut order: Vec<usize> = nodes.iter().map(|node| node.index).collect();
    order.shuffle(rng);
    order.sort_by_key(|node| taken.contains_key(node));
    // Stable: the leader first or last, the others in their random order.
    match pick.with_leader() {
        Some(true) => order.sort_by_key(|node| Some(*node) != leader),
        Some(false) => order.sort_by_key(|node| Some(*node) == leader),
        None => {}
    }
    order.truncate(size);
    order.sort_unstable();
    Ok(order)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn sizes() {
        for count in 1..8 {
            let nodes = Node::numbered(count);
            let mut rng = ChaCha8Rng::seed_from_u64(count as u64);
            for _ in 0..50 {
                let mut hit =
                    |pick| choose(pick, &nodes, Some(0), &Taken::new(), &mut rng).map(|nodes| nodes.len());
                assert_eq!(hit(Pick::One), Ok(1));
                assert_eq!(hit(Pick::All), Ok(count));
                assert_eq!(hit(Pick::Leader), Ok(1));
                if count >= 3 {
                    assert!(hit(Pick::Minority).is_ok_and(|size| size >= 1 && size < count.div_ceil(2)));
                    assert!(hit(Pick::Majority).is_ok_and(|size| size > count / 2 && size < count));
                }
            }
            assert!(choose(Pick::Leader, &nodes, None, &Taken::new(), &mut rng).is_err());
        }
    }

    #[test]
    fn leaders_in_and_out() {
        for count in 3..8 {
            let nodes = Node::numbered(count);
            let mut rng = ChaCha8Rng::seed_from_u64(count as u64);
            for leader in 0..count {
                let mut hit =
                    |pick| choose(pick, &nodes, Some(leader), &Taken::new(), &mut rng).expect("enough nodes");
                for (minority, majority, with) in [
                    (Pick::MinorityWithLeader, Pick::MajorityWithLeader, true),
                    (Pick::MinorityWithoutLeader, Pick::MajorityWithoutLeader, false),
                ] {
                    let minority = hit(minority);
                    assert!(minority.len() * 2 < count && minority.contains(&leader) == with);
                    let majority = hit(majority);
                    assert!(majority.len() * 2 > count && majority.contains(&leader) == with);
                }
                assert_eq!(hit(Pick::Leader), [leader]);
            }
            let named = indices(&["n3".to_owned(), "n1".to_owned()], &nodes);
            assert_eq!(named, Ok(vec![0, 2]));
        }
    }
}
