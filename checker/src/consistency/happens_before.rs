//! What must happen before what: the order of each process, from a write to who was answered with it, and
//! what follows.
//!
//! For causal convergence (Bouajjani et al., POPL 2017, section 4): if a write x of a register is in the
//! causal past of an answer that came from y, x comes before y in the one order of the writes; a circle is a
//! violation, and there is no other (their bad patterns CyclicCO, WriteCOInitRead, WriteCORead and CyclicCF
//! are all circles here).
//!
//! For sequential consistency the same and its mirror image, again and again until nothing new follows
//! (Gibbons & Korach, "Testing shared memories", SIAM J. Comput. 26(4), 1997): if r was answered with what x
//! wrote, and a write y of the register comes after x, r comes before y. A circle is a violation; without one
//! there may or may not be an order.
//!
//! A cas that failed without telling what it found was not between a write of what it expected and an answer
//! from it.
//!
//! A cas is one operation that is answered and writes; the second rule makes it the next write after its
//! source.
//!
//! Invariant: memory is steps × processes numbers, and refused beforehand if that passes the limit.

use super::Limits;
use super::constraint_graph::{Edge, Out, Why, contradiction, path};
use super::evidence;
use super::findings::Evidence;
use super::reads_from::{ByProcess, Explanation, last_before, source_node};
use super::steps::{INITIAL, NONE, Trace};

/// What follows.
pub(super) enum Followed {
    /// A circle.
    Circle(Evidence),
    /// None; all constraints.
    Edges(Vec<Edge>),
    /// Given up: why.
    TooMuch(String),
}

/// How often consequences of consequences are drawn before giving up.
const MOST_ROUNDS: usize = 64;
/// More derived constraints of one circle are not traced back.
const MOST_TRACED: usize = 64;

/// Causal convergence: a circle, or there is none.
pub(super) fn causal(trace: &Trace, explanation: &Explanation, limits: &Limits) -> Followed {
    let all = || -> Result<Followed, String> {
        let mut happens = Happens::new(trace, explanation, limits)?;
        if let Some(circle) = happens.circle() {
            return Ok(Followed::Circle(circle));
        }
        happens.before_sights()?;
        Ok(happens.end())
    };
    all().unwrap_or_else(Followed::TooMuch)
}

/// Sequential consistency: all that follows, if the steps of each pair of `guesses` are assumed to be in
/// order. A circle is then only about the guesses.
pub(super) fn sequential(
    trace: &Trace,
    explanation: &Explanation,
    guesses: &[(u32, u32)],
    limits: &Limits,
) -> Followed {
    let all = || -> Result<Followed, String> {
        let mut happens = Happens::new(trace, explanation, limits)?;
        happens.initial_sights();
        let guesses = guesses.iter().map(|&(x, y)| Edge::new(x, y, Why::Guess));
        happens.edges.extend(guesses);
        for _ in 0..MOST_ROUNDS {
            if let Some(circle) = happens.circle() {
                return Ok(Followed::Circle(circle));
            }
            let before = happens.edges.len();
            happens.before_sights()?;
            happens.after_sights()?;
            happens.around_misses()?;
            if happens.edges.len() == before {
                return Ok(Followed::Edges(happens.edges));
            }
        }
        Err(format!(
            "consequences of consequences did not end within {MOST_ROUNDS} rounds"
        ))
    };
    all().unwrap_or_else(Followed::TooMuch)
}

struct Happens<'a> {
    trace: &'a Trace<'a>,
    explanation: &'a Explanation,
    writes: Vec<ByProcess>,
    /// For each step the last answers of each process that came from it.
    last_sights: Vec<Vec<u32>>,
    edges: Vec<Edge>,
    /// With how many edges each round began.
    rounds: Vec<usize>,
    /// For each step and process how many of the process's steps are before it.
    clocks: Vec<u32>,
    work: u64,
    limits: &'a Limits,
}

