//! One connection of one process to one node.

use async_trait::async_trait;
use history::{Op, Outcome};

/// One connection of one process to one node of the system under test.
///
/// **A client never retries**, and neither may the library below it: a repeated request that took effect
/// twice looks like a store that lies. A client does not follow redirects to other nodes, nor does it
/// reconnect behind the caller's back after an `info`: the runner drops it and connects again under a new
/// process.
///
/// The runner puts a timeout around [`Client::invoke`]; dropping the future is always allowed and counts as
/// `info`.
#[async_trait]
pub trait Client: Send {
    /// Sends `op` once and says how it ended. When in doubt, `info`.
    async fn invoke(&mut self, op: &Op) -> Outcome;
}
