//! A tiny runner on a fake clock, for tests of generators, workloads and nemesis schedules.
//!
//! It keeps the runner's side of the contract and checks the generator's side of it: answers that fit the
//! thread, and no thread left waiting for an event that cannot come. What an operation answers and how long
//! it takes is the caller's to say. Equal seeds give equal runs.

use history::{EventKind, Hold, NemesisOutcome, Outcome};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{Action, Context, Generator, Next, Thread};

/// A simulated run, before it begins.
#[derive(Clone, Debug)]
pub struct Sim {
    /// Decides who goes first where several could.
    pub seed: u64,
    /// How many client threads there are.
    pub clients: usize,
    /// Whether there is a nemesis.
    pub nemesis: bool,
    /// The run is cut off at this time, nanoseconds.
    pub end_ns: u64,
    /// The run is cut off after this many questions to the generator.
    pub max_questions: u64,
}

/// One event of a simulated run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// When, nanoseconds.
    pub time_ns: u64,
    /// Whose.
    pub thread: Thread,
    /// What.
    pub event: EventKind,
}

/// How a simulated run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Every thread is done.
    Done,
    /// It was cut off by `end_ns` or `max_questions`.
    CutOff,
    /// Threads wait for an event, and none can come: the generator broke its contract.
    Stuck,
}

/// What came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Every invocation and completion, in order.
    pub steps: Vec<Step>,
    /// How it ended.
    pub end: End,
}

/// How one action ends and how long it takes, nanoseconds.
pub type Ending = (u64, EventKind);

/// What one thread is about.
enum State {
    /// Asks at this time; `None` waits for an event.
    Asks(Option<u64>),
    Sleeps(u64, Action),
    Works(u64, EventKind),
    Finished,
}

impl Default for Sim {
    fn default() -> Self {
        Sim {
            seed: 0,
            clients: 3,
            nemesis: false,
            end_ns: u64::MAX,
            max_questions: 1_000_000,
        }
    }
}

impl Sim {
    /// Runs `generator` to its end; `perform` is called at the time of each invocation.
    ///
    /// # Panics
    /// When the generator hands an action to the wrong kind of thread.
    pub fn run(
        &self,
        generator: &mut dyn Generator,
        mut perform: impl FnMut(&Context, &Action) -> Ending,
    ) -> Run {
        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        let mut threads: Vec<(Thread, State)> = (0..self.clients)
            .map(Thread::Client)
            .chain(self.nemesis.then_some(Thread::Nemesis))
            .map(|thread| (thread, State::Asks(Some(0))))
            .collect();
        let mut steps = Vec::new();
        let mut now_ns = 0;
        let mut questions = 0;
        let end = loop {
            if threads.iter().all(|(_, state)| matches!(state, State::Finished)) {
                break End::Done;
            }
            let Some(time_ns) = threads.iter().filter_map(|(_, state)| state.due_ns()).min() else {
                break End::Stuck;
            };
            now_ns = time_ns.max(now_ns);
            if now_ns >= self.end_ns || questions >= self.max_questions {
                break End::CutOff;
            }
            let due: Vec<usize> = (0..threads.len())
                .filter(|&i| threads[i].1.due_ns().is_some_and(|due_ns| due_ns <= now_ns))
                .collect();
            let index = due[rng.random_range(0..due.len())];
            let thread = threads[index].0;
            let ctx = Context {
                now_ns,
                thread,
                clients: self.clients,
            };
            let event = match std::mem::replace(&mut threads[index].1, State::Finished) {
                State::Asks(_) => {
                    questions += 1;
                    threads[index].1 = match generator.next(&ctx) {
                        Next::Do { at_ns, action } => {
                            let fits = matches!(action, Action::Op(_)) == (thread != Thread::Nemesis);
                            assert!(fits, "{thread:?} was given {action:?}");
                            State::Sleeps(at_ns.max(now_ns), action)
                        }
                        // Asking again at the same time would go on forever.
                        Next::Pending { until_ns } => {
                            State::Asks(until_ns.map(|until| until.max(now_ns + 1)))
                        }
                        Next::Done => State::Finished,
                    };
                    continue;
                }
                State::Sleeps(_, action) => {
                    let (latency_ns, ending) = perform(&ctx, &action);
                    threads[index].1 = State::Works(now_ns + latency_ns, ending);
                    match action {
                        Action::Op(op) => EventKind::Invoke { op, node: None },
                        Action::Nemesis(op) => EventKind::NemesisInvoke(op),
                    }
                }
                State::Works(_, ending) => {
                    threads[index].1 = State::Asks(Some(now_ns));
                    ending
                }
                State::Finished => continue,
            };
            generator.update(&ctx, &event);
            steps.push(Step {
                time_ns: now_ns,
                thread,
                event,
            });
            for (_, state) in &mut threads {
                if let State::Asks(until_ns) = state {
                    *until_ns = Some(now_ns);
                }
            }
        };
        Run { steps, end }
    }

    /// Runs `generator` where every action succeeds after `latency_ns`.
    pub fn run_ok(&self, generator: &mut dyn Generator, latency_ns: u64) -> Run {
        self.run(generator, |_, action| (latency_ns, ok(action)))
    }
}

impl Run {
    /// The client operations, as `(time, thread, operation)`.
    pub fn ops(&self) -> Vec<(u64, Thread, &history::Op)> {
        self.steps
            .iter()
            .filter_map(|step| match &step.event {
                EventKind::Invoke { op, .. } => Some((step.time_ns, step.thread, op)),
                _ => None,
            })
            .collect()
    }

    /// The acts of the nemesis, as `(time, act)`.
    pub fn nemesis(&self) -> Vec<(u64, &history::NemesisOp)> {
        self.steps
            .iter()
            .filter_map(|step| match &step.event {
                EventKind::NemesisInvoke(op) => Some((step.time_ns, op)),
                _ => None,
            })
            .collect()
    }
}

impl State {
    fn due_ns(&self) -> Option<u64> {
        match self {
            State::Asks(at_ns) => *at_ns,
            State::Sleeps(at_ns, _) | State::Works(at_ns, _) => Some(*at_ns),
            State::Finished => None,
        }
    }
}

/// The success of an action.
pub fn ok(action: &Action) -> EventKind {
    match action {
        Action::Op(_) => EventKind::Complete(Outcome::ok()),
        Action::Nemesis(_) => EventKind::NemesisComplete(Box::new(NemesisOutcome {
            nodes: Vec::new(),
            detail: String::new(),
            exact: Default::default(),
            hold: Hold::Verified,
        })),
    }
}
