//! `perjury test`: start a cluster, drive it, break it, judge it, report.
//!
//! Invariants:
//! - Whatever goes wrong after the environment was opened, it is torn down before the command ends.
//! - The run directory tells the plan before the cluster starts, and the journal what happened until the last
//!   millisecond: a controller that dies leaves a run that can be checked.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, anyhow};
use async_trait::async_trait;
use checker::Verdict;
use checker::stream::Violation;
use control::{
    Ability, Client, ControlError, Db, EnvKind, Environment, Node, OpenOptions, Resolved, System, can,
    resolve,
};
use generator::Generator;
use history::{History, NoteKind, ObjectKind, RunDir, TestRecord};
use nemeses::{Fault, FaultOptions, NemesisContext, Schedule};
use tokio::sync::watch;
use workloads::{Workload, WorkloadOptions};

use crate::cli::TestArgs;
use crate::exit::{CommandResult, Done, Failure};
use crate::github;
use crate::input::read_history;
use crate::judging::judge;
use crate::output::{command, say};
use crate::plan::Plan;
use crate::process;
use crate::run::{
    self, Connect, Dispatcher, Journal, Runner, TokioRuntime, Watched, Watcher, show_progress, watch_store,
};

/// How long a cluster may take until it answers, at the start and after the last heal.
const READY_LIMIT: Duration = Duration::from_secs(30);
/// How long a cluster that somebody else started may take.
const EXTERNAL_READY_LIMIT: Duration = Duration::from_secs(8);
/// How long it may take to fetch one log file of a node.
const LOGS_LIMIT: Duration = Duration::from_secs(60);
/// How long the final reads may take.
const FINAL_LIMIT: Duration = Duration::from_secs(10);

/// Runs a test.
pub fn run(args: TestArgs) -> CommandResult {
    let plan = Plan::new(args)?;
    // Outside any namespace of our own, where the numbers of an earlier run's processes still mean something.
    super::heal::heal_all(&plan.args.runs)?;
    let place = match plan.options.endpoints.is_empty() {
        true => resolve(plan.args.env, &control::netns::try_namespaces())?,
        false => Resolved {
            kind: match plan.hosts.is_empty() {
                true => EnvKind::External,
                false => EnvKind::Reached,
            },
            lost: Vec::new(),
        },
    };
    // Refused here rather than inside: a nemesis that this environment cannot do.
    let (entries, _) = plan.nemeses_in(place.kind, |need| can(place.kind, need))?;
    let needs = entries.iter().flat_map(|(entry, _)| entry.needs).copied();
    let abilities: BTreeSet<Ability> = needs.collect();
    let runs = &plan.args.runs;
    // Asked here: within a user namespace a user is root over his own files.
    std::fs::create_dir_all(runs)
        .and_then(|()| Ok(nix::unistd::access(runs, nix::unistd::AccessFlags::W_OK)?))
        .map_err(|error| super::heal::unusable(runs, &error))?;
    if place.kind == EnvKind::Netns {
        // From here on this is another process, and the first one waits for its exit code.
        control::netns::enter()?;
    }
    process::block_on(async {
        let interrupts = watch_interrupts()?;
        let run = make_run_dir(&plan)?;
        log_to(&run.log())?;
        let environment = open(&plan, &place, abilities, &run)?;
        let test = Test {
            plan: &plan,
            run: &run,
            environment: environment.clone(),
            interrupts: interrupts.clone(),
            violation: OnceLock::new(),
            db: OnceLock::new(),
        };
        let ran = unless_aborted(interrupts, test.run()).await;
        test.fetch_logs().await;
        let torn_down = environment.tear_down().await.map_err(Failure::from);
        let Some(ran) = ran else {
            return Err(interrupted());
        };
        let trouble = ran.and(torn_down).err();
        if !plan.args.keep_data
            && let Ok(record) = run.read_test()
        {
            remove_data(&run, &record);
        }
        if !run.history().is_file() {
            // What the nodes cannot do showed only when they were there: nothing was begun.
            if let Some(Failure::Usage(_)) = &trouble {
                remove(&run);
            }
            return Err(trouble.unwrap_or_else(interrupted));
        }
        // A store that lies and then falls over has lied: whatever went wrong later, what was journalled is judged.
        let record = run.read_test()?;
        let history = read_history(&run.history())?;
        let analysis = judge(&record, &history)?;
        let results = reports::write_all(&run, &record, &history, &analysis)?;
        write_schedule(&run, &history)?;
        github::add_to_step_summary(&run.summary());
        say!("{}", reports::summary_text(&results).trim_end());
        say!("report: {}", run.report().display());
        if let Some(annotation) = github::annotation(&results) {
            command(&annotation);
        }
        if let Some(violation) = test.violation.get()
            && results.verdict != Verdict::Invalid
        {
            return Err(Failure::Harness(anyhow!(
                "a violation showed during the run, but judging the whole history did not confirm it: {}",
                violation.sentence
            )));
        }
        match trouble {
            Some(trouble) if results.verdict == Verdict::Invalid => {
                eprintln!("perjury: besides, the run did not end well: {trouble}");
                Ok(Done::Judged(results.verdict))
            }
            Some(trouble) => Err(trouble),
            None => Ok(Done::Judged(results.verdict)),
        }
    })
}

