//! What faults of processes share: acting on several nodes at once, and verifying what became of them.

use std::collections::HashMap;
use std::fmt::Display;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use control::{CONTROLLER, Db, ProcessState};
use history::{Aim, Hold, NemesisOutcome, Target};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::NemesisContext;
use crate::tamper::set_clock;
use crate::target::nodes::{by_name, names};

/// How long one call to a node may take.
const CALL_LIMIT: Duration = Duration::from_secs(20);
/// How long a process may take to reach the state that it was sent to; one that waits for a busy disk takes
/// its time.
const STATE_LIMIT: Duration = Duration::from_secs(15);
/// How often the state of a process is looked at.
const STATE_POLL: Duration = Duration::from_millis(5);
/// How long to wait for a leader, when the leader is to be hit.
const LEADER_LIMIT: Duration = Duration::from_millis(1500);
/// How often the store is asked who leads.
const LEADER_POLL: Duration = Duration::from_millis(100);

/// Does something on several nodes at once; gives the nodes on which it failed, with the reason.
pub(crate) async fn on_each<F, E>(
    ctx: &NemesisContext,
    nodes: &[usize],
    act: impl Fn(Arc<dyn Db>, usize) -> F,
) -> Vec<(usize, String)>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: Display + Send + 'static,
{
    let mut tasks = JoinSet::new();
    let mut node_of = HashMap::new();
    for &node in nodes {
        let work = act(ctx.db.clone(), node);
        let task = tasks.spawn(async move {
            match timeout(CALL_LIMIT, work).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some((node, error.to_string())),
                Err(_) => Some((node, too_slow(CALL_LIMIT))),
            }
        });
        node_of.insert(task.id(), node);
    }
    let mut errors = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        // A task that panicked is a bug of an environment, but must not pass for a success.
        errors.extend(
            ended.unwrap_or_else(|error| node_of.get(&error.id()).map(|&node| (node, error.to_string()))),
        );
    }
    errors.sort();
    errors
}

/// Waits until the store's process on `node` is in a state that `wanted` accepts.
///
/// # Errors
/// In which state it was instead.
pub(crate) async fn settle(
    db: Arc<dyn Db>,
    node: usize,
    mut wanted: impl FnMut(ProcessState) -> bool,
) -> Result<(), String> {
    let deadline = Instant::now() + STATE_LIMIT;
    loop {
        let state = db.state(node).await.map_err(|error| error.to_string())?;
        if wanted(state) {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(format!("it is still {}", name_of(state)));
        }
        sleep(STATE_POLL).await;
    }
}

/// Waits until the store runs on `node`, where it was started just now, and sees the clock of its node.
/// `false` if it ended by itself instead: that is the store's doing, and no failure of the fault's end.
///
/// # Errors
/// When neither shows in time, or its clock cannot be shifted.
pub(crate) async fn comes_up(ctx: &NemesisContext, node: usize) -> Result<bool, String> {
    // A process that someone else's command starts need not be there yet when the command has ended.
    let may_be_late = ctx.environment.kind().is_foreign();
    let mut ended = false;
    let settled = settle(ctx.db.clone(), node, |state| {
        ended = state == ProcessState::Gone;
        state == ProcessState::Running || ended && !may_be_late
    });
    settled.await?;
    if let Some(shift) = ctx.holds.clock(node).filter(|_| !ended) {
        set_clock(ctx, node, shift).await?;
    }
    Ok(!ended)
}

/// The nodes whose process is in a state that `wanted` accepts. A node whose state cannot be found out is
/// left out.
pub(crate) async fn nodes_in(ctx: &NemesisContext, wanted: impl Fn(ProcessState) -> bool) -> Vec<usize> {
    let mut found = Vec::new();
    for node in ctx.environment.nodes() {
        if let Ok(Ok(state)) = timeout(CALL_LIMIT, ctx.db.state(node.index)).await
            && wanted(state)
        {
            found.push(node.index);
        }
    }
    found
}

