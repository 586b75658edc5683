//! Which call was linearized when: a tree of choices, one branch a configuration.

use history::OPEN;

use super::plan::{Event, Plan};
use super::table::{StateId, Table};
use crate::model::{Effect, Model};

/// The beginning of every branch.
pub(super) const ROOT: u32 = u32::MAX;

#[derive(Clone, Copy)]
struct Node {
    before: u32,
    call: u32,
    /// Before which event (by number) it was linearized.
    event: u32,
    /// The state after it.
    state: StateId,
}

/// The tree of choices.
#[derive(Default)]
pub(super) struct Trace {
    nodes: Vec<Node>,
    /// How many nodes there were when the dead branches were last cut off.
    kept: usize,
}

impl Trace {
    /// Adds a choice to the branch that ends with node `before`; the number of the new node.
    pub fn push(&mut self, before: u32, call: u32, event: u32, state: StateId) -> u32 {
        self.nodes.push(Node {
            before,
            call,
            event,
            state,
        });
        (self.nodes.len() - 1) as u32
    }

    /// How many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.nodes.capacity() * size_of::<Node>()
    }

    /// Whether cutting off dead branches is worth its while.
    pub fn is_overgrown(&self) -> bool {
        self.nodes.len() > 2 * self.kept + (1 << 16)
    }

    /// Forgets all branches but those that end with one of `tips`, which are renumbered.
    pub fn prune<'t>(&mut self, tips: impl Iterator<Item = &'t mut u64>) {
        // Parents stand before their children, so marks can be set backwards and numbers given forwards.
        let tips: Vec<&mut u64> = tips.collect();
        let mut number = vec![ROOT; self.nodes.len()];
        for tip in &tips {
            if **tip as u32 != ROOT {
                number[**tip as usize] = 0;
            }
        }
        for place in (0..self.nodes.len()).rev() {
            let before = self.nodes[place].before;
            if number[place] != ROOT && before != ROOT {
                number[before as usize] = 0;
            }
        }
        let mut kept = 0;
        for place in 0..self.nodes.len() {
            if number[place] != ROOT {
                let mut node = self.nodes[place];
                if node.before != ROOT {
                    node.before = number[node.before as usize];
                }
                number[place] = kept as u32;
                self.nodes[kept] = node;
                kept += 1;
            }
        }
        self.nodes.truncate(kept);
        self.kept = kept;
        for tip in tips {
            if *tip as u32 != ROOT {
                *tip = u64::from(number[*tip as usize]);
            }
        }
    }

    /// The linearization of the events before number `until` that the branch with this `tip` stands for, by
    /// call numbers, and where in it the last change stands.
    ///
    /// The branch holds only calls that were chosen. A call that changes nothing goes where that first was
    /// so, and an overwriting one that was not chosen goes immediately before the first one that was, at the
    /// latest.
    pub fn order<M: Model>(
        &self,
        tip: u32,
        until: usize,
        plan: &Plan<M::Op>,
        table: &mut Table<M>,
    ) -> Vec<u32> {
        let mut chosen = Vec::new();
        let mut at = tip;
        while at != ROOT {
            chosen.push(self.nodes[at as usize]);
            at = self.nodes[at as usize].before;
        }
        chosen.reverse();
        let mut is_chosen = vec![false; plan.items.len()];
        for node in &chosen {
            is_chosen[node.call as usize] = true;
        }

        let effect = |call: u32| plan.effects[plan.items[call as usize].class as usize];
        let mut order = Vec::with_capacity(plan.items.len());
        // Running pure calls and others that were not chosen, among them those that overwrite, none placed
        // yet.
        let (mut idle, mut unchosen): (Vec<u32>, Vec<u32>) = (Vec::new(), Vec::new());
        let mut state = Table::<M>::INITIAL;
        let mut chosen = chosen.into_iter().peekable();
        for (number, event) in plan.events[..until].iter().enumerate() {
            while let Some(node) = chosen.next_if(|node| node.event as usize == number) {
                place_idle(&mut idle, &mut order, state, plan, table);
                place_idle(&mut unchosen, &mut order, state, plan, table);
                if effect(node.call) == Effect::Overwrite {
                    order.append(&mut unchosen);
                }
                order.push(node.call);
                state = node.state;
            }
            if let Event::Start(call) = *event
                && plan.items[call as usize].finish != OPEN
            {
                match effect(call) {
                    Effect::Pure => idle.push(call),
                    Effect::Overwrite if !is_chosen[call as usize] => unchosen.push(call),
                    Effect::Change if M::LOOPS && !is_chosen[call as usize] => idle.push(call),
                    Effect::Overwrite | Effect::Change => {}
                }
            }
            place_idle(&mut idle, &mut order, state, plan, table);
            place_idle(&mut unchosen, &mut order, state, plan, table);
        }
        for node in chosen {
            order.push(node.call);
        }
        order
    }
}

/// Moves the calls that change nothing in `state` to the end of the order.
fn place_idle<M: Model>(
    calls: &mut Vec<u32>,
    order: &mut Vec<u32>,
    state: StateId,
    plan: &Plan<M::Op>,
    table: &mut Table<M>,
) {
    calls.retain(|&call| {
        let class = plan.items[call as usize].class;
        let is_idle = match plan.effects[class as usize] {
            Effect::Pure => table.is_legal(state, class),
            Effect::Change | Effect::Overwrite => M::LOOPS && table.stays(state, class),
        };
        if is_idle {
            order.push(call);
        }
        !is_idle
    });
}
