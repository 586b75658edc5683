//! Any model, watched: the search's frontier, carried from one stretch of events to the next.
//!
//! An event can be looked at as soon as everything that was invoked before it has ended, one way or the
//! other: until then operations are held back. A stretch then becomes a small history of its own: what was
//! still running at the end of the last one, the operations of unknown outcome so far, and what came since.
//! [`crate::engine::search`]'s broad pass walks through it from the configurations that were possible at its
//! beginning.
//!
//! Invariants:
//! - Configurations are complete or joined into ones that allow more, never left out: where none is left,
//!   there is no linearization.
//! - States live as long as a configuration has them; nothing else is kept of the past.

use std::sync::Arc;

use history::OPEN;

use crate::engine::search::Limits;
use crate::engine::search::stretch::{Passage, Saved, Through};
use crate::model::{Call, Effect, Model, Recorded, finish};
use crate::monitor::{Found, Monitor, Seen};
use crate::sentence::{Sentence, op, sentence};
use crate::verdict::Rule;

/// A stretch is looked at when so many operations wait for it, or as many as are carried along if those are
/// more.
const STRETCH: usize = 32;

/// How far a [`Frontier`] has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// There may be a linearization.
    Possible,
    /// There is none that includes the call of this number.
    Stuck(u64),
    /// It had to give up, for this reason.
    Lost(String),
}

/// A model's calls, judged as they complete.
///
/// The model may be one of the [models](crate::objects), or one's own:
///
/// ```
/// use checker::stream::{Frontier, Progress};
/// use checker::{Call, Limits, Model};
///
/// /// A light switch that answers with the light's new state.
/// struct Switch;
///
/// impl Model for Switch {
///     type Op = bool;
///     type State = bool;
///
///     fn init(&self) -> bool {
///         false
///     }
///
///     fn apply(&self, is_on: &mut bool, answer: &bool) -> bool {
///         std::mem::replace(is_on, *answer) != *answer
///     }
/// }
///
/// let mut frontier = Frontier::new(Switch, Limits::default());
/// // The number is the caller's own name for the call. All that began before 4 is known: look at it.
/// frontier.add(17, Call::new(true, 0, 1));
/// frontier.add(18, Call::open(false, 2));
/// assert_eq!(frontier.advance(4), Progress::Possible);
/// // The light is on again, so the call of unknown outcome must have happened; and then it is on twice.
/// frontier.add(19, Call::new(true, 4, 5));
/// frontier.add(20, Call::new(true, 6, 7));
/// assert_eq!(frontier.advance(8), Progress::Stuck(20));
/// ```
///
/// ```
/// use checker::stream::{Frontier, Progress};
/// use checker::objects::{Counter, CounterOp};
/// use checker::{Call, Limits};
///
/// let mut frontier = Frontier::new(Counter::default(), Limits::default());
/// frontier.add(0, Call::new(CounterOp::Add(1), 0, 1));
/// frontier.add(1, Call::new(CounterOp::Read(1), 2, 3));
/// assert_eq!(frontier.advance(4), Progress::Possible);
/// frontier.add(2, Call::new(CounterOp::Read(0), 4, 5));
/// assert_eq!(frontier.advance(6), Progress::Stuck(2));
/// ```
pub struct Frontier<M: Model> {
    model: M,
    limits: Limits,
    /// What was possible at `until`.
    saved: Vec<Saved<M::State>>,
    /// Everything before was looked at.
    until: u64,
    /// Calls that take part after `until`, each with the caller's number: those that began before come first,
    /// in the order in which `saved` counts them.
    calls: Vec<Call<M::Op>>,
    numbers: Vec<u64>,
    carried: usize,
}

impl<M: Model> Frontier<M> {
    /// A frontier at the beginning of time. The limits count for each stretch.
    pub fn new(model: M, limits: Limits) -> Self {
        let saved = vec![Saved::initial(model.init())];
        Frontier {
            model,
            limits,
            saved,
            until: 0,
            calls: Vec::new(),
            numbers: Vec::new(),
            carried: 0,
        }
    }

