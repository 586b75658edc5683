//! The core's constants: timeouts and the limits that bound everything it keeps.

use super::api::{Membership, NodeId};
use crate::bug::Bugs;

const MS: u64 = 1_000_000;

/// How a core is set up. Times in nanoseconds.
#[derive(Debug, Clone)]
pub struct Config {
    /// This node.
    pub id: NodeId,
    /// The first membership, the same on all of its nodes; empty on a node that is to join later.
    pub initial: Membership,
    /// Seeds the election timeouts and the numbers of read batches; different for every node and every start,
    /// so that an answer meant for an earlier life is never taken for one to this.
    pub seed: u64,
    /// The shortest election timeout; each is drawn from here up to twice this (Raft §5.2).
    pub election_timeout_ns: u64,
    /// The time between heartbeats; well below the election timeout.
    pub heartbeat_ns: u64,
    /// After this long without progress a follower is probed again and a snapshot or read round sent again.
    pub resend_ns: u64,
    /// A read that is not confirmed after this long fails.
    pub read_timeout_ns: u64,
    /// Most entries in one Append.
    pub max_append_entries: usize,
    /// Most payload bytes in one Append, beyond its first entry.
    pub max_append_bytes: usize,
    /// Most Appends in flight to one follower.
    pub max_inflight: usize,
    /// Most entries appended and not yet committed; beyond it, requests are refused as busy.
    pub max_uncommitted: usize,
    /// Most reads waiting.
    pub max_reads: usize,
    /// Most messages withheld for the disk; beyond it the newest is dropped, as a network may.
    pub max_withheld: usize,
    /// A snapshot is taken when this many entries were applied since the last one.
    pub snapshot_every: u64,
    /// Entries kept before a snapshot for followers that lag a little.
    pub keep_entries: u64,
    /// Most sessions; beyond it the one least recently used goes (thesis §6.3).
    pub max_sessions: usize,
    /// The planted bugs that are switched on.
    pub bugs: Bugs,
}

impl Config {
    /// The defaults, for links and disks that answer within a few milliseconds.
    pub fn new(id: NodeId, initial: Membership, seed: u64) -> Config {
        Config {
            id,
            initial,
            seed,
            election_timeout_ns: 300 * MS,
            heartbeat_ns: 50 * MS,
            resend_ns: 200 * MS,
            read_timeout_ns: 1_000 * MS,
            max_append_entries: 1024,
            max_append_bytes: 1 << 20,
            max_inflight: 64,
            max_uncommitted: 16 * 1024,
            max_reads: 16 * 1024,
            max_withheld: 4096,
            snapshot_every: 50_000,
            keep_entries: 10_000,
            max_sessions: 1024,
            bugs: Bugs::NONE,
        }
    }
}
