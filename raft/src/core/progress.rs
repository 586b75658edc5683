//! What a leader knows about one follower, and how much it may have under way to it.
//!
//! ```text
//!            accepted                 window full: wait
//!   Probe ───────────────▶ Replicate ◀──────────────────┐
//!     ▲  ◀───────────────     │  │                      │
//!     │   rejected, stalled   │  └── many Appends ahead ─┘
//!     │                       ▼
//!     └──── stalled ─────  Snapshot (the log no longer reaches back)
//! ```

use std::collections::VecDeque;

use super::api::Index;
use crate::bug::{Bug, Bugs};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Where the logs agree is not known: one Append at a time.
    Probe {
        /// It is under way.
        sent: bool,
    },
    /// Appends are pipelined (thesis §10.2.1 and §3.5).
    Replicate,
    /// A snapshot is under way.
    Snapshot,
}

#[derive(Debug, Clone)]
pub(super) struct Progress {
    /// The last entry known to be durable there and equal to the leader's (Raft figure 2, matchIndex).
    pub(super) match_index: Index,
    /// The next entry to send (nextIndex).
    pub(super) next_index: Index,
    pub(super) mode: Mode,
    /// The last entry of each Append under way.
    pub(super) inflight: VecDeque<Index>,
    /// The highest commit index sent.
    pub(super) commit_sent: Index,
    /// When anything in this term last came from it (CheckQuorum).
    pub(super) heard_ns: u64,
    /// When the match index last moved or sending began anew.
    pub(super) moved_ns: u64,
    /// The last heartbeat round that it answered.
    pub(super) round: u64,
}

impl Progress {
    pub(super) fn new(next_index: Index, now: u64) -> Progress {
        Progress {
            match_index: 0,
            next_index,
            mode: Mode::Probe { sent: false },
            inflight: VecDeque::new(),
            commit_sent: 0,
            heard_ns: now,
            moved_ns: now,
            round: 0,
        }
    }

    /// Everything up to `index` is durable there.
    pub(super) fn accepted(&mut self, index: Index, now: u64, bugs: Bugs) {
        if index > self.match_index {
            self.match_index = index;
            self.moved_ns = now;
        }
        self.next_index = self.next_index.max(self.match_index + 1);
        self.free_window(bugs);
        self.mode = match self.mode {
            // An old Append may still be answered while a snapshot is under way; that answer is of no use.
            Mode::Snapshot if self.match_index + 1 < self.next_index => Mode::Snapshot,
            _ => Mode::Replicate,
        };
    }

    /// What was answered is no longer under way.
    fn free_window(&mut self, bugs: Bugs) {
        if bugs.contains(Bug::InflightLeak) {
            return;
        }
        while self
            .inflight
            .front()
            .is_some_and(|last| *last <= self.match_index)
        {
            self.inflight.pop_front();
        }
    }

    /// Starts again from where the logs are known or thought to agree.
    pub(super) fn probe_from(&mut self, next_index: Index, now: u64) {
        self.next_index = next_index.max(self.match_index + 1);
        self.inflight.clear();
        self.mode = Mode::Probe { sent: false };
        self.moved_ns = now;
    }
}
