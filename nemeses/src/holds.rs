//! What faults know of each other: which nodes are kept down, and by which nemesis, which nodes are not
//! members, and whose clocks are shifted.
//!
//! ```text
//! kill n3    ├──── keeps n3 down ────┤          the node starts when the last one lets go of it
//! power n3          ├── keeps n3 down ──────┤
//! ```
//!
//! Invariants:
//! - Whether a fault keeps a process down is known here and nowhere else; a nemesis starts a process only
//!   when it was the last one that kept it down.
//! - A node that is kept down is a member, and one that was removed is not kept down: what takes the one
//!   leaves the other alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use control::Node;
use control::inside::ClockShift;

/// Nodes that must be left alone, each with the reason.
pub type Taken = BTreeMap<usize, String>;

/// The nodes that faults hold on to, by index.
#[derive(Debug, Default)]
pub struct Holds(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// Which nemeses keep a node down.
    down: BTreeMap<usize, BTreeSet<&'static str>>,
    /// The nodes that are not members.
    removed: BTreeSet<usize>,
    /// How the clocks of nodes are shifted, also of processes that start there.
    clocks: BTreeMap<usize, ClockShift>,
}

impl Holds {
    /// A nemesis keeps these nodes down from now on.
    pub fn keep_down(&self, nemesis: &'static str, nodes: &[usize]) {
        let mut held = self.lock();
        for &node in nodes {
            held.down.entry(node).or_default().insert(nemesis);
        }
    }

    /// A nemesis no longer keeps a node down. Whether no other one does.
    pub fn let_go(&self, nemesis: &str, node: usize) -> bool {
        let mut held = self.lock();
        if let Some(keepers) = held.down.get_mut(&node) {
            keepers.remove(nemesis);
            if keepers.is_empty() {
                held.down.remove(&node);
            }
        }
        !held.down.contains_key(&node)
    }

    /// The nodes that a nemesis keeps down, in ascending order.
    pub fn of(&self, nemesis: &str) -> Vec<usize> {
        let held = self.lock();
        let of_nemesis = |(&node, keepers): (&usize, &BTreeSet<_>)| keepers.contains(nemesis).then_some(node);
        held.down.iter().filter_map(of_nemesis).collect()
    }

    /// Why another nemesis than this one must leave a node alone; `None` if nothing holds it.
    pub fn reason(&self, nemesis: &str, node: usize) -> Option<String> {
        let held = self.lock();
        if held.removed.contains(&node) {
            return Some("is not a member now".to_owned());
        }
        let mut keepers = held.down.get(&node)?.iter().filter(|keeper| **keeper != nemesis);
        keepers.next().map(|keeper| format!("is kept down by {keeper}"))
    }

    /// The nodes that this nemesis must leave alone, each with the reason.
    pub fn taken(&self, nemesis: &str, nodes: &[Node]) -> Taken {
        let reason = |node: &Node| Some((node.index, self.reason(nemesis, node.index)?));
        nodes.iter().filter_map(reason).collect()
    }

    /// Whether any nemesis keeps a node down.
    pub fn is_down(&self, node: usize) -> bool {
        self.lock().down.contains_key(&node)
    }

    /// Says which nodes are not members.
    pub fn set_removed(&self, nodes: impl IntoIterator<Item = usize>) {
        self.lock().removed = nodes.into_iter().collect();
    }

    /// The clocks of these nodes are shifted from now on.
    pub fn shift_clocks(&self, nodes: &[usize], shift: ClockShift) {
        self.lock().clocks.extend(nodes.iter().map(|&node| (node, shift)));
    }

    /// The clocks of these nodes are right from now on.
    pub fn clocks_are_right(&self, nodes: &[usize]) {
        self.lock().clocks.retain(|node, _| !nodes.contains(node));
    }

    /// How the clock of a node is shifted.
    pub fn clock(&self, node: usize) -> Option<ClockShift> {
        self.lock().clocks.get(&node).copied()
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::Holds;

    #[test]
    fn the_last_one_to_let_go_may_start_a_node() {
        let holds = Holds::default();
        holds.keep_down("kill", &[0, 2]);
        holds.keep_down("power", &[2]);
        assert_eq!((holds.of("kill"), holds.of("power")), (vec![0, 2], vec![2]));
        assert!(holds.let_go("kill", 0));
        assert!(!holds.let_go("kill", 2));
        assert_eq!(holds.reason("kill", 2), Some("is kept down by power".into()));
        assert_eq!(holds.reason("power", 2), None);
        assert!(holds.is_down(2) && !holds.is_down(0));
        assert!(holds.let_go("power", 2));
        holds.set_removed([1]);
        assert_eq!(holds.reason("kill", 1), Some("is not a member now".into()));
        assert_eq!(holds.reason("kill", 2), None);
    }
}
