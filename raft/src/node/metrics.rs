//! What a node counts over the life of its process, in Prometheus' text format.

use std::fmt::Write;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::core::Status;
use crate::core::api::Request;
use crate::transport::TransportCounters;

/// The driver's counters.
#[derive(Debug, Default)]
pub(super) struct Metrics {
    pub elections: u64,
    pub leaderships: u64,
    pub reads: u64,
    pub proposals: u64,
    pub forwards: u64,
    pub refusals: u64,
    pub commits: u64,
    pub snapshots: u64,
    pub fsyncs: u64,
    pub fsync: Duration,
    pub synced_bytes: u64,
    pub turns: u64,
}

impl Metrics {
    /// Counts a request that goes to the core.
    pub(super) fn request(&mut self, request: &Request) {
        match request {
            Request::Read { .. } => self.reads += 1,
            _ => self.proposals += 1,
        }
    }

    /// Everything, as `GET /metrics` shows it.
    pub(super) fn text(&self, status: &Status, waiting: usize, transport: &TransportCounters) -> String {
        let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64;
        let rows: [(&str, &str, &str, f64); 24] = [
            (
                "elections_total",
                "counter",
                "Elections in which this node was a candidate.",
                self.elections as f64,
            ),
            (
                "leaderships_total",
                "counter",
                "Elections that it won.",
                self.leaderships as f64,
            ),
            ("reads_total", "counter", "Linearizable reads.", self.reads as f64),
            (
                "proposals_total",
                "counter",
                "Requests to write or to change the cluster.",
                self.proposals as f64,
            ),
            (
                "forwards_total",
                "counter",
                "Requests forwarded to the leader.",
                self.forwards as f64,
            ),
            (
                "refusals_total",
                "counter",
                "Requests that got no answer.",
                self.refusals as f64,
            ),
            (
                "commits_total",
                "counter",
                "Entries committed.",
                self.commits as f64,
            ),
            (
                "snapshots_total",
                "counter",
                "Snapshots taken or received.",
                self.snapshots as f64,
            ),
            (
                "fsyncs_total",
                "counter",
                "Writes to the log, one fsync each.",
                self.fsyncs as f64,
            ),
            (
                "fsync_seconds_total",
                "counter",
                "Seconds that these writes took.",
                self.fsync.as_secs_f64(),
            ),
            (
                "synced_bytes_total",
                "counter",
                "Bytes of these writes.",
                self.synced_bytes as f64,
            ),
            (
                "turns_total",
                "counter",
                "Turns of the driver.",
                self.turns as f64,
            ),
            (
                "frames_sent_total",
                "counter",
                "Frames sent to peers.",
                of(&transport.sent_frames),
            ),
            (
                "bytes_sent_total",
                "counter",
                "Bytes sent to peers.",
                of(&transport.sent_bytes),
            ),
            (
                "frames_dropped_total",
                "counter",
                "Frames not sent.",
                of(&transport.dropped_frames),
            ),
            (
                "connects_total",
                "counter",
                "Connections to peers that were made.",
                of(&transport.connects),
            ),
            (
                "failed_connects_total",
                "counter",
                "Failed attempts to connect to peers.",
                of(&transport.failed_connects),
            ),
            (
                "waiting",
                "gauge",
                "Requests that wait for an answer.",
                waiting as f64,
            ),
            ("term", "gauge", "The current term.", status.term as f64),
            (
                "leader",
                "gauge",
                "The leader's number, 0 if none is known.",
                status.leader.unwrap_or(0) as f64,
            ),
            (
                "last_index",
                "gauge",
                "The log's last entry.",
                status.last_index as f64,
            ),
            (
                "commit_index",
                "gauge",
                "The last entry known to be committed.",
                status.commit as f64,
            ),
            (
                "applied_index",
                "gauge",
                "The last entry applied.",
                status.applied as f64,
            ),
            (
                "conflicts_total",
                "counter",
                "Messages that break Raft's rules.",
                status.conflicts as f64,
            ),
        ];
        let mut text = String::new();
        for (name, kind, help, value) in rows {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "# HELP raft_{name} {help}\n# TYPE raft_{name} {kind}\nraft_{name} {value}"
            );
        }
        text
    }
}
