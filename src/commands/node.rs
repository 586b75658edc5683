//! `perjury node`: one node of the bundled Raft cluster.

use anyhow::Context;
use raft::bug::Bugs;
use raft::node::NodeConfig;
use raft::storage::StorageOptions;

use crate::cli::NodeArgs;
use crate::exit::{CommandResult, Done, Failure};
use crate::process::log_to;

/// Runs the node until it is killed or its disk fails. Its log goes to standard error.
pub fn run(args: NodeArgs) -> CommandResult {
    let bugs = match &args.bug {
        None => Bugs::NONE,
        Some(names) => Bugs::from_names(names).map_err(|name| {
            Failure::Usage(format!("there is no planted bug `{name}`; see `perjury list`"))
        })?,
    };
    let config = NodeConfig {
        peers: args.peers,
        cluster: args.cluster,
        heartbeat: args.heartbeat,
        election_timeout: args.election_timeout,
        snapshot_every: args.snapshot_every,
        keep_entries: args.keep_entries,
        storage: StorageOptions {
            segment_bytes: args.segment_bytes,
            ..StorageOptions::default()
        },
        bugs,
        ..NodeConfig::new(args.id, args.data, args.raft, args.http)
    };
    log_to(std::io::stderr);
    // One thread: several nodes share a machine, and a node's work is one queue anyway.
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(raft::node::run(config))?;
    Ok(Done::Fine)
}
