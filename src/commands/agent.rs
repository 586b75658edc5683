//! `perjury agent`: works on a node for a controller elsewhere. A hidden command: perjury calls it.

use std::collections::BTreeSet;

use control::Ability;

use crate::cli::AgentArgs;
use crate::exit::{CommandResult, Done, Failure};
use crate::process::{block_on, log_to};

/// Serves until the controller is gone.
pub fn run(args: AgentArgs) -> CommandResult {
    let abilities: BTreeSet<Ability> = args
        .needs
        .iter()
        .map(|word| {
            Ability::named(word).ok_or_else(|| Failure::Usage(format!("there is no ability `{word}`")))
        })
        .collect::<Result<_, _>>()?;
    log_to(std::io::stderr);
    block_on(async {
        std::fs::create_dir_all(&args.directory)
            .map_err(|error| Failure::Usage(format!("cannot use {}: {error}", args.directory.display())))?;
        control::serve(control::AgentOptions {
            directory: args.directory,
            node: args.node,
            own: args.own,
            loader: args.loader,
            abilities,
            is_container: args.container,
        })
        .await?;
        Ok(Done::Fine)
    })
}
