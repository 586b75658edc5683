//! Which faults may be in force together.
//!
//! The rules:
//! - A nemesis has one fault at a time, because its end ends them all.
//! - What acts on a process needs one that runs: nothing of the sort begins while all are down.
//! - Operators act only where the store can still agree: not while a fault takes a majority of the nodes, and
//!   a change of members is undone when nothing else is wrong.
//! - What a store promises is never made void. A node whose disk was damaged may have lost what it had
//!   acknowledged, so its neighbours' disks and processes are left alone meanwhile; and where both the power
//!   and a lying fsync take part, fsync does not lie unless the user says so, because together they lose what
//!   the store was told was safe.
//! - What perjury could not verify is not drawn: the power of a node whose disk has no room for the mark that
//!   shows what survives.

use history::{Aim, Pick, Target, Whom};

use crate::nemesis::Entry;
use crate::target::Names;

/// A fault at its time, in whatever unit the times of both are.
#[derive(Clone, Copy)]
pub(crate) struct Timed<'a, T> {
    pub entry: &'a Entry,
    pub target: &'a Target,
    pub begin: T,
    pub end: T,
}

/// Whether two faults get along on so many nodes, at their times.
pub(crate) fn get_along<T: PartialOrd>(one: &Timed<T>, other: &Timed<T>, nodes: usize) -> bool {
    let (first, second) = match one.begin <= other.begin {
        true => (one, other),
        false => (other, one),
    };
    if second.begin >= first.end {
        return true;
    }
    let ends_among_others =
        |one: &Timed<T>, other: &Timed<T>| one.entry.alongside.ends_alone && one.end <= other.end;
    may_meet(first.entry, second.entry)
        && may_begin(second.entry, first.entry, first.target, nodes)
        && !ends_among_others(first, second)
        && !ends_among_others(second, first)
}

/// Whether two faults may be in force together at all.
pub fn may_meet(one: &Entry, other: &Entry) -> bool {
    let refuses = |one: &Entry, other: &Entry| one.alongside.never_with.contains(&other.name);
    one.name != other.name && !refuses(one, other) && !refuses(other, one)
}

/// Whether `second` may begin while `first`, aimed at `target` among so many nodes, is in force.
pub(crate) fn may_begin(second: &Entry, first: &Entry, target: &Target, nodes: usize) -> bool {
    let is_everyone = target.aim().and_then(|aim| aim.whom.as_ref()) == Some(&Whom::Pick(Pick::All));
    let nobody_runs = first.alongside.ends_process && is_everyone;
    if second.alongside.needs_process && nobody_runs {
        return false;
    }
    !second.alongside.needs_quorum || !first.alongside.takes_nodes || leaves_quorum(target, nodes)
}

/// Whether a fault that is in force, and ends processes, leaves something for another one to do to the same
/// nodes.
pub(crate) fn may_hit_same(first: &Entry, second: &Entry) -> bool {
    !(first.alongside.ends_process && second.alongside.needs_process)
}

/// Whether a majority of the nodes surely is not hit.
fn leaves_quorum(target: &Target, nodes: usize) -> bool {
    match target.aim().and_then(|aim| aim.whom.as_ref()) {
        Some(Whom::Pick(pick)) => match pick {
            Pick::One | Pick::Leader => nodes >= 3,
            Pick::Minority | Pick::MinorityWithLeader | Pick::MinorityWithoutLeader => true,
            _ => false,
        },
        Some(Whom::Nodes(names)) => 2 * names.len() < nodes,
        Some(Whom::Links(_)) | None => false,
    }
}

/// The target of a fault like `target` at these nodes; `None` if it cannot be aimed so, or if they are all
/// there are.
pub(crate) fn aimed_at(target: &Target, entry: &Entry, hit: &[String], all: &[String]) -> Option<Target> {
    let aim = target.aim()?;
    if hit.is_empty() || hit.iter().any(|node| !all.contains(node)) {
        return None;
    }
    let whom = match entry.targets.names {
        Names::Links => {
            let others: Vec<&str> = (all.iter().filter(|node| !hit.contains(node)))
                .map(String::as_str)
                .collect();
            if others.is_empty() {
                return None;
            }
            let text = format!("{}|{}", hit.join("+"), others.join("+"));
            return Some(Target::from(text.as_str()));
        }
        Names::Nodes | Names::NodesAndLinks => Whom::Nodes(hit.to_vec()),
    };
    Some(Target::from(Aim {
        whom: Some(whom),
        ..aim.clone()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ALL, find};

    fn entry(name: &str) -> &'static Entry {
        find(name).expect("in the list")
    }

    #[test]
    fn names_in_the_rules_are_names_of_nemeses() {
        for one in ALL {
            for name in one.alongside.never_with {
                assert!(find(name).is_some(), "{}: {name}", one.name);
            }
        }
    }

    #[test]
    fn what_may_begin_while_another_fault_holds() {
        // (first, its target, second, whether it may begin)
        for (first, target, second, expected) in [
            ("kill", "one", "pause", true),
            ("kill", "all", "pause", false),
            ("kill", "all", "power", true),
            ("kill", "all", "partition", true),
            ("pause", "all", "kill", true),
            ("partition", "leader", "membership", true),
            ("partition", "halves", "membership", false),
            ("partition", "n1|n2+n3", "transfer", false),
            ("kill", "n1", "transfer", true),
            ("kill", "n1+n2", "transfer", false),
            ("clock", "jump", "membership", true),
            ("fsync", "slow", "membership", false),
            ("fsync", "slow@one", "membership", true),
        ] {
            let may = may_begin(entry(second), entry(first), &target.into(), 3);
            assert_eq!(may, expected, "{second} within {first}:{target}");
        }
        for (one, other, expected) in [
            ("kill", "kill", false),
            ("kill", "power", true),
            ("corrupt", "kill", false),
            ("power", "disk-full", false),
            ("disk-full", "power", false),
            ("partition", "packet", true),
        ] {
            assert_eq!(may_meet(entry(one), entry(other)), expected, "{one} and {other}");
        }
    }

    #[test]
    fn the_nodes_that_were_hit_are_named() {
        let all: Vec<String> = ["n1", "n2", "n3"].map(str::to_owned).to_vec();
        for (name, target, hit, expected) in [
            ("kill", "leader", &["n2"][..], Some("n2")),
            ("kill", "one", &["n1", "n3"], Some("n1+n3")),
            ("partition", "halves", &["n2"], Some("n2|n1+n3")),
            ("partition", "halves", &["n1", "n2", "n3"], None),
            ("fsync", "slow", &["n1"], Some("slow@n1")),
            ("clock", "jump", &["n3"], Some("jump@n3")),
            ("kill", "one", &["clients"], None),
            ("kill", "one", &[], None),
        ] {
            let hit: Vec<String> = hit.iter().map(|&name| name.to_owned()).collect();
            let aimed = aimed_at(&target.into(), entry(name), &hit, &all);
            assert_eq!(
                aimed.as_ref().map(Target::as_str),
                expected,
                "{name}:{target} {hit:?}"
            );
        }
    }
}