/// The faults that there really were, to be edited and run again.
fn write_schedule(run: &RunDir, history: &History) -> anyhow::Result<()> {
    let schedule = Schedule::recorded(history);
    if schedule.faults.is_empty() {
        return Ok(());
    }
    let path = run.schedule();
    std::fs::write(&path, schedule.to_toml()).with_context(|| format!("cannot write {}", path.display()))
}

/// Opens the environment; a run directory in which nothing could begin is removed again.
fn open(
    plan: &Plan,
    place: &Resolved,
    abilities: BTreeSet<Ability>,
    run: &RunDir,
) -> Result<Arc<dyn Environment>, Failure> {
    let options = OpenOptions {
        links: plan.args.links,
        seed: plan.seed,
        abilities,
        image: plan.args.image.clone(),
        hosts: plan.hosts.clone(),
        lost: place.lost.clone(),
        ..OpenOptions::new(plan.nodes(), run.root())
    };
    let opened = control::open(place.kind, &options).inspect_err(|_| {
        // But not the way back to what could not be undone.
        if !control::has_something_to_undo(run.root()) {
            remove(run);
        }
    });
    Ok(opened?)
}

/// Removes a run directory in which nothing was begun.
fn remove(run: &RunDir) {
    if let Err(error) = std::fs::remove_dir_all(run.root()) {
        eprintln!("perjury: cannot remove {}: {error}", run.root().display());
    }
}

/// How often the user has asked to stop: once to finish early, twice to give up.
pub type Interrupts = watch::Receiver<u32>;

struct Test<'a> {
    plan: &'a Plan,
    run: &'a RunDir,
    environment: Arc<dyn Environment>,
    interrupts: Interrupts,
    /// What showed while the run went on, if anybody looked.
    violation: OnceLock<Violation>,
    /// The store's processes, once there are any.
    db: OnceLock<Arc<dyn Db>>,
}

/// The time of day, to the second.
fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
}

