//! When faults come and go: quiet, then one fault, or several that overlap, and again.
//!
//! ```text
//!  alone    ── quiet ──├──── one ────┤── quiet ──►
//!  inside   ── quiet ──├──── one ──────────┤── quiet ──►
//!                          ├── other ──┤
//!  across   ── quiet ──├──── one ────┤
//!                          ├──── other ────┤── quiet ──►
//!  after    ── quiet ──├── one ──┤├── other ──┤── quiet ──►    on the nodes that were hit just before
//! ```
//!
//! Invariants:
//! - At most so many faults are in force at once as the test allows, each of another nemesis.
//! - Between two episodes nothing is in force, so that recovery is tested as well.
//! - Which faults may overlap is for [`Alongside`](crate::Alongside) to say: what could not take
//!   hold, or would void what the store promises, is not drawn.
//! - Times run from the end of the act before, so that a slow act does not eat the quiet in which the cluster
//!   recovers, nor the time for which two faults overlap.

use std::collections::VecDeque;

use generator::{Action, Context, Generator, Next, Thread};
use history::faults::InForce;
use history::{EventKind, NemesisAction, NemesisOp, Target};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::draw::Bag;
use crate::nemesis::Drawable;
use crate::overlap::{self, Timed};

/// The share of episodes with a single fault where several may overlap.
const ALONE: f64 = 0.35;
/// The share of overlapping faults that hit the nodes that the first one hit, where that can be.
const SAME_NODES: f64 = 0.35;
/// How often a fault that meets another one begins within [`SOON_NS`] of it: before the store has noticed the
/// first one.
const SOON: f64 = 0.4;
/// About as long as a store waits until it elects another leader, nanoseconds.
const SOON_NS: u64 = 400_000_000;
/// The least and the greatest factor by which the times of an episode differ from the usual ones: an answer
/// that comes only after the heal is heard if the fault was shorter than the client's patience.
const SCALE: (f64, f64) = (0.3, 1.2);
/// The share of episodes whose faults outlast what clients and stores wait for, their factor, and how long
/// the first one holds at least, nanoseconds: connections that wait for an answer wait about as long again
/// as they were cut, so that it is quiet for longer after it.
const LONG_FAULTS: f64 = 0.08;
const LONG_SCALE: (f64, f64) = (2.0, 3.5);
const LONG_NS: (u64, u64) = (3_000_000_000, 7_000_000_000);
/// The share of long quiet stretches, and how many times longer they are.
const LONG_QUIET: f64 = 0.1;
const LONGER: u64 = 3;
/// How often another way to overlap is drawn before a fault stays alone.
const TRIES: usize = 12;

/// Episodes without end.
pub(crate) struct Episodes {
    faults: Vec<Drawable>,
    at_once: usize,
    /// The names of the nodes.
    nodes: Vec<String>,
    /// How much shorter or longer than usual the faults of this episode are, and the quiet before them.
    scale: f64,
    /// Whether it is a long one, and whether the last one was.
    is_long: bool,
    was_long: bool,
    /// Which fault comes alone, and which pairs overlap.
    alone: Bag<usize>,
    pairs: Bag<(usize, usize)>,
    /// What is left of this episode.
    acts: VecDeque<Act>,
    in_force: InForce,
    /// The nodes that the last fault hit.
    hit: Vec<String>,
    rng: ChaCha8Rng,
}

/// A fault of an episode; times in nanoseconds since the episode's first fault began.
#[derive(Clone, Debug)]
struct Drawn {
    fault: usize,
    target: Target,
    /// Whether it is aimed at the nodes that the fault before hit.
    follows: bool,
    begin_ns: u64,
    end_ns: u64,
}

/// One act of an episode.
struct Act {
    /// How long after the act before, nanoseconds.
    wait_ns: u64,
    fault: usize,
    action: NemesisAction,
    target: Target,
    follows: bool,
}

