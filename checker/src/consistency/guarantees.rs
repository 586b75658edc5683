//! The four session guarantees, as constraints on the order of the writes of each register.
//!
//! Terry et al., "Session guarantees for weakly consistent replicated data", PDIS 1994, section 3, for
//! someone who sees nothing but answers. An *explanation* names the write that each answer came from and
//! puts the writes of each register in one order: the initial value first; writes of one process as it made
//! them; a cas after the write that it replaced. A process *sees* a write when it is answered with it or with
//! a later one. A cas is a read and a write.
//!
//! - read your writes: a process sees what it wrote itself.
//! - monotonic reads: a process goes on seeing what it was once answered with.
//! - monotonic writes: who was answered with a write sees from then on all that its process had written
//!   before it.
//! - writes follow reads: who was answered with a write sees from then on all that its process had been
//!   answered with before it.
//!
//! A guarantee holds iff an explanation fulfils it; each is judged by itself. Terry et al. speak of servers,
//! whose contents no one can see: the last two are therefore judged by what a process sees after it has met
//! such a write. All four follow from causal convergence, and so from sequential consistency.
//!
//! "Not later than" constraints suffice ([`super::constraint_graph`]). The last two need "the latest of all
//! these": a helper node for each process and register, which every new requirement leads into and every
//! answer must not be behind. Invariant: near-linear work. Only news since the last look is gone through, or
//! the writers of the register if they are fewer; a budget guards the rest.

use rustc_hash::FxHashMap;

use super::constraint_graph::{Edge, Why};
use super::findings::Guarantee;
use super::reads_from::{ByProcess, Explanation, last_before, source_node};
use super::steps::{INITIAL, NONE, Trace};

/// The constraints of one guarantee.
pub(super) struct Constraints {
    /// Steps first, then the initial value of each register, then helpers.
    pub nodes: usize,
    /// The nodes below this are real.
    pub real: u32,
    pub edges: Vec<Edge>,
}

/// The constraints of `guarantee` under `explanation`; none if they would take more than `budget` elementary
/// steps.
pub(super) fn constraints(
    trace: &Trace,
    explanation: &Explanation,
    guarantee: Guarantee,
    budget: u64,
) -> Option<Constraints> {
    let real = (trace.steps.len() + trace.keys.len()) as u32;
    let mut edges = base(trace, explanation);
    let mut nodes = real as usize;
    match guarantee {
        Guarantee::ReadYourWrites => own_writes(trace, explanation, &mut edges),
        Guarantee::MonotonicReads => again(trace, explanation, &mut edges),
        Guarantee::MonotonicWrites => {
            let lists = explanation.writes_by_key(trace);
            let required = |by: u32| (by, Why::WroteBefore);
            nodes = floors(trace, explanation, &mut edges, nodes, &lists, 0, budget, required)?;
        }
        Guarantee::WritesFollowReads => {
            let lists = explanation.sights_by_key(trace);
            // A helper for each sight: all that its process had seen of the register by then.
            let helper_base = nodes as u32;
            nodes += trace.steps.len();
            for (key, processes) in (0u32..).zip(&lists) {
                for (_, sights) in processes {
                    let mut last = None;
                    for &(_, sight) in sights {
                        let helper = helper_base + sight;
                        let from = source_node(trace, explanation.source[sight as usize], key);
                        edges.push(Edge::by(from, helper, Why::Seen, sight));
                        edges.extend(last.map(|last| Edge::new(last, helper, Why::Kept)));
                        last = Some(helper);
                    }
                }
            }
            let required = |by: u32| (helper_base + by, Why::SawBefore);
            nodes = floors(trace, explanation, &mut edges, nodes, &lists, 1, budget, required)?;
        }
        Guarantee::SequentialConsistency | Guarantee::SequentialPerKey | Guarantee::CausalConvergence => {
            return None;
        }
    }
    Some(Constraints { nodes, real, edges })
}

/// What holds in every explanation: see the head of the file.
fn base(trace: &Trace, explanation: &Explanation) -> Vec<Edge> {
    let mut edges = Vec::with_capacity(trace.steps.len() * 2);
    for (key, processes) in (0u32..).zip(explanation.writes_by_key(trace)) {
        for (_, writes) in processes {
            let initial = source_node(trace, INITIAL, key);
            edges.extend(
                writes
                    .first()
                    .map(|&(_, first)| Edge::new(initial, first, Why::First)),
            );
            edges.extend(
                writes
                    .windows(2)
                    .map(|pair| Edge::new(pair[0].1, pair[1].1, Why::Process)),
            );
            for &(_, write) in &writes {
                let source = explanation.source[write as usize];
                if source < INITIAL {
                    edges.push(Edge::new(source, write, Why::Source));
                }
            }
        }
    }
    edges
}