impl Test<'_> {
    /// All that needs the cluster: from its start to the last reads. What it finds is in the run directory.
    async fn run(&self) -> Result<(), Failure> {
        let plan = self.plan;
        let nodes = self.environment.nodes();
        let made = (plan.system.make)(self.environment.clone(), &plan.options);
        let system = made.map_err(|error| match self.environment.kind() {
            // What was said of somebody else's cluster does not fit it.
            EnvKind::Reached => Failure::Usage(error.to_string()),
            _ => Failure::from(error),
        })?;
        let _ = self.db.set(system.db());
        let workload = self.workload();
        let (entries, left_out) =
            plan.nemeses_in(self.environment.kind(), |need| self.environment.can(need))?;
        let fault = self.fault(&entries)?;
        let mut record = self.record(&workload, entries.iter().map(|(entry, _)| *entry));
        record.lost.extend(left_out);
        if self.environment.kind().is_foreign() {
            record.left_behind.extend(system.left_behind());
        }
        self.run.write_test(&record).context("cannot write test.json")?;
        announce(self.run, &record);

        tracing::info!("perjury {}", record.command.join(" "));
        let db = system.db();
        let mut interrupts = self.interrupts.clone();
        tokio::select! {
            started = start(&*db, nodes, self.ready_limit()) => started.map_err(|error| self.not_up(error))?,
            // Nothing was asked of the store yet: there is nothing to judge.
            _ = interrupts.wait_for(|count| *count >= 1) => return Err(interrupted()),
        }
        record.system_version = db.version().await;
        self.run.write_test(&record).context("cannot write test.json")?;

        tracing::info!("the cluster answers, version {}", record.system_version);
        self.drive(record, system, db, workload, fault).await?;
        tracing::info!("the last reads are done");
        Ok(())
    }

    /// Brings the nodes' logs to the run directory, where they are not there already.
    async fn fetch_logs(&self) {
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
                    Err(_) => tracing::warn!("no log of {}: it takes too long", node.name),
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
        fault: Fault,
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
            timeout: plan.args.op_timeout,
        });
        let side_tasks = [
            tokio::spawn(watch_store(
                dispatcher.clone(),
                db.clone(),
                self.environment.nodes().to_vec(),
            )),
            tokio::spawn(show_progress(dispatcher.clone(), limit_ns)),
            tokio::spawn(stop_on_interrupt(dispatcher.clone(), self.interrupts.clone())),
        ];

        let stopper = watcher
            .as_ref()
            .map(|watcher| tokio::spawn(stop_on_violation(dispatcher.clone(), watcher.shared())));

        let runner = Runner::new(dispatcher.clone(), connect, plan.nodes(), plan.args.op_timeout);
        let result = self.phases(&dispatcher, runner, db, workload, fault).await;
        for task in side_tasks.into_iter().chain(stopper) {
            task.abort();
        }
        // Also after a failure: what happened until then is to be judged.
        dispatcher.close()?;
        if let Some(watcher) = watcher {
            let (violation, lost) = watcher.end();
            if let Some(why) = lost {
                eprintln!("perjury: note: not watched to the end: {why}; the whole history is judged now");
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
        mut fault: Fault,
    ) -> Result<(), Failure> {
        let plan = self.plan;
        let limit_ns = plan.args.time_limit.as_nanos() as u64;
        let context = NemesisContext {
            environment: self.environment.clone(),
            db: db.clone(),
            cuts: nemeses::Cuts::default(),
        };
        let clients = limited(workload.generator, plan, limit_ns);
        let main = generator::split(clients, generator::time_limit(limit_ns, fault.generator));
        runner
            .run(Box::new(main), Some((&mut *fault.nemesis, &context)))
            .await?;
        if let Some(last) = workload.final_generator
            && !dispatcher.is_stopping()
        {
            if let Err(error) = db.ready(READY_LIMIT).await {
                // The store's doing, not ours: what was journalled is judged, without its last reads.
                dispatcher.note(NoteKind::NotBack, "", error.to_string());
                return Ok(());
            }
            let stopper = {
                let dispatcher = dispatcher.clone();
                tokio::spawn(async move {
                    tokio::time::sleep(FINAL_LIMIT).await;
                    dispatcher.stop();
                })
            };
            runner.run(last, None).await?;
            stopper.abort();
        }
        Ok(())
    }

    /// Why a store does not answer before anything is asked of it. Where somebody else started it, its address may be wrong.
    fn not_up(&self, error: ControlError) -> Failure {
        match (self.environment.kind(), &error) {
            (EnvKind::External | EnvKind::Reached, ControlError::Deadline { hint, .. }) => {
                Failure::Usage(format!(
                    "--endpoints {}: nothing there answers as {} does within {} s{hint}; is it running there?",
                    self.plan.options.endpoints.join(","),
                    self.plan.system.name,
                    EXTERNAL_READY_LIMIT.as_secs()
                ))
            }
            _ => error.into(),
        }
    }

    /// A cluster that somebody else started either answers or does not.
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
            ..WorkloadOptions::default()
        })
    }

    fn fault(&self, entries: &[(&'static nemeses::Entry, Vec<String>)]) -> Result<Fault, Failure> {
        let mut faults = Vec::new();
        for (position, (entry, targets)) in entries.iter().enumerate() {
            let options = FaultOptions {
                nodes: self.plan.nodes(),
                targets: targets.clone(),
                seed: self.plan.seed.wrapping_add(position as u64 + 1),
                interval: self.plan.args.fault_interval,
            };
            match (entry.make)(&options) {
                Ok(fault) => faults.push(fault),
                Err(why) if self.plan.nemeses_named => return Err(Failure::Usage(why)),
                Err(why) => tracing::info!("the nemesis {} is left out: {why}", entry.name),
            }
        }
        let mut fault = nemeses::compose(faults, self.plan.seed);
        if let Some(schedule) = &self.plan.schedule {
            fault.generator = schedule.generator();
        }
        Ok(fault)
    }

    fn record(
        &self,
        workload: &Workload,
        nemeses: impl Iterator<Item = &'static nemeses::Entry>,
    ) -> TestRecord {
        let args = &self.plan.args;
        let nemeses: Vec<_> = nemeses.collect();
        TestRecord {
            perjury_version: env!("CARGO_PKG_VERSION").into(),
            host: host(),
            command: self.plan.command(),
            started_at: now(),
            time_zero: None,
            system: args.system.clone(),
            system_version: String::new(),
            read_mode: self.plan.options.read_mode.clone(),
            endpoints: self.plan.options.endpoints.clone(),
            error_rules: (self.plan.system.errors.iter())
                .chain(&run::RULES)
                .cloned()
                .collect(),
            bug: args.bug.clone(),
            env: self.environment.kind().name().into(),
            links: self.environment.net().control().name().into(),
            lost: self.environment.lost().to_vec(),
            left_behind: Vec::new(),
            nodes: self
                .environment
                .nodes()
                .iter()
                .map(|node| node.name.clone())
                .collect(),
            workload: args.workload.clone(),
            model: workload.model.into(),
            nemesis: nemeses.iter().map(|entry| entry.name.to_owned()).collect(),
            colours: (nemeses.iter())
                .map(|entry| (entry.name.to_owned(), entry.colour.to_owned()))
                .collect(),
            requested_faults: args.nemesis.clone(),
            fault_interval_ms: Some(args.fault_interval.as_millis() as u64),
            min_faults: args.min_faults,
            concurrency: self.plan.concurrency as u32,
            rate_per_s: args.rate,
            time_limit_s: args.time_limit.as_secs_f64(),
            ops: args.ops,
            op_timeout_ms: args.op_timeout.as_millis() as u64,
            seed: self.plan.seed,
            client_retries:
                "clients never retry, and the libraries below them repeat no request that was begun; after an error a \
                             client thread rests 20 ms, after an info it goes on as a new process"
                    .into(),
        }
    }
}

/// The clients' generator under the limits of the command line.
fn limited(mut generator: Box<dyn Generator>, plan: &Plan, limit_ns: u64) -> Box<dyn Generator> {
    if let Some(rate) = plan.args.rate {
        generator = Box::new(generator::rate(rate, plan.seed, generator));
    }
    if let Some(ops) = plan.args.ops {
        generator = Box::new(generator::limit(ops, generator));
    }
    Box::new(generator::time_limit(limit_ns, generator))
}

/// Connects clients to the system under test.
pub struct SystemConnect {
    pub system: Arc<dyn System>,
    pub object: ObjectKind,
    pub timeout: Duration,
}

#[async_trait]
impl Connect for SystemConnect {
    async fn connect(&self, node: usize) -> Result<Box<dyn Client>, ControlError> {
        self.system.connect(node, self.object, self.timeout).await
    }
}

/// Counts SIGINT, SIGTERM and SIGHUP.
pub fn watch_interrupts() -> anyhow::Result<Interrupts> {
    use tokio::signal::unix::{SignalKind, signal};
    let (sender, receiver) = watch::channel(0);
    for kind in [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ] {
        let mut signals = signal(kind).context("cannot listen for signals")?;
        let sender = sender.clone();
        tokio::spawn(async move {
            while signals.recv().await.is_some() {
                sender.send_modify(|count| *count += 1);
            }
        });
    }
    Ok(receiver)
}

/// The first interrupt ends the main phase early; healing, checking and reporting go on.
async fn stop_on_interrupt(dispatcher: Arc<Dispatcher<TokioRuntime>>, mut interrupts: Interrupts) {
    if interrupts.wait_for(|count| *count >= 1).await.is_ok() {
        eprintln!("perjury: stopping early; once more to give up at once");
        dispatcher.note(NoteKind::Stopped, "", "a signal asked for it".to_owned());
        dispatcher.stop();
    }
}

/// So does the first violation that shows.
async fn stop_on_violation(dispatcher: Arc<Dispatcher<TokioRuntime>>, watched: Arc<Watched>) {
    let violation = watched.found().await;
    tracing::info!(
        "violation at event {}: {}",
        violation.position,
        violation.sentence
    );
    eprintln!(
        "perjury: a violation shows; stopping early. {}",
        violation.sentence
    );
    dispatcher.note(NoteKind::Stopped, "", "a violation showed".to_owned());
    dispatcher.stop();
}

/// Starts the store on every node and waits until it answers.
async fn start(db: &dyn Db, nodes: &[Node], limit: Duration) -> Result<(), ControlError> {
    for node in nodes {
        db.start(node.index).await?;
    }
    db.ready(limit).await
}

/// The second interrupt ends the test at once: `None`.
async fn unless_aborted<T>(mut interrupts: Interrupts, work: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        result = work => Some(result),
        _ = interrupts.wait_for(|count| *count >= 2) => None,
    }
}

