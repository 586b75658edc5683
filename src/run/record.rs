//! What `test.json` says of a run: the plan in full, and where it is carried out.

use control::{EnvKind, Environment};
use history::units::plural;
use history::{ObjectKind, RunDir, TestRecord};
use workloads::Workload;

use super::RULES;
use crate::plan::Plan;

/// The record of a run that is about to begin, with these nemeses.
pub fn record(
    plan: &Plan,
    environment: &dyn Environment,
    workload: &Workload,
    nemeses: &[&'static nemeses::Entry],
) -> TestRecord {
    let args = &plan.args;
    TestRecord {
        perjury_version: env!("CARGO_PKG_VERSION").into(),
        host: host(),
        command: plan.command(),
        started_at: now(),
        time_zero: None,
        system: args.system.clone(),
        system_version: String::new(),
        read_mode: plan.options.read_mode.clone(),
        endpoints: plan.options.endpoints.clone(),
        error_rules: (plan.system.errors.iter()).chain(&RULES).cloned().collect(),
        log_patterns: plan.system.log_patterns.to_vec(),
        fail_on: args.fail_on.0.clone(),
        recovers_within_s: plan.system.recovers_within.map(|time| time.as_secs_f64()),
        bug: args.bug.clone(),
        env: environment.kind().name().into(),
        links: environment.net().control().name().into(),
        lost: environment.lost().to_vec(),
        left_behind: Vec::new(),
        nodes: (environment.nodes().iter())
            .map(|node| node.name.clone())
            .collect(),
        workload: args.workload.clone(),
        model: workload.model.into(),
        nemesis: nemeses.iter().map(|entry| entry.name.to_owned()).collect(),
        colours: (nemeses.iter())
            .map(|entry| (entry.name.to_owned(), entry.colour.to_owned()))
            .collect(),
        requested_faults: args.nemesis.clone(),
        fault_interval_ms: Some(plan.fault_interval.as_millis() as u64),
        min_faults: args.min_faults,
        concurrency: plan.concurrency as u32,
        rate_per_s: args.rate,
        time_limit_s: args.time_limit.as_secs_f64(),
        ops: args.ops,
        op_timeout_ms: args.op_timeout.as_millis() as u64,
        seed: plan.seed,
        client_retries: retries(workload.object).into(),
    }
}

/// Says on standard error what begins, and where.
pub fn announce(run: &RunDir, record: &TestRecord) {
    let nemesis = match record.nemesis.as_slice() {
        [] => "no nemesis".to_owned(),
        names => names.join(", "),
    };
    let reads = match &record.read_mode {
        Some(mode) => format!(", {mode} reads"),
        None => String::new(),
    };
    let bug = match &record.bug {
        Some(bug) => format!(" with the planted bug {bug}"),
        None => String::new(),
    };
    eprintln!(
        "perjury: {}{bug} on {} ({}, links: {}), workload {}{reads}, {nemesis}, seed {}; run directory {}",
        record.system,
        plural(record.nodes.len() as u64, "node"),
        record.env,
        record.links,
        record.workload,
        record.seed,
        run.root().display()
    );
    // The report says what netns cannot do; what another environment lacks, the user must know at once.
    if record.env != EnvKind::Netns.name() {
        for lost in &record.lost {
            eprintln!("perjury: note: {lost}");
        }
    }
}

/// The time of day, to the second.
fn now() -> String {
    let now = jiff::Timestamp::now();
    now.round(jiff::Unit::Second).unwrap_or(now).to_string()
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

/// What clients do about requests that are not answered.
fn retries(object: ObjectKind) -> &'static str {
    match object {
        ObjectKind::OnceCounter => {
            "clients send an add again under its session's number until it is answered, which is what this workload puts \
             on trial; after an error a client thread rests 20 ms, after an info it goes on as a new process"
        }
        _ => {
            "clients never retry, and the libraries they use repeat no request that was begun; after an error a client \
             thread rests 20 ms, after an info it goes on as a new process"
        }
    }
}