impl<'a> Happens<'a> {
    fn new(trace: &'a Trace<'a>, explanation: &'a Explanation, limits: &'a Limits) -> Result<Self, String> {
        let cells = trace.steps.len().saturating_mul(trace.by_process.len());
        if cells > limits.cells {
            return Err(format!(
                "{} operations of {} processes need more memory than the limit allows",
                trace.steps.len(),
                trace.by_process.len()
            ));
        }
        let writes = explanation.writes_by_key(trace);
        let mut edges = Vec::with_capacity(trace.steps.len() * 2);
        for steps in &trace.by_process {
            let mut kept = steps
                .iter()
                .copied()
                .filter(|&step| explanation.kept[step as usize]);
            let mut last = kept.next();
            for step in kept {
                edges.extend(last.map(|last| Edge::new(last, step, Why::Process)));
                last = Some(step);
            }
        }
        let mut last_sights = vec![Vec::new(); trace.steps.len()];
        for steps in &trace.by_process {
            for &step in steps.iter().rev() {
                let source = explanation.source[step as usize];
                if source == NONE || !explanation.kept[step as usize] {
                    continue;
                }
                let node = source_node(trace, source, trace.steps[step as usize].key);
                edges.push(Edge::new(node, step, Why::Source));
                if source < INITIAL {
                    let sights: &mut Vec<u32> = &mut last_sights[source as usize];
                    let process = trace.steps[step as usize].process;
                    if sights
                        .last()
                        .is_none_or(|&last| trace.steps[last as usize].process != process)
                    {
                        sights.push(step);
                    }
                }
            }
        }
        for (key, processes) in (0u32..).zip(&writes) {
            let initial = source_node(trace, INITIAL, key);
            let firsts = processes.iter().filter_map(|(_, list)| list.first());
            edges.extend(firsts.map(|&(_, first)| Edge::new(initial, first, Why::First)));
        }
        Ok(Happens {
            trace,
            explanation,
            writes,
            last_sights,
            rounds: vec![0, edges.len()],
            edges,
            clocks: vec![0; cells],
            work: 0,
            limits,
        })
    }

    fn end(self) -> Followed {
        match self.circle() {
            Some(circle) => Followed::Circle(circle),
            None => Followed::Edges(self.edges),
        }
    }

    fn nodes(&self) -> usize {
        self.trace.steps.len() + self.trace.keys.len()
    }

    /// Anyone who saw an initial value comes before every write of the register.
    fn initial_sights(&mut self) {
        for (key, processes) in self.explanation.sights_by_key(self.trace).iter().enumerate() {
            for (_, sights) in processes {
                let mut sights = sights.iter().rev().map(|&(_, step)| step);
                let last = sights.find(|&step| self.explanation.source[step as usize] == INITIAL);
                let Some(last) = last else { continue };
                let firsts = self.writes[key].iter().filter_map(|(_, list)| list.first());
                for &(_, write) in firsts.filter(|&&(_, write)| write != last) {
                    self.edges.push(Edge::new(last, write, Why::AfterSight));
                }
            }
        }
    }

    /// Brings the clocks up to date. There must be no circle.
    fn wind(&mut self) {
        let processes = self.trace.by_process.len();
        self.clocks.fill(0);
        let out = Out::new(self.nodes(), &self.edges);
        let mut waits = vec![0u32; self.nodes()];
        for edge in &self.edges {
            waits[edge.to as usize] += 1;
        }
        let mut ready: Vec<u32> = (0..waits.len() as u32)
            .filter(|&node| waits[node as usize] == 0)
            .collect();
        let mut row = vec![0u32; processes];
        while let Some(node) = ready.pop() {
            let step = self.trace.steps.get(node as usize);
            if let Some(step) = step {
                let at = node as usize * processes;
                row.copy_from_slice(&self.clocks[at..at + processes]);
                let own = &mut row[step.process as usize];
                *own = (*own).max(step.place + 1);
            }
            for &edge in out.of(node) {
                let to = self.edges[edge as usize].to;
                if step.is_some() && (to as usize) < self.trace.steps.len() {
                    let at = to as usize * processes;
                    for (clock, &past) in self.clocks[at..at + processes].iter_mut().zip(&row) {
                        *clock = (*clock).max(past);
                    }
                }
                waits[to as usize] -= 1;
                if waits[to as usize] == 0 {
                    ready.push(to);
                }
            }
        }
    }

    fn clock(&self, step: u32, process: u32) -> u32 {
        self.clocks[step as usize * self.trace.by_process.len() + process as usize]
    }

    /// Begins a round, and the first rule: a write before an answer is not after what the answer came from.
    fn before_sights(&mut self) -> Result<(), String> {
        self.rounds.push(self.edges.len());
        self.work += (self.edges.len() * self.trace.by_process.len()) as u64;
        self.stay_within()?;
        self.wind();
        for number in 0..self.trace.steps.len() as u32 {
            let source = self.explanation.source[number as usize];
            if source == NONE || !self.explanation.kept[number as usize] {
                continue;
            }
            let key = self.trace.steps[number as usize].key;
            let node = source_node(self.trace, source, key);
            self.work += self.writes[key as usize].len() as u64;
            for (process, list) in &self.writes[key as usize] {
                let Some(write) = last_before(list, self.clock(number, *process)) else {
                    continue;
                };
                let place = self.trace.steps[write as usize].place;
                if write != source && (source == INITIAL || self.clock(source, *process) <= place) {
                    self.edges.push(Edge::by(write, node, Why::BeforeSight, number));
                }
            }
            self.stay_within()?;
        }
        Ok(())
    }

