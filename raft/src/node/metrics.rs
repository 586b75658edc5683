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
        let others = others(status, waiting, transport);
        let mut text = String::new();
        for (name, kind, help, value) in self.counted().into_iter().chain(others) {
            // Writing to a string does not fail.
            let _ = writeln!(
                text,
                "# HELP raft_{name} {help}\n# TYPE raft_{name} {kind}\nraft_{name} {value}"
            );
        }
        text
    }

    /// What the driver counted.
    fn counted(&self) -> [Row; 12] {
        [
            counter(
                "elections_total",
                "Elections in which this node was a candidate.",
                self.elections as f64,
            ),
            counter(
                "leaderships_total",
                "Elections that it won.",
                self.leaderships as f64,
            ),
            counter("reads_total", "Linearizable reads.", self.reads as f64),
            counter(
                "proposals_total",
                "Requests to write or to change the cluster.",
                self.proposals as f64,
            ),
            counter(
                "forwards_total",
                "Requests forwarded to the leader.",
                self.forwards as f64,
            ),
            counter(
                "refusals_total",
                "Requests that got no answer.",
                self.refusals as f64,
            ),
            counter("commits_total", "Entries committed.", self.commits as f64),
            counter(
                "snapshots_total",
                "Snapshots taken or received.",
                self.snapshots as f64,
            ),
            counter(
                "fsyncs_total",
                "Writes to the log, one fsync each.",
                self.fsyncs as f64,
            ),
            counter(
                "fsync_seconds_total",
                "Seconds that these writes took.",
                self.fsync.as_secs_f64(),
            ),
            counter(
                "synced_bytes_total",
                "Bytes of these writes.",
                self.synced_bytes as f64,
            ),
            counter("turns_total", "Turns of the driver.", self.turns as f64),
        ]
    }
}

/// Name, kind, help and value.
type Row = (&'static str, &'static str, &'static str, f64);

fn counter(name: &'static str, help: &'static str, value: f64) -> Row {
    (name, "counter", help, value)
}

fn gauge(name: &'static str, help: &'static str, value: f64) -> Row {
    (name, "gauge", help, value)
}

/// What the transport counted, and the state now.
fn others(status: &Status, waiting: usize, transport: &TransportCounters) -> [Row; 12] {
    let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed) as f64;
    [
        counter(
            "frames_sent_total",
            "Frames sent to peers.",
            of(&transport.sent_frames),
        ),
        counter(
            "bytes_sent_total",
            "Bytes sent to peers.",
            of(&transport.sent_bytes),
        ),
        counter(
            "frames_dropped_total",
            "Frames not sent.",
            of(&transport.dropped_frames),
        ),
        counter(
            "connects_total",
            "Connections to peers that were made.",
            of(&transport.connects),
        ),
        counter(
            "failed_connects_total",
            "Failed attempts to connect to peers.",
            of(&transport.failed_connects),
        ),
        gauge("waiting", "Requests that wait for an answer.", waiting as f64),
        gauge("term", "The current term.", status.term as f64),
        gauge(
            "leader",
            "The leader's number, 0 if none is known.",
            status.leader.unwrap_or(0) as f64,
        ),
        gauge("last_index", "The log's last entry.", status.last_index as f64),
        gauge(
            "commit_index",
            "The last entry known to be committed.",
            status.commit as f64,
        ),
        gauge("applied_index", "The last entry applied.", status.applied as f64),
        counter(
            "conflicts_total",
            "Messages that break Raft's rules.",
            status.conflicts as f64,
        ),
    ]
}
