//! Which links to cut, and links by name.

use std::collections::{BTreeMap, BTreeSet};

use control::{Link, Node, both_ways, links_between};
use history::{Cut, Whom};

use crate::target::nodes::{indices, name, names};

/// Which links to cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Grudge {
    /// The links to cut.
    pub links: Vec<Link>,
    /// The nodes on the smaller side, or all if there is no such side.
    pub nodes: Vec<usize>,
    /// Human-readable: `n1 n2 | n3 n4 n5`.
    pub text: String,
}

impl Grudge {
    /// The links as a target names them: `n1>n3+n4;n2>n4`.
    pub fn by_name(&self, nodes: &[Node]) -> Whom {
        let mut deaf: BTreeMap<usize, BTreeSet<usize>> = BTreeMap::new();
        for link in &self.links {
            deaf.entry(link.from).or_default().insert(link.to);
        }
        let cut = |(from, to): (usize, BTreeSet<usize>)| Cut::OneWay {
            from: vec![name(nodes, from).to_owned()],
            to: to.into_iter().map(|node| name(nodes, node).to_owned()).collect(),
        };
        Whom::Links(deaf.into_iter().map(cut).collect())
    }
}

/// The links that these cuts name.
///
/// # Errors
/// One line for the user: a node that does not exist, or groups that overlap.
pub(crate) fn named(cuts: &[Cut], nodes: &[Node]) -> Result<Grudge, String> {
    let mut links = BTreeSet::new();
    let mut hit = BTreeSet::new();
    let mut texts = Vec::new();
    for cut in cuts {
        let (groups, mark): (Vec<&Vec<String>>, &str) = match cut {
            Cut::Apart(groups) => (groups.iter().collect(), " | "),
            Cut::OneWay { from, to } => (vec![from, to], " > "),
        };
        let groups: Vec<Vec<usize>> = groups
            .into_iter()
            .map(|group| indices(group, nodes))
            .collect::<Result<_, _>>()?;
        for (position, left) in groups.iter().enumerate() {
            for right in &groups[position + 1..] {
                if let Some(&both) = left.iter().find(|node| right.contains(node)) {
                    return Err(format!("{} is on both sides of `{cut}`", name(nodes, both)));
                }
                links.extend(match cut {
                    Cut::OneWay { .. } => links_between(left, right),
                    Cut::Apart(_) => both_ways(left, right),
                });
            }
        }
        let smallest = groups.iter().min_by_key(|group| group.len());
        hit.extend(smallest.into_iter().flatten().copied());
        let groups: Vec<String> = groups.iter().map(|group| names(nodes, group)).collect();
        texts.push(groups.join(mark));
    }
    Ok(Grudge {
        links: links.into_iter().collect(),
        nodes: hit.into_iter().collect(),
        text: texts.join("; "),
    })
}

#[cfg(test)]
mod tests {
    use history::Aim;

    use super::*;

    #[test]
    fn links_by_name() {
        let nodes = Node::numbered(5);
        // (target, what exactly is cut and how it reads, or the error)
        let cases = [
            ("n1|n2", "n1>n2;n2>n1 as n1 | n2"),
            ("n1>n2", "n1>n2 as n1 > n2"),
            ("n2+n1>n4+n3", "n1>n3+n4;n2>n3+n4 as n1 n2 > n3 n4"),
            ("n1|n2|n3", "n1>n2+n3;n2>n1+n3;n3>n1+n2 as n1 | n2 | n3"),
            ("n1>n2;n2>n1+n3", "n1>n2;n2>n1+n3 as n1 > n2; n2 > n1 n3"),
            ("n1|n6", "error: there is no node n6 among 5"),
            ("n1|n1+n2", "error: n1 is on both sides of `n1|n1+n2`"),
        ];
        for (target, expected) in cases {
            let aim: Aim = target.parse().expect(target);
            let Some(Whom::Links(cuts)) = aim.whom else {
                panic!("{target} names no links");
            };
            let found = match named(&cuts, &nodes) {
                Ok(grudge) => format!("{} as {}", grudge.by_name(&nodes), grudge.text),
                Err(why) => format!("error: {why}"),
            };
            assert_eq!(found, expected, "{target}");
        }
    }
}