    /// Adds a call that has completed, or never will ([`OPEN`]). Its start must not lie before what
    /// [`Frontier::advance`] was last given.
    pub fn add(&mut self, number: u64, call: Call<M::Op>) {
        // No one can tell whether an open call that changes nothing happened.
        if call.finish != OPEN || self.model.effect(&call.op) != Effect::Pure {
            self.calls.push(call);
            self.numbers.push(number);
        }
    }

    /// How many calls it holds.
    pub fn held(&self) -> usize {
        self.calls.len()
    }

    /// How many of them were not looked at.
    fn waiting(&self) -> usize {
        self.calls.len() - self.carried
    }

    /// Looks at everything before `until`: every call with an earlier start must have been added.
    pub fn advance(&mut self, until: u64) -> Progress {
        if until <= self.until || self.calls.is_empty() {
            return Progress::Possible;
        }
        // Later ones wait for another stretch.
        let mut later = (Vec::new(), Vec::new());
        let mut now = (Vec::new(), Vec::new());
        for (call, number) in self.calls.drain(..).zip(self.numbers.drain(..)) {
            let side = if call.start < until { &mut now } else { &mut later };
            side.0.push(call);
            side.1.push(number);
        }
        let (calls, numbers) = now;
        let passage = Passage {
            model: &self.model,
            calls: &calls,
            since: self.until,
            until,
            limits: &self.limits,
        };
        match passage.walk(&self.saved) {
            Through::Left { saved, carried } => {
                self.saved = saved;
                self.carried = carried.len();
                for &call in &carried {
                    self.calls.push(calls[call].clone());
                    self.numbers.push(numbers[call]);
                }
                self.calls.extend(later.0);
                self.numbers.extend(later.1);
                self.until = until;
                Progress::Possible
            }
            Through::Stuck(call) => Progress::Stuck(numbers[call]),
            Through::Lost(why) => Progress::Lost(why),
        }
    }
}

/// A frontier as a monitor.
struct FrontierMonitor<M: Recorded> {
    frontier: Frontier<M>,
    /// The operations behind the calls that are held.
    held: Vec<Arc<Seen>>,
}

/// The monitor of an object of any model.
pub(crate) fn by_frontier<M>(model: M, limits: &Limits) -> Box<dyn Monitor>
where
    M: Recorded + Send + 'static,
    M::Op: Send,
    M::State: Send,
{
    Box::new(FrontierMonitor {
        frontier: Frontier::new(model, limits.clone()),
        held: Vec::new(),
    })
}

impl<M: Recorded> FrontierMonitor<M> {
    fn advance(&mut self, until: u64) -> Result<(), Found> {
        let progress = self.frontier.advance(until);
        let result = match progress {
            Progress::Possible => Ok(()),
            Progress::Lost(why) => Err(Found::Lost(why)),
            Progress::Stuck(number) => {
                let blocking = self.held.iter().find(|seen| seen.number as u64 == number);
                Err(Found::Violation {
                    rule: Rule::NoOrder,
                    operations: blocking.into_iter().cloned().collect(),
                    sentence: blocking.map_or_else(Sentence::default, |seen| {
                        sentence![
                            op(seen.number),
                            " fits into no order of the operations up to its completion."
                        ]
                    }),
                })
            }
        };
        let mut numbers: Vec<u64> = self.frontier.numbers.clone();
        numbers.sort_unstable();
        self.held
            .retain(|seen| numbers.binary_search(&(seen.number as u64)).is_ok());
        result
    }
}

impl<M> Monitor for FrontierMonitor<M>
where
    M: Recorded + Send,
    M::Op: Send,
    M::State: Send,
{
    fn completed(&mut self, seen: Seen, since: u64) -> Result<(), Found> {
        if let Some(op) = self.frontier.model.op(&seen.operation) {
            let call = Call {
                op,
                start: seen.operation.invoked,
                finish: finish(&seen.operation),
            };
            self.frontier.add(seen.number as u64, call);
            self.held.push(Arc::new(seen));
        }
        if self.frontier.waiting() >= STRETCH.max(self.frontier.carried) {
            return self.advance(since);
        }
        Ok(())
    }

    fn finish(&mut self) -> Result<(), Found> {
        self.advance(u64::MAX)
    }

    fn held(&self) -> usize {
        self.held.len()
    }
}
