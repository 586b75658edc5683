//! What must come before what, and a cycle in it if there is one.
//!
//! Invariant: real time is part of the graph. A chain of points in time stands for all pairs: every
//! completion leads to the next point, every start is led to by the last one, so the graph stays as small as
//! the history.

use std::collections::VecDeque;

use history::OPEN;
use petgraph::algo::{kosaraju_scc, toposort};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::EdgeRef;

use crate::model::Call;

/// Why one call must come before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The second saw what the first wrote.
    Seen,
    /// The second wrote behind the first.
    Behind,
    /// The first did not see what the second wrote.
    NotSeen,
    /// The first had completed before the second began.
    Before,
}

/// Why, and on account of which list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Edge {
    pub kind: Kind,
    pub list: u32,
}

/// Calls of which each must come before the next, and the last before the first, with the reasons.
#[derive(Debug)]
pub(crate) struct Cycle {
    pub edges: Vec<(usize, usize, Edge)>,
}

/// A point between calls, by node number.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Point(usize);

/// The nodes are the calls, by number, and the points behind them.
pub(crate) struct Graph {
    calls: usize,
    takes_part: Vec<bool>,
    nodes: usize,
    edges: Vec<(u32, u32, Edge)>,
}

const TIME: Edge = Edge {
    kind: Kind::Before,
    list: 0,
};

impl Graph {
    /// Real time alone, of the calls that take part.
    pub fn new<O>(calls: &[Call<O>], takes_part: &[bool]) -> Graph {
        let mut graph = Graph {
            calls: calls.len(),
            takes_part: takes_part.to_vec(),
            nodes: calls.len(),
            edges: Vec::new(),
        };
        let mut events = Vec::with_capacity(2 * calls.len());
        for (number, call) in calls.iter().enumerate().filter(|(number, _)| takes_part[*number]) {
            events.push((call.start, number, true));
            if call.finish != OPEN {
                events.push((call.finish, number, false));
            }
        }
        events.sort_unstable();
        let mut last: Option<Point> = None;
        let mut was_start = false;
        for (_, number, begins) in events {
            if begins {
                if let Some(point) = last {
                    graph.leave(point, number, TIME);
                }
            } else {
                // Completions without a start between them share a point.
                if was_start || last.is_none() {
                    let point = graph.point();
                    if let Some(before) = last {
                        graph.leave(before, point.0, TIME);
                    }
                    last = Some(point);
                }
                if let Some(point) = last {
                    graph.enter(number, point, TIME);
                }
            }
            was_start = begins;
        }
        graph
    }

    /// A new point.
    pub fn point(&mut self) -> Point {
        self.nodes += 1;
        Point(self.nodes - 1)
    }

    /// `from` must come before `to`.
    pub fn add(&mut self, from: usize, to: usize, edge: Edge) {
        if from != to {
            self.edges.push((from as u32, to as u32, edge));
        }
    }

    /// `from` must come before all that `point` leads to.
    pub fn enter(&mut self, from: usize, point: Point, edge: Edge) {
        self.edges.push((from as u32, point.0 as u32, edge));
    }

    /// All that leads to `point` must come before `to`.
    pub fn leave(&mut self, point: Point, to: usize, edge: Edge) {
        self.edges.push((point.0 as u32, to as u32, edge));
    }

    /// The calls that take part, in an order that respects everything.
    ///
    /// # Errors
    /// A short cycle.
    pub fn order(&self) -> Result<Vec<usize>, Cycle> {
        // A node's edges are met last one first, and cycles are looked for along the first ones.
        let mut graph: DiGraph<(), Edge> = DiGraph::with_capacity(self.nodes, self.edges.len());
        for _ in 0..self.nodes {
            graph.add_node(());
        }
        graph.extend_with_edges(self.edges.iter().rev());
        let takes_part = |node: &usize| *node < self.calls && self.takes_part[*node];
        match toposort(&graph, None) {
            Ok(order) => Ok(order
                .into_iter()
                .map(NodeIndex::index)
                .filter(takes_part)
                .collect()),
            Err(_) => Err(self.cycle(&graph)),
        }
    }

    /// The shortest of some cycles.
    fn cycle(&self, graph: &DiGraph<(), Edge>) -> Cycle {
        /// From how many calls cycles are looked for.
        const MOST_TRIED: usize = 32;
        // Not `tarjan_scc`: it recurses, and a long history is deeper than the stack.
        let mut component = vec![None; self.nodes];
        for (number, members) in kosaraju_scc(graph).into_iter().enumerate() {
            if members.len() > 1 {
                members
                    .into_iter()
                    .for_each(|member| component[member.index()] = Some(number));
            }
        }
        let on_cycles = (0..self.calls).filter(|&call| component[call].is_some());
        let shortest = on_cycles
            .take(MOST_TRIED)
            .filter_map(|call| self.back_to(call, graph, &component))
            .min_by_key(Vec::len);
        Cycle {
            edges: shortest.unwrap_or_default(),
        }
    }

    /// The shortest way from a call back to itself, within its component; points cost nothing.
    fn back_to(
        &self,
        call: usize,
        graph: &DiGraph<(), Edge>,
        component: &[Option<usize>],
    ) -> Option<Vec<(usize, usize, Edge)>> {
        let mut from: Vec<Option<(usize, Edge)>> = vec![None; self.nodes];
        let mut is_done = vec![false; self.nodes];
        let mut todo = VecDeque::from([(call, None)]);
        while let Some((node, by)) = todo.pop_front() {
            if std::mem::replace(&mut is_done[node], true) {
                continue;
            }
            if from[node].is_none() {
                from[node] = by;
            }
            for leaving in graph.edges(NodeIndex::new(node)) {
                let (to, edge) = (leaving.target().index(), *leaving.weight());
                if to == call {
                    return Some(self.walk(call, node, edge, &from));
                }
                if component[to] == component[call] && !is_done[to] {
                    match to < self.calls {
                        true => todo.push_back((to, Some((node, edge)))),
                        false => todo.push_front((to, Some((node, edge)))),
                    }
                }
            }
        }
        None
    }

    /// The edges of a way, from call to call.
    fn walk(
        &self,
        call: usize,
        last: usize,
        edge: Edge,
        from: &[Option<(usize, Edge)>],
    ) -> Vec<(usize, usize, Edge)> {
        let mut edges = Vec::new();
        let (mut to, mut node, mut edge) = (call, last, edge);
        loop {
            if node < self.calls {
                edges.push((node, to, edge));
                to = node;
            }
            match from[node].filter(|_| node != call) {
                Some((before, by)) => {
                    // The edges before and behind a point are of the same kind.
                    (node, edge) = (before, by);
                }
                None => break,
            }
        }
        edges.reverse();
        edges
    }
}