/// The node that leads. When it is to be hit (`wanted`) this waits a little while for one, because often an
/// election is under way; else it asks once, so that the history can say whether the leader was hit.
pub(crate) async fn leader(ctx: &NemesisContext, wanted: bool) -> Option<usize> {
    let deadline = Instant::now() + LEADER_LIMIT;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let primaries = timeout(left, ctx.db.primaries()).await.unwrap_or_default();
        if let Some(primary) = primaries.first() {
            return Some(primary.node);
        }
        if !wanted || Instant::now() + LEADER_POLL >= deadline {
            return None;
        }
        sleep(LEADER_POLL).await;
    }
}

/// Starts those of the nodes whose store has ended itself, as it may when its disk fails; gives the end of a
/// detail, empty if there were none.
pub(crate) async fn restart_ended(ctx: &NemesisContext, nodes: &[usize], errors: &mut Vec<String>) -> String {
    let gone = nodes_in(ctx, |state| state == ProcessState::Gone).await;
    let by_itself = |node: &usize| nodes.contains(node) && !ctx.holds.is_down(*node);
    let ended: Vec<usize> = gone.into_iter().filter(by_itself).collect();
    let failed = on_each(ctx, &ended, |db, node| async move { db.start(node).await }).await;
    errors.extend(lines(ctx, failed));
    match ended.len() {
        0 => String::new(),
        count => format!("; {count} that had ended by themselves were started again"),
    }
}

/// A nemesis no longer keeps these nodes down. Those that may be started now, and those that another one
/// still keeps down.
pub(crate) fn let_go(ctx: &NemesisContext, nemesis: &str, nodes: &[usize]) -> (Vec<usize>, Vec<usize>) {
    nodes.iter().partition(|&&node| ctx.holds.let_go(nemesis, node))
}

/// `started n1 n2; n3 stays down for another fault`.
pub(crate) fn started(ctx: &NemesisContext, nodes: &[usize], left: &[usize]) -> String {
    let all = ctx.environment.nodes();
    let parts = [
        (nodes, format!("started {}", names(all, nodes))),
        (left, format!("{} left down for another fault", names(all, left))),
    ];
    let told = parts.into_iter().filter(|(nodes, _)| !nodes.is_empty());
    told.map(|(_, text)| text).collect::<Vec<_>>().join("; ")
}

/// A line for each node on which something failed.
pub(crate) fn lines(ctx: &NemesisContext, errors: Vec<(usize, String)>) -> Vec<String> {
    errors
        .into_iter()
        .map(|(node, error)| format!("{}: {error}", name(ctx, node)))
        .collect()
}

/// What was done to some nodes: verified unless there are errors.
pub(crate) fn outcome(
    ctx: &NemesisContext,
    nodes: &[usize],
    detail: String,
    errors: Vec<String>,
) -> NemesisOutcome {
    NemesisOutcome {
        nodes: nodes.iter().map(|&node| name(ctx, node)).collect(),
        detail,
        exact: match nodes {
            [] => Target::default(),
            nodes => Aim::at(by_name(ctx.environment.nodes(), nodes)).into(),
        },
        hold: if errors.is_empty() {
            Hold::Verified
        } else {
            Hold::Failed(errors.join("; "))
        },
    }
}

/// That something did not end in time.
pub(crate) fn too_slow(limit: Duration) -> String {
    format!("it did not end within {} s", limit.as_secs())
}

/// There was nothing to do.
pub(crate) fn nothing() -> NemesisOutcome {
    NemesisOutcome {
        nodes: Vec::new(),
        detail: String::new(),
        exact: Target::default(),
        hold: Hold::Verified,
    }
}

/// Nothing was done, for a reason.
pub(crate) fn skipped(why: String) -> NemesisOutcome {
    NemesisOutcome {
        nodes: Vec::new(),
        detail: String::new(),
        exact: Target::default(),
        hold: Hold::Skipped(why),
    }
}

/// The name of a node, or `clients` for the controller.
pub(crate) fn name(ctx: &NemesisContext, node: usize) -> String {
    if node == CONTROLLER {
        return "clients".to_owned();
    }
    ctx.environment
        .nodes()
        .get(node)
        .map_or_else(|| format!("node {node}"), |node| node.name.clone())
}

fn name_of(state: ProcessState) -> &'static str {
    match state {
        ProcessState::Running => "running",
        ProcessState::Stopped => "stopped",
        ProcessState::Gone => "gone",
    }
}
