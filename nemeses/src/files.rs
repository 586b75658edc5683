//! What faults of files need: damage done on a node by perjury's own binary there.

use control::Command;

use crate::NemesisContext;

/// Runs `perjury tamper damage` on a node; gives the line that it prints.
///
/// # Errors
/// Why it was not done.
pub(crate) async fn damage(ctx: &NemesisContext, node: usize, what: &[&str]) -> Result<String, String> {
    let remote = ctx.environment.remote(node);
    let args = ["tamper", "damage"].iter().chain(what).copied();
    let command = Command::new(remote.own_binary(), args);
    let output = remote.exec(&command).await.map_err(|error| error.to_string())?;
    let output = output
        .or_failed(remote.node(), &command)
        .map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The directory of the store's data on a node, as an argument.
pub(crate) fn data_dir(ctx: &NemesisContext, node: usize) -> String {
    ctx.db.data_dir(node).to_string_lossy().into_owned()
}
