//! At what a nemesis can be aimed: the targets it knows, the default mix, and, when a fault begins, who is
//! hit.
//!
//! The language of targets is [`history::Target`]'s. Here is what of it makes sense for which nemesis:
//! - [`list`]: the list of nemeses and targets that a user writes;
//! - [`kinds`]: kinds, their values and the choice of both;
//! - [`nodes`], [`hit`]: the choice of nodes;
//! - [`majority`]: whether those that are left can agree;
//! - [`links`], [`grudges`]: links by name, and the choice of links.
//!
//! Invariant: what was hit is recorded as a target that names it, so that a schedule can be run again.

use control::Node;
use history::{Aim, Pick, Target, TargetError, Whom};

pub(crate) mod grudges;
pub(crate) mod hit;
pub(crate) mod kinds;
pub(crate) mod links;
pub(crate) mod list;
pub(crate) mod majority;
pub(crate) mod nodes;

pub use kinds::{Kind, Values};

/// At what a nemesis can be aimed. It has either picks or kinds.
#[derive(Clone, Copy, Debug)]
pub struct Targets {
    /// The picks that are targets by themselves: `leader`.
    pub picks: &'static [Row],
    /// The kinds of fault: `jump`, `jump=50`, either with `@WHOM`.
    pub kinds: &'static [Kind],
    /// The picks that can follow a kind: `jump@leader`.
    pub whom: &'static [Pick],
    /// What it can be aimed at by name.
    pub names: Names,
    /// Targets that show how values and names are written.
    pub examples: &'static [&'static str],
}

/// A pick that is a target by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The pick.
    pub pick: Pick,
    /// With fewer nodes it makes no sense.
    pub min_nodes: usize,
    /// How often it comes in the default mix.
    pub weight: usize,
}

/// What can be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// Nodes.
    Nodes,
    /// Links between nodes.
    Links,
    /// Both.
    NodesAndLinks,
}

/// The targets of faults that hit processes, with how often each comes in the default mix.
macro_rules! processes {
    (one: $one:literal, minority: $minority:literal, majority: $majority:literal, all: $all:literal, leader: $leader:literal) => {
        $crate::target::Targets {
            picks: &[
                $crate::target::row(history::Pick::One, 1, $one),
                $crate::target::row(history::Pick::Minority, 3, $minority),
                $crate::target::row(history::Pick::Majority, 3, $majority),
                $crate::target::row(history::Pick::All, 1, $all),
                $crate::target::row(history::Pick::Leader, 1, $leader),
                $crate::target::row(history::Pick::MinorityWithLeader, 3, 0),
                $crate::target::row(history::Pick::MinorityWithoutLeader, 3, 0),
                $crate::target::row(history::Pick::MajorityWithLeader, 3, 0),
                $crate::target::row(history::Pick::MajorityWithoutLeader, 3, 0),
            ],
            kinds: &[],
            whom: &[],
            names: $crate::target::Names::Nodes,
            examples: &["n1+n3"],
        }
    };
}
pub(crate) use processes;

/// The usual ones. `all` and `leader` come more often because restarting all nodes, and losing the leader, is
/// what elections go wrong at.
pub(crate) const PROCESSES: Targets = processes!(one: 1, minority: 1, majority: 2, all: 2, leader: 2);

pub(crate) const fn row(pick: Pick, min_nodes: usize, weight: usize) -> Row {
    Row {
        pick,
        min_nodes,
        weight,
    }
}

/// A target of the default mix, or one that can be part of it.
struct Choice {
    name: &'static str,
    min_nodes: usize,
    weight: usize,
}