impl Episodes {
    /// Episodes of these faults, at most `at_once` in force at a time, on nodes of these names.
    pub fn new(faults: Vec<Drawable>, at_once: usize, nodes: Vec<String>, seed: u64) -> Episodes {
        let often = |(place, fault): (usize, &Drawable)| vec![place; fault.entry.often];
        let alone: Vec<usize> = faults.iter().enumerate().flat_map(often).collect();
        let two = (alone.iter())
            .flat_map(|&one| alone.iter().map(move |&other| (one, other)))
            .filter(|&(one, other)| overlap::may_meet(faults[one].entry, faults[other].entry));
        // The same twice comes no more often than with one of the others.
        let twice = alone.iter().map(|&one| (one, one));
        let pairs = two.chain(twice).collect();
        Episodes {
            faults,
            at_once: at_once.max(1),
            nodes,
            scale: 1.0,
            is_long: false,
            was_long: false,
            alone: Bag::new(alone),
            pairs: Bag::new(pairs),
            acts: VecDeque::new(),
            in_force: InForce::default(),
            hit: Vec::new(),
            rng: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Draws the next episode; there is none if there is no fault.
    fn draw(&mut self) -> Option<()> {
        let is_alone = self.at_once == 1 || self.rng.random_bool(ALONE);
        let (first, second) = match is_alone {
            true => (self.alone.draw(&mut self.rng)?, None),
            false => self
                .pairs
                .draw(&mut self.rng)
                .map(|(one, other)| (one, Some(other)))?,
        };
        self.was_long = self.is_long;
        self.is_long = self.rng.random_bool(LONG_FAULTS);
        let (least, most) = match self.is_long {
            true => LONG_SCALE,
            false => SCALE,
        };
        self.scale = least * f64::powf(most / least, self.rng.random());
        let target = self.target_of(first)?;
        let mut hold_ns = self.hold_ns(first);
        // What operators do is done at once.
        if self.is_long && !self.faults[first].entry.alongside.needs_quorum {
            hold_ns = hold_ns.max(self.rng.random_range(LONG_NS.0..=LONG_NS.1));
        }
        let mut episode = vec![Drawn {
            fault: first,
            target,
            follows: false,
            begin_ns: 0,
            end_ns: hold_ns,
        }];
        let mut others: Vec<usize> = second.into_iter().collect();
        while episode.len() + others.len() < self.at_once && second.is_some() && self.rng.random_bool(ALONE) {
            others.push(self.alone.draw(&mut self.rng)?);
        }
        for other in others {
            let drawn = (0..TRIES).find_map(|_| {
                let drawn = self.another(&episode, other)?;
                self.is_possible(&episode, &drawn).then_some(drawn)
            });
            episode.extend(drawn);
        }
        self.acts = self.in_order(episode);
        Some(())
    }

    /// The acts of an episode in the order of their times, after some quiet.
    fn in_order(&mut self, episode: Vec<Drawn>) -> VecDeque<Act> {
        let first = episode[0].fault;
        let mut quiet_ns = self.quiet_ns(first);
        if self.was_long || self.rng.random_bool(LONG_QUIET) {
            quiet_ns = quiet_ns.saturating_mul(LONGER);
        }
        let mut timed = Vec::new();
        for drawn in episode {
            let act = |action| Act {
                wait_ns: 0,
                fault: drawn.fault,
                action,
                target: drawn.target.clone(),
                follows: drawn.follows,
            };
            timed.push((drawn.begin_ns, act(NemesisAction::Start)));
            timed.push((drawn.end_ns, act(NemesisAction::Stop)));
        }
        timed.sort_by_key(|(at_ns, _)| *at_ns);
        let mut before_ns = 0;
        let mut acts = VecDeque::new();
        for (at_ns, mut act) in timed {
            act.wait_ns = at_ns - before_ns;
            before_ns = at_ns;
            acts.push_back(act);
        }
        if let Some(first) = acts.front_mut() {
            first.wait_ns = quiet_ns;
        }
        acts
    }

    /// One way in which another fault can meet the first ones of an episode.
    fn another(&mut self, episode: &[Drawn], other: usize) -> Option<Drawn> {
        let target = self.target_of(other)?;
        let first = &episode[0];
        let hold_ns = self.hold_ns(other);
        let whole_ns = first.end_ns;
        let within = |share: f64| (whole_ns as f64 * share) as u64;
        let begin_ns = match self.rng.random_bool(SOON) {
            true => self.rng.random_range(0..=within(0.7).min(SOON_NS)),
            false => within(self.rng.random_range(0.05..0.7)),
        };
        let is_again = first.fault == other;
        // Operators often act on what has just come back.
        let ways = match self.faults[other].entry.alongside.needs_quorum {
            true => 8,
            false => 5,
        };
        let (begin_ns, end_ns, is_after) = match self.rng.random_range(0..ways) {
            // Inside.
            0 | 1 if !is_again => (begin_ns, (begin_ns + hold_ns).min(within(0.97)), false),
            // Across.
            2 | 3 if !is_again => (begin_ns, (whole_ns + within(0.1)).max(begin_ns + hold_ns), false),
            // After.
            _ => {
                let last_ns = episode.iter().map(|drawn| drawn.end_ns).max().unwrap_or(0);
                let gap_ns = self.quiet_ns(other) / self.rng.random_range(8..64);
                (last_ns + gap_ns, last_ns + gap_ns + hold_ns, true)
            }
        };
        let (one, aims_freely) = (self.faults[first.fault].entry, self.faults[other].aims_freely);
        let may_follow = aims_freely && (is_after || overlap::may_hit_same(one, self.faults[other].entry));
        Some(Drawn {
            fault: other,
            target,
            follows: may_follow && (is_after || self.rng.random_bool(SAME_NODES)),
            begin_ns,
            end_ns: end_ns.max(begin_ns + 1),
        })
    }

    /// Whether this fault may meet those of the episode.
    fn is_possible(&self, episode: &[Drawn], new: &Drawn) -> bool {
        let meets = |one: &Drawn| one.begin_ns < new.end_ns && new.begin_ns < one.end_ns;
        let met: Vec<&Drawn> = episode.iter().filter(|one| meets(one)).collect();
        if met.len() >= self.at_once {
            return false;
        }
        met.iter()
            .all(|one| overlap::get_along(&self.timed(one), &self.timed(new), self.nodes.len()))
    }

    fn timed<'a>(&self, drawn: &'a Drawn) -> Timed<'a, u64> {
        Timed {
            entry: self.faults[drawn.fault].entry,
            target: &drawn.target,
            begin: drawn.begin_ns,
            end: drawn.end_ns,
        }
    }

