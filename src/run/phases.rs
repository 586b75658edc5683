//! The part of a run that needs the cluster: start, main phase with faults, heal, last reads.
//!
//! Invariant: what was found is in the run directory, however this ends.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::Context;
use checker::stream::Violation;
use control::{ControlError, Db, EnvKind, Environment, Node, System};
use generator::Generator;
use history::{NoteKind, RunDir, TestRecord};
use nemeses::{Drawing, Faults, NemesisContext, Planned};
use workloads::{Workload, WorkloadOptions};

use super::connect::SystemConnect;
use super::interrupts::{Interrupts, interrupted};
use super::{
    Breaking, Dispatcher, Journal, Recovery, Runner, Runtime, StoreWatch, TokioRuntime, Watched, Watcher,
    record, show_progress,
};
use crate::exit::Failure;
use crate::plan::Plan;

/// How long a cluster may take until it answers at the start.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How long a cluster that perjury did not start may take.
const EXTERNAL_READY_LIMIT: Duration = Duration::from_secs(8);
/// How long it may take to fetch one log file of a node.
const LOGS_LIMIT: Duration = Duration::from_secs(60);

/// A run whose environment is open.
pub struct Test<'a> {
    /// What was planned.
    pub plan: &'a Plan,
    /// Where it is recorded.
    pub run: &'a RunDir,
    /// The nodes and the network between them.
    pub environment: Arc<dyn Environment>,
    /// How often the user has interrupted it.
    pub interrupts: Interrupts,
    /// The violation that the online check found, if there was one.
    pub violation: OnceLock<Violation>,
    /// The store's processes, once there are any.
    pub db: OnceLock<Arc<dyn Db>>,
}

impl Test<'_> {
    /// All that needs the cluster, from its start to the final reads.
    pub async fn run(&self) -> Result<(), Failure> {
        let plan = self.plan;
        let nodes = self.environment.nodes();
        let made = (plan.system.make)(self.environment.clone(), &plan.options);
        let system = made.map_err(|error| match self.environment.kind() {
            // The user's description of the cluster does not fit it.
            EnvKind::Reached => Failure::Usage(error.to_string()),
            _ => Failure::from(error),
        })?;
        let _ = self.db.set(system.db());
        let workload = self.workload();
        let (planned, left_out) =
            plan.nemeses_in(self.environment.kind(), |need| self.environment.can(need))?;
        let faults = self.faults(&planned);
        let nemeses: Vec<_> = planned.iter().map(|planned| planned.entry).collect();
        let mut record = record::record(plan, &*self.environment, &workload, &nemeses);
        record.lost.extend(left_out);
        if self.environment.kind().is_foreign() {
            record.left_behind.extend(system.left_behind());
        }
        self.run.write_test(&record).context("cannot write test.json")?;
        record::announce(self.run, &record);

        tracing::info!("perjury {}", record.command.join(" "));
        let db = system.db();
        let mut interrupts = self.interrupts.clone();
        tokio::select! {
            started = start(&*db, nodes, self.ready_limit()) => started.map_err(|error| self.not_up(error))?,
            // No operation was called yet: there is nothing to judge.
            _ = interrupts.wait_for(|count| *count >= 1) => return Err(interrupted()),
        }
        record.system_version = db.version().await;
        self.run.write_test(&record).context("cannot write test.json")?;

        tracing::info!("the cluster answers, version {}", record.system_version);
        self.drive(record, system, db, workload, faults).await?;
        tracing::info!("the last reads are done");
        Ok(())
    }

    /// Brings the nodes' logs to the run directory, where they are not there already.
    pub async fn fetch_logs(&self) {
        let Some(db) = self.db.get() else { return };
        for node in self.environment.nodes() {
            let remote = self.environment.remote(node.index);
            let place = self.run.node(&node.name);
            for log in db.log_files(node.index) {
                let Some(name) = log.file_name() else { continue };
                let fetched = match std::fs::create_dir_all(&place) {
                    Ok(()) => {
                        tokio::time::timeout(LOGS_LIMIT, remote.download(&log, &place.join(name))).await
                    }
                    Err(error) => Ok(Err(ControlError::Other(error.to_string()))),
                };
                match fetched {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!("no log of {}: {error}", node.name),
                    Err(_) => tracing::warn!("no log of {}: fetching it takes too long", node.name),
                }
            }
        }
    }

    /// The main phase, the heal and the final reads.
    async fn drive(
        &self,
        mut record: TestRecord,
        system: Arc<dyn System>,
        db: Arc<dyn Db>,
        mut workload: Workload,
        faults: Faults,
    ) -> Result<(), Failure> {
        let plan = self.plan;
        let limit_ns = plan.args.time_limit.as_nanos() as u64;
        let stream = workload.stream.take().filter(|_| plan.args.stop_on_violation);
        let (watcher, feed) = stream.map(Watcher::start).transpose()?.unzip();
        let journal = Journal::create(&self.run.history(), feed)?;
        let runtime = TokioRuntime::start();
        record.time_zero = Some(jiff::Timestamp::now().to_string());
        self.run.write_test(&record).context("cannot write test.json")?;
        let dispatcher = Arc::new(Dispatcher::new(runtime, journal, plan.concurrency));
        let connect = Arc::new(SystemConnect {
            object: workload.object,
            system,
        });
        let side_tasks = [
            tokio::spawn(StoreWatch::new(dispatcher.clone(), db.clone(), &*self.environment).run()),
            tokio::spawn(show_progress(dispatcher.clone(), limit_ns)),
            tokio::spawn(stop_on_interrupt(dispatcher.clone(), self.interrupts.clone())),
        ];

        let stopper = watcher
            .as_ref()
            .map(|watcher| tokio::spawn(stop_on_violation(dispatcher.clone(), watcher.shared())));

        let runner = Runner::new(dispatcher.clone(), connect, plan.nodes(), plan.args.op_timeout);
        let result = self.phases(&dispatcher, runner, db, workload, faults).await;
        for task in side_tasks.into_iter().chain(stopper) {
            task.abort();
        }
        // Also after a failure: what happened until then is to be judged.
        dispatcher.close()?;
        if let Some(watcher) = watcher {
            let (violation, lost) = watcher.end();
            if let Some(why) = lost {
                eprintln!(
                    "perjury: note: the online check did not see the end of the run: {why}; the whole history is judged now"
                );
            }
            violation.map(|violation| self.violation.set(violation));
        }
        result
    }

    async fn phases(
        &self,
        dispatcher: &Arc<Dispatcher<TokioRuntime>>,
        mut runner: Runner<TokioRuntime>,
        db: Arc<dyn Db>,
        workload: Workload,
        mut faults: Faults,
    ) -> Result<(), Failure> {
        let plan = self.plan;
        let limit_ns = plan.args.time_limit.as_nanos() as u64;
        let context = NemesisContext::new(self.environment.clone(), db.clone());
        let clients = limited(workload.generator, plan, limit_ns);
        let main = generator::split(clients, generator::time_limit(limit_ns, faults.generator));
        let breaking = Breaking {
            nemeses: &mut faults.nemeses,
            context: &context,
            until_ns: dispatcher.runtime().now_ns().saturating_add(limit_ns),
        };
        runner.run(Box::new(main), Some(breaking)).await?;
        if dispatcher.is_stopping() {
            return Ok(());
        }
        let recovery = Recovery {
            dispatcher,
            db: &*db,
            nodes: self.environment.nodes(),
            limit: plan.args.recovery_limit,
        };
        // If not, the journal is judged without the final reads.
        if recovery.wait().await {
            if let Some(last) = workload.final_generator {
                recovery.read_last(&mut runner, last).await?;
            }
            let watch = StoreWatch::new(dispatcher.clone(), db.clone(), &*self.environment);
            watch.look_last().await;
        }
        Ok(())
    }

    /// Why a store does not answer at the start. If perjury did not start it, its address may be wrong.
    fn not_up(&self, error: ControlError) -> Failure {
        match (self.environment.kind(), &error) {
            (EnvKind::External | EnvKind::Reached, ControlError::Deadline { hint, .. }) => {
                Failure::Usage(format!(
                    "--endpoints {}: nothing there answered as {} within {} s{hint}; is it running there?",
                    self.plan.args.endpoints.join(","),
                    self.plan.system.name,
                    EXTERNAL_READY_LIMIT.as_secs()
                ))
            }
            _ => error.into(),
        }
    }

    /// A cluster that was running before answers soon or never.
    fn ready_limit(&self) -> Duration {
        match self.environment.kind() {
            EnvKind::External | EnvKind::Reached => EXTERNAL_READY_LIMIT,
            _ => READY_LIMIT,
        }
    }

    fn workload(&self) -> Workload {
        (self.plan.workload.make)(&WorkloadOptions {
            seed: self.plan.seed,
            clients: self.plan.concurrency,
            nodes: self.plan.nodes(),
            ..WorkloadOptions::default()
        })
    }

    fn faults(&self, planned: &[Planned]) -> Faults {
        let seeds = (1..).map(|n| self.plan.seed.wrapping_add(n));
        let faults = planned
            .iter()
            .zip(seeds)
            .map(|(planned, seed)| planned.fault(seed));
        let drawing = Drawing {
            at_once: self.plan.args.faults_at_once.into(),
            nodes: (self.environment.nodes().iter())
                .map(|node| node.name.clone())
                .collect(),
            seed: self.plan.seed,
        };
        let mut faults = nemeses::compose(faults.collect(), drawing);
        if let Some(schedule) = &self.plan.schedule {
            faults.generator = schedule.generator();
        }
        faults
    }
}

