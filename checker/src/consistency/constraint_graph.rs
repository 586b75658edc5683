//! Constraints "x is not later than y", and whether an order fulfils them all.
//!
//! Some nodes are real (a write, an operation), others are helpers that stand for "the latest of these". Two
//! real nodes never share a place in an order, a helper may share one. So an order exists iff no strongly
//! connected component holds two real nodes.

use std::collections::VecDeque;

use petgraph::algo::kosaraju_scc;
use petgraph::graph::DiGraph;

use super::steps::NONE;

/// Why x is not later than y.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// The initial value comes first.
    First,
    /// One process did both, in this order.
    Process,
    /// The cas y replaced what x wrote; or: y saw what x wrote.
    Source,
    /// The process that wrote x later, at `by[0]`, saw y.
    Own,
    /// A process saw x at `by[0]` and later, at `by[1]`, saw y.
    Again,
    /// Into a helper: `by[0]` saw a write whose process had written x before.
    WroteBefore,
    /// Into a helper: x was seen at `by[0]`.
    Seen,
    /// From helper to helper: `by[0]` saw a write whose process had seen before all that x stands for.
    SawBefore,
    /// From a helper to a later one of the same process and register.
    Kept,
    /// Out of a helper: at `by[0]` its process saw y.
    Floor,
    /// x is before `by[0]`, which saw what y wrote; so y is later than x.
    BeforeSight,
    /// x saw what `by[0]` wrote, which is before y; so y is later than x.
    AfterSight,
    /// Nothing says so; it is tried out.
    Guess,
}

/// One constraint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub from: u32,
    pub to: u32,
    pub why: Why,
    /// Steps that say so; see [`Why`].
    pub by: [u32; 2],
}

impl Edge {
    pub fn new(from: u32, to: u32, why: Why) -> Self {
        Self::by(from, to, why, NONE)
    }

    pub fn by(from: u32, to: u32, why: Why, by: u32) -> Self {
        Edge {
            from,
            to,
            why,
            by: [by, NONE],
        }
    }
}

/// The edges of a graph by the nodes that they leave.
pub(super) struct Out {
    first: Vec<u32>,
    edges: Vec<u32>,
}

impl Out {
    pub fn new(nodes: usize, edges: &[Edge]) -> Self {
        let mut first = vec![0u32; nodes + 1];
        for edge in edges {
            first[edge.from as usize + 1] += 1;
        }
        for node in 0..nodes {
            first[node + 1] += first[node];
        }
        let mut next = first.clone();
        let mut sorted = vec![0u32; edges.len()];
        for (number, edge) in (0u32..).zip(edges) {
            let place = &mut next[edge.from as usize];
            sorted[*place as usize] = number;
            *place += 1;
        }
        Out { first, edges: sorted }
    }

    /// Numbers of the edges that leave `node`.
    pub fn of(&self, node: u32) -> &[u32] {
        &self.edges[self.first[node as usize] as usize..self.first[node as usize + 1] as usize]
    }
}

/// A circle of constraints through at least two real nodes (those below `real`), as numbers of edges; none if
/// an order exists.
pub(super) fn contradiction(nodes: usize, real: u32, edges: &[Edge]) -> Option<Vec<u32>> {
    let out = Out::new(nodes, edges);
    let components = components(nodes, edges);
    // A component with two real nodes: remember the first one of each.
    let mut first = vec![NONE; nodes];
    let mut starts: Vec<u32> = Vec::new();
    for node in 0..real {
        let component = components[node as usize] as usize;
        if first[component] == NONE {
            first[component] = node;
        } else {
            starts.push(node);
            if starts.len() >= STARTS {
                break;
            }
        }
    }
    let mut best: Option<Vec<u32>> = None;
    for start in starts {
        let within = |node: u32| components[node as usize] == components[start as usize];
        let there = path(&out, edges, start, |node| node < real && node != start, within);
        let Some((other, mut circle)) = there else {
            continue;
        };
        let Some((_, back)) = path(&out, edges, other, |node| node == start, within) else {
            continue;
        };
        circle.extend(back);
        if best.as_ref().is_none_or(|best| circle.len() < best.len()) {
            best = Some(circle);
        }
    }
    best
}

/// From how many nodes a short circle is looked for.
const STARTS: usize = 8;

/// A shortest path from `start` to a node that is `wanted`, through nodes `within`: that node and the edges.
pub(super) fn path(
    out: &Out,
    edges: &[Edge],
    start: u32,
    wanted: impl Fn(u32) -> bool,
    within: impl Fn(u32) -> bool,
) -> Option<(u32, Vec<u32>)> {
    let mut came_by: rustc_hash::FxHashMap<u32, u32> = rustc_hash::FxHashMap::default();
    let mut queue = VecDeque::from([start]);
    while let Some(node) = queue.pop_front() {
        for &number in out.of(node) {
            let to = edges[number as usize].to;
            if !within(to) {
                continue;
            }
            if wanted(to) {
                let mut found = vec![number];
                let mut at = node;
                while at != start {
                    let by = came_by[&at];
                    found.push(by);
                    at = edges[by as usize].from;
                }
                found.reverse();
                return Some((to, found));
            }
            if to != start && !came_by.contains_key(&to) {
                came_by.insert(to, number);
                queue.push_back(to);
            }
        }
    }
    None
}

/// The number of each node's strongly connected component. Not by petgraph's `tarjan_scc`: it recurses, and a
/// long history is deeper than the stack.
fn components(nodes: usize, edges: &[Edge]) -> Vec<u32> {
    let mut graph: DiGraph<(), ()> = DiGraph::with_capacity(nodes, edges.len());
    for _ in 0..nodes {
        graph.add_node(());
    }
    graph.extend_with_edges(edges.iter().map(|edge| (edge.from, edge.to)));
    let mut component = vec![NONE; nodes];
    for (number, members) in (0u32..).zip(kosaraju_scc(&graph)) {
        for member in members {
            component[member.index()] = number;
        }
    }
    component
}