/// The own write that a process made last, before each answer. Earlier ones are before it anyway.
fn own_writes(trace: &Trace, explanation: &Explanation, edges: &mut Vec<Edge>) {
    let mut last: FxHashMap<(u32, u32), u32> = FxHashMap::default();
    for (number, step) in (0u32..).zip(&trace.steps) {
        let at = (step.process, step.key);
        let source = explanation.source[number as usize];
        if !explanation.kept[number as usize] {
            continue;
        }
        if source != NONE
            && let Some(&own) = last.get(&at)
            && own != source
        {
            edges.push(Edge::by(
                own,
                source_node(trace, source, step.key),
                Why::Own,
                number,
            ));
        }
        if step.writes != NONE {
            last.insert(at, number);
        }
    }
}

/// The last answer of a process before each answer. What was before that is before it anyway.
fn again(trace: &Trace, explanation: &Explanation, edges: &mut Vec<Edge>) {
    let mut last: FxHashMap<(u32, u32), (u32, u32)> = FxHashMap::default();
    for (number, step) in (0u32..).zip(&trace.steps) {
        let source = explanation.source[number as usize];
        if source == NONE || !explanation.kept[number as usize] {
            continue;
        }
        let node = source_node(trace, source, step.key);
        let before = last.insert((step.process, step.key), (node, number));
        if let Some((seen, at)) = before
            && seen != node
        {
            edges.push(Edge {
                by: [at, number],
                ..Edge::new(seen, node, Why::Again)
            });
        }
    }
}

/// What one process has learnt of the others.
#[derive(Default)]
struct Reader {
    /// For each process which of the news is the latest of it.
    met: FxHashMap<u32, u32>,
    /// Writes that were met, in order: the process, the write's place (or [`NONE`] once a later one was met),
    /// and where.
    news: Vec<(u32, u32, u32)>,
    /// For each register how much of the news was gone through, and the helper that holds what came of it.
    floors: FxHashMap<u32, (usize, Option<u32>)>,
}

impl Reader {
    fn meet(&mut self, process: u32, place: u32, by: u32) {
        let new = self.news.len() as u32;
        let latest = self.met.entry(process).or_insert(new);
        if *latest < new {
            let old = &mut self.news[*latest as usize];
            if old.1 >= place {
                return;
            }
            old.1 = NONE;
            *latest = new;
        }
        self.news.push((process, place, by));
    }
}

/// A process that has met a write of another one must from then on not be answered with less than what
/// `lists` hold of that process with a place below the write's (plus `more`). Returns the new number of
/// nodes.
#[expect(
    clippy::too_many_arguments,
    reason = "two callers, and a struct would only rename them"
)]
fn floors(
    trace: &Trace,
    explanation: &Explanation,
    edges: &mut Vec<Edge>,
    mut nodes: usize,
    lists: &[ByProcess],
    more: u32,
    budget: u64,
    required: impl Fn(u32) -> (u32, Why),
) -> Option<usize> {
    let mut readers: Vec<Reader> = Vec::new();
    readers.resize_with(trace.by_process.len(), Reader::default);
    let mut work = 0u64;
    for (number, step) in (0u32..).zip(&trace.steps) {
        let source = explanation.source[number as usize];
        if source == NONE || !explanation.kept[number as usize] {
            continue;
        }
        let reader = &mut readers[step.process as usize];
        if source != INITIAL {
            let writer = &trace.steps[source as usize];
            reader.meet(writer.process, writer.place, number);
        }
        let list = &lists[step.key as usize];
        let (seen, floor) = reader.floors.entry(step.key).or_insert((0, None));
        let news = &reader.news[*seen..];
        let mut new: Option<u32> = None;
        let mut require = |process: u32, place: u32, by: u32| {
            let Ok(at) = list.binary_search_by_key(&process, |&(process, _)| process) else {
                return;
            };
            let Some((node, why)) = last_before(&list[at].1, place + more).map(&required) else {
                return;
            };
            let helper = *new.get_or_insert_with(|| {
                nodes += 1;
                (nodes - 1) as u32
            });
            edges.push(Edge::by(node, helper, why, by));
        };
        if news.len() <= 8 * list.len() {
            work += 1 + news.len() as u64;
            for &(process, place, by) in news.iter().filter(|news| news.1 != NONE) {
                require(process, place, by);
            }
        } else {
            work += list.len() as u64;
            for (process, _) in list {
                if let Some(&latest) = reader.met.get(process) {
                    let (_, place, by) = reader.news[latest as usize];
                    require(*process, place, by);
                }
            }
        }
        *seen = reader.news.len();
        if let Some(new) = new {
            edges.extend(floor.map(|old| Edge::new(old, new, Why::Kept)));
            *floor = Some(new);
        }
        if let Some(floor) = *floor {
            edges.push(Edge::by(
                floor,
                source_node(trace, source, step.key),
                Why::Floor,
                number,
            ));
        }
        if work > budget / 32 || edges.len() as u64 > budget / 128 {
            return None;
        }
    }
    Some(nodes)
}
