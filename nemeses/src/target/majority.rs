//! Whether the members that remain can still agree: some majority of them runs and is connected.
//!
//! Source: a change of members counts from the moment it is in a log, so that those who remain must agree on
//! it (Ongaro, "Consensus: Bridging Theory and Practice", 2014, section 4.1).

use std::collections::BTreeSet;

use control::{Link, ProcessState};

use crate::NemesisContext;
use crate::act::nodes_in;

/// Which nodes run, and which links between them are cut.
#[derive(Clone, Debug, Default)]
pub(crate) struct Connected {
    running: BTreeSet<usize>,
    cuts: BTreeSet<Link>,
}

impl Connected {
    /// As it is now.
    pub async fn now(ctx: &NemesisContext) -> Connected {
        let running = nodes_in(ctx, |state| state == ProcessState::Running).await;
        Connected {
            running: running.into_iter().collect(),
            cuts: ctx.environment.net().cuts().await,
        }
    }

    /// Whether some running node of these reaches a majority of them, itself included, in both directions.
    pub fn can_agree(&self, members: &BTreeSet<usize>) -> bool {
        let is_open = |from: usize, to: usize| !self.cuts.contains(&Link { from, to });
        let reach = |one: usize, other: usize| one == other || is_open(one, other) && is_open(other, one);
        let up = || members.intersection(&self.running).copied();
        up().any(|leader| 2 * up().filter(|&node| reach(leader, node)).count() > members.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_who_remain_must_reach_a_majority() {
        let apart = |one: &[usize], other: &[usize]| -> BTreeSet<Link> {
            let both = one
                .iter()
                .flat_map(|&from| other.iter().map(move |&to| (from, to)));
            both.flat_map(|(from, to)| [Link { from, to }, Link { from: to, to: from }])
                .collect()
        };
        let one_way = BTreeSet::from([Link { from: 0, to: 1 }, Link { from: 2, to: 0 }]);
        // (running, cuts, members, whether they can agree)
        type Case<'a> = (&'a [usize], BTreeSet<Link>, &'a [usize], bool);
        let cases: [Case; 7] = [
            (&[0, 1, 2, 3, 4], BTreeSet::new(), &[0, 1, 2, 3, 4], true),
            (
                &[0, 1, 2, 3, 4],
                apart(&[0, 3], &[1, 2, 4]),
                &[0, 1, 2, 3, 4],
                true,
            ),
            // A node of the larger side is gone: two of four are left there.
            (&[0, 1, 2, 3, 4], apart(&[0, 3], &[1, 2, 4]), &[0, 2, 3, 4], false),
            // One of the smaller side is gone: three of four.
            (&[0, 1, 2, 3, 4], apart(&[0, 3], &[1, 2, 4]), &[1, 2, 3, 4], true),
            (&[0, 1, 2], BTreeSet::new(), &[0, 1, 3, 4], false),
            // A bridge: node 2 reaches everyone.
            (&[0, 1, 2, 3, 4], apart(&[0, 1], &[3, 4]), &[0, 1, 2, 3, 4], true),
            (&[0, 1, 2], one_way, &[0, 1, 2], true),
        ];
        for (running, cuts, members, expected) in cases {
            let connected = Connected {
                running: running.iter().copied().collect(),
                cuts,
            };
            let members = members.iter().copied().collect();
            assert_eq!(
                connected.can_agree(&members),
                expected,
                "{connected:?} {members:?}"
            );
        }
    }
}