    /// The second rule: an answer is before the writes that come after what it came from.
    fn after_sights(&mut self) -> Result<(), String> {
        for number in 0..self.trace.steps.len() as u32 {
            let step = &self.trace.steps[number as usize];
            if step.writes == NONE || !self.explanation.kept[number as usize] {
                continue;
            }
            for (process, list) in &self.writes[step.key as usize] {
                self.work += 1;
                let Some(write) = last_before(list, self.clock(number, *process)) else {
                    continue;
                };
                self.work += self.last_sights[write as usize].len() as u64;
                for &sight in &self.last_sights[write as usize] {
                    let seer = &self.trace.steps[sight as usize];
                    if sight != number && self.clock(number, seer.process) <= seer.place {
                        self.edges.push(Edge::by(sight, number, Why::AfterSight, write));
                    }
                }
            }
            self.stay_within()?;
        }
        Ok(())
    }

    /// Both rules for cas that failed without telling what they found: not between a write of what they
    /// expected and an answer that came from it.
    fn around_misses(&mut self) -> Result<(), String> {
        for (number, step) in (0u32..).zip(&self.trace.steps) {
            if step.not == NONE || step.not == self.trace.initial[step.key as usize] {
                continue;
            }
            let [write] = self.trace.writers[step.not as usize][..] else {
                continue;
            };
            let writer = &self.trace.steps[write as usize];
            let behind = self.clock(number, writer.process) > writer.place;
            let ahead = self.clock(write, step.process) > step.place;
            self.work += self.last_sights[write as usize].len() as u64;
            for &sight in &self.last_sights[write as usize] {
                let seer = &self.trace.steps[sight as usize];
                if !ahead && self.clock(sight, step.process) > step.place {
                    self.edges.push(Edge::by(number, write, Why::BeforeSight, sight));
                }
                if behind && self.clock(number, seer.process) <= seer.place {
                    self.edges.push(Edge::by(sight, number, Why::AfterSight, write));
                }
            }
            self.stay_within()?;
        }
        Ok(())
    }

    fn stay_within(&self) -> Result<(), String> {
        if self.limits.is_stopped() {
            return Err("it was stopped".into());
        }
        match self.work > self.limits.work || self.edges.len() as u64 > self.limits.work / 8 {
            true => Err("too many consequences to draw within the limit".into()),
            false => Ok(()),
        }
    }

    fn circle(&self) -> Option<Evidence> {
        let nodes = self.nodes();
        let circle = contradiction(nodes, nodes as u32, &self.edges)?;
        let (proofs, complete) = self.proofs(&circle);
        let edges: Vec<Edge> = circle.iter().map(|&edge| self.edges[edge as usize]).collect();
        Some(evidence::circle(
            self.trace,
            self.explanation,
            &self.shorten(edges),
            &self.shorten(proofs),
            complete,
        ))
    }

    /// What the derived constraints among `circle` follow from, and what that follows from; and whether that
    /// is all.
    fn proofs(&self, circle: &[u32]) -> (Vec<Edge>, bool) {
        let mut proofs = Vec::new();
        let mut traced = rustc_hash::FxHashSet::default();
        let mut look: Vec<u32> = circle.to_vec();
        while let Some(number) = look.pop() {
            let edge = self.edges[number as usize];
            let (from, to) = match edge.why {
                Why::BeforeSight => (edge.from, edge.by[0]),
                Why::AfterSight if edge.by[0] != NONE => (edge.by[0], edge.to),
                _ => continue,
            };
            if !traced.insert(number) {
                continue;
            }
            if traced.len() > MOST_TRACED {
                return (proofs, false);
            }
            // Only what was there when its round began, so that nothing proves itself.
            let known = self
                .rounds
                .iter()
                .rev()
                .copied()
                .find(|&begun| begun <= number as usize);
            let known = &self.edges[..known.unwrap_or(0)];
            let out = Out::new(self.nodes(), known);
            if let Some((_, path)) = path(&out, known, from, |node| node == to, |_| true) {
                look.extend(&path);
                proofs.extend(path.into_iter().map(|edge| known[edge as usize]));
            }
        }
        (proofs, true)
    }

    /// Makes one of several constraints of the same process that follow each other.
    fn shorten(&self, edges: Vec<Edge>) -> Vec<Edge> {
        let mut short: Vec<Edge> = Vec::with_capacity(edges.len());
        for edge in edges {
            match short.last_mut() {
                Some(last)
                    if last.why == Why::Process && edge.why == Why::Process && last.to == edge.from =>
                {
                    last.to = edge.to;
                }
                _ => short.push(edge),
            }
        }
        short
    }
}
