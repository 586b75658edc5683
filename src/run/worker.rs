//! Workers: one task a client thread, and one for the nemesis.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, anyhow};
use control::Client;
use generator::{Generator, Thread};
use history::{
    ErrorClass, ErrorRule, EventKind, Failure, Hold, NemesisOp, NemesisOutcome, Op, Outcome, Process,
};
use nemeses::{Nemeses, NemesisContext};

use super::connect::Connect;
use super::dispatcher::{Caller, Dispatcher, Step};
use super::runtime::Runtime;

/// How much more patient some clients are than others, and how much longer they wait at most.
const MORE_PATIENT: u32 = 4;
const LONGER: Duration = Duration::from_secs(5);
/// How long a client thread rests after an error, so that a dead node is not hammered.
const REST_AFTER_ERROR: Duration = Duration::from_millis(20);
/// How long one act of the nemesis may take.
const NEMESIS_LIMIT: Duration = Duration::from_secs(90);

/// The runner's own errors, which every system's table ends with.
pub static RULES: [ErrorRule; 2] = [
    ErrorRule::new(
        "no-client",
        "the client could not be connected",
        true,
        ErrorClass::ConnectionRefused,
        "nothing of the operation is sent before a client is connected",
    ),
    ErrorRule::new(
        "op-timeout",
        "the client did not answer in time",
        false,
        ErrorClass::Timeout,
        "the request may have been sent, and may yet be served",
    ),
];

/// Runs phases of a test: each a generator, performed by all client threads and the nemesis.
pub struct Runner<R> {
    dispatcher: Arc<Dispatcher<R>>,
    connect: Arc<dyn Connect>,
    nodes: usize,
    op_timeout: Duration,
    /// The next process number of each client thread; it goes on from phase to phase.
    processes: Vec<u64>,
}

impl<R: Runtime> Runner<R> {
    /// A runner whose client thread i talks to node i mod `nodes`.
    pub fn new(
        dispatcher: Arc<Dispatcher<R>>,
        connect: Arc<dyn Connect>,
        nodes: usize,
        op_timeout: Duration,
    ) -> Runner<R> {
        let processes = (0..dispatcher.clients() as u64).collect();
        Runner {
            dispatcher,
            connect,
            nodes,
            op_timeout,
            processes,
        }
    }

    /// Performs all the operations of `generator`, with faults if some are given.
    ///
    /// # Errors
    /// When a worker panicked: a bug.
    pub async fn run(&mut self, generator: Box<dyn Generator>, breaking: Option<Breaking<'_>>) -> Result<()> {
        self.dispatcher.install(generator);
        let mut tasks = Vec::new();
        for (thread, &process) in self.processes.iter().enumerate() {
            let mut worker = Worker {
                dispatcher: self.dispatcher.clone(),
                connect: self.connect.clone(),
                thread,
                node: thread % self.nodes,
                process,
                op_timeout: patience(self.op_timeout, thread / self.nodes),
                client: None,
            };
            let (sender, receiver) = tokio::sync::oneshot::channel();
            let task = self.dispatcher.runtime().spawn(Box::pin(async move {
                worker.run().await;
                // The receiver is gone only if the runner is.
                let _ = sender.send((worker.process, worker.client));
            }));
            tasks.push((task, receiver));
        }
        let breaking = async {
            if let Some(Breaking {
                nemeses,
                context,
                until_ns,
            }) = breaking
            {
                drive_nemesis(&self.dispatcher, nemeses, context).await;
                if !self.dispatcher.totals().faults.faults().is_empty() {
                    // Its end would come later than the run's: until then it holds.
                    sleep_until(&self.dispatcher, Thread::Nemesis, until_ns).await;
                }
                heal(&self.dispatcher, nemeses, context).await;
            }
        };
        let dispatcher = self.dispatcher.clone();
        let working = async {
            let mut result = Ok(());
            // A client that has nothing more to do stays until all have: what it holds, such as a lock, is
            // given up with its connection.
            let mut done = Vec::new();
            for (process, (task, receiver)) in self.processes.iter_mut().zip(tasks) {
                match task.await {
                    // Sent before the task ends.
                    Ok(()) => {
                        if let Ok((last, client)) = receiver.await {
                            *process = last;
                            done.push(client);
                        }
                    }
                    Err(error) => result = Err(anyhow!("a worker ended badly: {error}")),
                }
            }
            drop(done);
            dispatcher.leave_nemesis_alone();
            result
        };
        tokio::join!(breaking, working).1
    }
}

