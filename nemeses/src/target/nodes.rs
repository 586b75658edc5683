//! At what a fault is aimed: the targets of a command line, the default mix, and the choice of nodes.
//!
//! Invariants:
//! - A target is a name of the fault's table, or names nodes: `n1`, `n1+n3`. What was hit is recorded in that second form,
//!   so that a schedule can be run again.
//! - A target whose name speaks of the leader is decided when the fault begins, by what the store says then.

use std::sync::Arc;

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
    target("minority-with-leader", 3, 0),
    target("minority-without-leader", 3, 0),
    target("majority-with-leader", 3, 0),
    target("majority-without-leader", 3, 0),
];

/// The names of [`PROCESSES`], and the form of those that name nodes.
pub(crate) const PROCESS_NAMES: &[&str] = &[
    "one",
    "minority",
    "majority",
    "all",
    "leader",
    "minority-with-leader",
    "minority-without-leader",
    "majority-with-leader",
    "majority-without-leader",
    "n1+n3",
];

/// Whether a target can be chosen only by who knows the leader.
pub(crate) fn needs_leader(target: &str) -> bool {
    target.contains("leader")
}

/// A line of a table of targets.
pub(crate) const fn target(name: &'static str, min_nodes: usize, weight: usize) -> Target {
    Target {
        name,
        min_nodes,
        weight,
    }
}

/// The targets of a fault of processes that a schedule draws from. See [`bag_of`].
///
/// # Errors
/// One line for the user.
pub(crate) fn bag(nemesis: &str, known: &[Target], options: &FaultOptions) -> Result<Vec<Arc<str>>, String> {
    bag_of(nemesis, known, options, explicit_nodes)
}

/// The targets that a schedule draws from, each as often as it weighs: what the user asked for, or the default mix of
/// those that make sense with so many nodes. What names nodes is for `explicit` to read.
///
/// # Errors
/// One line for the user: an unknown target, or one that needs more nodes.
pub(crate) fn bag_of(
    nemesis: &str,
    known: &[Target],
    options: &FaultOptions,
    explicit: Explicit,
) -> Result<Vec<Arc<str>>, String> {
    if options.targets.is_empty() {
        let mut bag: Vec<Arc<str>> = Vec::new();
        for target in known.iter().filter(|target| target.min_nodes <= options.nodes) {
            bag.extend(std::iter::repeat_n(Arc::from(target.name), target.weight));
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
                let nodes = Node::numbered(options.nodes);
                return match explicit(name, &nodes) {
                    Some(Ok(())) => Ok(name.as_str().into()),
                    Some(Err(why)) => Err(format!("{nemesis}:{name}: {why}")),
                    None => {
                        let names: Vec<&str> = known.iter().map(|target| target.name).collect();
                        Err(format!(
                            "{nemesis} has no target `{name}`; it has {}, or names of nodes",
                            names.join(", ")
                        ))
                    }
                };
            };
            if options.nodes < target.min_nodes {
                return Err(format!(
                    "{nemesis}:{name} needs at least {} nodes, and there are {}",
                    target.min_nodes, options.nodes
                ));
            }
            Ok(target.name.into())
        })
        .collect()
}

/// Reads a target that names nodes, only to see whether it makes sense; `None` if it is none.
pub(crate) type Explicit = fn(&str, &[Node]) -> Option<Result<(), String>>;

/// A target of processes that names nodes.
fn explicit_nodes(target: &str, nodes: &[Node]) -> Option<Result<(), String>> {
    Some(named_nodes(target, nodes)?.map(drop))
}

/// The nodes that `n1+n3` names, in ascending order. `None` if that is no list of names of nodes.
///
/// # Errors
/// One line for the user: a node that is not there, or one that is named twice.
pub(crate) fn named_nodes(target: &str, nodes: &[Node]) -> Option<Result<Vec<usize>, String>> {
    let is_name = |name: &str| {
        name.strip_prefix('n')
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    if !target.split('+').all(is_name) {
        return None;
    }
    let mut found = Vec::new();
    for name in target.split('+') {
        let Some(node) = nodes.iter().find(|node| node.name == name) else {
            return Some(Err(format!("there is no node {name} among {}", nodes.len())));
        };
        if found.contains(&node.index) {
            return Some(Err(format!("{name} stands there twice")));
        }
        found.push(node.index);
    }
    found.sort_unstable();
    Some(Ok(found))
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

/// `n1+n3`.
pub(crate) fn name_nodes(nodes: &[Node], indices: &[usize]) -> String {
    names(nodes, indices).replace(' ', "+")
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
    if let Some(named) = named_nodes(target, nodes) {
        return named;
    }
    if needs_leader(target) && leader.is_none() {
        return Err("no node says that it is leader".into());
    }
    let minority = |rng: &mut ChaCha8Rng| rng.random_range(1..=(count - 1) / 2);
    // Sometimes a bare majority and sometimes more, but never all.
    let majority = |rng: &mut ChaCha8Rng| rng.random_range(count / 2 + 1..count);
    let size = match target {
        "one" | "leader" => 1,
        "minority" | "minority-with-leader" | "minority-without-leader" if count >= 3 => minority(rng),
        "majority" | "majority-with-leader" | "majority-without-leader" if count >= 3 => majority(rng),
        "all" => count,
        other => return Err(format!("no target `{other}` of {count} node(s)")),
    };
    let mut order: Vec<usize> = nodes.iter().map(|node| node.index).collect();
    order.shuffle(rng);
    // Stable: those that are to be hit first, the others in their random order.
    match target {
        "leader" | "minority-with-leader" | "majority-with-leader" => {
            order.sort_by_key(|node| Some(*node) != leader);
        }
        "minority-without-leader" | "majority-without-leader" => {
            order.sort_by_key(|node| Some(*node) == leader);
        }
        _ => {}
    }
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
        let cases: [(usize, &[&str], &str); 10] = [
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
                "error: kill has no target `ring`; it has one, minority, majority, all, leader, minority-with-leader, \
                 minority-without-leader, majority-with-leader, majority-without-leader, or names of nodes",
            ),
            (3, &["n3", "n1+n2"], "n3 n1+n2"),
            (3, &["n1+n4"], "error: kill:n1+n4: there is no node n4 among 3"),
            (3, &["n1+n1"], "error: kill:n1+n1: n1 stands there twice"),
            (5, &["majority-with-leader"], "majority-with-leader"),
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
        assert_eq!(names, PROCESS_NAMES[..names.len()]);
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

    #[test]
    fn leaders_in_and_out() {
        for count in 3..8 {
            let nodes = Node::numbered(count);
            let mut rng = ChaCha8Rng::seed_from_u64(count as u64);
            for leader in 0..count {
                let mut hit =
                    |target: &str| choose(target, &nodes, Some(leader), &mut rng).expect("enough nodes");
                for (target, with) in [("with", true), ("without", false)] {
                    let minority = hit(&format!("minority-{target}-leader"));
                    assert!(minority.len() * 2 < count && minority.contains(&leader) == with);
                    let majority = hit(&format!("majority-{target}-leader"));
                    assert!(majority.len() * 2 > count && majority.contains(&leader) == with);
                }
                assert_eq!(hit("leader"), [leader]);
                assert_eq!(hit("n3+n1"), [0, 2]);
            }
        }
    }
}
