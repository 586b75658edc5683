//! What nemeses do on a node through perjury's own binary there (`perjury tamper …`), wherever that node is.

use std::time::Duration;

use control::Command;
use control::inside::{ClockShift, FsyncCounts};

use crate::NemesisContext;

/// How long it may take: an image may be copied, or a disk be busy.
const LIMIT: Duration = Duration::from_secs(25);

/// Runs `perjury tamper` with these arguments on a node; gives what it prints.
///
/// # Errors
/// Why it was not done, as the program there puts it.
pub(crate) async fn tamper(
    ctx: &NemesisContext,
    node: usize,
    args: impl IntoIterator<Item = String>,
) -> Result<Vec<u8>, String> {
    let remote = ctx.environment.remote(node);
    let args = ["tamper".to_owned()].into_iter().chain(args);
    let mut command = Command::new(remote.own_binary(), args);
    command.limit = LIMIT;
    let output = remote.exec(&command).await.map_err(|error| error.to_string())?;
    match output.success() {
        true => Ok(output.stdout),
        false => {
            let error = String::from_utf8_lossy(&output.stderr);
            Err(error.trim().trim_start_matches("perjury: ").to_owned())
        }
    }
}

/// Does something to the disk of a node (`perjury tamper disk`); gives what was printed.
pub(crate) async fn disk(ctx: &NemesisContext, node: usize, act: &str) -> Result<Vec<u8>, String> {
    tamper(ctx, node, to_disk(ctx, node, act)).await
}

/// Gives the disk of a node its power back; the seed decides what is left of what was not synced.
pub(crate) async fn restore_power(ctx: &NemesisContext, node: usize, seed: u64) -> Result<Vec<u8>, String> {
    let seed = format!("--seed={seed}");
    let args = to_disk(ctx, node, "restore-power").into_iter().chain([seed]);
    tamper(ctx, node, args).await
}

fn to_disk(ctx: &NemesisContext, node: usize, act: &str) -> [String; 3] {
    let directory = ctx.environment.remote(node).directory().display().to_string();
    [
        "disk".to_owned(),
        format!("--directory={directory}"),
        format!("--act={act}"),
    ]
}

/// Sets the mode on a node, if one is given, and reads back how its calls there were answered until now.
pub(crate) async fn set_fsync(
    ctx: &NemesisContext,
    node: usize,
    mode: Option<&str>,
) -> Result<FsyncCounts, String> {
    let directory = ctx.environment.remote(node).directory().display().to_string();
    let mut args = vec!["fsync".to_owned(), format!("--directory={directory}")];
    args.extend(mode.map(|mode| format!("--mode={mode}")));
    let printed = tamper(ctx, node, args).await?;
    serde_json::from_slice(&printed).map_err(|error| format!("the counts of fsync cannot be read: {error}"))
}

/// Shifts the clocks of all processes of a node, and reads back how they are shifted. How many there are.
pub(crate) async fn set_clock(ctx: &NemesisContext, node: usize, shift: ClockShift) -> Result<usize, String> {
    let processes = ctx.db.processes(node).await;
    for process in &processes {
        let args = [
            "clock".to_owned(),
            format!("--pid={}", process.pid),
            format!("--offset-ns={}", shift.offset_ns),
            format!("--drift-ppm={}", shift.drift_ppm),
        ];
        let printed = match tamper(ctx, node, args).await {
            // It has ended meanwhile, by itself or by another fault.
            Err(_) if !ctx.db.processes(node).await.contains(process) => continue,
            printed => printed?,
        };
        let found: ClockShift = serde_json::from_slice(&printed).map_err(|error| {
            format!(
                "the clock of process {} cannot be read back: {error}",
                process.pid
            )
        })?;
        if found != shift {
            return Err(format!(
                "process {} sees {found:?} instead of {shift:?}",
                process.pid
            ));
        }
    }
    Ok(processes.len())
}