/// How long the client thread that is the `place`th at its node waits for an answer: a third of them as long
/// as `--op-timeout` says, a third gives up sooner, and a third waits longer than most faults last and hears
/// what becomes of its operation when they are over.
fn patience(op_timeout: Duration, place: usize) -> Duration {
    match place % 3 {
        0 => op_timeout,
        1 => op_timeout / 3,
        _ => (op_timeout * MORE_PATIENT).min(op_timeout + LONGER),
    }
}

/// What breaks things while the clients work.
pub struct Breaking<'a> {
    /// Performs the faults.
    pub nemeses: &'a mut Nemeses,
    /// What it can reach.
    pub context: &'a NemesisContext,
    /// When everything is healed at the latest, while clients may be waiting for their last answers:
    /// nanoseconds since the start of the run. It is healed sooner once no more faults come and none is in
    /// force, and when the clients are done.
    pub until_ns: u64,
}

/// One client thread.
struct Worker<R> {
    dispatcher: Arc<Dispatcher<R>>,
    connect: Arc<dyn Connect>,
    thread: usize,
    node: usize,
    process: u64,
    op_timeout: Duration,
    client: Option<Box<dyn Client>>,
}

impl<R: Runtime> Worker<R> {
    async fn run(&mut self) {
        let mut completed = None;
        loop {
            let mut step = self.dispatcher.step(self.caller(), completed.take());
            if let Step::Later { at_ns, action } = step {
                if !sleep_until(&self.dispatcher, self.caller().thread, at_ns).await {
                    return;
                }
                step = self.dispatcher.begin(self.caller(), action);
            }
            match step {
                Step::Invoke(op) => {
                    let outcome = self.perform(&op).await;
                    if outcome.is_answer() {
                        completed = Some(EventKind::Complete(outcome));
                    } else {
                        self.hand_in_error(outcome).await;
                    }
                }
                Step::Wait { until_ns, version } => {
                    wait(&self.dispatcher, self.caller().thread, until_ns, version).await
                }
                Step::Nemesis(_) | Step::Later { .. } => {
                    unreachable!("client threads are given due operations")
                }
                Step::Done => return,
            }
            while self.dispatcher.journal_is_full() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    async fn hand_in_error(&mut self, outcome: Outcome) {
        let retires = outcome.is_info();
        self.dispatcher
            .complete(self.caller(), EventKind::Complete(outcome));
        if retires {
            self.client = None;
            self.process += self.dispatcher.clients() as u64;
        }
        let rest_ns = REST_AFTER_ERROR.as_nanos() as u64;
        sleep_until(
            &self.dispatcher,
            self.caller().thread,
            self.dispatcher.runtime().now_ns() + rest_ns,
        )
        .await;
    }

    /// Performs one operation, once.
    async fn perform(&mut self, op: &Op) -> Outcome {
        let deadline_ns = self.dispatcher.runtime().now_ns() + self.op_timeout.as_nanos() as u64;
        let timeout = self.dispatcher.runtime().sleep_until(deadline_ns);
        let work = async {
            let client = match &mut self.client {
                Some(client) => client,
                empty => match self.connect.connect(self.node, self.op_timeout).await {
                    Ok(client) => empty.insert(client),
                    Err(error) => return RULES[0].outcome(op, error.to_string()),
                },
            };
            client.invoke(op).await
        };
        let outcome = tokio::select! {
            biased;
            outcome = work => outcome,
            () = timeout => {
                // The request may be half sent, and its answer may come later: this connection is useless
                // now.
                self.client = None;
                RULES[1].outcome(op, format!("no answer within {} ms", self.op_timeout.as_millis()))
            }
        };
        if let Outcome::Fail(Failure::Error(reason)) = &outcome
            // Where no connection could be made nothing was sent, and the client keeps what it holds:
            // dropping it would end a lock's lease, which lives on while its node is down.
            && reason.class == ErrorClass::ConnectionLost
        {
            self.client = None;
        }
        outcome
    }

    fn caller(&self) -> Caller {
        Caller {
            thread: Thread::Client(self.thread),
            process: Process::Client(self.process),
            node: u16::try_from(self.node).ok(),
        }
    }
}

/// Lets the nemesis perform all the acts of the generator.
async fn drive_nemesis<R: Runtime>(
    dispatcher: &Dispatcher<R>,
    nemesis: &mut Nemeses,
    context: &NemesisContext,
) {
    let mut completed = None;
    loop {
        let mut step = dispatcher.step(Caller::NEMESIS, completed.take());
        if let Step::Later { at_ns, action } = step {
            if !sleep_until(dispatcher, Thread::Nemesis, at_ns).await {
                return;
            }
            step = dispatcher.begin(Caller::NEMESIS, action);
        }
        match step {
            Step::Nemesis(op) => {
                let acting = tokio::time::timeout(NEMESIS_LIMIT, nemesis.invoke(context, &op));
                completed = Some(EventKind::NemesisComplete(Box::new(
                    acting.await.unwrap_or_else(|_| too_slow()),
                )));
            }
            Step::Wait { until_ns, version } => wait(dispatcher, Thread::Nemesis, until_ns, version).await,
            Step::Invoke(_) | Step::Later { .. } => unreachable!("the nemesis is given due acts of faults"),
            Step::Done => return,
        }
    }
}

/// Undoes every fault, as an act of the nemesis in the history.
async fn heal<R: Runtime>(dispatcher: &Dispatcher<R>, nemesis: &mut Nemeses, context: &NemesisContext) {
    dispatcher.record_heal(EventKind::NemesisInvoke(NemesisOp::heal()));
    let healing = tokio::time::timeout(NEMESIS_LIMIT, nemesis.heal(context));
    let outcome = healing.await.unwrap_or_else(|_| too_slow());
    dispatcher.record_heal(EventKind::NemesisComplete(Box::new(outcome)));
}

fn too_slow() -> NemesisOutcome {
    NemesisOutcome {
        nodes: Vec::new(),
        detail: String::new(),
        exact: Default::default(),
        hold: Hold::Failed(format!("did not end within {} s", NEMESIS_LIMIT.as_secs())),
    }
}

/// Sleeps until `at_ns`; `false` if it is over for this thread before.
async fn sleep_until<R: Runtime>(dispatcher: &Dispatcher<R>, thread: Thread, at_ns: u64) -> bool {
    let timer = dispatcher.runtime().sleep_until(at_ns);
    tokio::pin!(timer);
    loop {
        let stopped = dispatcher.stopped();
        tokio::pin!(stopped);
        // Registered before the flag is read, so that a stop in between is not missed.
        stopped.as_mut().enable();
        if dispatcher.is_over(thread) {
            return false;
        }
        tokio::select! {
            () = &mut timer => return true,
            () = stopped => {}
        }
    }
}

/// Waits until `until_ns`, or until something is recorded after `version`, or until it is over for
/// this thread.
async fn wait<R: Runtime>(dispatcher: &Dispatcher<R>, thread: Thread, until_ns: Option<u64>, version: u64) {
    let changed = dispatcher.changed();
    tokio::pin!(changed);
    changed.as_mut().enable();
    if dispatcher.is_over(thread) || dispatcher.moved_on(version) {
        return;
    }
    match until_ns {
        None => changed.await,
        Some(at_ns) => {
            tokio::select! {
                () = dispatcher.runtime().sleep_until(at_ns) => {}
                () = changed => {}
            }
        }
    }
}