fn interrupted() -> Failure {
    Failure::Harness(anyhow!(
        "interrupted; what was journalled, if anything, can be judged with `perjury check`"
    ))
}

fn announce(run: &RunDir, record: &TestRecord) {
    let nemesis = match record.nemesis.as_slice() {
        [] => "no nemesis".to_owned(),
        names => names.join(", "),
    };
    let reads = match &record.read_mode {
        Some(mode) => format!(", {mode} reads"),
        None => String::new(),
    };
    eprintln!(
        "perjury: {} on {} nodes ({}, links: {}), workload {}{reads}, {nemesis}, seed {}; run directory {}",
        record.system,
        record.nodes.len(),
        record.env,
        record.links,
        record.workload,
        record.seed,
        run.root().display()
    );
    // What the best environment lacks stands in the report; what a worse one lacks the user must know at once.
    if record.env != EnvKind::Netns.name() {
        for lost in &record.lost {
            eprintln!("perjury: note: {lost}");
        }
    }
}

/// Makes a run directory of its own for this run.
fn make_run_dir(plan: &Plan) -> Result<RunDir, Failure> {
    let runs = &plan.args.runs;
    let cannot = |error: std::io::Error| super::heal::unusable(runs, &error);
    std::fs::create_dir_all(runs).map_err(cannot)?;
    let runs = std::fs::canonicalize(runs).map_err(cannot)?;
    let stamp = jiff::Timestamp::now().strftime("%Y%m%dT%H%M%S").to_string();
    let name = format!(
        "{stamp}-{}-{}-{}",
        plan.args.system, plan.args.workload, plan.seed
    );
    for attempt in 0..100 {
        let path = match attempt {
            0 => runs.join(&name),
            n => runs.join(format!("{name}-{n}")),
        };
        match std::fs::create_dir(&path) {
            Ok(()) => return Ok(RunDir::new(path)),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(cannot(error)),
        }
    }
    Err(Failure::Usage(format!(
        "{} is full of runs named {name}",
        runs.display()
    )))
}

/// Sends the controller's log to `perjury.log`.
fn log_to(path: &Path) -> anyhow::Result<()> {
    let file = std::fs::File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    process::log_to(std::sync::Mutex::new(file));
    Ok(())
}

/// The nodes' data are of no use once the run is judged well; their logs stay.
fn remove_data(run: &RunDir, record: &TestRecord) {
    for node in &record.nodes {
        let data: PathBuf = run.node(node).join("data");
        if let Err(error) = std::fs::remove_dir_all(&data)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!("cannot remove {}: {error}", data.display());
        }
        // There only if the node had a disk of its own.
        let _ = std::fs::remove_file(control::inside::volume::image(&run.node(node)));
    }
}

fn host() -> String {
    match nix::sys::utsname::uname() {
        Ok(name) => format!(
            "{} {} {}",
            name.sysname().to_string_lossy(),
            name.release().to_string_lossy(),
            name.machine().to_string_lossy()
        ),
        Err(_) => std::env::consts::OS.to_owned(),
    }
}