impl Targets {
    /// The targets that name neither nodes nor values and make sense with so many nodes.
    pub fn drawable(&self, nodes: usize) -> impl Iterator<Item = &'static str> {
        let sensible = move |choice: &Choice| choice.min_nodes <= nodes;
        self.choices().filter(sensible).map(|choice| choice.name)
    }

    /// The targets for a list: all that name neither nodes nor values, and examples of those that do.
    pub fn listed(&self) -> impl Iterator<Item = &'static str> {
        let names = self.choices().map(|choice| choice.name);
        names.chain(self.examples.iter().copied())
    }

    /// The smallest number of nodes with which any of them makes sense.
    pub fn min_nodes(&self) -> usize {
        let all = self.choices().map(|choice| choice.min_nodes);
        all.min().unwrap_or(0)
    }

    /// What a target means, if this nemesis can be aimed at it.
    ///
    /// # Errors
    /// One line for the user.
    pub(crate) fn check<'a>(
        &self,
        nemesis: &str,
        target: &'a Target,
        nodes: &[Node],
    ) -> Result<&'a Aim, String> {
        let Some(aim) = target.aim() else {
            // Read again for the reason.
            return Err(match target.as_str().parse::<Aim>() {
                Err(TargetError::Whom(whom)) if self.has_kind_of(target) => {
                    format!("{nemesis}:{target}: {}", self.strange_whom(&whom))
                }
                Err(TargetError::Kind(_)) | Ok(_) => self.unknown(nemesis, target),
                Err(why) => format!("{nemesis}:{target}: {why}"),
            });
        };
        let named = |name: &str| self.choices().find(|choice| choice.name == name);
        let (choice, is_known) = match (&aim.kind, &aim.whom) {
            (Some(kind), _) => (named(kind), false),
            (None, Some(Whom::Pick(pick))) => (named(pick.name()), false),
            (None, Some(_)) => (None, self.kinds.is_empty() && self.can_name(aim)),
            (None, None) => (None, false),
        };
        if choice.is_none() && !is_known {
            return Err(self.unknown(nemesis, target));
        }
        if let Some(choice) = choice
            && nodes.len() < choice.min_nodes
        {
            return Err(format!(
                "{nemesis}:{target} needs at least {} nodes, and there are {}",
                choice.min_nodes,
                nodes.len()
            ));
        }
        self.check_parts(aim, nodes)
            .map_err(|why| format!("{nemesis}:{target}: {why}"))?;
        Ok(aim)
    }

    /// Value and names.
    fn check_parts(&self, aim: &Aim, nodes: &[Node]) -> Result<(), String> {
        if let Some(kind) = self
            .kinds
            .iter()
            .find(|kind| aim.kind.as_deref() == Some(kind.name))
        {
            kind.check(aim.value)?;
        }
        match &aim.whom {
            Some(Whom::Pick(pick)) if aim.kind.is_some() && !self.whom.contains(pick) => {
                Err(self.strange_whom(pick.name()))
            }
            Some(Whom::Pick(_)) | None => Ok(()),
            Some(whom) if !self.can_name(aim) => Err(self.strange_whom(&whom.to_string())),
            Some(Whom::Nodes(names)) => nodes::indices(names, nodes).map(drop),
            Some(Whom::Links(cuts)) => links::named(cuts, nodes).map(drop),
        }
    }

    /// Whether what the target names, if it does, is of the right sort.
    fn can_name(&self, aim: &Aim) -> bool {
        match aim.whom {
            Some(Whom::Nodes(_)) => self.names != Names::Links,
            Some(Whom::Links(_)) => self.names != Names::Nodes,
            Some(Whom::Pick(_)) | None => true,
        }
    }

    /// The targets that a schedule draws from, each as often as it weighs: those that are `wanted`, or the
    /// default mix of those that make sense with so many nodes.
    ///
    /// # Errors
    /// One line for the user: an unknown target, or one that needs more nodes.
    pub(crate) fn bag(&self, nemesis: &str, nodes: usize, wanted: &[String]) -> Result<Vec<Target>, String> {
        if !wanted.is_empty() {
            let nodes = Node::numbered(nodes);
            let read = |text: &String| {
                let target = Target::from(text.as_str());
                self.check(nemesis, &target, &nodes)?;
                Ok(target)
            };
            return wanted.iter().map(read).collect();
        }
        let mut bag = Vec::new();
        for choice in self.choices().filter(|choice| choice.min_nodes <= nodes) {
            bag.extend(std::iter::repeat_n(Target::from(choice.name), choice.weight));
        }
        match bag.is_empty() {
            true => Err(format!(
                "{nemesis} needs at least {}, and there are {nodes}",
                history::units::plural(self.min_nodes() as u64, "node"),
            )),
            false => Ok(bag),
        }
    }

    fn choices(&self) -> impl Iterator<Item = Choice> {
        let picks = self.picks.iter().map(|row| Choice {
            name: row.pick.name(),
            min_nodes: row.min_nodes,
            weight: row.weight,
        });
        let kinds = self.kinds.iter().map(|kind| Choice {
            name: kind.name,
            min_nodes: kind.min_nodes,
            weight: kind.weight,
        });
        picks.chain(kinds)
    }

    fn has_kind_of(&self, target: &Target) -> bool {
        let kind = target.as_str().split(['=', '@']).next();
        self.kinds.iter().any(|known| Some(known.name) == kind)
    }

    fn unknown(&self, nemesis: &str, target: &Target) -> String {
        let names: Vec<&str> = self.choices().map(|choice| choice.name).collect();
        let names = names.join(", ");
        let more = match (self.kinds.is_empty(), self.names) {
            (true, Names::Nodes) => ", or names of nodes",
            (true, Names::Links) => ", or names of links such as n1+n2|n3",
            (true, Names::NodesAndLinks) => ", or names of nodes or links",
            (false, _) => "",
        };
        let example = match (self.kinds.is_empty(), self.examples) {
            (false, [example, ..]) => format!("; for example {example}"),
            _ => String::new(),
        };
        format!("{nemesis} has no target `{target}`; it has {names}{more}{example}")
    }

    fn strange_whom(&self, whom: &str) -> String {
        let words = self.whom.iter().map(|pick| format!("{}, ", pick.name()));
        let words: String = words.collect();
        match words.is_empty() {
            true => format!("`{whom}` should be names of nodes such as n1+n2"),
            false => format!("`{whom}` should be {words}or names of nodes such as n1+n2"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::find;

    #[test]
    fn bags() {
        // (nodes, targets, the bag or the error)
        let cases: [(usize, &[&str], &str); 11] = [
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
            (3, &["n1+n1"], "error: kill:n1+n1: n1 is named twice"),
            (5, &["majority-with-leader"], "majority-with-leader"),
            (0, &[], "error: kill needs at least 1 node, and there are 0"),
            (
                3,
                &[""],
                "error: kill has no target ``; it has one, minority, majority, all, leader, \
                        minority-with-leader, minority-without-leader, majority-with-leader, \
                        majority-without-leader, or names of nodes",
            ),
        ];
        for (nodes, targets, expected) in cases {
            let found = match PROCESSES.bag(
                "kill",
                nodes,
                &targets.iter().map(|&name| name.to_owned()).collect::<Vec<_>>(),
            ) {
                Ok(bag) => bag.iter().map(Target::as_str).collect::<Vec<_>>().join(" "),
                Err(why) => format!("error: {why}"),
            };
            assert_eq!(found, expected);
        }
    }

    #[test]
    fn what_a_nemesis_can_be_aimed_at() {
        // (nemesis, target, what is wrong; empty for nothing)
        let cases = [
            ("packet", "delay", ""),
            ("packet", "delay=50", ""),
            ("packet", "loss=30@n1", ""),
            ("packet", "jitter@all", ""),
            ("packet", "slow-link=500@n1>n2+n3", ""),
            (
                "packet",
                "loss=101",
                "packet:loss=101: `101` should be more than 0 and at most 100 %",
            ),
            (
                "packet",
                "delay=0",
                "packet:delay=0: `0` should be more than 0 and at most 60000 ms",
            ),
            (
                "packet",
                "delay=soon",
                "packet:delay=soon: `soon` is not a number",
            ),
            (
                "packet",
                "delay@n9",
                "packet:delay@n9: there is no node n9 among 3",
            ),
            (
                "packet",
                "delay@some",
                "packet:delay@some: `some` should be one, leader, all, or names of nodes such as n1+n2",
            ),
            (
                "packet",
                "halves",
                "packet has no target `halves`; it has delay, jitter, loss, duplicate, reorder, corrupt, slow-link; \
                 for example delay=50@leader",
            ),
            ("clock", "jump", ""),
            ("clock", "jump=-30000@leader", ""),
            ("clock", "drift=50000@n1+n2", ""),
            (
                "clock",
                "drift=2000000",
                "clock:drift=2000000: `2000000` should be between -1000000 and 1000000 µs/s, and not 0",
            ),
            (
                "clock",
                "jump=0",
                "clock:jump=0: `0` should be between -3000000000000 and 3000000000000 ms, and not 0",
            ),
            (
                "clock",
                "strobe@some",
                "clock:strobe@some: `some` should be one, minority, majority, all, leader, or names of nodes such as \
                 n1+n2",
            ),
            (
                "clock",
                "jump@n1>n2",
                "clock:jump@n1>n2: `n1>n2` should be one, minority, majority, all, leader, or names of nodes such as \
                 n1+n2",
            ),
            (
                "clock",
                "leader",
                "clock has no target `leader`; it has jump, drift, strobe; for example jump=-30000@leader",
            ),
            (
                "fsync",
                "fail=3",
                "fsync:fail=3: `fail` takes no value, and `3` is one",
            ),
            ("partition", "n1|n2", ""),
            (
                "partition",
                "n1",
                "partition has no target `n1`; it has halves, one, leader, majority, minority, minority-with-leader, \
                 minority-without-leader, majorities-ring, bridge, one-way, or names of links such as n1+n2|n3",
            ),
            (
                "partition",
                "n1>n2>n3",
                "partition:n1>n2>n3: `n1>n2>n3` should be groups like `n1+n2|n3`, or `n1>n2+n3`",
            ),
            (
                "partition",
                "n1|n6",
                "partition:n1|n6: there is no node n6 among 3",
            ),
            (
                "partition",
                "majorities-ring",
                "partition:majorities-ring needs at least 4 nodes, and there are 3",
            ),
            ("corrupt", "bitflip@n2", ""),
            (
                "corrupt",
                "n2",
                "corrupt has no target `n2`; it has bitflip, truncate; for example bitflip@n2",
            ),
        ];
        let nodes = Node::numbered(3);
        for (nemesis, text, expected) in cases {
            let target = Target::from(text);
            let entry = find(nemesis).expect("in the list");
            let found = entry.targets.check(nemesis, &target, &nodes).err();
            assert_eq!(found.unwrap_or_default(), expected, "{nemesis}:{text}");
        }
    }
}