    /// How long a fault holds.
    fn hold_ns(&mut self, fault: usize) -> u64 {
        let hold_ns = self.faults[fault].hold.draw_ns(&mut self.rng);
        scaled(hold_ns, self.scale)
    }

    /// How long it is quiet before a fault.
    fn quiet_ns(&mut self, fault: usize) -> u64 {
        let quiet_ns = self.faults[fault].quiet.draw_ns(&mut self.rng);
        scaled(quiet_ns, self.scale.min(SCALE.1))
    }

    fn target_of(&mut self, fault: usize) -> Option<Target> {
        self.faults[fault].targets.draw(&mut self.rng)
    }
}

fn scaled(ns: u64, scale: f64) -> u64 {
    ((ns as f64 * scale) as u64).max(1)
}

impl Generator for Episodes {
    fn next(&mut self, ctx: &Context) -> Next {
        if ctx.thread != Thread::Nemesis {
            return Next::Done;
        }
        loop {
            let Some(act) = self.acts.pop_front() else {
                if self.draw().is_none() {
                    return Next::Done;
                }
                continue;
            };
            let entry = self.faults[act.fault].entry;
            // What was skipped needs no end, and what ended with another fault of the network has one.
            let held = (self.in_force.faults().iter()).find(|fault| fault.op.nemesis == entry.name);
            let target = match (act.action, held) {
                (NemesisAction::Stop, Some(fault)) => fault.op.target.clone(),
                (NemesisAction::Stop, None) => {
                    if let Some(next) = self.acts.front_mut() {
                        next.wait_ns = next.wait_ns.saturating_add(act.wait_ns);
                    }
                    continue;
                }
                (NemesisAction::Start, _) if act.follows => {
                    overlap::aimed_at(&act.target, entry, &self.hit, &self.nodes).unwrap_or(act.target)
                }
                (NemesisAction::Start, _) => act.target,
            };
            return Next::Do {
                at_ns: ctx.now_ns.saturating_add(act.wait_ns),
                action: Action::Nemesis(NemesisOp {
                    nemesis: entry.name.to_owned(),
                    action: act.action,
                    target,
                }),
            };
        }
    }

    fn update(&mut self, ctx: &Context, event: &EventKind) {
        if ctx.thread != Thread::Nemesis {
            return;
        }
        if let Some(act) = self.in_force.feed(event)
            && act.op.action == NemesisAction::Start
            && !act.outcome.nodes.is_empty()
        {
            self.hit = act.outcome.nodes;
        }
    }
}
