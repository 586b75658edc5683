//! What a workload is, and what the user may set: the types that the list and its entries share.

use checker::stream::Stream;
use generator::Generator;
use history::ObjectKind;

use crate::rotation::GROUPS;

/// A workload, ready to run.
pub struct Workload {
    /// What the clients do while faults come and go; it has no end, so put a limit around it.
    pub generator: Box<dyn Generator>,
    /// What the clients do after the heal: mostly reads that show whether anything acknowledged was lost. It
    /// ends without a limit.
    pub final_generator: Option<Box<dyn Generator>>,
    /// What kind of objects its operations address.
    pub object: ObjectKind,
    /// The model by which its histories are judged, one of [`checker::objects`].
    pub model: &'static str,
    /// Judges a run while it goes on, where that is possible.
    pub stream: Option<Stream>,
}

/// What the user may set.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkloadOptions {
    /// The seed of everything random.
    pub seed: u64,
    /// How many client threads there are.
    pub clients: usize,
    /// How many operations a key gets before a fresh one takes its place; at least 1.
    pub ops_per_key: u64,
    /// How many keys are in use at a time; 0 means half the number of client threads.
    pub keys_at_once: usize,
    /// The share of client threads that only read as long as they are answered, 0 to 1. They go on reading
    /// where a write would block, which is what shows stale reads.
    pub readers: f64,
    /// What the other threads do, as weights of read, write and cas; if an object can be changed in only one
    /// way, that has the weight of write and cas together.
    pub mix: [u32; 3],
    /// How many keys are read after the heal, at most.
    pub final_keys: usize,
    /// How many nodes there are: client thread i talks to node i mod `nodes`. After the heal each of them is
    /// asked for what may differ from node to node; with 0 or 1 any answer will do.
    pub nodes: usize,
}

/// One line of the list of workloads.
pub struct Entry {
    /// Its name on the command line.
    pub name: &'static str,
    /// One line that describes it.
    pub description: &'static str,
    /// Makes it.
    pub make: fn(&WorkloadOptions) -> Workload,
}

impl WorkloadOptions {
    /// How many keys are in use at a time.
    pub(crate) fn keys(&self) -> usize {
        match self.keys_at_once {
            0 => self.clients / 2,
            keys => keys,
        }
        .max(1)
    }

    /// The group of a thread. Each node has threads of every group, and under a light load those of the first
    /// go on alone.
    pub(crate) fn group(&self, thread: usize) -> usize {
        thread / self.nodes.max(1) % GROUPS
    }

    /// How many threads only read: those below this number.
    pub(crate) fn reader_threads(&self) -> usize {
        let readers = (self.clients as f64 * self.readers.clamp(0.0, 1.0)).round() as usize;
        // At least one thread must write.
        readers.min(self.clients.saturating_sub(1))
    }
}

/// How to judge by one of the checker's models.
pub(crate) fn judge_by(model: &str) -> checker::Options {
    checker::Options {
        model: checker::objects::find(model).expect("the checker knows the models of all workloads"),
        ..checker::Options::default()
    }
}

impl Default for WorkloadOptions {
    fn default() -> Self {
        WorkloadOptions {
            seed: 0,
            clients: 10,
            ops_per_key: 300,
            keys_at_once: 0,
            readers: 1.0 / 3.0,
            mix: [1, 2, 2],
            final_keys: 5000,
            nodes: 0,
        }
    }
}