/// The clients' generator under the limits of the command line.
fn limited(generator: Box<dyn Generator>, plan: &Plan, limit_ns: u64) -> Box<dyn Generator> {
    let mut generator: Box<dyn Generator> = Box::new(generator::lulls(plan.seed, plan.nodes(), generator));
    if let Some(rate) = plan.args.rate {
        generator = Box::new(generator::rate(rate, plan.seed, generator));
    }
    if let Some(ops) = plan.args.ops {
        generator = Box::new(generator::limit(ops, generator));
    }
    Box::new(generator::time_limit(limit_ns, generator))
}

/// The first interrupt ends the main phase early; healing, checking and reporting go on.
async fn stop_on_interrupt(dispatcher: Arc<Dispatcher<TokioRuntime>>, mut interrupts: Interrupts) {
    if interrupts.wait_for(|count| *count >= 1).await.is_ok() {
        eprintln!("perjury: stopping early; interrupt again to give up at once");
        dispatcher.note(NoteKind::Stopped, "", "by a signal".to_owned());
        dispatcher.stop();
    }
}

/// The first violation that shows ends the main phase early, too.
async fn stop_on_violation(dispatcher: Arc<Dispatcher<TokioRuntime>>, watched: Arc<Watched>) {
    let violation = watched.found().await;
    tracing::info!("violation at event {}: {}", violation.position, violation.plain());
    eprintln!(
        "perjury: a violation shows; stopping early. {}",
        violation.plain()
    );
    dispatcher.note(NoteKind::Stopped, "", "after a violation".to_owned());
    dispatcher.stop();
}

/// Starts the store on every node and waits until it answers.
async fn start(db: &dyn Db, nodes: &[Node], limit: Duration) -> Result<(), ControlError> {
    for node in nodes {
        db.start(node.index).await?;
    }
    db.ready(limit).await
}
