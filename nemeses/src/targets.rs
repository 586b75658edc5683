//! At what a fault is aimed: the targets of a command line, the default mix, and the choice of nodes.

use control::Node;
use rand::RngExt;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::FaultOptions;

/// A target of some fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    /// Its name on the command line.
    pub name: &'static str,
    /// With fewer nodes it makes no sense.
    pub min_nodes: usize,
    /// How often it comes in the default mix.
    pub weight: usize,
}

/// The targets of faults that hit processes. `all` and `leader` come more often because restarting everybody, and
/// losing the leader, is what elections go wrong at.
pub(crate) const PROCESSES: &[Target] = &[
    target("one", 1, 1),
    target("minority", 3, 1),
    target("majority", 3, 2),
    target("all", 1, 2),
    target("leader", 1, 2),
];

/// The names of [`PROCESSES`].
pub(crate) const PROCESS_NAMES: &[&str] = &["one", "minority", "majority", "all", "leader"];

/// A line of a table of targets.
pub(crate) const fn target(name: &'static str, min_nodes: usize, weight: usize) -> Target {
    Target {
        name,
        min_nodes,
        weight,
    }
}

/// The targets that a schedule draws from, each as often as it weighs: what the user asked for, or the default mix of
/// those that make sense with so many nodes.
///
/// # Errors
/// One line for the user: an unknown target, or one that needs more nodes.
pub(crate) fn bag(
    nemesis: &str,
    known: &[Target],
    options: &FaultOptions,
) -> Result<Vec<&'static str>, String> {
    if options.targets.is_empty() {
        let mut bag = Vec::new();
        for target in known.iter().filter(|target| target.min_nodes <= options.nodes) {
            bag.extend(std::iter::repeat_n(target.name, target.weight));
        }
        if bag.is_empty() {
            return Err(format!("{nemesis} makes no sense with {} node(s)", options.nodes));
        }
        return Ok(bag);
    }
    options
        .targets
        .iter()
        .map(|name| {
            let Some(target) = known.iter().find(|target| target.name == name) else {
                let names: Vec<&str> = known.iter().map(|target| target.name).collect();
                return Err(format!(
                    "{nemesis} has no target `{name}`; it has {}",
                    names.join(", ")
                ));
            };
            if options.nodes < target.min_nodes {
                return Err(format!(
                    "{nemesis}:{name} needs at least {} nodes, and there are {}",
                    target.min_nodes, options.nodes
                ));
            }
            Ok(target.name)
        })
        .collect()
}

/// The nodes that a fault of processes hits, in ascending order.
///
/// # Errors
/// When the leader is to be hit and none is known, or the target is unknown.
pub(crate) fn choose(
    target: &str,
    nodes: &[Node],
    leader: Option<usize>,
    rng: &mut ChaCha8Rng,
) -> Result<Vec<usize>, String> {
    let count = nodes.len();
    let size = match target {
        "one" => 1,
        "minority" if count >= 3 => rng.random_range(1..=(count - 1) / 2),
        // Sometimes a bare majority and sometimes more, but never all.
        "majority" if count >= 3 => rng.random_range(count / 2 + 1..count),
        "all" => count,
        "leader" => {
            return leader.map_or_else(
                || Err("no node says that it is leader".into()),
                |node| Ok(vec![node]),
            );
        }
        other => return Err(format!("no target `{other}` of {count} node(s)")),
    };
    let mut order: Vec<usize> = nodes.iter().map(|node| node.index).collect();
    order.shuffle(rng);
    order.truncate(size);
    order.sort_unstable();
    Ok(order)
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    fn options(nodes: usize, targets: &[&str]) -> FaultOptions {
        FaultOptions {
            nodes,
            targets: targets.iter().map(|&name| name.to_owned()).collect(),
            ..FaultOptions::default()
        }
    }

    #[test]
    fn bags() {
        // (nodes, asked for, the bag or the error)
        let cases: [(usize, &[&str], &str); 6] = [
            (1, &[], "one all all leader leader"),
            (2, &["one", "leader"], "one leader"),
            (
                2,
                &["majority"],
                "error: kill:majority needs at least 3 nodes, and there are 2",
            ),
            (5, &["majority"], "majority"),
            (
                5,
                &["ring"],
                "error: kill has no target `ring`; it has one, minority, majority, all, leader",
            ),
            (0, &[], "error: kill makes no sense with 0 node(s)"),
        ];
        for (nodes, targets, expected) in cases {
            let told = match bag("kill", PROCESSES, &options(nodes, targets)) {
                Ok(bag) => bag.join(" "),
                Err(why) => format!("error: {why}"),
            };
            assert_eq!(told, expected);
        }
        let names: Vec<&str> = PROCESSES.iter().map(|target| target.name).collect();
        assert_eq!(names, PROCESS_NAMES);
    }

    #[test]
    fn sizes() {
        for count in 1..8 {
            let nodes = Node::numbered(count);
            let mut rng = ChaCha8Rng::seed_from_u64(count as u64);
            for _ in 0..50 {
                let mut hit = |target| choose(target, &nodes, Some(0), &mut rng).map(|nodes| nodes.len());
                assert_eq!(hit("one"), Ok(1));
                assert_eq!(hit("all"), Ok(count));
                assert_eq!(hit("leader"), Ok(1));
                if count >= 3 {
                    assert!(hit("minority").is_ok_and(|size| size >= 1 && size < count.div_ceil(2)));
                    assert!(hit("majority").is_ok_and(|size| size > count / 2 && size < count));
                }
            }
            assert!(choose("leader", &nodes, None, &mut rng).is_err());
        }
    }
}
