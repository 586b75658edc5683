//! What must come before what, and a cycle in it if there is one.
//!
//! Invariant: real time is part of the graph. A chain of points in time stands for all pairs: every completion leads to
//! the next point, every start is led to by the last one, so the graph stays as small as the history.

use std::collections::VecDeque;

use history::OPEN;

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
    next: Vec<Vec<(u32, Edge)>>,
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
            next: vec![Vec::new(); calls.len()],
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
                if let Some(Point(point)) = last {
                    graph.next[point].push((number as u32, TIME));
                }
            } else {
                // Completions without a start between them share a point.
                if was_start || last.is_none() {
                    let point = graph.point();
                    if let Some(Point(before)) = last {
                        graph.next[before].push((point.0 as u32, TIME));
                    }
                    last = Some(point);
                }
                if let Some(Point(point)) = last {
                    graph.next[number].push((point as u32, TIME));
                }
            }
            was_start = begins;
        }
        graph
    }

    /// A new point.
    pub fn point(&mut self) -> Point {
        self.next.push(Vec::new());
        Point(self.next.len() - 1)
    }

    /// `from` must come before `to`.
    pub fn add(&mut self, from: usize, to: usize, edge: Edge) {
        if from != to {
            self.next[from].push((to as u32, edge));
        }
    }

    /// `from` must come before all that `point` leads to.
    pub fn enter(&mut self, from: usize, point: Point, edge: Edge) {
        self.next[from].push((point.0 as u32, edge));
    }

    /// All that leads to `point` must come before `to`.
    pub fn leave(&mut self, point: Point, to: usize, edge: Edge) {
        self.next[point.0].push((to as u32, edge));
    }

    /// The calls that take part, in an order that respects everything.
    ///
    /// # Errors
    /// A short cycle.
    pub fn order(&self) -> Result<Vec<usize>, Cycle> {
        let mut waits = vec![0u32; self.next.len()];
        for &(to, _) in self.next.iter().flatten() {
            waits[to as usize] += 1;
        }
        let mut ready: VecDeque<usize> = (0..self.next.len()).filter(|&node| waits[node] == 0).collect();
        let mut order = Vec::with_capacity(self.calls);
        while let Some(node) = ready.pop_front() {
            if node < self.calls && self.takes_part[node] {
                order.push(node);
            }
            for &(to, _) in &self.next[node] {
                waits[to as usize] -= 1;
                if waits[to as usize] == 0 {
                    ready.push_back(to as usize);
                }
            }
        }
        if waits.iter().all(|&count| count == 0) {
            Ok(order)
        } else {
            Err(self.cycle(&waits))
        }
    }

    /// The shortest of some cycles among the nodes that still wait.
    fn cycle(&self, waits: &[u32]) -> Cycle {
        /// From how many calls cycles are looked for.
        const MOST_TRIED: usize = 32;
        let mut shortest: Option<Vec<(usize, usize, Edge)>> = None;
        let mut tried = 0;
        for call in (0..self.calls).filter(|&call| waits[call] > 0) {
            if let Some(edges) = self.back_to(call, waits) {
                tried += 1;
                if shortest
                    .as_ref()
                    .is_none_or(|shortest| edges.len() < shortest.len())
                {
                    shortest = Some(edges);
                }
            }
            if tried == MOST_TRIED {
                break;
            }
        }
        Cycle {
            edges: shortest.unwrap_or_default(),
        }
    }

    /// The shortest way from a call back to itself; points cost nothing.
    fn back_to(&self, call: usize, waits: &[u32]) -> Option<Vec<(usize, usize, Edge)>> {
        let mut from: Vec<Option<(usize, Edge)>> = vec![None; self.next.len()];
        let mut is_done = vec![false; self.next.len()];
        let mut todo = VecDeque::from([(call, None)]);
        while let Some((node, by)) = todo.pop_front() {
            if std::mem::replace(&mut is_done[node], true) {
                continue;
            }
            if from[node].is_none() {
                from[node] = by;
            }
            for &(to, edge) in &self.next[node] {
                let to = to as usize;
                if to == call {
                    return Some(self.walk(call, node, edge, &from));
                }
                if waits[to] > 0 && !is_done[to] {
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
